"""Lateral inhibition: what spikes of a layer do to all its neurons one step later.

With S_j[t] the spikes of the neurons of a layer in one sample, R[t] of their equations is

    none               S_j[t]: every neuron is reset by its own spike, as in a dense layer
    reset_line         max over j of S_j[t]: one line clears all membranes of the layer
    batch_wide         max over all samples of a batch and j: as published

of which the input of step t + 1 is taken in afterwards. The derivative by a maximum goes, in equal
parts, to all that reach it; where nobody spikes, to all. A reset line is a wire and takes no
devices.

`batch_wide` is an artefact of the published code and no circuit: images that are learned together
clear each other, so that what a network makes of one hangs on the others. It is here to repeat the
publication, in dense torch alone.

`inhibitory_neuron` is `none` with one neuron N more, by real devices under Dale's law: all neurons
excite it and it inhibits all of them. With x_j[t] what the own reset and the decay of step t leave
of a membrane, g the rectifier of its neuron and D what the lines of a step drive,

    S_N[t] = H(sum over j of e_j S_j[t] - 1)
    U_j[t + 1] = D_j[t + 1] + (g(x_j[t] - i_j) where N spikes in step t, else x_j[t])

so that N acts on what is left of a membrane and not on the input of the step: of what it takes too
much, the slope of g is left. With large i_j all membranes are cleared, save for that slope, which
is what `reset_line` does.

The weights e_j >= 0 lie in the last row of the crossbar, behind those of the lines, and -i_j in the
row before it. This one is read before the lines of a step, by itself, `repeats` times: one device
takes no more than the largest weight, and membranes go further. The row of e serves as N's
column: the bit lines of the neurons that spike are driven, and the row is sensed (an array that is
read both ways). Both are programmed, read with noise and worn like any other devices. A read across
counts the bit lines that it drives as activations, the mean conductance of the row for each, and no
conversion: N has a comparator.

The error of a spike of N is that by S_N where all between its two cases were possible, sum over j
of dL/dU_j[t + 1] (g(x_j - i_j) - x_j): bounded by what the membranes were. It goes, like that of a
maximum, to the spikes of its step in equal parts, where there are none to all neurons. The rows
themselves are trained only where they are `plastic`, e by the surrogate of `snu`: a loss that
counts no spikes trains inhibition away.

Source:
    IBM, neuroaikit, tf/layers/snulicell.py, which takes the maximum over the whole batch.
    Arrays read both ways: W. Wan et al., Nature 608, 504-512, 2022. `inhibitory_neuron` follows the
    text of the publication; how it lies on an array is ours.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np

from device_models.errors import ConfigError
from device_models.record import quantity

from ..registration import kernels
from .dense import DenseNumbers
from .protocol import Signal
from .synaptic import FullyConnected

if TYPE_CHECKING:
    from torch import Tensor

    from ..neurons.stepping import Drive, Reset, TakeIn


@dataclass(frozen=True, kw_only=True)
class Lateral(FullyConnected):
    """Settings: those of `FullyConnected`, and the rule.

    Attributes:
        inhibition: See above.
        excitation: First e_j of `inhibitory_neuron`; above 1 a single spike makes N spike.
        suppression: First i_j.
        repeats: Reads of its row, one after the other, by each spike of N: i_j counts as often.
        plastic: Whether these are trained.
    """

    TAKES_INJECTED: ClassVar = False

    inhibition: Literal["none", "reset_line", "inhibitory_neuron", "batch_wide"] = "reset_line"
    excitation: float = quantity("weight", 0.0, 1e3, default=2.0)
    suppression: float = quantity("weight", 0.0, 1e3, default=6.0)
    repeats: int = quantity("reads", 1, 64, default=1)
    plastic: bool = False

    @property
    def reads_across(self) -> bool:
        """Whether its array is also read from the bit lines."""
        return self.inhibition == "inhibitory_neuron"

    def sends(self, incoming: Signal) -> Signal:
        """See `protocol.Topology`."""
        rule, neuron = self.inhibition, self.neuron
        if not neuron.SPIKES:  # type: ignore[attr-defined]  # of every neuron
            raise ConfigError(
                f"inhibition = {rule} follows the spikes of its layer, whose neurons never spike; "
                "make it dense, or choose another neuron"
            )
        if rule in RESETS and not getattr(neuron, "CLEARABLE", False):
            raise ConfigError(
                f"inhibition = {rule} clears membranes, and {type(neuron).__name__} says not how; "
                "choose snu or lif, or inhibition: none"
            )
        if self.reads_across and not getattr(neuron, "RECTIFIED", False):
            raise ConfigError(
                f"inhibition = {rule} acts on a membrane before the input of a step and rectifies "
                f"what is left, and {type(neuron).__name__} says not how; choose snu, or "
                "inhibition: none"
            )
        if self.bias != "none":
            raise ConfigError(f"bias = {self.bias} stands beside lines alone; leave it out")
        return super().sends(incoming)

    def recurrent_rows(self) -> int:
        """Those of -i and e, in this order."""
        return 2 if self.reads_across else 0

    def recurrent_signs(self) -> np.ndarray:
        """See `Synaptic`."""
        return np.array([-1, 1], np.int8)

    def first_recurrent(self) -> np.ndarray | None:
        """See `Synaptic`."""
        return np.array([-self.suppression, self.excitation]) if self.reads_across else None

    def numbers(self, incoming: Signal) -> Any:
        """See `protocol.Topology`."""
        if self.reads_across:
            return InhibitoryNumbers(self.plastic, self.repeats)
        return KINDS[self.inhibition]()

    def run(
        self, incoming: Signal, numbers: Any, lines: "Tensor", drive: "Drive", take_in: "TakeIn"
    ) -> "tuple[Tensor | None, Tensor]":
        """See `protocol.Topology`."""
        from ..neurons.stepping import run_steps

        if self.reads_across:
            return self._run_with_neuron(numbers, lines, drive, take_in)
        reset = RESETS.get(self.inhibition)
        return run_steps(numbers, self.neurons, drive(lines), take_in, reset=reset)

    def _run_with_neuron(
        self, numbers: Any, lines: "Tensor", drive: "Drive", take_in: "TakeIn"
    ) -> "tuple[Tensor, Tensor]":
        """`run_steps` with N; a read across is taken for one along the row of e, then summed."""
        import torch

        from ..neurons.stepping import fire_steadily

        def read(inhibits: "Tensor", excites: "Tensor") -> "Tensor":
            with torch.set_grad_enabled(self.plastic and torch.is_grad_enabled()):
                rows = torch.cat((torch.zeros_like(lines[:, 0]), inhibits, excites), 1)
                return drive(rows[:, None])[:, 0]

        state = numbers.begin(lines.new_zeros(len(lines), self.neurons))
        none = lines.new_zeros(len(lines), 1)
        driven = drive(torch.cat((lines, lines.new_zeros(*lines.shape[:2], 2)), 2))
        spikes, membranes, inhibits = [], [], none
        for step in driven.unbind(1):
            before, *others = state
            asked = none + 1.0 if torch.is_grad_enabled() else inhibits  # else it is not driven
            left = numbers.recorded((before + read(self.repeats * asked, none), *others))
            state = (take_in(inhibits * left + (1.0 - inhibits) * before, step), *others)
            membranes.append(numbers.recorded(state))
            spikes.append(numbers.fire(membranes[-1]))
            state = numbers.decay(state, spikes[-1])
            excited = (spikes[-1].detach() * read(none, none + 1.0)).sum(1, keepdim=True)
            most = spikes[-1].amax(1, keepdim=True)
            inhibits = fire_steadily(excited - 1.0) + (most - most.detach())
            membranes[-1] = torch.cat((membranes[-1], excited - 1.0), 1)
        return torch.stack(spikes, 1), torch.stack(membranes, 1)


def of_sample(spikes: "Tensor") -> "Tensor":
    """Of `reset_line`, (B, neurons)."""
    return spikes.amax(1, keepdim=True).expand_as(spikes)


def of_batch(spikes: "Tensor") -> "Tensor":
    """Of `batch_wide`, (B, neurons)."""
    return spikes.amax().expand_as(spikes)


RESETS: "dict[str, Reset]" = {"reset_line": of_sample, "batch_wide": of_batch}


class ResetLineNumbers(NamedTuple):
    """A layer with a reset line: its sizes are those of its crossbar."""


class InhibitoryNumbers(NamedTuple):
    """A layer with an inhibitory neuron; likewise."""

    plastic: bool
    repeats: int


class BatchWideNumbers(NamedTuple):
    """A layer that a batch resets, which no kernel runs: samples are run one after the other."""


KINDS: dict[str, Any] = {
    "none": DenseNumbers,
    "reset_line": ResetLineNumbers,
    "batch_wide": BatchWideNumbers,
}


@kernels
def _kernels() -> None:
    """See `crossbar.snn.registration`."""
    from ..kernels import topology as kernel
    from ..kernels.backward import bins_until
    from ..kernels.carry import backprop_lines
    from ..kernels.dispatch import implements
    from ..kernels.forward import count_reads, count_spikes, drive_layer
    from ..kernels.gather_scatter import scatter
    from ..kernels.lateral import (
        clear_all,
        drive_back,
        excite,
        finish_back,
        first_of_step,
        inhibit,
        inhibit_back,
        inhibited_back,
        own_back,
        rest_beside,
        share_reset,
        spikes_until,
        spread_evenly,
        train_back,
    )
    from ..kernels.neuron import lead
    from ..kernels.recurrent import at_rest, finish_steps, state_forward, take_in_all

    @implements(kernel.forward, ResetLineNumbers, inline=False)
    def _forward(topology, kind, lines, bin_count, layer, c, start, keys, stats):  # type: ignore[no-untyped-def]
        """What lines drive does not hang on spikes of the layer: it is gathered in one go."""
        drive_layer(kind.front, lines, bin_count, layer, c, keys, stats)
        slots, sooner, count = layer.bins.slots, lead(kind.neuron), 0
        at_rest(kind.neuron, layer.trace, c)
        if sooner != 0:
            take_in_all(kind.integrator, layer, slots[start])
        for t in range(start, c.steps):
            before = count
            count = state_forward(kind.neuron, layer, c, t, count)
            if count > before:
                clear_all(kind.neuron, layer, c)
            take_in_all(kind.integrator, layer, slots[t + sooner])
        finish_steps(kind.neuron, layer, c)
        count_spikes(layer, count, stats)
        count_reads(lines, layer, stats)
        return count

    @implements(kernel.backward, ResetLineNumbers, inline=False)
    def _backward(  # type: ignore[no-untyped-def]
        topology, kind, injected, is_given, lines, bin_count, count, layer, c, start, last
    ):
        trace = layer.trace
        at_rest(kind.neuron, trace, c)
        count = spikes_until(trace, count, last)
        for t in range(last, start - 1, -1):
            first = first_of_step(trace, count, t)
            share_reset(kind.neuron, layer, c, t, first, count)
            inhibited_back(kind.neuron, layer, c, t, count > first)
            count = first
        finish_back(kind.neuron, layer, c, start)
        number = bins_until(layer.bins, bin_count, last)
        scatter(lines, layer.bins, number, trace.membranes, trace.width, 0, layer.gradient)

    @implements(kernel.forward, InhibitoryNumbers, inline=False)
    def _forward_neuron(topology, kind, lines, bin_count, layer, c, start, keys, stats):  # type: ignore[no-untyped-def]
        """N is read along its row beside the lines, with a draw of noise of its own."""
        drive_layer(kind.front, lines, bin_count, layer, c, keys, stats)
        count, inhibits = 0, False
        at_rest(kind.neuron, layer.trace, c)
        rest_beside(layer, c)
        for t in range(start, c.steps):
            if inhibits:
                inhibit(kind.neuron, layer, c, keys[1], t, topology.repeats, stats)
            take_in_all(kind.integrator, layer, layer.bins.slots[t])
            before = count
            count = state_forward(kind.neuron, layer, c, t, count)
            inhibits = excite(kind.neuron, layer, c, keys[1], t, before, count, stats)
        finish_steps(kind.neuron, layer, c)
        count_spikes(layer, count, stats)
        count_reads(lines, layer, stats)
        return count

    @implements(kernel.backward, InhibitoryNumbers, inline=False)
    def _backward_neuron(  # type: ignore[no-untyped-def]
        topology, kind, injected, is_given, lines, bin_count, count, layer, c, start, last
    ):
        trace = layer.trace
        at_rest(kind.neuron, trace, c)
        count = spikes_until(trace, count, last)
        for t in range(last, start - 1, -1):
            first = first_of_step(trace, count, t)
            drive_back(kind.neuron, layer, c, t)
            if t < c.steps:
                fires = layer.recurrent_bins.slots[t] != 0
                amount = inhibit_back(kind.neuron, layer, c, t, topology.repeats, fires)
                if topology.plastic:
                    train_back(kind.neuron, layer, c, t, first, count, topology.repeats, amount)
                spread_evenly(layer, c, t, first, count, amount)
            own_back(kind.neuron, layer, c, t)
            count = first
        finish_back(kind.neuron, layer, c, start)
        number = bins_until(layer.bins, bin_count, last)
        scatter(lines, layer.bins, number, trace.membranes, trace.width, 0, layer.gradient)

    @implements(kernel.carry, InhibitoryNumbers, inline=False)
    @implements(kernel.carry, ResetLineNumbers, inline=False)
    def _carry(topology, layer, below, c, start, last, hold):  # type: ignore[no-untyped-def]
        backprop_lines(layer, below, c, start, last, hold)
