"""Settings of the arrays that hold a network: their tiles, copies and places."""

from dataclasses import dataclass
from typing import Literal

from device_models.errors import ConfigError
from device_models.record import Record, quantity


@dataclass(frozen=True, kw_only=True)
class Tiles(Record):
    """How layers lie on arrays of devices.

    Training knows nothing of faults unless `placement` is `remap` or fewer than all `copies` of a
    layer are `averaged` (None: all): both look at the fault map (`crossbar.array.placement`).

    Attributes:
        tile_rows: Word lines of a tile.
        tile_columns: Bit lines of a tile.
        array_kind: With a transistor for each device, or without; see `crossbar.array.half_select`.
        placement: Whether rows change places to keep away from faults.
        copies: Arrays that hold the same layer.
        averaged: Of these, how many are read; None: all.
        hidden_w_max: Weight that the full conductance window stands for, of hidden layers; None:
            as the levels of the device ask for.
        readout_w_max: The same of the output layer.
    """

    tile_rows: int = quantity("lines", 1, 65_536, default=128)
    tile_columns: int = quantity("lines", 1, 65_536, default=128)
    array_kind: Literal["1T1R", "1R"] = "1T1R"
    placement: Literal["none", "remap"] = "none"
    copies: int = quantity("copies", 1, 64, default=1)
    averaged: int | None = quantity("copies", 1, 64, default=None)
    hidden_w_max: float | None = quantity("weight", 1e-6, 1e3, default=None)
    readout_w_max: float | None = quantity("weight", 1e-6, 1e3, default=None)

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            ConfigError: A field is outside its range, or more copies are averaged than there are.
        """
        super().__post_init__()
        if self.averaged is not None and self.averaged > self.copies:
            raise ConfigError(
                f"averaged = {self.averaged} exceeds the {self.copies} copies of a layer"
            )

    @property
    def averaged_copies(self) -> int:
        """How many copies are read."""
        return self.averaged or self.copies
