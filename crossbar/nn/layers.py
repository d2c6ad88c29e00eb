"""The layers: `Linear` and `Conv2d`, as torch's own but for where their weights are."""

import torch
from torch import Tensor
from torch.nn import functional

from device_models.errors import ConfigError
from device_models.model import DeviceModel
from device_models.record import Record, shown

from ..boards.protocol import Board
from .array import Driven, Programming
from .hardware import Hardware
from .module import ArrayModule, Mode
from .settings import Bias, signs_of

Pair = tuple[int, int]


class Vectors(ArrayModule):
    """A layer that multiplies vectors.

    Attributes:
        in_features: Size of an input vector.
        out_features: Size of an output vector.
    """

    in_features: int
    out_features: int

    @property
    def weight(self) -> Tensor:
        """(out_features, in_features), weight units; see `ArrayModule.weight`."""
        self.refresh()
        return self.matrix[: self.lines].T

    def _product(self, x: Tensor, matrix: Tensor, bias: Tensor | None) -> Tensor:
        """See `ArrayModule`."""
        if self.has_bias_row:
            return x @ matrix[:-1] + matrix[-1]
        return x @ matrix if bias is None else x @ matrix + bias

    def _vectors(self, x: Tensor) -> Tensor:
        """See `ArrayModule`."""
        flat = x.reshape(-1, self.lines)
        return torch.cat((flat, flat.new_ones(len(flat), 1)), 1) if self.has_bias_row else flat

    def _gathered(self, flat: Tensor, x: Tensor) -> Tensor:
        """See `ArrayModule`."""
        return flat.view(*x.shape[:-1], self.out_features)

    def _at_outputs(self, bias: Tensor) -> Tensor:
        """See `ArrayModule`."""
        return bias

    def _driven(self, x: Tensor, squares: Tensor) -> Driven:
        """See `ArrayModule`; the largest input drives the read voltage."""
        flat = squares.reshape(-1, self.lines)
        return driven(flat, flat.sum(0), self.array.recipe.hardware.tiles.tile_rows, self)

    def _check_shape(self, x: Tensor) -> str:
        """See `ArrayModule`."""
        fits = x.ndim > 0 and x.shape[-1] == self.lines
        return "" if fits else f"(..., {self.lines})"

    def extra_repr(self) -> str:
        """See `ArrayModule`."""
        return f"{self.in_features}, {self.out_features}, {super().extra_repr()}"


