"""A convolution: one small crossbar that is read at every position of an image.

The crossbar has a row for each place of a kernel, C_in x k x k of them in the order (channel, row,
column) as torch has it, and a column for each of the C_out channels that it makes. It is read once
per position and step: programming errors are common to all positions, read noise is drawn anew for
each. There is no padding.

With `pool` above 1 a neuron stands behind a window of pool x pool positions and is driven by the
largest of their currents, the first one (row by row) on a tie, where its error goes: the published
order, which converts every position of the window. Two others: a layer `max_pool` behind this one
is the OR of the spikes of a window, and `stride` leaves positions out. A window that would reach
over the edge is refused, unless `crop` leaves the last rows and columns of positions out.

The sum over positions and steps is the gradient of a weight. A spike reaches k x k positions; the
kernels add the rows of its places there (`kernels.convolution`), and nothing is unrolled.

Source:
    Unrolled kernels on crossbars: aihwkit, MemTorch, CrossSim. Pooling of currents: snnTorch.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from device_models.errors import ConfigError
from device_models.record import quantity

from ..neurons.protocol import trained_numbers
from ..registration import kernels
from .protocol import Signal
from .synaptic import ArrayShape, Synaptic, excitatory_count

if TYPE_CHECKING:
    from torch import Tensor

    from ..neurons.stepping import Drive, TakeIn


@dataclass(frozen=True, kw_only=True)
class Conv2d(Synaptic):
    """Settings of a convolution.

    Attributes:
        channels: That it makes.
        kernel: Side of its kernel.
        stride: Rows and columns from a position to the next.
        pool: Side of the windows of positions whose largest current drives a neuron; 1: no pooling.
        crop: Whether rows and columns of positions that fill no window are left out.
    """

    TAKES_INJECTED: ClassVar = False
    CAN_HOLD: ClassVar = True

    channels: int = quantity("channels", 1, 4096)
    kernel: int = quantity("lines", 1, 64, default=3)
    stride: int = quantity("lines", 1, 64, default=1)
    pool: int = quantity("positions", 1, 16, default=1)
    crop: bool = False

    @property
    def size(self) -> str:
        """See `Synaptic`."""
        return f"{self.channels} channels of {self.kernel} x {self.kernel}"

    @property
    def excitatory(self) -> int | None:
        """See `Synaptic`."""
        return excitatory_count(self.ei, self.channels)

    def signs(self) -> np.ndarray:
        """See `Synaptic`; of channels."""
        if self.excitatory is None:
            return np.zeros(self.channels, np.int8)
        return np.where(np.arange(self.channels) < self.excitatory, 1, -1).astype(np.int8)

    def recurrent_rows(self) -> int:
        """None."""
        return 0

    def sends(self, incoming: Signal) -> Signal:
        """See `protocol.Topology`."""
        sizes = self.numbers(incoming)
        if trained_numbers(type(self.neuron.numbers(1.0))):  # type: ignore[attr-defined]
            raise ConfigError(
                f"{type(self.neuron).__name__} has numbers of its own that are trained, which no "
                "convolution has; choose another neuron"
            )
        if (sizes.pooled_rows * self.pool, sizes.pooled_columns * self.pool) != (
            sizes.rows_out,
            sizes.columns_out,
        ) and not self.crop:
            raise ConfigError(
                f"its windows of {self.pool} x {self.pool} do not tile the {sizes.rows_out} x "
                f"{sizes.columns_out} positions of its kernel; pool must divide both, or crop: "
                "true leave the last ones out"
            )
        signs = incoming.signs.reshape(sizes.channels_in, -1)
        if (signs != signs[:, :1]).any():
            raise ConfigError(
                "a channel that comes in holds excitatory and inhibitory lines, which share a row "
                "of the crossbar; give the layer before one sign a channel"
            )
        shape = self.channels, sizes.pooled_rows, sizes.pooled_columns
        return Signal(shape, np.repeat(self.signs(), shape[1] * shape[2]))

    def numbers(self, incoming: Signal) -> "Conv2dNumbers":
        """See `protocol.Topology`.

        Raises:
            ConfigError: No image comes in, or one that is smaller than the kernel.
        """
        if len(incoming.shape) not in (2, 3):
            raise ConfigError(
                f"it convolves an image, and gets {incoming.lines} lines in no image: of a dense "
                "layer before it, say image: [rows, columns]; of the input, a data set of images"
            )
        channels_in, rows_in, columns_in = (1, *incoming.shape)[-3:]
        rows, columns = (1 + (n - self.kernel) // self.stride for n in (rows_in, columns_in))
        if rows < self.pool or columns < self.pool:
            pooled = f", whose windows of {self.pool} x {self.pool} are" if self.pool > 1 else " is"
            raise ConfigError(
                f"its kernel of {self.kernel} x {self.kernel}{pooled} larger than the {rows_in} x "
                f"{columns_in} image that comes in"
            )
        down, across = rows // self.pool, columns // self.pool
        return Conv2dNumbers(
            channels_in, rows_in, columns_in, self.channels, self.kernel, self.stride, rows,
            columns, self.pool, down, across, ("none", "row", "digital").index(self.bias),
        )  # fmt: skip

    def array(self, incoming: Signal) -> ArrayShape:
        """See `Synaptic`."""
        sizes = self.numbers(incoming)
        signs = incoming.signs.reshape(sizes.channels_in, -1)[:, 0]
        rows = np.repeat(signs, self.kernel**2)
        return ArrayShape(self.with_bias_row(rows), self.channels, sizes.positions)

    def reads(self, incoming: Signal, lines: "Tensor") -> "Tensor":
        """See `Synaptic`; the positions of a step come one after the other, row by row."""
        from torch import nn

        sizes, (samples, steps, _) = self.numbers(incoming), lines.shape
        shape = samples * steps, sizes.channels_in, sizes.rows_in, sizes.columns_in
        unrolled = nn.functional.unfold(lines.reshape(shape), self.kernel, stride=self.stride)
        rows = unrolled.transpose(1, 2).reshape(samples, steps * sizes.positions, -1)
        return self.with_bias(rows)

    def gathered(self, incoming: Signal, driven: "Tensor") -> "Tensor":
        """See `Synaptic`."""
        from torch import nn

        sizes, samples = self.numbers(incoming), len(driven)
        maps = driven.reshape(-1, sizes.positions, self.channels).transpose(1, 2)
        maps = maps.reshape(-1, self.channels, sizes.rows_out, sizes.columns_out)
        pooled = nn.functional.max_pool2d(maps, self.pool) if self.pool > 1 else maps
        return pooled.reshape(samples, driven.shape[1] // sizes.positions, -1)

    def maps(self, incoming: Signal) -> int:
        """See `Synaptic`."""
        from ..kernels.simd import LANES

        sizes = self.numbers(incoming)
        width = -(-self.channels // LANES) * LANES
        return max(2 * sizes.positions * width, incoming.lines + 2 * LANES)

    def windows(self, incoming: Signal) -> tuple[np.ndarray, np.ndarray]:
        """See `Synaptic`."""
        sizes = self.numbers(incoming)
        y, top, down = _reach(sizes.rows_in, sizes.rows_out, self.kernel, self.stride)
        x, left, across = _reach(sizes.columns_in, sizes.columns_out, self.kernel, self.stride)
        channel = np.arange(sizes.channels_in)[:, None, None]
        of_line = np.broadcast_arrays(
            (channel * self.kernel + y[:, None]) * self.kernel + x,
            top[:, None] * sizes.columns_out + left,
            down[:, None],
            across,
        )
        up, aside = np.divmod(np.arange(sizes.positions), sizes.columns_out)
        corners = (up * sizes.columns_in + aside) * self.stride * sizes.channels_in
        windows = np.stack(of_line, -1).reshape(-1, 4)
        return windows.astype(np.int32), corners.astype(np.int32)

    def siemens_of_lines(self, incoming: Signal, siemens: np.ndarray) -> np.ndarray:
        """See `Synaptic`; a line drives a row for each position whose kernel covers it."""
        sizes, k = self.numbers(incoming), self.kernel
        total = np.zeros((sizes.channels_in, sizes.rows_in, sizes.columns_in))
        of_row = siemens[: sizes.channels_in * k * k].reshape(sizes.channels_in, k, k)
        rows, columns = sizes.rows_out * self.stride, sizes.columns_out * self.stride
        for y in range(k):
            for x in range(k):
                covered = total[:, y : y + rows : self.stride, x : x + columns : self.stride]
                covered += of_row[:, y, x][:, None, None]
        return np.append(total.ravel(), siemens[sizes.channels_in * k * k :] * sizes.positions)

    def back_shape(self, incoming: Signal) -> tuple[int, int]:
        """See `Synaptic`; how the rows stand is in `kernels.convolution`."""
        from ..kernels.simd import LANES

        run = self.kernel * self.numbers(incoming).channels_in
        return self.channels * self.kernel, -(-run // LANES) * LANES

    def fill_back(self, incoming: Signal, weights: np.ndarray, back: np.ndarray) -> None:
        """See `Synaptic`."""
        k, channels_in = self.kernel, self.numbers(incoming).channels_in
        kernel = weights[: channels_in * k * k].reshape(channels_in, k, k, self.channels)
        rows = kernel.transpose(3, 1, 2, 0).reshape(self.channels * k, k * channels_in)
        back[:, : rows.shape[1]] = rows

    def run(
        self, incoming: Signal, numbers: Any, lines: "Tensor", drive: "Drive", take_in: "TakeIn"
    ) -> "tuple[Tensor | None, Tensor]":
        """See `protocol.Topology`."""
        from ..neurons.stepping import run_steps

        currents = self.currents(incoming, lines, drive)
        return run_steps(numbers, currents.shape[2], currents, take_in)


def _reach(lines: int, positions: int, kernel: int, stride: int) -> tuple[np.ndarray, ...]:
    """Of the lines along one side: place in the first kernel, its position, how many kernels."""
    line = np.arange(lines)
    first = np.maximum(0, -(-(line - kernel + 1) // stride))
    last = np.minimum(line // stride, positions - 1)
    return line - first * stride, first, np.maximum(0, last - first + 1)


class Conv2dNumbers(NamedTuple):
    """Sizes of a convolution."""

    channels_in: int
    rows_in: int
    columns_in: int
    channels: int
    kernel: int
    stride: int
    rows_out: int  # of positions
    columns_out: int
    pool: int
    pooled_rows: int  # of neurons
    pooled_columns: int
    bias: int  # 0 none, 1 a row, 2 digital

    @property
    def positions(self) -> int:
        """Reads of a step."""
        return self.rows_out * self.columns_out


@kernels
def _kernels() -> None:
    """See `crossbar.snn.registration`."""
    from ..kernels import topology as kernel
    from ..kernels.backward import bins_until, sweep
    from ..kernels.convolution import (
        add_bias_gradient,
        add_line,
        begin_map,
        carry_step,
        drive_map,
        finish_map,
        gather_line,
        pool_map,
        spread_errors,
    )
    from ..kernels.counting import driven_siemens
    from ..kernels.dispatch import implements
    from ..kernels.forward import integrate_drive, list_fired
    from ..kernels.held import drive_held, gradient_held
    from ..kernels.neuron import begin, step
    from ..kernels.pointers import increase
    from ..kernels.simd import LANES, splat, write

    @implements(kernel.forward, Conv2dNumbers, inline=False)
    def _forward(topology, kind, lines, bin_count, layer, c, start, keys, stats):  # type: ignore[no-untyped-def]
        """Step by step: the map of its positions, pooled, is what drives the neurons."""
        trace, bins, place = layer.trace, layer.bins, layer.place
        positions = topology.rows_out * topology.columns_out
        i, activations, tiles = 0, 0, 0
        for t in range(start, c.steps):
            first = last = 0
            if i < bin_count and bins.steps[i] == t:
                first, last = bins.ends[i], bins.ends[i + 1]
                i += 1
            activations += drive_map(topology, layer, lines, first, last, c)
            tiles += finish_map(topology, layer, keys[0], t)
            pool_map(topology, layer, 2 * (t + 1) * trace.width)
            write(bins.slots, t, t + 1)
        write(bins.slots, c.steps, 0)
        siemens = driven_siemens(lines, layer.crossbar.siemens, 0)
        if topology.bias == 1:
            activations += (c.steps - start) * positions
            siemens += (c.steps - start) * layer.crossbar.siemens[layer.crossbar.inputs]
        increase(stats.siemens, place, siemens)
        increase(stats.tile_steps, place, tiles)
        increase(stats.activations, place, activations)
        for column in range(0, trace.width, LANES):
            integrate_drive(
                kind.neuron, kind.integrator, layer, bins.slots, 2 * trace.width, c, start, column
            )
        mask = step(kind.neuron, begin(kind.neuron, splat(c.one)))[1]
        return list_fired(mask, layer, c, start, stats)

    @implements(kernel.backward, Conv2dNumbers, inline=False)
    def _backward(  # type: ignore[no-untyped-def]
        topology, kind, injected, is_given, lines, bin_count, count, layer, c, start, last
    ):
        trace, bins = layer.trace, layer.bins
        for column in range(0, trace.width, LANES):
            sweep(injected, is_given, kind.neuron, layer, c, start, last, column)
        for i in range(bins_until(bins, bin_count, last) - 1, -1, -1):
            t = bins.steps[i]
            chosen = (2 * t + 3) * trace.width
            spread_errors(topology, layer, trace.membranes, t * trace.width, chosen)
            for event in range(bins.ends[i], bins.ends[i + 1]):
                gather_line(topology, layer, int(lines.rows[event]), c.one)
        if topology.bias != 0:
            for t in range(start, min(last, c.steps - 1) + 1):
                add_bias_gradient(topology, layer, trace.membranes, t * trace.width)

    @implements(kernel.carry, Conv2dNumbers, inline=False)
    def _carry(topology, layer, below, c, start, last, hold):  # type: ignore[no-untyped-def]
        for t in range(start, min(last, c.steps - 1) + 1):
            carry_step(topology, layer, below, t, hold)
        for at in range(c.steps * below.width, (last + 1) * below.width):
            write(below.errors, at, c.one - c.one)

    @implements(drive_held, Conv2dNumbers, inline=False)
    def _drive_held(topology, layer, c, keys, stats):  # type: ignore[no-untyped-def]
        trace, siemens, place = layer.trace, 0.0, layer.place
        lines = topology.channels_in * topology.rows_in * topology.columns_in
        activations, silent = 0, c.one - c.one
        begin_map(topology, layer, c)
        for line in range(lines):
            value = trace.values[line]
            if value != silent:
                activations += add_line(topology, layer, line, value)
                siemens += value * value * layer.crossbar.siemens[line]
        increase(stats.tile_steps, place, finish_map(topology, layer, keys[0], 0))
        pool_map(topology, layer, 2 * trace.width)
        if topology.bias == 1:
            activations += topology.rows_out * topology.columns_out
            siemens += layer.crossbar.siemens[lines]
        increase(stats.siemens, place, siemens)
        increase(stats.activations, place, activations)

    @implements(gradient_held, Conv2dNumbers, inline=False)
    def _gradient_held(topology, layer):  # type: ignore[no-untyped-def]
        trace = layer.trace
        silent = trace.values[0] - trace.values[0]
        spread_errors(topology, layer, trace.errors, 0, 3 * trace.width)
        for line in range(topology.channels_in * topology.rows_in * topology.columns_in):
            if trace.values[line] != silent:
                gather_line(topology, layer, line, trace.values[line])
        if topology.bias != 0:
            add_bias_gradient(topology, layer, trace.errors, 0)
