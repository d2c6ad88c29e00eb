"""The chip that an estimate is made for."""

from dataclasses import dataclass, field, fields
from typing import Literal

from device_models.errors import ConfigError
from device_models.record import Record, did_you_mean, quantity
from device_models.schema import load
from device_models.shipped import Presets

CHIPS = Presets("chip", "crossbar.energy", "chips/*.yaml")


@dataclass(frozen=True, kw_only=True)
class ChipSpec(Record):
    """A chip of crossbar tiles with neurons, buffers and a router.

    Attributes:
        name: For people.
        sources: Field -> where its value comes from; for our own choice, why.
        node_nm: Technology; the cost tables must know it or carry their numbers to it.
        supply_volts: Of the digital part.
        tile_rows, tile_columns: Lines of one tile.
        tiles: On the chip; None: as many as the network needs.
        cell: 1T1R (a transistor per device) or 1R.
        adc_kind: sar, or none: then the neurons integrate the current of their columns.
        adc_bits: Of a conversion.
        adc_share: Columns that take turns at one converter.
        adc_gated: Columns are converted only in steps that drive a line of their tile.
        neuron: digital (updated from converted numbers) or analog (integrates; needs no ADC).
        clock_hz: Of the digital part; an idle step costs one period.
        pipelined: The layers work on successive steps at the same time.
        timing: fast: as fast as the circuits go; real: a step takes its time in the network.
            Leakage is charged for that time.
        hops: Links that a spike crosses to each tile that must hear of it.
        buffer_bytes: Of each tile.
        v_read_volts, t_read_seconds: Of a read; None: those of the run.
        write_volts: Of a programming pulse, for the charge of the lines.
        writes_at_once: Devices of a tile that are pulsed at the same time.
        position_copies: Copies of the array of a convolution, which read as many positions at the
            same time; 1: one array reads them one after the other. Pulses are those of one copy.
        trainings_per_day: For the lifetime.
        inferences_per_day: For the energy of a day.
    """

    name: str
    sources: dict[str, str] = field(default_factory=dict)
    node_nm: float = quantity("nm", 1.0, 1000.0)
    supply_volts: float = quantity("V", 0.2, 10.0)
    tile_rows: int = quantity("lines", 1, 65_536, default=128)
    tile_columns: int = quantity("lines", 1, 65_536, default=128)
    tiles: int | None = quantity("tiles", 1, 10_000_000, default=None)
    cell: Literal["1T1R", "1R"] = "1T1R"
    adc_kind: Literal["sar", "none"] = "sar"
    adc_bits: int = quantity("bit", 1, 16, default=8)
    adc_share: int = quantity("columns", 1, 65_536, default=8)
    adc_gated: bool = True
    neuron: Literal["digital", "analog"] = "digital"
    clock_hz: float = quantity("Hz", 1e3, 1e11, default=200e6)
    pipelined: bool = True
    timing: Literal["fast", "real"] = "fast"
    hops: int = quantity("links", 1, 1000, default=1)
    buffer_bytes: int = quantity("bytes", 0, 2**30, default=2048)
    v_read_volts: float | None = quantity("V", 1e-3, 5.0, default=None)
    t_read_seconds: float | None = quantity("s", 1e-12, 1.0, default=None)
    write_volts: float = quantity("V", 0.1, 10.0, default=2.0)
    writes_at_once: int = quantity("devices", 1, 65_536, default=1)
    position_copies: int = quantity("arrays", 1, 65_536, default=1)
    trainings_per_day: float = quantity("1/day", 0.0, 1e9, default=1.0)
    inferences_per_day: float = quantity("1/day", 0.0, 1e15, default=1e6)

    def __post_init__(self) -> None:
        """Check the fields and the rules between them.

        Raises:
            ConfigError: A field is outside its range, a source names no field, or converter and
                neurons do not fit each other.
        """
        super().__post_init__()
        names = [each.name for each in fields(self)]
        for name in self.sources:
            if name not in names:
                raise ConfigError(
                    f"sources.{name} is no field of a chip{did_you_mean(name, names)}"
                )
        if (self.adc_kind == "none") != (self.neuron == "analog"):
            raise ConfigError(
                f"adc_kind = {self.adc_kind} does not fit neuron = {self.neuron}: digital neurons "
                "need a converter, analog ones have none"
            )

    def copies_of(self, positions: int) -> int:
        """Copies of an array that so many positions share: no more than there are positions."""
        return min(self.position_copies, positions)

    @property
    def adcs_per_tile(self) -> int:
        """Converters of one tile; 0 without."""
        return 0 if self.adc_kind == "none" else -(-self.tile_columns // self.adc_share)


def load_chip(name_or_path: str) -> ChipSpec:
    """The chip of a file, or of a shipped preset where no such file exists.

    Raises:
        ConfigError: There is neither, or the file is no valid chip; names line and key.
    """
    return load(CHIPS.find(name_or_path), ChipSpec)


def chip_names() -> list[str]:
    """Names of the shipped chips."""
    return CHIPS.names()
