"""Settings that all layers with a crossbar share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np

from device_models.errors import ConfigError
from device_models.record import NUMBERS, Record, choice, quantity, shown, tagged

from ..neurons import NEURONS
from .protocol import Signal

if TYPE_CHECKING:
    from torch import Tensor

    from ..neurons.stepping import Drive


def _mappings() -> Mapping[str, Any]:
    from ...mappings import MAPPINGS

    return MAPPINGS


def _policies() -> Mapping[str, Any]:
    from ...synapses.policies import POLICIES

    return POLICIES


class ArrayShape(NamedTuple):
    """The crossbar of a layer, without the rows that its own neurons drive."""

    signs: np.ndarray  # (rows,) int8, of each row by Dale's law, see `protocol.Signal`
    columns: int  # of weights: outputs of one read
    positions: int  # reads of a step: 1, or those of an image

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.signs)


@dataclass(frozen=True, kw_only=True)
class Synaptic(Record):
    """Neurons behind a crossbar.

    Attributes:
        neuron: Which ones.
        ei: Ratio of excitatory to inhibitory neurons, which come first; binds the signs of the rows
            that they drive in the next crossbar (and, recurrent, in their own). None: Dale's law
            does not hold here.
        sigma_init: Spread of the first weights of the lines that come in; None: see `plan.Plan`.
        w_max: Weight that the full window of the devices stands for; None: by the device.
        mapping: Of this layer alone; None: that of the run.
        policy: The same.
        bias: What drives every neuron in every step: nothing; a `row` more of devices, that is
            always driven; or a number in `digital` memory, learned by the optimizer of the layer.
    """

    HAS_SYNAPSES: ClassVar = True
    CAN_HOLD: ClassVar[bool] = False  # whether amplitudes can drive it, see `kernels.held`

    neuron: Record = tagged(NEURONS, default="lif")
    ei: str | None = None
    sigma_init: float | None = quantity("weight", 0.0, 100.0, default=None)
    w_max: float | None = quantity("weight", 1e-6, 1e3, default=None)
    mapping: str | None = choice(_mappings, default=None)
    policy: str | None = choice(_policies, default=None)
    bias: Literal["none", "row", "digital"] = "none"

    def __post_init__(self) -> None:
        """Check the fields and the ratio.

        Raises:
            ConfigError: One of them is wrong.
        """
        super().__post_init__()
        excitatory_fraction(self.ei)

    @property
    def size(self) -> str:
        """What a message says of it: `100 neurons`."""
        raise NotImplementedError

    @property
    def excitatory(self) -> int | None:
        """Excitatory neurons, or channels of them; they come first. None without Dale's law."""
        raise NotImplementedError

    def array(self, incoming: Signal) -> ArrayShape:
        """Its crossbar for the lines that come in; a bias that is a row comes last."""
        raise NotImplementedError

    def reads(self, incoming: Signal, lines: "Tensor") -> "Tensor":
        """What drives the rows of its crossbar, (B, S, rows), of lines (B, T, lines).

        S is T, times the positions that share the crossbar. Behind the rows of devices comes that
        of a digital bias.
        """
        raise NotImplementedError

    def gathered(self, incoming: Signal, driven: "Tensor") -> "Tensor":
        """What drives its neurons, (B, T, neurons), of what the reads gave, (B, S, columns)."""
        return driven

    def currents(self, incoming: Signal, lines: "Tensor", drive: "Drive") -> "Tensor":
        """What lines (B, T, lines) drive its neurons with, (B, T, neurons), through the array."""
        return self.gathered(incoming, drive(self.reads(incoming, lines)))

    def maps(self, incoming: Signal) -> int:
        """Numbers of scratch memory that its kernels take beside that of all layers."""
        return 0

    def windows(self, incoming: Signal) -> tuple[np.ndarray, np.ndarray]:
        """Where lines meet a kernel: `windows` and `corners` of `kernels.records.CrossbarRows`."""
        return np.zeros((0, 4), np.int32), np.zeros(0, np.int32)

    def siemens_of_lines(self, incoming: Signal, siemens: np.ndarray) -> np.ndarray:
        """Conductance that each line drives, then that of rows behind the lines, of that of rows.

        Float64; with a bias that is a row, that row comes right behind the lines.
        """
        return siemens

    def back_shape(self, incoming: Signal) -> tuple[int, int]:
        """Shape of the weights that carry an error back, as its kernels read them."""
        raise NotImplementedError

    def fill_back(self, incoming: Signal, weights: np.ndarray, back: np.ndarray) -> None:
        """Write weights (rows, columns) into an array of `back_shape`."""
        raise NotImplementedError

    def recurrent_rows(self) -> int:
        """See `protocol.Topology`."""
        raise NotImplementedError

    def signs(self) -> np.ndarray:
        """Of its neurons, or of its channels, by Dale's law, int8."""
        raise NotImplementedError

    def recurrent_signs(self) -> np.ndarray:
        """Of the rows behind those of the lines, (rows,) int8: those of its neurons."""
        return self.signs()

    def first_recurrent(self) -> np.ndarray | None:
        """First weight of each of those rows, where they are not drawn."""
        return None

    def with_bias(self, lines: "Tensor") -> "Tensor":
        """Lines (B, S, rows), and one that is always driven where there is a bias."""
        import torch

        if self.bias == "none":
            return lines
        return torch.cat((lines, lines.new_ones((*lines.shape[:2], 1))), 2)

    def with_bias_row(self, signs: np.ndarray) -> np.ndarray:
        """Signs of rows, and of the row of a bias."""
        return np.append(signs, np.int8(0)) if self.bias == "row" else signs


