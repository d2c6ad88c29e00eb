"""What every mapping answers: how signed weights stand for positive conductances."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from device_models.record import Record

Product = Callable[
    [Tensor], Tensor
]  # lines (vectors, rows) -> siemens they drive (vectors, columns)


class Route(NamedTuple):
    """Which device of each synapse takes the next pulses, and which way; all (rows, outputs)."""

    column: Tensor  # int32 or int64: bit line of the device
    polarity: Tensor  # int8: +1 SET, -1 RESET


@dataclass(frozen=True)
class Mapping(ABC):
    """Signed weights (rows, outputs) on an array of conductances (rows, columns).

    Pure functions. A weight of one is worth `g_unit_siemens`, (g_max - g_min) / w_max, whatever the
    mapping. Under Dale's law the rows of an excitatory neuron hold no negative weights, those of an
    inhibitory one no positive weights.

    Where both directions lie within reach of the devices (a pair that is only ever SET, a device
    beside a reference), physics does not stop a weight at zero: `headroom` then tells how far it
    is, and no pulse is sent beyond the one that crosses. A weight so crosses zero by less than one
    expected pulse, the error of the read-back and the spread of pulses aside.

    Attributes:
        signs: (rows,) int8: +1 excitatory, -1 inhibitory, 0 either.
        outputs: Weights of a row.
        g_unit_siemens: Conductance of a weight of one.
        g_min_siemens: The floor of the window.
        g_max_siemens: Its top.
        tile_columns: Bit lines of a tile.
        options: Of the class `Options` of the mapping; None for its defaults.
        is_sliced: Whether it spreads a weight over columns of unequal worth, added up digitally.
        treats_rows_alike: Whether columns are combined to outputs in the same way for every row.
    """

    Options: ClassVar[type[Record]]
    is_sliced: ClassVar[bool] = False
    treats_rows_alike: ClassVar[bool] = True

    signs: Tensor
    outputs: int
    g_unit_siemens: float
    g_min_siemens: float
    g_max_siemens: float
    tile_columns: int = 128
    options: Any = None

    def __post_init__(self) -> None:
        """Fill in the default options."""
        if self.options is None:
            object.__setattr__(self, "options", self.Options())

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, outputs) of the weights."""
        return len(self.signs), self.outputs

    @property
    def devices(self) -> int:
        """Devices that are manufactured for the layer."""
        return len(self.signs) * self.columns

    @property
    @abstractmethod
    def columns(self) -> int:
        """Bit lines of the array."""

    @property
    @abstractmethod
    def w_max(self) -> float:
        """The largest weight, of either sign, that the window holds."""

    @property
    def update_unit_siemens(self) -> float:
        """Conductance that a weight of one is worth on the device that pulses go to."""
        return self.g_unit_siemens

    @abstractmethod
    def weights(self, g: Tensor) -> Tensor:
        """Signed weights (rows, outputs) of conductances (rows, columns), siemens."""

    @abstractmethod
    def variance(self, sigma: Tensor) -> Tensor:
        """Variance of one read of each weight, from the spread of its devices in siemens."""

    def product(self, lines: Tensor, siemens: Product) -> Tensor:
        """lines @ weights from what lines drive on the columns, read as often as it takes.

        Args:
            lines: (vectors, rows).
            siemens: Reads, see `Product`.

        Returns:
            (vectors, outputs), weight units.
        """
        return self.weights(siemens(lines))  # `weights` is linear and treats all rows alike

    @abstractmethod
    def targets(self, weights: Tensor) -> Tensor:
        """Conductances (rows, columns) that stand for `weights`; the window is not applied."""

    @property
    def stages(self) -> tuple[slice, ...]:
        """Columns that are programmed one group after the other.

        With several, `targets` and `retargeted` may be asked of some rows alone.
        """
        return (slice(None),)

    def retargeted(self, weights: Tensor, written: Tensor, stage: int) -> Tensor:
        """`targets`, the stages from `stage` on making up for what those before have `written`."""
        return self.targets(weights)

    @abstractmethod
    def selected(self) -> Tensor:
        """Which devices are ever programmed, bool (rows, columns)."""

    @abstractmethod
    def devices_of(self, synapses: Tensor) -> Tensor:
        """The devices, bool (rows, columns), that belong to `synapses`, bool (rows, outputs)."""

    @property
    def is_fixed(self) -> bool:
        """Whether routes take the same devices and polarities at any conductance."""
        return True

    @abstractmethod
    def route(self, up: Tensor, g: Tensor) -> Route:
        """The device that moves each weight in its wanted direction.

        Args:
            up: Whether the weight shall rise, bool (rows, outputs).
            g: Conductances as far as the trainer knows them, siemens, (rows, columns).
        """

    @property
    def may_refresh(self) -> bool:
        """Whether `needs_refresh` ever asks for a synapse."""
        return False

    def needs_refresh(self, g: Tensor) -> Tensor | None:
        """Synapses to be programmed anew, bool (rows, outputs); None if that is never needed.

        Args:
            g: As in `route`.
        """
        return None

    def limits(self) -> tuple[Tensor, Tensor]:
        """The lowest and the highest weight of each row, both (rows, 1)."""
        sign = self.signs[:, None]
        zero = torch.zeros((), dtype=torch.float64)
        return torch.where(sign > 0, zero, -self.w_max), torch.where(sign < 0, zero, self.w_max)

    def clip(self, weights: Tensor) -> Tensor:
        """The nearest weights that the mapping can hold."""
        low, high = (bound.to(weights.dtype) for bound in self.limits())
        return torch.clamp(weights, low, high)

    def clipped(self, weights: Tensor) -> float:
        """Share of wanted weights that the mapping cannot hold, by size or by sign."""
        return float((weights != self.clip(weights)).double().mean())

    def headroom(self, g: Tensor) -> Tensor | None:
        """How far each weight may move towards zero, (rows, outputs); None where physics stops it.

        Args:
            g: As in `route`.
        """
        return None

    def to_zero(self, g: Tensor) -> Tensor | None:
        """The `headroom` of weights bound to a sign: their distance; None without signs."""
        sign = self.signs[:, None]
        if not bool(sign.any()):
            return None
        left = (sign * self.weights(g)).clamp_(min=0.0)
        return torch.where(sign == 0, torch.inf, left)

    def own_columns(self) -> Tensor:
        """0 ... outputs - 1 for every row, (rows, outputs) int64, not to be modified."""
        return torch.arange(self.outputs).expand(self.shape)
