"""Lines one by one: what is left of a voltage along a word line, and of a current down a bit line.

A line alone is a ladder: segments in series between its nodes, and a device from each node to a
line that is held at 0 V. Ladders are tridiagonal, so all lines of a tile are solved at once in time
proportional to the devices. With u the word line's voltage per volt of its source, and x the share
of a current into a bit line's node that its sense amplifier gets,

    F_ij = g_ij u_ij x_ij

is the transfer matrix of a tile of which only one kind of line has resistance; in general it
neglects that the lines load each other.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from . import ladder_kernels
from .wires import Floats, Wires, connects


@dataclass(frozen=True, eq=False)
class Ladders:
    """Parallel lines, each with its devices to 0 V.

    Attributes:
        g: Conductances of the devices, siemens, shape (places, lines).
        segment_ohms: Of one segment.
        end_ohms: In series with the segment at an end.
        ends: Whether the lines end before their first place, and behind their last one.
        cut: Lines without their ends.
    """

    g: Floats
    segment_ohms: float
    end_ohms: float
    ends: tuple[bool, bool]
    cut: tuple[int, ...]

    @cached_property
    def potentials(self) -> Floats:
        """Of every node per volt at the ends of its line, shape of `g`."""
        if self.segment_ohms == self.end_ohms == 0.0:
            volts = np.ones(self.g.shape)
            volts[:, list(self.cut)] = 0.0
            return volts
        source, (first, last) = np.zeros(self.g.shape), self.ends
        source[0] += self._end * first
        source[-1] += self._end * last
        source[:, list(self.cut)] = 0.0
        return self.solve(source)

    def solve(self, amperes: Floats) -> Floats:
        """Potentials for currents into the nodes, ends at 0 V; shape of `g`."""
        if self.segment_ohms > 0.0:
            currents = np.ascontiguousarray(amperes)
            volts: Floats = ladder_kernels.solve(self.pivots, 1.0 / self.segment_ohms, currents)
            return volts
        ends = np.full(self.g.shape[1], self._end * sum(self.ends) if self.end_ohms else np.inf)
        ends[self._floating_ends] = 0.0
        one = amperes.sum(0) / (self.g.sum(0) + ends)  # one node each; 0 V at an ideal end
        return np.repeat(one[None], len(self.g), 0)

    @property
    def _floating_ends(self) -> list[int]:
        """Lines without an end but with devices; without these, 0 V are as good as any."""
        held = np.flatnonzero(connects(self.g[:, list(self.cut)], self.segment_ohms).any(0))
        return [self.cut[number] for number in held]

    @property
    def _end(self) -> float:
        """Conductance between a source and the first node."""
        return 1.0 / (self.segment_ohms + self.end_ohms)

    @property
    def _system(self) -> tuple[Floats, float, Floats, Floats]:
        """Conductances, and those of a segment and of both ends, as `ladder_kernels` takes them."""
        ends = np.full(self.g.shape[1], self._end)
        ends[self._floating_ends] = 0.0
        first, last = (ends * is_end for is_end in self.ends)
        return np.ascontiguousarray(self.g), 1.0 / self.segment_ohms, first, last

    @cached_property
    def pivots(self) -> Floats:
        """See `ladder_kernels.reciprocal_pivots`; of lines with resistance."""
        pivots: Floats = ladder_kernels.reciprocal_pivots(*self._system)
        return pivots

    @property
    def spread(self) -> tuple[Floats, Floats, Floats]:
        """See `ladder_kernels.sides`; of lines with resistance."""
        spread: tuple[Floats, Floats, Floats] = ladder_kernels.sides(*self._system)
        return spread


def words(g: Floats, wires: Wires) -> Ladders:
    """The word lines of a tile of conductances (rows, columns): (columns, rows)."""
    ends = True, wires.drive_both_ends
    return Ladders(
        np.ascontiguousarray(g.T), wires.word_ohms, wires.driver_ohms, ends, wires.open_words
    )


def bits(g: Floats, wires: Wires) -> Ladders:
    """The bit lines: (rows, columns)."""
    ends = wires.ground_both_ends, True
    return Ladders(g, wires.bit_ohms, wires.sense_ohms, ends, wires.open_bits)


def line_fractions(g: Floats, wires: Wires) -> Floats:
    """u x: what the lines leave of the current of each device alone, (rows, columns), 0 to 1."""
    return words(g, wires).potentials.T * bits(g, wires).potentials


def coupled(g: Floats, wires: Wires) -> Floats:
    """What ladders leave out, to second order in what lines lose, siemens, (rows, columns).

    It costs rows x rows x columns operations.

    Args:
        g: Conductances, siemens, (rows, columns).
        wires: The lines: resistance in both kinds, and no faults.
    """
    word, bit = words(g, wires), bits(g, wires)
    siemens: Floats = ladder_kernels.coupled(
        np.ascontiguousarray(g), np.ascontiguousarray(word.potentials.T), bit.potentials,
        bit.spread, word.pivots, 1.0 / wires.word_ohms,
    )  # fmt: skip
    return siemens
