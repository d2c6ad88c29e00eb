"""A constant of a cost table, carried to the node and supply of a chip.

    analog    value x (node / its node)                 energy and area: never the square
    digital   energy x (volts / its volts)^2 (node / its node), area x (node / its node)^2
    wire      value x (node / its node)                 capacitance per cell
    none      value

One node away V^2 L is a fair rule for digital energy. Farther away it is a rule of thumb, and a
wide one: published polynomials (Stillmaker and Baas, 2017) would be better, but are not used here.
Whatever was carried over is marked as scaled.
"""

from device_models.errors import ConfigError
from device_models.record import did_you_mean, shown

from .adc_models import LAWS, check_node
from .chip import ChipSpec
from .costs import Cost, Costs
from .interval import Interval
from .results import UsedCost


def at_chip(costs: Costs, name: str, chip: ChipSpec) -> UsedCost:
    """One constant at the node and supply of a chip.

    Raises:
        ConfigError: The table has no such entry, its law does not exist, or the node has no data.
    """
    cost = costs.entry(name)
    value = cost.span * _factor(cost, chip) if cost.law is None else _by_law(name, cost, chip)
    moves = cost.law is not None or cost.scales != "none"
    return UsedCost(
        value=value,
        unit=cost.unit,
        original=cost.span if cost.law is None else value,
        node_nm=cost.node_nm,
        volts=cost.volts,
        law=cost.law,
        source=cost.source,
        mark=cost.mark,
        scaled=moves and cost.node_nm not in (None, chip.node_nm),
    )


def _by_law(name: str, cost: Cost, chip: ChipSpec) -> Interval:
    """What the law of a constant gives, times its own factors."""
    if cost.law not in LAWS:
        near = did_you_mean(cost.law, LAWS) or f"; known: {', '.join(LAWS)}"
        raise ConfigError(f"entries.{name}.law = {shown(cost.law)} is no law{near}")
    check_node(chip.node_nm)
    return LAWS[cost.law](chip.adc_bits, chip.node_nm) * cost.span


def _factor(cost: Cost, chip: ChipSpec) -> float:
    """By how much a value changes from its own node and supply to those of the chip."""
    if cost.scales == "none" or cost.node_nm is None:
        return 1.0
    if chip.node_nm != cost.node_nm:
        check_node(chip.node_nm)
    lengths = chip.node_nm / cost.node_nm
    if cost.scales == "digital" and cost.unit == "m2":
        return lengths**2
    if cost.scales == "digital" and cost.volts is not None:
        return lengths * (chip.supply_volts / cost.volts) ** 2
    return lengths
