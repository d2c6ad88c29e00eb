"""Settings of the arrays behind the layers of a torch model, and how one is made."""

from dataclasses import dataclass, field

import torch

from device_models.errors import ConfigError
from device_models.model import DeviceModel
from device_models.record import Record

from ..array.faults import Faults
from ..array.half_select import HalfSelect
from ..array.periphery import FrontEnd, Periphery
from ..array.tile import Tiling
from ..array.tiles import Tiles
from ..boards.simulated import SimulatedBoard
from ..experiment.array_parts import front_end, wired
from ..experiment.fault_aware import fault_map
from ..mappings import Mapping
from ..synapses.reads import Reads
from ..wires.wires import Wires


@dataclass(frozen=True, kw_only=True)
class Hardware(Record):
    """What is around the devices of an array; by default ideal wires, drivers and ammeters.

    The records are those of `xbar train`. Of `reads`, `clock_every` and `backward` have no use
    here: time passes by `wait`, and `mode` says through what the error goes back.

        >>> from crossbar import nn
        >>> from crossbar.wires.wires import Wires
        >>> nn.Hardware(wires=Wires(word_ohms=2.0, bit_ohms=2.0)).wires.word_ohms
        2.0

    Source:
        Each record has its own.

    Attributes:
        tiles: Size of a tile; one array, in its order.
        wires: Resistance of the lines, ohms.
        half_select: How arrays without transistors are biased.
        faults: What is broken.
        periphery: Drivers and converters, not `analog`: neurons are torch's.
        reads: Voltage, seconds, and how often the digital side reads the weights back.
    """

    tiles: Tiles = field(default_factory=Tiles)
    wires: Wires = field(default_factory=Wires)
    half_select: HalfSelect = field(default_factory=HalfSelect)
    faults: Faults = field(default_factory=Faults)
    periphery: Periphery = field(default_factory=Periphery)
    reads: Reads = field(default_factory=Reads)

    def __post_init__(self) -> None:
        """Check the fields, and that a torch module can have them.

        Raises:
            ConfigError: A field is out of range, or is for the trainer alone.
        """
        super().__post_init__()
        if self.periphery.kind == "analog":
            raise ConfigError(
                "periphery.kind = analog integrates in neurons of its own, and those of a torch "
                "model are torch's; choose ideal or adc; nothing was built"
            )
        if self.tiles.copies > 1 or self.tiles.placement != "none":
            raise ConfigError(
                f"tiles.copies = {self.tiles.copies} and placement = {self.tiles.placement} are "
                "for `xbar train`; a torch module has one array in its order; nothing was built"
            )

    def tiling(self, rows: int, columns: int) -> Tiling:
        """How an array is cut."""
        return Tiling(rows, columns, self.tiles.tile_rows, self.tiles.tile_columns)

    def front_end(self, mapping: Mapping, seed: int, index: int) -> FrontEnd | None:
        """Drivers and converters of an array; None where they change nothing.

        Raises:
            ConfigError: The mapping cannot be read through them.
        """
        return front_end(self.periphery, mapping, self.tiles, self.reads, seed=seed, index=index)

    def array(self, sheet: DeviceModel, mapping: Mapping, seed: int, index: int) -> SimulatedBoard:
        """Manufacture the array of a layer.

        Args:
            sheet: Kind of device.
            mapping: Of the layer.
            seed: Of everything random.
            index: Names the streams of this array beside those of others of the seed.

        Raises:
            ConfigError: Faults, wires or converters do not fit.
        """
        tiling = self.tiling(len(mapping.signs), mapping.columns)
        faults = fault_map(self.faults, self.wires, sheet, tiling, seed=seed, index=index)
        return SimulatedBoard(
            sheet,
            tiling,
            mapping.selected(),
            v_read_volts=self.reads.v_read_volts,
            t_read_seconds=self.reads.t_read_seconds,
            seed=seed,
            index=index,
            wired=wired(self.wires, tiling, faults),
            faults=faults,
            half=self.half_select if self.tiles.array_kind == "1R" else None,
            front_end=self.front_end(mapping, seed, index),
        )

    def plain_array(
        self, sheet: DeviceModel, shape: tuple[int, int], seed: int, index: int
    ) -> SimulatedBoard:
        """A perfect array of a policy's own, a device for each weight."""
        return SimulatedBoard(
            sheet,
            self.tiling(*shape),
            torch.ones(shape, dtype=torch.bool),
            v_read_volts=self.reads.v_read_volts,
            t_read_seconds=self.reads.t_read_seconds,
            seed=seed,
            index=index,
        )
