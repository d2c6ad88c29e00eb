"""Max pooling of spikes: a window sends a spike in every step in which one of its lines does.

The lines that come in stand in an image, which square windows of `size` lines tile; the maximum of
spikes is their OR. Its gradient goes to the first line of the window (row by row) that spikes, in a
step in which none does to the first one, as torch has it. No synapses, no time: a spike leaves in
its own step.

Source:
    J. Eshraghian et al., Proc. IEEE 111(9), 1016-1054, 2023 (snnTorch), pool the currents before a
    neuron instead; to pool its spikes is what can be done event by event, and digitally.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from device_models.errors import ConfigError
from device_models.record import Record, quantity

from ..registration import kernels
from .protocol import Signal

if TYPE_CHECKING:
    from torch import Tensor

    from ..neurons.stepping import Drive, TakeIn


@dataclass(frozen=True, kw_only=True)
class MaxPool(Record):
    """Settings: the side of a window."""

    HAS_SYNAPSES: ClassVar = False
    TAKES_INJECTED: ClassVar = False
    neuron: ClassVar = None

    size: int = quantity("lines", 2, 256, default=2)

    def sends(self, incoming: Signal) -> Signal:
        """See `protocol.Topology`."""
        if len(incoming.shape) not in (2, 3):
            raise ConfigError(
                f"it pools an image, and gets {incoming.lines} lines in no image: of a dense layer "
                "before it, say image: [rows, columns]; of the input, a data set of images"
            )
        *channels, rows, columns = incoming.shape
        if rows % self.size or columns % self.size:
            raise ConfigError(
                f"its windows of {self.size} x {self.size} do not tile the {rows} x {columns} "
                "image that comes in; size must divide both"
            )
        windows = self.windows(incoming)
        signs = incoming.signs[self.lines_of(windows)]
        if (signs != signs[:, :1]).any():
            raise ConfigError(
                "a window holds excitatory and inhibitory lines, and its own line can be only one; "
                "pool before Dale's law holds, or choose an image whose windows do not mix them"
            )
        return Signal((*channels, rows // self.size, columns // self.size), signs[:, 0])

    def recurrent_rows(self) -> int:
        """None."""
        return 0

    def windows(self, incoming: Signal) -> np.ndarray:
        """The window of each line, (lines,) int64."""
        rows, columns = incoming.shape[-2:]
        down, across = rows // self.size, columns // self.size
        line = np.arange(incoming.lines)
        at_row, at_column = line // columns % rows // self.size, line % columns // self.size
        return np.asarray((line // (rows * columns) * down + at_row) * across + at_column)

    def lines_of(self, windows: np.ndarray) -> np.ndarray:
        """The lines of each window, (windows, size x size), row by row."""
        return np.argsort(windows, kind="stable").reshape(-1, self.size**2)

    def numbers(self, incoming: Signal) -> "MaxPoolNumbers":
        """See `protocol.Topology`."""
        windows = self.windows(incoming)
        first = self.lines_of(windows)[:, 0]
        return MaxPoolNumbers(windows, np.ascontiguousarray(first))

    def run(
        self, incoming: Signal, numbers: Any, lines: "Tensor", drive: "Drive", take_in: "TakeIn"
    ) -> "tuple[Tensor, Tensor]":
        """See `protocol.Topology`."""
        from torch import nn

        samples, steps, _ = lines.shape
        images = lines.clamp(max=1.0).reshape(samples * steps, -1, *incoming.shape[-2:])
        pooled = nn.functional.max_pool2d(images, self.size).reshape(samples, steps, -1)
        return pooled, pooled.new_zeros(samples, 0)


class MaxPoolNumbers(NamedTuple):
    """A pool of windows."""

    window: np.ndarray  # (lines,) int64: of each line
    first: np.ndarray  # (windows,) int64: first line of each


@kernels
def _kernels() -> None:
    """See `crossbar.snn.registration`."""
    from ..kernels import topology as kernel
    from ..kernels.dispatch import implements
    from ..kernels.forward import count_spikes, list_spikes
    from ..kernels.pointers import increase
    from ..kernels.simd import write

    @implements(kernel.forward, MaxPoolNumbers, inline=False)
    def _forward(topology, kind, lines, bin_count, layer, c, start, keys, stats):  # type: ignore[no-untyped-def]
        """In the place of a membrane stands the line that the gradient of a window goes to."""
        trace, windows = layer.trace, len(topology.first)
        words = 4 * trace.words
        for at in range(start * words, c.steps * words):
            write(trace.fired, at, 0)
        for t in range(start, c.steps + 1):
            for window in range(windows):
                write(trace.membranes, t * trace.width + window, topology.first[window])
        for event in range(lines.first, lines.last):
            t, line = int(lines.times[event]), int(lines.rows[event])
            window = topology.window[line]
            at, bit = t * words + window // 16, 1 << (window % 16)
            if trace.fired[at] & bit == 0:
                write(trace.fired, at, trace.fired[at] | bit)
                write(trace.membranes, t * trace.width + window, line)
        count = list_spikes(trace, start, c.steps)
        count_spikes(layer, count, stats)
        return count

    @implements(kernel.backward, MaxPoolNumbers, inline=False)
    def _backward(  # type: ignore[no-untyped-def]
        topology, kind, injected, is_given, lines, bin_count, count, layer, c, start, last
    ):
        """It has no weights."""

    @implements(kernel.carry, MaxPoolNumbers, inline=False)
    def _carry(topology, layer, below, c, start, last, hold):  # type: ignore[no-untyped-def]
        trace, silent = layer.trace, c.one - c.one
        for t in range(start, last + 1):
            for j in range(below.width):
                is_line = j < len(topology.window) and t < c.steps
                write(below.errors, t * below.width + j, hold if is_line else silent)
            for window in range(len(topology.first)):
                at = t * trace.width + window
                increase(below.errors, t * below.width + int(trace.membranes[at]), trace.errors[at])
