"""Readings after programming as changes since the first one: what relaxation is fitted to."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ... import physics
from ...physics import BOLTZMANN_EV_PER_KELVIN
from ...pulsed import Pulsed
from ..measurements import Floats, Ints, Retention
from ..quantities import tenths
from .laws import read_variance

COLUMNS = (
    "first", "level", "change", "seconds", "began_seconds", "heat", "began_heat", "run",
    "session", "cycles",
    "read2", "slow2", "at_floor",
)  # fmt: skip

FLOOR = 0.1  # of the window's lower end: only relaxation that was stopped leads below
GOLDEN = 0.6180339887  # multiples of it fill 0..1 evenly and have no period


@dataclass(frozen=True, eq=False)
class Changes:
    """One row per later reading; conductances in units of `unit_siemens`.

    Attributes:
        device: Number of the device, from 0 without gaps.
        first: First reading after the pulse.
        level: Conductance that the pulse left, as far as it is known.
        change: Later reading minus the first one.
        seconds: Time of the later reading.
        began_seconds: Time of the first reading.
        heat: (1 / reference - 1 / T) / k during that time, 1/eV.
        began_heat: The same until the first reading.
        run: Number of the run, from 0: a file at one temperature.
        session: Number of the session, from 0: the readings of a run at one time.
        cycles: Pulses given to the device before; 0 if unknown.
        read2: Variance of one reading by the model known so far.
        slow2: Variance of the change by slow read noise that is known; 0: none is.
        at_floor: 1 where the later reading is the least that a device can have, else 0.
        read_measured: Whether the noise of these readings is known, and not fitted.
        motion: Typical change, the unit of rates.
        unit_siemens: Unit of conductance.
    """

    device: Ints
    first: Floats
    level: Floats
    change: Floats
    seconds: Floats
    began_seconds: Floats
    heat: Floats
    began_heat: Floats
    run: Ints
    session: Ints
    cycles: Floats
    read2: Floats
    slow2: Floats
    at_floor: Floats
    read_measured: bool
    motion: float
    unit_siemens: float

    def subset(self, devices: int) -> "Changes":
        """The rows of about this many devices, whatever the order they were measured in."""
        fraction = devices / max(self.count, 1)
        return self if fraction >= 1.0 else self.take(self.device * GOLDEN % 1.0 < fraction)

    def thinned(self, most: int) -> "Changes":
        """At most so many readings of each device, evenly chosen in the order of time."""
        order = np.lexsort((self.seconds, self.device))
        count = np.bincount(self.device, minlength=1)
        if count.max() <= most:
            return self
        n, start = count[self.device[order]], (np.cumsum(count) - count)[self.device[order]]
        rank, chosen = np.arange(len(order)) - start, np.minimum(n, most)
        keep = np.zeros(len(order), bool)
        keep[order] = (rank + 1) * chosen // n > rank * chosen // n  # the last one is among them
        return self.take(keep)

    def take(self, rows: NDArray[np.bool_]) -> "Changes":
        """Some of the rows."""
        device = np.unique(self.device[rows], return_inverse=True)[1].astype(np.int64)
        return replace(self, device=device, **{n: getattr(self, n)[rows] for n in COLUMNS})

    @property
    def count(self) -> int:
        """How many devices."""
        return int(self.device.max(initial=-1)) + 1

    @property
    def runs(self) -> int:
        """How many runs."""
        return int(self.run.max(initial=-1)) + 1


def changes_of(table: Retention, files: Ints, model: Pulsed, *, read_measured: bool) -> Changes:
    """Later readings against the first one of the same write.

    Args:
        table: Readings.
        files: Number of the file of each row.
        model: Its read noise, and its reference temperature.
        read_measured: See `retention.estimate`.
    """
    order = np.lexsort((table.time_seconds, table.initial_siemens, table.device))
    t, files = table.take(order), files[order]
    new = (np.diff(t.device, prepend=-1) != 0) | (np.diff(t.initial_siemens, prepend=-1.0) != 0)
    start = np.flatnonzero(new)[np.cumsum(new) - 1]
    # The first row is the starting point itself where it repeats its reading.
    repeats = np.isclose(t.g_siemens[start], t.initial_siemens, rtol=1e-9, atol=0.0)
    began = np.where(repeats, t.time_seconds[start], 0.0)
    heat = _heat(t.temperature_kelvin, model)
    rows = (t.time_seconds > began) & (t.initial_siemens > 0.0) & np.isfinite(t.g_siemens)
    first, change = t.initial_siemens[rows], (t.g_siemens - t.initial_siemens)[rows]
    run = runs_of(files, t.temperature_kelvin)
    level = _mean_reading(start[rows], first, t.g_siemens[rows]) if read_measured else first
    level = np.maximum(level, 1e-12)
    unit = float(np.median(first)) if len(first) else 1.0
    typical = 1.5 * float(np.median(np.abs(change))) / unit if len(change) else 0.0
    return Changes(
        device=np.unique(t.device[rows], return_inverse=True)[1].astype(np.int64),
        first=first / unit,
        level=first / unit,
        change=change / unit,
        seconds=t.time_seconds[rows],
        began_seconds=began[rows],
        heat=heat[rows],
        began_heat=heat[start][rows],
        run=run[rows],
        session=_numbered(
            np.asarray(run[rows] * 2.0**20 + tenths(t.time_seconds[rows]), np.float64)
        ),
        cycles=np.where(np.isfinite(t.cycles), t.cycles, 0.0)[rows],
        read2=read_variance(model, level) / unit**2,
        slow2=_slow_variance(model, level, (t.time_seconds - began)[rows], read_measured) / unit**2,
        at_floor=(t.g_siemens[rows] < FLOOR * model.g_min_siemens).astype(np.float64),
        read_measured=read_measured,
        motion=max(typical, 1e-6),
        unit_siemens=unit,
    )


def runs_of(files: Ints, kelvin: Floats) -> Ints:
    """Number of the run of each row, from 0: a file at one temperature."""
    rounded = np.where(np.isfinite(kelvin), np.round(kelvin), 0.0)
    return _numbered(np.asarray(files * 2.0**20 + rounded, np.float64))


def _numbered(keys: Floats) -> Ints:
    """Numbers from 0 without gaps."""
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def _mean_reading(write: Ints, first: Floats, later: Floats) -> Floats:
    """Mean of the first and the later readings after each write, of which the noise is taken.

    That of the first alone would be too small just where it was read too low.
    """
    which = np.unique(write, return_inverse=True)[1]
    count = np.bincount(which)
    mean = (np.bincount(which, first) / count + np.bincount(which, later)) / (count + 1)
    return np.asarray(mean[which])


def _slow_variance(model: Pulsed, g: Floats, seconds: Floats, is_known: bool) -> Floats:
    """Variance of how slow read noise changes in some time, siemens squared."""
    if not is_known or not len(g):
        return np.zeros(len(g))
    spread = physics.growing_fraction(
        torch.from_numpy(g), model.slow_fraction, model.read_knee_ohms,
        model.slow_exponent, model.slow_cap,
    ).numpy()  # fmt: skip
    lost = -np.expm1(-seconds[:, None] / np.array(model.slow_times)).mean(1)
    return np.asarray(2.0 * (spread * g) ** 2 * lost)


def _heat(kelvin: Floats, model: Pulsed) -> Floats:
    """(1 / reference - 1 / T) / k, 1/eV; unknown temperatures are the reference."""
    kelvin = np.where(np.isfinite(kelvin), kelvin, model.reference_kelvin)
    return (1.0 / model.reference_kelvin - 1.0 / kelvin) / BOLTZMANN_EV_PER_KELVIN
