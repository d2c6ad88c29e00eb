"""Axonal delays: every line that comes in leaves again as copies, each some whole steps later.

A spike of line i in step t leaves on the lines `copies i ... copies i + copies - 1` in the steps
t + d, each with its own delay d; what would leave behind the last step never does. So the next
crossbar has `copies` rows for each line, as the dendritic delays of DenRAM have devices for each.
Delays are drawn and fixed. The delays of one line differ, are drawn from the whole numbers between
`least_steps` and `most_steps`, all sets of them as likely, and stand in rising order. The gradient
goes back with the delay: the error of a line in step t is the sum of those of its copies in t + d.

On a chip this is a shift register of one bit a step for each line, as long as its longest delay,
that the other copies are taps of; no synapses.

Source:
    S. D'Agostino et al., DenRAM, Nat. Commun. 15, 3446, 2024: delays drawn at random in parallel
    branches of a synapse. There each branch of each synapse has its own; ours belong to the line
    and are shared by all neurons.
"""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from device_models.errors import ConfigError
from device_models.record import Record, quantity
from device_models.streams import stream

from ..encodings.events import Events, of_sorted_keys, sort_keys
from ..registration import kernels
from .protocol import Signal

if TYPE_CHECKING:
    from torch import Tensor

    from ..neurons.stepping import Drive, TakeIn


@dataclass(frozen=True, kw_only=True)
class Delays(Record):
    """Settings of delays.

    Attributes:
        copies: Of each line, each with a delay of its own.
        least_steps, most_steps: That a copy comes later by.
        seed: Of the delays: they are part of the network, as its weights belong to them, and the
            same in all runs of it, whatever the seed of the run.
    """

    HAS_SYNAPSES: ClassVar = False
    TAKES_INJECTED: ClassVar = False
    BY_LINE: ClassVar = True  # its kernels take events line by line
    neuron: ClassVar = None

    copies: int = quantity("lines", 1, 65_535, default=1)
    least_steps: int = quantity("steps", 0, 65_535, default=0)
    most_steps: int = quantity("steps", 0, 65_535)
    seed: int = quantity("", 0, 2**31 - 1, default=0)

    def __post_init__(self) -> None:
        """Check the fields, and that there are delays enough.

        Raises:
            ConfigError: One of them is wrong.
        """
        super().__post_init__()
        steps = self.most_steps - self.least_steps + 1
        if steps < 1:
            raise ConfigError(
                f"least_steps = {self.least_steps} exceeds most_steps = {self.most_steps}"
            )
        if self.copies > steps:
            raise ConfigError(
                f"copies = {self.copies} of a line need as many delays, and there are {steps} "
                f"from least_steps = {self.least_steps} to most_steps = {self.most_steps}"
            )

    def sends(self, incoming: Signal) -> Signal:
        """See `protocol.Topology`."""
        return Signal((incoming.lines * self.copies,), np.repeat(incoming.signs, self.copies))

    def recurrent_rows(self) -> int:
        """None."""
        return 0

    def delays(self, lines: int) -> np.ndarray:
        """Steps of each copy, (lines x copies,) int64, those of a line one behind the other."""
        return _drawn(lines, self.copies, self.least_steps, self.most_steps, self.seed).copy()

    def delayed(self, events: Events, lines: int, steps: int) -> Events:
        """Spikes of so many lines as they leave, in samples of so many steps."""
        sample = np.repeat(np.arange(len(events)), np.diff(events.offsets))
        copy = events.rows.astype(np.int64)[:, None] * self.copies + np.arange(self.copies)
        step = events.times[:, None] + self.delays(lines)[copy]
        is_inside = step < steps
        sample = np.broadcast_to(sample[:, None], step.shape)[is_inside]
        keys = np.sort(sort_keys(sample, step[is_inside], copy[is_inside]))
        return of_sorted_keys(keys, samples=len(events), steps=steps)

    def register_bits(self, lines: int) -> int:
        """Bits of the shift registers of so many lines: of each, its longest delay."""
        return int(self.delays(lines).reshape(lines, self.copies).max(1).sum())

    def numbers(self, incoming: Signal) -> "DelaysNumbers":
        """See `protocol.Topology`."""
        return DelaysNumbers(self.delays(incoming.lines), self.copies)

    def run(
        self, incoming: Signal, numbers: Any, lines: "Tensor", drive: "Drive", take_in: "TakeIn"
    ) -> "tuple[Tensor, Tensor]":
        """See `protocol.Topology`."""
        import torch

        delays = torch.from_numpy(self.delays(incoming.lines)).to(lines.device)
        steps = torch.arange(lines.shape[1], device=lines.device)[:, None] - delays
        line = torch.arange(len(delays), device=lines.device) // self.copies
        later = lines[:, steps.clamp(min=0), line] * (steps >= 0)
        return later, later.new_zeros(len(lines), 0)


