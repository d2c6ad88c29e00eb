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
from scipy.linalg import lapack

from .wires import Floats, Wires, connects


@dataclass(frozen=True, eq=False)
class Ladders:
    """Parallel lines, each with its devices to 0 V.

    Attributes:
        g: Conductances of the devices, siemens, shape (lines, places).
        segment_ohms: Of one segment.
        end_ohms: In series with the first segment.
        both_ends: Whether the line also ends behind its last place.
        cut: Lines without their ends.
    """

    g: Floats
    segment_ohms: float
    end_ohms: float
    both_ends: bool
    cut: tuple[int, ...]

    @cached_property
    def potentials(self) -> Floats:
        """Of every node per volt at the ends of its line, shape of `g`."""
        if self.segment_ohms == self.end_ohms == 0.0:
            volts = np.ones(self.g.shape)
            volts[list(self.cut)] = 0.0
            return volts
        source = np.zeros(self.g.shape)
        source[:, 0] += self._end
        source[:, -1] += self._end if self.both_ends else 0.0
        source[list(self.cut)] = 0.0
        return self.solve(source)

    def solve(self, amperes: Floats) -> Floats:
        """Potentials for currents into the nodes, ends at 0 V; shape (..., lines, places)."""
        if self.segment_ohms > 0.0:
            flat = amperes.reshape(-1, self.g.size).T
            volts, _ = lapack.dpttrs(*self._factors, flat)
            return np.asarray(volts.T).reshape(amperes.shape)
        ends = np.full(len(self.g), self._end * (1 + self.both_ends) if self.end_ohms else np.inf)
        ends[self._floating_ends] = 0.0
        volts = amperes.sum(-1) / (self.g.sum(1) + ends)  # one node each; 0 V at an ideal end
        return np.repeat(volts[..., None], self.g.shape[1], -1)

    @property
    def _floating_ends(self) -> list[int]:
        """Lines without an end but with devices; without these, 0 V are as good as any."""
        held = np.flatnonzero(connects(self.g[list(self.cut)], self.segment_ohms).any(1))
        return [self.cut[number] for number in held]

    @property
    def _end(self) -> float:
        """Conductance between a source and the first node."""
        return 1.0 / (self.segment_ohms + self.end_ohms)

    @cached_property
    def _factors(self) -> tuple[Floats, Floats]:
        """L D L^T of all lines in a row: a segment without conductance parts each from the next."""
        segment = 1.0 / self.segment_ohms
        ends = np.full(len(self.g), self._end)
        ends[self._floating_ends] = 0.0
        diagonal = self.g + 2.0 * segment
        diagonal[:, 0] += ends - segment
        diagonal[:, -1] += (ends if self.both_ends else 0.0) - segment
        off = np.full(self.g.shape, -segment)
        off[:, -1] = 0.0
        # One more entry than LAPACK reads: a single node has no neighbour.
        d, e, _ = lapack.dpttrf(diagonal.ravel(), off.ravel()[: max(1, self.g.size - 1)])
        return d, e


def words(g: Floats, wires: Wires) -> Ladders:
    """The word lines of a tile of conductances (rows, columns)."""
    return Ladders(g, wires.word_ohms, wires.driver_ohms, wires.drive_both_ends, wires.open_words)


def bits(g: Floats, wires: Wires) -> Ladders:
    """The bit lines, as lines of places from the last row to the first: (columns, rows)."""
    return Ladders(
        np.ascontiguousarray(g[::-1].T),
        wires.bit_ohms,
        wires.sense_ohms,
        wires.ground_both_ends,
        wires.open_bits,
    )


def line_fractions(g: Floats, wires: Wires) -> Floats:
    """u x: what the lines leave of the current of each device alone, (rows, columns), 0 to 1."""
    return words(g, wires).potentials * bits(g, wires).potentials[:, ::-1].T