class Linear(Vectors):
    """y = x W + b on a crossbar; `torch.nn.Linear` whose weights are conductances.

        >>> import torch
        >>> from crossbar import nn
        >>> layer = nn.Linear(6, 3, device="oxram.yaml", seed=1)
        >>> layer(torch.ones(2, 6)).shape
        torch.Size([2, 3])
        >>> [name for name, _ in layer.named_parameters()]  # the weights are devices
        ['bias']

    Source:
        Read noise at the output: independent normals add, see `crossbar.array.tile.read`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: Bias | bool = "digital",
        *,
        device: str | DeviceModel = "oxram.yaml",
        mapping: str | Record = "one_sided",
        ei: str | None = None,
        w_max: float | None = None,
        mode: Mode = "exact",
        hardware: Hardware | None = None,
        board: Board | None = None,
        seed: int | torch.Generator = 0,
        weight: Tensor | None = None,
        programming: Programming = "program",
    ) -> None:
        """Make the array and write its first weights.

        Args:
            in_features: Size of an input vector: word lines.
            out_features: Size of an output vector.
            bias: A number per output in `digital` memory (True), a `row` more of devices that is
                always driven, or `none` (False).
            device: Kind of device: file, preset or model. Torch's device is set by `.to`.
            mapping: How weights stand for conductances: a name of `crossbar.mappings.MAPPINGS`,
                or its Options.
            ei: Dale's law of the lines that come in, such as `80:20`: the first rows hold no
                negative weights, the others no positive ones. None: either.
            w_max: Weight that the full window of a device stands for; None: by the levels of the
                device, see `experiment.array_parts.w_max_of`.
            mode: `exact` or `board`, see `ArrayModule`.
            hardware: Wires, converters, faults, tiles, reads; None: ideal ones.
            board: A board that is there, of shape (rows, columns of the mapping), perhaps a real
                one; then the mode is `board`, and `device` its data sheet.
            seed: Of everything random. Layers of one seed and shape are twins: give each its own.
                A generator gives its next number.
            weight: First weights (out_features, in_features), with a column more for a bias that
                is a row where that is not to begin at 0; None: drawn as torch does it.
            programming: How they are written: `program`, by pulses and verifying reads as
                `xbar train` begins; `write_verify`, the closed loop of `xbar program`; `exact`,
                put there without a pulse, which only emulated arrays can.

        Raises:
            ConfigError, ShapeError: A setting is wrong, or does not fit; nothing was built.
        """
        check_sizes(in_features=in_features, out_features=out_features)
        super().__init__(
            in_features,
            out_features,
            device=device,
            mapping=mapping,
            signs=signs_of(ei, in_features),
            bias=bias,
            w_max=w_max,
            mode=mode,
            hardware=hardware,
            board=board,
            seed=seed,
            weights=None if weight is None else weight.detach().cpu().T.contiguous(),
            programming=programming,
        )
        self.in_features, self.out_features = in_features, out_features


class Conv2d(ArrayModule):
    """`torch.nn.Conv2d` on one array that is read at every position.

    Rows are (channel, row, column) of the kernel, columns the channels that go out. Padding drives
    no line.

        >>> import torch
        >>> from crossbar import nn
        >>> layer = nn.Conv2d(2, 4, 3, padding=1, device="ideal.yaml", seed=1)
        >>> layer(torch.ones(1, 2, 5, 5)).shape
        torch.Size([1, 4, 5, 5])

    Source:
        Unrolled kernels on crossbars, as `crossbar.snn.topology.conv2d` says.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
        bias: Bias | bool = "digital",
        *,
        device: str | DeviceModel = "oxram.yaml",
        mapping: str | Record = "one_sided",
        ei: str | None = None,
        w_max: float | None = None,
        mode: Mode = "exact",
        hardware: Hardware | None = None,
        board: Board | None = None,
        seed: int | torch.Generator = 0,
        weight: Tensor | None = None,
        programming: Programming = "program",
    ) -> None:
        """Make the array and write its first weights.

        Args:
            in_channels: That come in.
            out_channels: That go out.
            kernel_size: Rows and columns of the kernel, like the next three one number for both.
            stride: See `torch.nn.Conv2d`.
            padding: Zeros on each side; numbers.
            dilation: See `torch.nn.Conv2d`.
            bias: See `Linear`, like all that follow.
            device: Likewise.
            mapping: Likewise.
            ei: Likewise, of the channels that come in.
            w_max: Likewise.
            mode: Likewise.
            hardware: Likewise.
            board: Likewise.
            seed: Likewise.
            weight: First weights (out_channels, in_channels, rows, columns), or flat
                (out_channels, rows of the array).
            programming: Likewise.

        Raises:
            ConfigError, ShapeError: A setting is wrong, or does not fit; nothing was built.
        """
        self_kernel = _pair("kernel_size", kernel_size, 1)
        check_sizes(in_channels=in_channels, out_channels=out_channels)
        each = self_kernel[0] * self_kernel[1]
        flat = None if weight is None else weight.detach().cpu().flatten(1).T.contiguous()
        super().__init__(
            in_channels * each,
            out_channels,
            device=device,
            mapping=mapping,
            signs=signs_of(ei, in_channels, each),
            bias=bias,
            w_max=w_max,
            mode=mode,
            hardware=hardware,
            board=board,
            seed=seed,
            weights=flat,
            programming=programming,
        )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride = self_kernel, _pair("stride", stride, 1)
        self.padding, self.dilation = _pair("padding", padding, 0), _pair("dilation", dilation, 1)

    @property
    def weight(self) -> Tensor:
        """(out_channels, in_channels, rows, columns); see `ArrayModule.weight`."""
        self.refresh()
        return self._kernel(self.matrix)

    def _kernel(self, matrix: Tensor) -> Tensor:
        """The rows of the kernel of a matrix (rows, outputs), in the shape of torch's."""
        shape = self.out_channels, self.in_channels, *self.kernel_size
        return matrix[: self.lines].T.reshape(shape)

    def _product(self, x: Tensor, matrix: Tensor, bias: Tensor | None) -> Tensor:
        """See `ArrayModule`."""
        bias = matrix[-1] if self.has_bias_row else bias
        steps = self.stride, self.padding, self.dilation
        return functional.conv2d(x, self._kernel(matrix), bias, *steps)

    def positions(self, x: Tensor) -> Tensor:
        """What the kernel meets at every position of maps, (maps, rows of the kernel, places)."""
        maps = x if x.ndim == 4 else x[None]
        steps = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}
        return functional.unfold(maps, self.kernel_size, **steps)

    def _vectors(self, x: Tensor) -> Tensor:
        """See `ArrayModule`."""
        flat = self.positions(x).transpose(1, 2).reshape(-1, self.lines)
        return torch.cat((flat, flat.new_ones(len(flat), 1)), 1) if self.has_bias_row else flat

    def size(self, x: Tensor) -> Pair:
        """Rows and columns of positions on maps of the size of `x`."""
        down, across = (
            (side + 2 * p - d * (k - 1) - 1) // s + 1
            for side, p, d, k, s in zip(
                x.shape[-2:], self.padding, self.dilation, self.kernel_size, self.stride,
                strict=True,
            )
        )  # fmt: skip
        return down, across

    def _gathered(self, flat: Tensor, x: Tensor) -> Tensor:
        """See `ArrayModule`."""
        maps = flat.view(-1, *self.size(x), self.out_channels).permute(0, 3, 1, 2)
        return maps if x.ndim == 4 else maps[0]

    def _at_outputs(self, bias: Tensor) -> Tensor:
        """See `ArrayModule`."""
        return bias[:, None, None]

    def _driven(self, x: Tensor, squares: Tensor) -> Driven:
        """See `ArrayModule`: sums over the maps are spread to the rows that meet them."""
        flat = self.positions(squares).transpose(1, 2).reshape(-1, self.lines)
        return driven(flat, flat.sum(0), self.array.recipe.hardware.tiles.tile_rows, self)

    def _check_shape(self, x: Tensor) -> str:
        """See `ArrayModule`."""
        allowed = f"(maps, {self.in_channels}, rows, columns) with room for the kernel"
        fits = x.ndim in (3, 4) and x.shape[-3] == self.in_channels and min(self.size(x)) > 0
        return "" if fits else allowed

    def extra_repr(self) -> str:
        """See `ArrayModule`."""
        sizes = f"{self.in_channels}, {self.out_channels}, {self.kernel_size}"
        return f"{sizes}, stride={self.stride}, padding={self.padding}, {super().extra_repr()}"