@dataclass(frozen=True, kw_only=True)
class FullyConnected(Synaptic):
    """Neurons behind a crossbar that all lines drive.

    Attributes:
        neurons: How many.
        image: Rows and columns that the neurons stand in, for a layer behind that looks at places.
    """

    neurons: int = quantity("neurons", 1, 65535)
    image: tuple[int, ...] = quantity("neurons", 1, 65535, default=())

    def __post_init__(self) -> None:
        """Check the fields, and that an image has a place for each neuron.

        Raises:
            ConfigError: One of them is wrong.
        """
        super().__post_init__()
        if self.image and (len(self.image) != 2 or self.image[0] * self.image[1] != self.neurons):
            raise ConfigError(
                f"image = {', '.join(map(str, self.image))} must be two numbers, rows and columns, "
                f"whose product is neurons = {self.neurons}"
            )

    @property
    def size(self) -> str:
        """See `Synaptic`."""
        return f"{self.neurons} neurons"

    def array(self, incoming: Signal) -> ArrayShape:
        """See `Synaptic`."""
        return ArrayShape(self.with_bias_row(incoming.signs), self.neurons, 1)

    def reads(self, incoming: Signal, lines: "Tensor") -> "Tensor":
        """See `Synaptic`."""
        return self.with_bias(lines)

    @property
    def excitatory(self) -> int | None:
        """Excitatory neurons; they come first. None without Dale's law."""
        return excitatory_count(self.ei, self.neurons)

    def back_shape(self, incoming: Signal) -> tuple[int, int]:
        """See `Synaptic`; those of the lines, then rows behind the lines."""
        across, width = padded(incoming.lines), padded(self.neurons)
        return 1, self.neurons * across + self.recurrent_rows() * width

    def fill_back(self, incoming: Signal, weights: np.ndarray, back: np.ndarray) -> None:
        """See `Synaptic`; how they stand is in `kernels.carry`."""
        from ..kernels.carry import fill_blocks

        lines, rows = incoming.lines, self.recurrent_rows()
        end = self.neurons * padded(lines)
        fill_blocks(weights[:lines], back[0, :end])
        if rows:
            self.fill_behind(weights[lines : lines + rows], back[0, end:])

    def fill_behind(self, weights: np.ndarray, back: np.ndarray) -> None:
        """`fill_back` of the rows behind the lines: as they are, padded."""
        back.reshape(len(weights), -1)[:, : self.neurons] = weights

    def sends(self, incoming: Signal) -> Signal:
        """See `protocol.Topology`."""
        return Signal(self.image or (self.neurons,), self.signs())

    def signs(self) -> np.ndarray:
        """Of the neurons, by Dale's law, (neurons,) int8."""
        if self.excitatory is None:
            return np.zeros(self.neurons, np.int8)
        return np.where(np.arange(self.neurons) < self.excitatory, 1, -1).astype(np.int8)


def padded(numbers: int) -> int:
    """Numbers of a row with the padding of its kernels."""
    from ..kernels.simd import LANES

    return -(-numbers // LANES) * LANES


def excitatory_count(text: str | None, neurons: int) -> int | None:
    """How many of some neurons are excitatory, rounded down, but one at least where any shall be.

    A layer of inhibitory neurons alone passes no gradient on.

    Args:
        text: See `excitatory_fraction`.
        neurons: How many there are.
    """
    fraction = excitatory_fraction(text)
    if fraction is None:
        return None
    return max(int(neurons * fraction + 1e-9), int(fraction > 0.0))


def excitatory_fraction(text: str | None) -> float | None:
    """The excitatory fraction of an E:I ratio.

    Args:
        text: `80:20`, `0.8`, or `none` for neurons that are not bound to one sign.
    Returns:
        The fraction in [0, 1]; None for `none`.
    Raises:
        ConfigError: `text` is none of these, or its two parts do not add up to 100.
    """
    allowed = "a ratio that adds up to 100 such as 80:20, a share in [0, 1] such as 0.8, or none"
    if text is None or text == "none":
        return None
    parts = text.split(":")
    plain = all(NUMBERS[float].fullmatch(part) for part in parts)
    numbers = [float(part) for part in parts] if plain else []
    if len(numbers) == 1 and 0.0 <= numbers[0] <= 1.0:
        return numbers[0]
    if len(numbers) == 2 and min(numbers) >= 0.0 and sum(numbers) == 100.0:
        return numbers[0] / 100.0
    raise ConfigError(f"ei must be {allowed}, not {shown(text)}")
