"""Unit costs: what one event costs, from tables whose every number names its source."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from device_models.errors import ConfigError
from device_models.record import Record, did_you_mean, quantity, shown
from device_models.schema import load
from device_models.shipped import Presets

from .interval import Interval

TABLES = Presets("cost table", "crossbar.energy", "tables/*.yaml")
Unit = Literal["J", "F", "s", "W/m2", "m2", "F2", "pulses", "reads", "V", "1"]

# Every entry that an estimate can read, and its unit.
ENTRIES: dict[str, Unit] = {
    "device_factor": "1",
    "synaptic_operation": "J",
    "driver_row": "J",
    "dac_bit": "J",
    "adc_conversion": "J",
    "sample_and_hold": "J",
    "shift_add": "J",
    "neuron_update_digital": "J",
    "neuron_update_analog": "J",
    "neuron_spike_digital": "J",
    "neuron_spike_analog": "J",
    "buffer_word": "J",
    "router_hop": "J",
    "line_capacitance": "F",
    "leakage_density": "W/m2",
    "adc_cycle": "s",
    "cell_area_1t1r": "F2",
    "cell_area_1r": "F2",
    "driver_area": "m2",
    "dac_level_area": "m2",
    "adc_area": "m2",
    "sample_and_hold_area": "m2",
    "shift_add_area": "m2",
    "neuron_area_digital": "m2",
    "neuron_area_analog": "m2",
    "buffer_area": "m2",
    "router_area": "m2",
    "routing_share": "1",
    "endurance_pulses": "pulses",
    "undisturbed_reads": "reads",
    "disturb_volts": "V",
}


@dataclass(frozen=True, kw_only=True)
class Cost(Record):
    """One constant of a cost table.

    Attributes:
        low, typical, high: The value at `node_nm` and `volts`, in `unit`; with a `law`, factors on
            what the law gives. All above zero, or all zero: this chip has no such thing.
        unit: J, F, s, W/m2, m2, F2 (squares of the feature size), pulses, reads, V or 1 (a plain
            factor).
        node_nm: Technology that the value belongs to; None for one that knows no node.
        volts: Supply that it belongs to.
        law: Name of an equation in `laws.LAWS`; None for a plain value.
        scales: How it goes from node to node, see `scaling`.
        source: Where the number stands; for our own choice, why.
        mark: Of the typical value: S seen in the source, S2 second-hand, D derived here, M from
            memory, P our choice. The source says where low and high come from.
    """

    low: float = quantity("", 0.0, 1e12)
    typical: float = quantity("", 0.0, 1e12)
    high: float = quantity("", 0.0, 1e12)
    unit: Unit
    node_nm: float | None = quantity("nm", 1.0, 1000.0, default=None)
    volts: float | None = quantity("V", 0.1, 10.0, default=None)
    law: str | None = None
    scales: Literal["analog", "digital", "wire", "none"] = "none"
    source: str
    mark: Literal["S", "S2", "D", "M", "P"]

    def __post_init__(self) -> None:
        """Check the fields and the rules between them.

        Raises:
            ConfigError: A field is outside its range, the values are out of order, or something
                that scaling needs is missing.
        """
        super().__post_init__()
        values = self.low, self.typical, self.high
        if sorted(values) != list(values) or (self.low == 0.0 < self.high):
            raise ConfigError(
                f"Cost.low, typical and high must rise from above zero, or all be zero, "
                f"not {values}"
            )
        if self.scales != "none" and self.law is None and self.node_nm is None:
            raise ConfigError(f"Cost.scales = {self.scales} needs node_nm, the node of the value")
        if self.scales == "digital" and self.unit == "J" and self.volts is None:
            raise ConfigError("Cost.scales = digital needs volts, the supply of the value")

    @property
    def span(self) -> Interval:
        """The three values."""
        return Interval(self.low, self.typical, self.high)


@dataclass(frozen=True, kw_only=True)
class Costs(Record):
    """A cost table: entries by name.

    An entry whose name has a dot, such as `spikesim.tile_buffer`, belongs to another tool's model;
    no estimate reads it.
    """

    name: str
    entries: dict[str, Cost]

    def __post_init__(self) -> None:
        """Check the names and units of the entries.

        Raises:
            ConfigError: An entry has a name that nothing reads, or another unit than it needs.
        """
        super().__post_init__()
        for name, cost in self.entries.items():
            if "." in name:
                continue
            if name not in ENTRIES:
                near = did_you_mean(name, ENTRIES) or f"; known: {', '.join(ENTRIES)}"
                raise ConfigError(f"unknown entry 'entries.{name}'{near}")
            if cost.unit != ENTRIES[name]:
                raise ConfigError(
                    f"entries.{name}.unit must be {ENTRIES[name]}, not {shown(cost.unit)}"
                )

    def entry(self, name: str) -> Cost:
        """One constant.

        Raises:
            ConfigError: The table lacks it.
        """
        if name not in self.entries:
            raise ConfigError(
                f"cost table {shown(self.name)} has no entry {name!r}, which this chip needs; add "
                "it, or put the table 'default' before it"
            )
        return self.entries[name]


def load_costs(names: Iterable[str]) -> Costs:
    """Cost tables laid over each other: a later one overrides the entries of an earlier one.

    Args:
        names: Paths, or tables that ship with the package (`default`, `spikesim`, ...).

    Raises:
        ConfigError: There is no such table, or it is not valid; names file, line and entry.
    """
    tables = [load(TABLES.find(name), Costs) for name in names]
    if not tables:
        raise ConfigError("no cost table is named; 'default' is the one that ships")
    entries = {name: cost for table in tables for name, cost in table.entries.items()}
    return Costs(name=" + ".join(table.name for table in tables), entries=entries)
