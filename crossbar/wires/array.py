"""An array cut into tiles, as its wires let it be seen; exact matrices refreshed by a policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from . import iterative, nodal
from .ladders import coupled, line_fractions
from .pulse_loss import Behind, behind_transistors, half_selected
from .transfer import transfer_matrix
from .wires import Floats, Refresh, Wires

PROBE_TOLERANCE = 0.01  # of the bound: how well a probe's true currents are known
CHECK_TOLERANCE = 1e-9


class WiredSiemens(NamedTuple):
    """An array through its wires, each (rows, columns).

    Attributes:
        siemens: Current of column j per volt on row i alone.
        fraction: What the lines leave of the current of each device, taken one by one: 0 to 1.
    """

    siemens: Floats
    fraction: Floats


class _Probe(NamedTuple):
    """Rows driven, (1, rows) of 0 and 1, and the true currents of all columns."""

    driven: Floats
    amperes: Floats

    def error(self, part: WiredSiemens) -> float:
        """Of the currents of a matrix, relative to the largest."""
        off = np.abs(self.driven @ part.siemens - self.amperes).max()
        return float(off / max(float(np.abs(self.amperes).max()), 1e-300))


@dataclass
class _Tile:
    """One tile: where it is, its lines, its devices when last solved, what its ladders leave out.

    Attributes:
        correction: Matrix less that of the ladders, siemens, (rows, columns).
        ratio: That to `coupled`, both at `g`; None: not asked for since then.
        is_exact: Whether the correction is that of `g`.
    """

    span: tuple[slice, slice]
    wires: Wires
    g: Floats
    correction: Floats
    ratio: Floats | None = None
    is_exact: bool = True


class WiredArray:
    """Follows the conductances of an array and tells what its column amplifiers see.

    The exact matrix of a tile costs columns x rows^3 operations, its ladders (`ladders`) only
    columns x rows. Between two exact solutions the array is seen as

        A(g) ~ F(g) + [A(g_0) - F(g_0)],

    the ladders of the present conductances plus what the ladders left out when the tile was last
    solved: the change is right to first order in the voltage that is lost. `refresh` says when a
    tile is solved anew: `every` time it changed; at the start of each `epoch`; or `adaptive`, when
    a probe finds the currents off by more than `bound`. A probe solves one tile per `follow`, in
    turn, for one random half of its rows driven, by conjugate gradients. Then what the ladders
    leave out is first followed to second order (`ladders.coupled`), in a tenth of the time of an
    exact solution, and the tile is solved only if that is beyond the bound too.

    Attributes:
        solved: Exact solutions of a tile since `start`.
        worst_error: Largest error that a probe or a checkpoint found since `start`, before the tile
            was solved anew; relative to the largest column current of the tile, as is the next.
        checkpoint_error: Largest error of the matrices that the last checkpoint left, by
            conjugate gradients on one random half of the rows of each tile.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        tile_shape: tuple[int, int],
        wires: Wires | Sequence[Wires],
        *,
        refresh: Refresh = "adaptive",
        bound: float = 1e-2,
    ) -> None:
        """Cut an array of (rows, columns) into tiles; `start` comes next.

        Args:
            shape: (rows, columns).
            tile_shape: Largest (rows, columns) of a tile.
            wires: Those of every tile, or each tile's own, row of tiles by row of tiles.
            refresh: See the class.
            bound: See the class.
        """
        self._shape, self._refresh, self._bound = shape, refresh, bound
        downs = [slice(a, a + tile_shape[0]) for a in range(0, shape[0], tile_shape[0])]
        across = [slice(a, a + tile_shape[1]) for a in range(0, shape[1], tile_shape[1])]
        nothing = np.empty((0, 0))
        spans = [(rows, columns) for rows in downs for columns in across]
        each = [wires] * len(spans) if isinstance(wires, Wires) else wires
        self._tiles = [
            _Tile(span, lines, nothing, nothing) for span, lines in zip(spans, each, strict=True)
        ]
        self._next = 0
        self.solved, self.worst_error, self.checkpoint_error = 0, 0.0, 0.0

    @property
    def takes_from_pulses(self) -> bool:
        """Whether pulses lose amplitude on these lines."""
        return any(tile.wires.pulse_loss for tile in self._tiles)

    def behind(self, g: Floats | None, bias: float) -> Behind:
        """What every device sees of its lines when it is pulsed, each (rows, columns).

        Args:
            g: Conductances, siemens; None with a transistor at each device.
            bias: Fraction of the amplitude on half-selected devices.
        """
        whole = Behind(np.empty(self._shape), np.empty(self._shape))
        for tile in self._tiles:
            if g is None:
                part = behind_transistors(tile.wires, *whole.ohms[tile.span].shape)
            else:
                part = half_selected(g[tile.span], tile.wires, bias)
            for array, values in zip(whole, part, strict=True):
                array[tile.span] = values
        return whole

    def start(self, g: Floats, probes: np.random.Generator) -> None:
        """Solve every tile that is not exact; what later probes drive comes from `probes`."""
        self._probes, self._next, self.worst_error = probes, 0, 0.0
        for tile in self._tiles:
            if not self._is_exact(tile, g):
                self._solve(tile, g)
        self.solved = 0

    def checkpoint(self, g: Floats) -> WiredSiemens:
        """Solve every tile that is not exact, and measure how far each was off, and is."""
        parts, errors = [], []
        for tile in self._tiles:
            part = before = self._corrected(tile, g)
            if not self._is_exact(tile, g):
                part = self._solve(tile, g)
            errors.append(self._probe(tile, g, CHECK_TOLERANCE).error(part))
            off = self._probe(tile, g, CHECK_TOLERANCE).error(before)
            self.worst_error = max(self.worst_error, off)
            parts.append(part)
        self.checkpoint_error = max(errors)
        return self._assembled(g, parts)

    def follow(self, g: Floats) -> WiredSiemens:
        """What the amplifiers see of conductances (rows, columns), siemens."""
        parts = []
        for tile in self._tiles:
            changed = not np.array_equal(tile.g, g[tile.span])
            if self._refresh == "every" and changed:
                parts.append(self._solve(tile, g))
            else:
                parts.append(self._corrected(tile, g))
        if self._refresh == "adaptive":
            self._probe_next(g, parts)
        return self._assembled(g, parts)

    def _probe_next(self, g: Floats, parts: list[WiredSiemens]) -> None:
        """Probe the next tile in turn; solve it if it is beyond the bound."""
        turn = self._next % len(self._tiles)
        self._next += 1
        tile = self._tiles[turn]
        probe = self._probe(tile, g, PROBE_TOLERANCE * self._bound)
        error = probe.error(parts[turn])
        self.worst_error = max(self.worst_error, error)
        if error > self._bound:
            parts[turn] = self._coupled(tile, g)
            if probe.error(parts[turn]) > self._bound:
                parts[turn] = self._solve(tile, g)

    def _probe(self, tile: _Tile, g: Floats, tolerance: float) -> _Probe:
        """The currents for a random half of the rows driven."""
        now = np.asarray(g[tile.span], np.float64)
        driven = (self._probes.random((1, len(now))) < 0.5).astype(np.float64)
        if tile.wires.bridged_words or tile.wires.bridged_bits:
            return _Probe(driven, nodal.solve(now, tile.wires, driven).amperes)
        return _Probe(driven, iterative.read(now, tile.wires, driven, tolerance=tolerance))

    @staticmethod
    def _is_exact(tile: _Tile, g: Floats) -> bool:
        """Whether a tile was solved with these very conductances."""
        return tile.is_exact and np.array_equal(tile.g, g[tile.span])

    def _coupled(self, tile: _Tile, g: Floats) -> WiredSiemens:
        """The matrix of a tile that follows what its ladders leave out to second order."""
        if not tile.wires.couples:
            return self._corrected(tile, g)
        if tile.ratio is None:
            second = coupled(tile.g, tile.wires)
            tile.ratio = np.divide(
                tile.correction, second, out=np.ones(second.shape), where=second > 0.0
            )
        now = np.asarray(g[tile.span], np.float64)
        tile.correction = tile.ratio * coupled(now, tile.wires)
        tile.is_exact = False
        return self._corrected(tile, g)

    def _solve(self, tile: _Tile, g: Floats) -> WiredSiemens:
        """The exact matrix of a tile; what its ladders leave out is kept."""
        tile.g = np.array(g[tile.span], np.float64)
        fraction = line_fractions(tile.g, tile.wires)
        exact = transfer_matrix(tile.g, tile.wires).T
        tile.correction, tile.ratio, tile.is_exact = exact - tile.g * fraction, None, True
        self.solved += 1
        return WiredSiemens(exact, fraction)

    def _corrected(self, tile: _Tile, g: Floats) -> WiredSiemens:
        """The matrix of a tile as its ladders follow the conductances."""
        now = np.asarray(g[tile.span], np.float64)
        fraction = line_fractions(now, tile.wires)
        return WiredSiemens(now * fraction + tile.correction, fraction)

    def _assembled(self, g: Floats, parts: list[WiredSiemens]) -> WiredSiemens:
        """The tiles side by side."""
        whole = WiredSiemens(np.empty(g.shape), np.empty(g.shape))
        for tile, part in zip(self._tiles, parts, strict=True):
            for array, values in zip(whole, part, strict=True):
                array[tile.span] = values
        return whole
