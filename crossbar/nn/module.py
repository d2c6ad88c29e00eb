"""What layers on arrays have in common: a torch module whose weights only pulses change."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Literal, Self

import torch
from torch import Tensor

from device_models.errors import ConfigError, LimitError, ShapeError
from device_models.model import DeviceModel
from device_models.record import Record
from device_models.streams import stream_key

from ..array.counters import Counters
from ..boards.protocol import Board
from ..mappings import MAPPINGS
from .array import CrossbarArray, Driven, Programming
from .hardware import Hardware
from .settings import Bias, bias_of, one_of, recipe_of

Mode = Literal["exact", "board"]
EDGE = 1e-6  # of the largest weight: what rounding makes of it is not beyond it
MODES = ("exact", "board")


class Measured(torch.autograd.Function):
    """What an array gave in the place of what its known weights make of the same lines."""

    @staticmethod
    def forward(ctx: Any, computed: Tensor, measured: Tensor) -> Tensor:
        """What it gave."""
        return measured

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """The error goes back through the known weights."""
        return grads[0], None


class ArrayModule(torch.nn.Module):
    """A layer whose weights are conductances of an array; `Linear` and `Conv2d` are such.

    Its weights are no torch Parameters: they follow from conductances, and a float optimizer
    never sees them. Gradients gather in `matrix.grad`, and `PulseOptimizer` makes pulses of them.
    A digital `bias` is an ordinary Parameter, for any optimizer of torch.

    In the mode `exact` a pass is a product with the weights as noiseless reads see them, through
    wires and faults, computed once per programming, plus the noise of every read, drawn at the
    output: Normal(0, sum x_i^2 var_ij), exact in distribution. Converters, and drivers whose
    current is not proportional to the voltage, are read through the emulated board. In the mode
    `board` every pass is `Board.vmm`, whatever the board, and the error goes back through the
    weights as last read back.

        >>> from crossbar import nn
        >>> layer = nn.Linear(6, 3, device="ideal.yaml", seed=1)
        >>> isinstance(layer, nn.ArrayModule), layer.matrix.shape
        (True, torch.Size([6, 3]))

    Source:
        Read noise at the output: independent normals add, see `crossbar.array.tile.read`.

    Attributes:
        matrix: (rows, outputs), what the array does to its lines; a leaf whose `.grad` gathers the
            gradient, of the type and on the device of the module. Not to be changed.
        array: The crossbar.
        clipped_share: Of the first weights, those beyond what the mapping holds.
        bias: Digital bias, a Parameter (outputs,); None without.
        has_bias_row: Whether the last row is a bias of devices, driven in every read.
    """

    def __init__(
        self,
        rows: int,
        outputs: int,
        *,
        device: str | DeviceModel,
        mapping: str | Record,
        signs: Tensor,
        bias: Bias | bool,
        w_max: float | None,
        mode: Mode,
        hardware: Hardware | None,
        board: Board | None,
        seed: int | torch.Generator,
        weights: Tensor | None,
        programming: Programming,
    ) -> None:
        """Make the array and write its first weights.

        Args:
            rows: Lines that come in.
            outputs: Columns of weights.
            device: See `Linear`, like the next ones.
            mapping: Likewise.
            signs: Of the rows, int8, by Dale's law; 0: either.
            bias: Likewise.
            w_max: Likewise.
            mode: Likewise.
            hardware: Likewise.
            board: Likewise.
            seed: Likewise.
            weights: Likewise, but (rows, outputs); a bias that is a row may come last.
            programming: Likewise.

        Raises:
            ConfigError, ShapeError: A setting is wrong, or does not fit; nothing was built.
        """
        super().__init__()
        bias = bias_of(bias)
        self._mode: Mode = "board" if board is not None else one_of("mode", mode, MODES)
        self.has_bias_row, self.lines = bias == "row", rows
        if self.has_bias_row:
            signs = torch.cat((signs, signs.new_zeros(1)))
            if weights is not None and len(weights) == rows:
                weights = torch.cat((weights, weights.new_zeros(1, weights.shape[1])))
        recipe, weights = recipe_of(
            signs, outputs, weights, device, mapping, w_max, hardware or Hardware(), seed
        )
        made = recipe.mapping
        self.array = CrossbarArray(recipe, board)
        beyond = (weights - made.clip(weights)).abs() > EDGE * made.w_max
        self.clipped_share = float(beyond.double().mean())
        self.array.program(weights.float(), programming)
        self.bias = torch.nn.Parameter(torch.zeros(outputs)) if bias == "digital" else None
        self.matrix = torch.zeros(made.shape).requires_grad_()
        self._variance: Tensor | None = None
        self._seen, self._written = -1, 0

    @property
    def mode(self) -> Mode:
        """See the class; an emulated array takes either at any time.

        Raises:
            ConfigError: There is no such mode, or a board that was given cannot be `exact`.
        """
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        """Read it otherwise from now on."""
        chosen: Mode = one_of("mode", mode, MODES)
        if chosen == "exact" and self.array.emulator is None:
            raise ConfigError(
                f"{self.array.board.info.name} is not emulated here: its mode is board"
            )
        self._mode, self._seen = chosen, -1

    @property
    @abstractmethod
    def weight(self) -> Tensor:
        """The weights in the shape of torch's own layer; the gradient goes on to `matrix`."""

    def refresh(self) -> None:
        """Bring `matrix` up to date with the array; every pass does it.

        Raises:
            LimitError: Something other than pulses changed `matrix`.
            HardwareError: The board was closed.
        """
        self.array.check_open()
        if self._seen == self.array.version:
            if self.matrix._version != self._written:
                raise LimitError(
                    "the weights of this layer are conductances, and something that sends no "
                    "pulses has changed `matrix`; use PulseOptimizer; nothing was read"
                )
            return
        seen = None if self.mode == "board" else self.array.effective()
        if seen is None:
            self._take(self.array.known(), None)
        else:
            noise = torch.from_numpy(seen.variance) if seen.variance.size else None
            self._take(torch.from_numpy(seen.weights), noise)

    def _take(self, weights: Tensor, variance: Tensor | None) -> None:
        """Copy weights and the variance of a read to where the module is."""
        with torch.no_grad():
            self.matrix.copy_(weights)
        self._variance = None if variance is None else variance.to(self.matrix)
        self._seen, self._written = self.array.version, self.matrix._version

    def forward(self, x: Tensor) -> Tensor:
        """What the array makes of its input, with read noise; see the class.

        Raises:
            ShapeError: Another shape, type or device of torch than the module has.
            LimitError: An input is not finite, or is too large to be squared.
            HardwareError: The board was closed. Nothing was read.
        """
        self._check(x)
        self.refresh()
        self.array.products += 1
        read = x.detach()
        if self.mode == "board" or self.array.converts:
            _check_finite(read.abs().amax() if read.numel() else read.sum())
            with torch.no_grad():
                lines = self._vectors(read)
                flat = self.array.forward(lines.cpu()).to(self.matrix)
                measured = self._gathered(flat, read)
                if self.bias is not None:
                    measured = measured + self._at_outputs(self.bias)
            computed = self._product(x, self.matrix, self.bias)
            through: Tensor = Measured.apply(computed, measured)  # type: ignore[no-untyped-call]
            return through
        squares = read.square()
        driven = self._driven(read, squares)
        _check_finite(driven.squares)
        self.array.count(driven)
        out = self._product(x, self.matrix, self.bias)
        return out if self._variance is None else out + self._noise(squares, self._variance, out)

    @torch.no_grad()
    def _noise(self, squares: Tensor, variance: Tensor, out: Tensor) -> Tensor:
        """The noise of the reads of a pass, of the shape of its output."""
        recipe = self.array.recipe
        key = stream_key("read noise", recipe.seed, recipe.index) + self.array.products
        generator = torch.Generator(out.device).manual_seed(key % 2**63)
        z = torch.randn(out.shape, generator=generator, device=out.device, dtype=out.dtype)
        return self._product(squares, variance, None).sqrt_().mul_(z)

    def joined(self, *inputs: Any) -> Tensor:
        """All that drives the lines, of the arguments of `forward`; here the one that there is."""
        x: Tensor = inputs[0]
        return x

    @abstractmethod
    def _product(self, x: Tensor, matrix: Tensor, bias: Tensor | None) -> Tensor:
        """x by a matrix (rows, outputs), its bias row driven by 1, plus a digital bias."""

    @abstractmethod
    def _vectors(self, x: Tensor) -> Tensor:
        """What drives the rows in each read, (vectors, rows)."""

    @abstractmethod
    def _gathered(self, flat: Tensor, x: Tensor) -> Tensor:
        """The output for what reads gave, (vectors, outputs)."""

    @abstractmethod
    def _at_outputs(self, bias: Tensor) -> Tensor:
        """A bias (outputs,) that can be added to an output."""

    @abstractmethod
    def _driven(self, x: Tensor, squares: Tensor) -> Driven:
        """What an input drives; `squares` are its own."""

    @abstractmethod
    def _check_shape(self, x: Tensor) -> str:
        """What shapes are allowed where `x` has another one; empty where it fits."""

    def _check(self, x: Tensor) -> None:
        """Refuse what is no input; see `forward`."""
        self._check_kind(x)
        if allowed := self._check_shape(x):
            raise wrong_shape(x, allowed)

    def _check_kind(self, x: Tensor) -> None:
        """Refuse what is no tensor of the type and on the device of the layer."""
        if not isinstance(x, Tensor) or x.dtype != self.matrix.dtype:
            kind = getattr(x, "dtype", type(x).__name__)
            raise ShapeError(
                f"the input is {kind}, the layer {self.matrix.dtype}; convert one of them "
                "(x.float(), model.double()); nothing was read"
            )
        if x.device != self.matrix.device:
            raise ShapeError(
                f"the input is on {x.device}, the layer on {self.matrix.device}; move one of them; "
                "nothing was read"
            )

    def wait(self, seconds: float, *, temperature_kelvin: float | None = None) -> None:
        """Let device time pass: relaxation, retention, slow fluctuation.

        Args:
            seconds: Device time.
            temperature_kelvin: Meanwhile; None: the reference of the device.

        Raises:
            LimitError, ConfigError: See `CrossbarArray.wait`.
        """
        self.array.wait(seconds, temperature_kelvin)

    def close(self) -> None:
        """Let go of the board; later passes and pulses are refused with HardwareError."""
        self.array.close()

    @property
    def counters(self) -> Counters:
        """Pulses, reads and joules so far."""
        return self.array.counters

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move or convert, as torch's modules do: `matrix` stays the tensor that it is."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch's gap
        grad = self.matrix.grad
        self.matrix.grad = None
        self.matrix.data = fn(self.matrix.data)
        if grad is not None:
            self.matrix.grad = fn(grad)
        self._seen = -1
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take up a pickled or copied state; the matrix is computed anew."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # torch's gap
        self._seen = -1

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        """The tensors of the array under `array.`, beside the digital bias."""
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for name, part in self.array.state().items():
            destination[f"{prefix}array.{name}"] = part

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *arguments: Any
    ) -> None:
        """Take the tensors of the array out of a state.

        Raises:
            ShapeError: They are of other devices; nothing was loaded into this layer.
        """
        start = f"{prefix}array."
        names = [name for name in state_dict if name.startswith(start)]
        state = {name.removeprefix(start): state_dict[name].cpu() for name in names}
        rest = {name: part for name, part in state_dict.items() if name not in names}
        bias = state_dict.get(f"{prefix}bias")
        if self.bias is not None and bias is not None and bias.shape != self.bias.shape:
            raise ShapeError(
                f"{prefix}bias has shape {tuple(bias.shape)}, the layer {tuple(self.bias.shape)}; "
                "nothing was loaded into this layer"
            )
        try:
            self.array.restore(state)
        except ShapeError as e:
            raise ShapeError(f"{prefix.removesuffix('.') or 'the layer'}: {e}") from e
        super()._load_from_state_dict(rest, prefix, *arguments)

    def extra_repr(self) -> str:
        """What `print(model)` says of it."""
        r = self.array.recipe
        kind = next(name for name, each in MAPPINGS.items() if type(r.mapping) is each)
        return f"{r.device}, {kind}, mode={self.mode}, seed={r.seed}"


def wrong_shape(x: Tensor, allowed: str) -> ShapeError:
    """The error for an input of another shape."""
    return ShapeError(f"the input has shape {tuple(x.shape)}, not {allowed}; nothing was read")


def _check_finite(numbers: Tensor) -> None:
    """Refuse a pass whose inputs give these numbers.

    Raises:
        LimitError: One is not finite.
    """
    if not bool(torch.isfinite(numbers).all()):
        raise LimitError(
            "an input is not finite, or its square is beyond the numbers; nothing was read"
        )
