"""A layer that drives itself: all its neurons meet in every step, so steps come first.

Its crossbar has a row for each of its own neurons behind those of the lines. Its own spikes drive
it in the same step, and by the same read, as the lines that come in.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from device_models.errors import ConfigError

from ..neurons.protocol import is_prompt
from ..registration import kernels
from .protocol import Signal
from .synaptic import FullyConnected, padded

if TYPE_CHECKING:
    from torch import Tensor

    from ..neurons.stepping import Drive, TakeIn


@dataclass(frozen=True, kw_only=True)
class Recurrent(FullyConnected):
    """Settings: those of `FullyConnected`."""

    TAKES_INJECTED: ClassVar = False

    def sends(self, incoming: Signal) -> Signal:
        """See `protocol.Topology`."""
        if not self.neuron.SPIKES:  # type: ignore[attr-defined]  # of every neuron
            raise ConfigError(
                "its neurons never spike and cannot drive themselves; make it dense, or choose "
                "another neuron"
            )
        if is_prompt(type(self.neuron.numbers(1.0))):  # type: ignore[attr-defined]
            raise ConfigError(
                f"{type(self.neuron).__name__} takes in what a step drives in that step, so that "
                "its spike would drive itself before it is sent; make it dense or lateral, or "
                "choose another neuron"
            )
        if self.bias != "none":
            raise ConfigError(f"bias = {self.bias} stands beside lines alone; leave it out")
        return super().sends(incoming)

    def recurrent_rows(self) -> int:
        """One for each neuron."""
        return self.neurons

    def maps(self, incoming: Signal) -> int:
        """See `Synaptic`; derivatives and errors of a step of samples that go back together."""
        from ..kernels.carry import STEPS

        return 2 * STEPS * padded(self.neurons)

    def fill_behind(self, weights: np.ndarray, back: np.ndarray) -> None:
        """See `Synaptic`; in blocks too."""
        from ..kernels.carry import fill_blocks

        fill_blocks(weights, back)

    def numbers(self, incoming: Signal) -> "RecurrentNumbers":
        """See `protocol.Topology`."""
        return RecurrentNumbers()

    def run(
        self, incoming: Signal, numbers: Any, lines: "Tensor", drive: "Drive", take_in: "TakeIn"
    ) -> "tuple[Tensor | None, Tensor]":
        """See `protocol.Topology`."""
        from ..neurons.stepping import run_steps

        return run_steps(numbers, self.neurons, lines, take_in, drive)


class RecurrentNumbers(NamedTuple):
    """A recurrent layer: its sizes are those of its crossbar."""


RecurrentNumbers.TOGETHER = True  # type: ignore[attr-defined]  # a NamedTuple takes fields alone


@kernels
def _kernels() -> None:
    """See `crossbar.snn.registration`."""
    from ..kernels import topology as kernel
    from ..kernels.backward import bins_until
    from ..kernels.carry import backprop_lines
    from ..kernels.dispatch import implements
    from ..kernels.forward import count_reads, count_recurrent_reads, count_spikes, find_bins
    from ..kernels.gather_scatter import scatter
    from ..kernels.records import EventSlice
    from ..kernels.recurrent import (
        at_rest,
        drive_lines,
        drive_step,
        finish_steps,
        state_forward,
        sweep_steps,
    )

    @implements(kernel.forward, RecurrentNumbers, inline=False)
    def _forward(topology, kind, lines, bin_count, layer, c, start, keys, stats):  # type: ignore[no-untyped-def]
        trace, slots, count = layer.trace, layer.bins.slots, 0
        at_rest(kind.neuron, trace, c)
        drive_lines(kind.front, lines, bin_count, layer)
        for t in range(start, c.steps):
            fed_back = count
            count = state_forward(kind.neuron, layer, c, t, count)
            drive_step(
                kind.front, kind.integrator, lines, slots[t], fed_back, count, layer, c, keys, t,
                stats,
            )  # fmt: skip
        finish_steps(kind.neuron, layer, c)
        count_spikes(layer, count, stats)
        count_reads(lines, layer, stats)
        count_recurrent_reads(lines, EventSlice(trace.rows, trace.times, 0, count), layer, stats)
        return count

    @implements(kernel.sweep_together, RecurrentNumbers, inline=False)
    def _sweep_together(topology, kind, company, c):  # type: ignore[no-untyped-def]
        sweep_steps(kind.neuron, company, c)

    @implements(kernel.backward, RecurrentNumbers, inline=False)
    def _backward(  # type: ignore[no-untyped-def]
        topology, kind, injected, is_given, lines, bin_count, count, layer, c, start, last
    ):
        trace, inputs, width = layer.trace, layer.crossbar.inputs, layer.trace.width
        fed_back = EventSlice(trace.rows, trace.times, 0, count)
        derivatives, gradient, bins = trace.membranes, layer.gradient, layer.recurrent_bins
        number = bins_until(layer.bins, bin_count, last)
        scatter(lines, layer.bins, number, derivatives, width, 0, gradient)
        number = bins_until(bins, find_bins(fed_back, bins, c.steps), last)
        scatter(fed_back, bins, number, derivatives, width, inputs, gradient)

    @implements(kernel.carry, RecurrentNumbers, inline=False)
    def _carry(topology, layer, below, c, start, last, hold):  # type: ignore[no-untyped-def]
        backprop_lines(layer, below, c, start, last, hold)