@functools.lru_cache(maxsize=16)
def _drawn(lines: int, copies: int, least: int, most: int, seed: int) -> np.ndarray:
    """See `Delays.delays`."""
    generator = stream("delays", seed)
    each = [generator.choice(most - least + 1, copies, replace=False) for _ in range(lines)]
    return np.sort(np.array(each, np.int64), axis=1).ravel() + least


class DelaysNumbers(NamedTuple):
    """Delays of lines."""

    steps: np.ndarray  # (lines x copies,) int64
    copies: int


@kernels
def _kernels() -> None:
    """See `crossbar.snn.registration`."""
    from device_models.jit import jit

    from ..kernels import topology as kernel
    from ..kernels.dispatch import implements
    from ..kernels.forward import count_spikes
    from ..kernels.gather_scatter import order_by_line
    from ..kernels.pointers import increase
    from ..kernels.simd import write

    @jit
    def count_later(topology, layer, c):  # type: ignore[no-untyped-def]
        """Count what leaves in each step; `ends` of its own bins: where each step begins."""
        bins, ends, copies = layer.bins, layer.recurrent_bins.ends, topology.copies
        for t in range(c.steps + 2):
            write(ends, t, 0)
        for line in range(bins.lines):
            for i in range(bins.line_ends[line], bins.line_ends[line + 1]):
                for copy in range(line * copies, (line + 1) * copies):
                    t = int(bins.line_times[i]) + topology.steps[copy]
                    increase(ends, min(t, c.steps) + 1, 1)
        for t in range(1, c.steps + 1):
            increase(ends, t, ends[t - 1])

    @implements(kernel.forward, DelaysNumbers, inline=False)
    def _forward(topology, kind, lines, bin_count, layer, c, start, keys, stats):  # type: ignore[no-untyped-def]
        """Line by line, so that the copies of a step come in the order of their lines."""
        trace, bins, ends = layer.trace, layer.bins, layer.recurrent_bins.ends
        order_by_line(lines, bins)
        count_later(topology, layer, c)
        count = ends[c.steps]
        for line in range(bins.lines):
            first, last = bins.line_ends[line], bins.line_ends[line + 1]
            for copy in range(line * topology.copies, (line + 1) * topology.copies):
                for i in range(first, last):
                    t = int(bins.line_times[i]) + topology.steps[copy]
                    if t < c.steps:
                        write(trace.rows, ends[t], copy)
                        write(trace.times, ends[t], t)
                        increase(ends, t, 1)
        count_spikes(layer, count, stats)
        return count

    @implements(kernel.backward, DelaysNumbers, inline=False)
    def _backward(  # type: ignore[no-untyped-def]
        topology, kind, injected, is_given, lines, bin_count, count, layer, c, start, last
    ):
        """It has no weights."""

    @implements(kernel.carry, DelaysNumbers, inline=False)
    def _carry(topology, layer, below, c, start, last, hold):  # type: ignore[no-untyped-def]
        trace, copies, end = layer.trace, topology.copies, min(last, c.steps - 1)
        for t in range(start, last + 1):
            for line in range(below.width):
                is_line = line < layer.bins.lines and t < c.steps
                write(below.errors, t * below.width + line, hold if is_line else c.one - c.one)
            for copy in range(len(topology.steps)):
                later = t + topology.steps[copy]
                if later <= end:
                    error = trace.errors[later * trace.width + copy]
                    increase(below.errors, t * below.width + copy // copies, error)
