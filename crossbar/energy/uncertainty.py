"""How far an estimate can be off: all constants at once by chance, and one at a time."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .adc_models import MOST_BITS
from .chip import ChipSpec
from .costs import Costs
from .counts import LayerCounts, RunCounts
from .estimate import Case, CostLookup, PricedCase, case_of, price_case
from .inference_cost import Floats, PricedItem
from .interval import Interval
from .results import COMPONENTS

Z_95 = 1.6448536269514722  # 95 % quantile of the standard normal
VOLTS, SECONDS, RATE, SIEMENS = 1.25, 2.0, 1.5, 1.5  # what `tornado` times and divides by: ours


@dataclass(frozen=True)
class Bar:
    """What one setting does to the energy of an inference.

    Attributes:
        name: Entry of the cost table, or a setting of the run or chip.
        low_joules: With it at its low value.
        high_joules: With it at its high value.
        low, high: The two values, for people.
    """

    name: str
    low_joules: float
    high_joules: float
    low: str
    high: str

    @property
    def reach(self) -> float:
        """How far the two are apart."""
        return abs(self.high_joules - self.low_joules)


def monte_carlo(
    run: RunCounts, chip: ChipSpec, costs: Costs, *, draws: int, generator: np.random.Generator
) -> dict[str, Interval]:
    """5, 50 and 95 % of everything, over all constants at once.

    Each constant is log-normal, with its own spread on either side of its typical value, so that
    low, typical and high are its 5, 50 and 95 %. One draw per constant: whatever uses it moves
    together. The constants are independent of each other.

    Args:
        run: What a run did.
        chip: The chip.
        costs: Constants.
        draws: How many.
        generator: Source of the draws.
    Returns:
        `joules`, `joules_dense`, `training_joules`, `seconds`, `training_seconds`, `m2`,
        `leakage_watts`, and `joules.adc` and so on for each component; low, typical and high of a
        span are the percentiles.

    Raises:
        ConfigError: As for `estimate`.
    """
    case = case_of(run, chip)
    values = _spans(case, costs)
    z = generator.standard_normal((len(values), draws))
    prices = {name: _log_normal(span, z[i]) for i, (name, span) in enumerate(values.items())}
    priced = price_case(case, prices.__getitem__)
    drawn = {"joules": _joules(priced), "joules_dense": _joules(priced, dense=True)}
    drawn["training_joules"] = _sum(priced.training, draws) + priced.watts * priced.training_seconds
    drawn["seconds"], drawn["training_seconds"] = priced.seconds, priced.training_seconds
    drawn["m2"] = np.sum([block.m2 for block in priced.area], axis=0)
    drawn["leakage_watts"] = priced.watts
    for component in COMPONENTS[:-1]:
        items = [item for item in priced.items if item.component == component]
        drawn[f"joules.{component}"] = _sum(items, draws)
    drawn["joules.leakage"] = priced.watts * priced.leaking_seconds
    return {
        name: Interval(*(float(p) for p in np.percentile(samples, [5, 50, 95])))
        for name, samples in drawn.items()
    }


def tornado(run: RunCounts, chip: ChipSpec, costs: Costs) -> list[Bar]:
    """What matters: the energy of an inference with one thing at a time low and high.

    Constants go to their low and high. Read voltage x/÷ 1.25, read time x/÷ 2, spike rate and mean
    conductance x/÷ 1.5, and one bit of the converter less and more: these ranges are ours. Where
    the rate changes, steps are taken to be active independently of each other; accuracy is not
    looked at.

    Returns:
        The bar that reaches farthest first; those that do nothing are left out.

    Raises:
        ConfigError: As for `estimate`.
    """
    case = case_of(run, chip)
    bars = [*_constant_bars(case, costs), *_setting_bars(case, costs)]
    return sorted((bar for bar in bars if bar.reach), key=lambda bar: -bar.reach)


def _spans(case: Case, costs: Costs) -> dict[str, Interval]:
    """The constants that a case uses, at its chip."""
    lookup = CostLookup(costs, case.chip)
    price_case(case, lookup)
    return {name: cost.value for name, cost in lookup.used.items()}


def _log_normal(span: Interval, z: Floats) -> Floats:
    """Draws whose 5, 50 and 95 % are low, typical and high; a zero stays zero."""
    if not span.typical:
        return np.zeros_like(z)
    down, up = math.log(span.typical / span.low), math.log(span.high / span.typical)
    return np.asarray(span.typical * np.exp(np.where(z < 0, down, up) * z / Z_95))


def _sum(items: list[PricedItem], size: int, *, dense: bool = False) -> Floats:
    """Joules of items, (size,)."""
    total = np.zeros(size)
    for item in items:
        total += (item.count_dense if dense else item.count) * item.unit_joules
    return total


def _joules(priced: PricedCase, *, dense: bool = False) -> Floats:
    """Joules of one inference, leakage and all, (k,)."""
    seconds = priced.leaking_seconds_dense if dense else priced.leaking_seconds
    return np.asarray(_sum(priced.items, len(seconds), dense=dense) + priced.watts * seconds)


def _constant_bars(case: Case, costs: Costs) -> list[Bar]:
    """Each constant at its low and high, the others typical; all priced at once."""
    values = _spans(case, costs)
    prices = {}
    for i, (name, span) in enumerate(values.items()):
        prices[name] = np.full(2 * len(values), span.typical)
        prices[name][2 * i : 2 * i + 2] = span.low, span.high
    joules = _joules(price_case(case, prices.__getitem__))
    return [
        Bar(name, float(joules[2 * i]), float(joules[2 * i + 1]), *_ends(costs, name, span))
        for i, (name, span) in enumerate(values.items())
    ]


def _ends(costs: Costs, name: str, span: Interval) -> tuple[str, str]:
    """Low and high of a constant with its unit."""
    unit = costs.entry(name).unit.removeprefix("1")
    return f"{span.low:.3g} {unit}".rstrip(), f"{span.high:.3g} {unit}".rstrip()


def _setting_bars(case: Case, costs: Costs) -> list[Bar]:
    """Settings of the run and the chip, changed by what is usual."""

    def joules(changed: Case) -> float:
        return float(_joules(price_case(changed, CostLookup(costs, changed.chip)))[1])

    def bar(name: str, change: Callable[[float], Case], by: float, value: float, unit: str) -> Bar:
        low, high = joules(change(1.0 / by)), joules(change(by))
        return Bar(name, low, high, f"{value / by:.3g} {unit}", f"{value * by:.3g} {unit}")

    reading, chip = case.reading, case.chip

    def volts(factor: float) -> Case:
        return replace(case, reading=replace(reading, volts=reading.volts * factor))

    def seconds(factor: float) -> Case:
        return replace(case, reading=replace(reading, seconds=reading.seconds * factor))

    bars = [
        bar("read voltage", volts, VOLTS, reading.volts, "V"),
        bar("read time", seconds, SECONDS, reading.seconds, "s"),
        bar("spike rate", lambda f: _at_rate(case, f), RATE, 1.0, "x"),
        bar("mean conductance", lambda f: _at_siemens(case, f), SIEMENS, 1.0, "x"),
    ]
    if chip.adc_kind != "none":
        bits = max(1, chip.adc_bits - 1), min(MOST_BITS, chip.adc_bits + 1)
        low, high = (joules(replace(case, chip=replace(chip, adc_bits=b))) for b in bits)
        bars.append(Bar("ADC bits", low, high, f"{bits[0]} bit", f"{bits[1]} bit"))
    return bars


def _at_siemens(case: Case, factor: float) -> Case:
    """All conductances times a factor."""
    counts = tuple(
        replace(
            layer,
            siemens_activations=layer.siemens_activations * factor,
            siemens_dense=layer.siemens_dense * factor,
        )
        for layer in case.counts
    )
    return replace(case, counts=counts)


def _at_rate(case: Case, factor: float) -> Case:
    """All spikes times a factor, at most one per line and step; amplitudes stay.

    A step that is active with probability p becomes so with 1 - (1 - p)^factor.
    """

    def active(steps: int, slots: int) -> int:
        return round(slots * (1.0 - (1.0 - steps / slots) ** factor)) if slots else 0

    def layer_at(layer: LayerCounts) -> LayerCounts:
        if layer.dac_bits:
            spikes, hops = round(layer.spikes * factor), round(layer.hops * factor)
            return replace(layer, spikes=spikes, hops=hops)
        full = layer.rows * (layer.reads - layer.own_reads)
        by = min(factor, full / layer.row_activations) if layer.row_activations else factor
        steps = tuple(active(n, layer.reads) for n in layer.active_steps)
        conversions = layer.columns * sum(steps)
        partial = layer.tiles_down > 1
        events = layer.buffer_words - partial * layer.conversions
        return replace(
            layer,
            row_activations=round(layer.row_activations * by),
            delayed=round(layer.delayed * by),
            drives=round(layer.drives * by),
            active_steps=steps,
            conversions=conversions,
            spikes=round(layer.spikes * factor),
            hops=round(layer.hops * factor),
            siemens_activations=layer.siemens_activations * by,
            synaptic_operations=round(layer.synaptic_operations * by),
            buffer_words=round(events * by) + partial * conversions,
        )

    counts = tuple(layer_at(layer) for layer in case.counts)
    reads = tuple(
        n if layer.dac_bits else active(n, layer.reads)
        for n, layer in zip(case.active, counts, strict=True)
    )
    return replace(case, counts=counts, active=reads)
