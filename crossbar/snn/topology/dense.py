"""A layer whose neurons are all driven by all lines that come in."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ..registration import kernels
from .protocol import Signal
from .synaptic import FullyConnected

if TYPE_CHECKING:
    from torch import Tensor

    from ..neurons.stepping import Drive, TakeIn


@dataclass(frozen=True, kw_only=True)
class Dense(FullyConnected):
    """Settings: those of `FullyConnected`."""

    TAKES_INJECTED: ClassVar = True
    CAN_HOLD: ClassVar = True

    def recurrent_rows(self) -> int:
        """None."""
        return 0

    def numbers(self, incoming: Signal) -> "DenseNumbers":
        """See `protocol.Topology`."""
        return DenseNumbers(("none", "row", "digital").index(self.bias))

    def run(
        self, incoming: Signal, numbers: Any, lines: "Tensor", drive: "Drive", take_in: "TakeIn"
    ) -> "tuple[Tensor | None, Tensor]":
        """See `protocol.Topology`."""
        from ..neurons.stepping import run_steps

        return run_steps(numbers, self.neurons, self.currents(incoming, lines, drive), take_in)


class DenseNumbers(NamedTuple):
    """A dense layer: its sizes are those of its crossbar."""

    bias: int = 0  # 1 a row, 2 digital


@kernels
def _kernels() -> None:
    """See `crossbar.snn.registration`."""
    from ..kernels import topology as kernel
    from ..kernels.backward import bins_until, sweep
    from ..kernels.biases import count_bias_reads, drive_biased, scatter_bias
    from ..kernels.carry import backprop_lines
    from ..kernels.dispatch import implements
    from ..kernels.forward import count_reads, drive_layer, integrate_block, list_fired
    from ..kernels.gather_scatter import scatter
    from ..kernels.held import drive_held, gradient_held
    from ..kernels.held_dense import drive_all, gradient_of_all
    from ..kernels.neuron import begin, step
    from ..kernels.simd import LANES, splat

    @implements(kernel.forward, DenseNumbers, inline=False)
    def _forward(topology, kind, lines, bin_count, layer, c, start, keys, stats):  # type: ignore[no-untyped-def]
        """Neurons do not meet within a sample: block by block they run through all its steps."""
        if topology.bias != 0:
            drive_biased(lines, bin_count, layer, c, start, keys)
        else:
            drive_layer(kind.front, lines, bin_count, layer, c, keys, stats)
        for column in range(0, layer.trace.width, LANES):
            integrate_block(kind.neuron, kind.integrator, layer, c, start, column)
        count_reads(lines, layer, stats)
        if topology.bias == 1:
            count_bias_reads(lines, bin_count, layer, c, start, stats)
        mask = step(kind.neuron, begin(kind.neuron, splat(c.one)))[1]
        return list_fired(mask, layer, c, start, stats)

    @implements(kernel.backward, DenseNumbers, inline=False)
    def _backward(  # type: ignore[no-untyped-def]
        topology, kind, injected, is_given, lines, bin_count, count, layer, c, start, last
    ):
        number, trace = bins_until(layer.bins, bin_count, last), layer.trace
        for column in range(0, trace.width, LANES):
            sweep(injected, is_given, kind.neuron, layer, c, start, last, column)
        scatter(lines, layer.bins, number, trace.membranes, trace.width, 0, layer.gradient)
        if topology.bias != 0:
            scatter_bias(trace, start, min(last, c.steps - 1), layer)

    @implements(kernel.carry, DenseNumbers, inline=False)
    def _carry(topology, layer, below, c, start, last, hold):  # type: ignore[no-untyped-def]
        backprop_lines(layer, below, c, start, last, hold)

    @implements(drive_held, DenseNumbers, inline=False)
    def _drive_held(topology, layer, c, keys, stats):  # type: ignore[no-untyped-def]
        drive_all(topology.bias, layer, c, keys, stats)

    @implements(gradient_held, DenseNumbers, inline=False)
    def _gradient_held(topology, layer):  # type: ignore[no-untyped-def]
        gradient_of_all(topology.bias, layer)