def driven(squares: Tensor, sums: Tensor, tile_rows: int, layer: ArrayModule) -> Driven:
    """What drives the rows of an array in some reads.

    The largest input of the pass is the read voltage.

    Args:
        squares: Of the inputs, (vectors, lines); 0 where a line is not driven.
        sums: Over the vectors, (lines,).
        tile_rows: Word lines of a tile.
        layer: Of which; a row that is a bias is driven in every read.
    """
    times, vectors, lines = (squares != 0).sum(0), *squares.shape
    short = -lines % tile_rows
    padded = functional.pad(squares, (0, short)) if short else squares
    tiles = padded.view(vectors, padded.shape[1] // tile_rows, tile_rows)
    largest = tiles.amax(2)  # of each tile, in each vector
    steps = torch.count_nonzero(largest)
    top = largest.amax() if vectors else sums.new_ones(())
    top = top.clamp(min=1.0) if layer.has_bias_row else torch.where(top > 0, top, 1.0)
    shares = sums / top
    if not layer.has_bias_row:
        return Driven(times, shares, steps)
    always = times.new_full((1,), vectors)
    last = largest[:, -1] if short else largest[:, :0]  # a tile of the bias too: read in any case
    steps = steps + vectors - torch.count_nonzero(last)
    bias = sums.new_full((1,), float(vectors)) / top
    return Driven(torch.cat((times, always)), torch.cat((shares, bias)), steps)


def _pair(what: str, value: int | Pair, least: int) -> Pair:
    """A size in both directions.

    Raises:
        ConfigError: It is none; torch's words (`same`) are not taken.
    """
    both = (value, value) if isinstance(value, int) else value
    if (
        not isinstance(both, tuple)
        or len(both) != 2
        or not all(isinstance(n, int) and n >= least for n in both)
    ):
        raise ConfigError(
            f"{what} must be one or two whole numbers of {least} or more, not {shown(value)}; "
            "nothing was built"
        )
    return both


def check_sizes(**sizes: int) -> None:
    """Refuse sizes that are no numbers of lines.

    Raises:
        ConfigError: One is not a whole number of at least 1.
    """
    for name, size in sizes.items():
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise ConfigError(
                f"{name} must be a whole number of at least 1, not {shown(size)}; nothing was built"
            )
