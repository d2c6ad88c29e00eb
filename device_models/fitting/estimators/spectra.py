"""Repeated reads as periodograms, few numbers per series."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..measurements import Floats, Ints, Reads

LONG = 64  # reads from which a series has a periodogram
MOST = 2000  # long series whose spectra are used
SINGLE = 16  # lowest frequencies, each a bin of its own
RATIO = 1.1  # of the ends of the other bins
GROUPS = 100  # bins of resistance
MISFIT = 0.3  # relative misfit of a spectrum before it is known


@dataclass(frozen=True, eq=False)
class Bins:
    """Pooled periodogram of one series; the arrays have the shape (bins,).

    Attributes:
        omega: Geometric mean of the angular frequencies, per read; nan: `power` is half the mean
            squared difference of neighbours.
        power: Mean of the ordinates.
        count: How many; half a one for the highest frequency of an even number of reads.
        octave: Number of the octave, from 0 at the lowest frequency.
    """

    omega: Floats
    power: Floats
    count: Floats
    octave: Ints


def bins(x: Floats) -> Bins:
    """The periodogram |sum_t x_t exp(-i omega t)|^2 / n of relative deviations, mean removed."""
    n = len(x)
    power = np.abs(np.fft.rfft(x - x.mean())[1:]) ** 2 / n
    last = len(power)
    steps = max(0, int(np.ceil(np.log(max(last / SINGLE, 1.0)) / np.log(RATIO))))
    ends = np.append(np.arange(1, SINGLE + 1), SINGLE * RATIO ** np.arange(1, steps + 1))
    ends = np.unique(np.minimum(np.round(ends).astype(int), last))
    begin = np.append(0, ends[:-1])
    count = np.ones(last)
    count[-1] = 1.0 if n % 2 else 0.5
    pooled, counts = (np.add.reduceat(v, begin) for v in (power * count, count))
    middle = np.where(ends - begin == 1, ends, np.sqrt((begin + 0.5) * (ends + 0.5)))
    octave = np.log2(middle).astype(np.int64)
    return Bins(2.0 * np.pi * middle / n, pooled / counts, counts, octave)


def neighbours(x: Floats) -> Bins:
    """A single number of a short series, with the scatter that it has for white noise."""
    n = len(x)
    count = (n - 1) ** 2 / (3 * n - 4)
    power = 0.5 * np.mean(np.diff(x) ** 2)
    return Bins(np.array([np.nan]), np.array([power]), np.array([count]), np.zeros(1, np.int64))


@dataclass(frozen=True, eq=False)
class Spectra:
    """The spectra of all series.

    Attributes:
        unit: Device of each series, from 0; or the series itself of a single device.
        ohms: 1 / mean conductance of each series.
        series: Series of each entry, shape (entries,).
        power: As in `Bins`, of each entry.
        count: The same.
        octave: Series and octave: a number of its own for each.
        weight: As how many it counts.
        table_index: Entry of the table of frequencies that it belongs to.
        omega: As in `Bins`, shape (table,).
        reads: Length of the series, shape (table,).
        dt_seconds: Interval, shape (table,); nan if unknown.
    """

    unit: Ints
    ohms: Floats
    series: Ints
    power: Floats
    count: Floats
    octave: Ints
    weight: Floats
    table_index: Ints
    omega: Floats
    reads: Floats
    dt_seconds: Floats

    @property
    def long(self) -> NDArray[np.bool_]:
        """Which series have a periodogram, shape (series,)."""
        long = np.zeros(len(self.ohms), bool)
        long[self.series[np.isfinite(self.omega[self.table_index])]] = True
        return long


def of_reads(reads: Reads) -> Spectra | None:
    """Periodograms of the long series with a clock; of the others only neighbours are compared.

    None if no series has two reads.
    """
    begin = np.flatnonzero(np.diff(reads.series, prepend=-1) != 0)
    size = np.diff(begin, append=len(reads))
    begin, size = begin[size > 1], size[size > 1]
    if not len(begin):
        return None
    several = len(np.unique(reads.device)) > 1
    label = reads.device[begin] if several else np.arange(len(begin))
    with np.errstate(invalid="ignore"):
        dt = np.exp(np.round(np.log(reads.dt_seconds[begin]), 2))  # 1 %: few tables
    clock = np.isfinite(dt) & (dt > 0.0)
    long = clock & (size >= LONG)
    long &= np.cumsum(long) <= MOST
    dt = np.where(clock & long.any(), dt, np.nan)
    mean, periodograms = np.empty(len(begin)), list[Bins]()
    for i, (a, n) in enumerate(zip(begin, size, strict=True)):
        g = reads.g_siemens[a : a + n]
        mean[i] = max(float(g.mean()), 1e-12)
        periodograms.append(bins(g / mean[i] - 1.0) if long[i] else neighbours(g / mean[i] - 1.0))
    kinds = list(zip(np.where(long, size, 2).tolist(), np.nan_to_num(dt).tolist(), strict=True))
    return _joined(np.unique(label, return_inverse=True)[1], 1.0 / mean, periodograms, kinds)


def _joined(
    unit: NDArray[np.intp], ohms: Floats, periodograms: list[Bins], kinds: list[tuple[int, float]]
) -> Spectra:
    """All series, with one table of frequencies per length (2: short) and interval (0: none)."""
    tables, start, length = dict[tuple[int, float], Bins](), dict[tuple[int, float], int](), 0
    for kind, b in zip(kinds, periodograms, strict=True):
        if kind not in tables:
            tables[kind], start[kind] = b, length
            length += len(b.power)
    sizes = np.array([len(b.power) for b in periodograms])
    inside = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    count = np.concatenate([b.count for b in periodograms])
    series = np.repeat(np.arange(len(periodograms)), sizes)
    each = [len(b.power) for b in tables.values()]
    dt = np.array([seconds for _, seconds in tables])
    return Spectra(
        unit=unit.astype(np.int64),
        ohms=ohms,
        series=series,
        power=np.concatenate([b.power for b in periodograms]),
        count=count,
        octave=64 * series + np.concatenate([b.octave for b in periodograms]),
        weight=count / (1.0 + count * MISFIT**2),
        table_index=np.repeat([start[kind] for kind in kinds], sizes) + inside,
        omega=np.concatenate([b.omega for b in tables.values()]),
        reads=np.repeat([float(n) for n, _ in tables], each),
        dt_seconds=np.repeat(np.where(dt > 0.0, dt, np.nan), each),
    )


def pooled(spectra: Spectra) -> Spectra:
    """The spectra with series of nearly the same resistance as one; quick, with the same minimum.

    Entries of equal S enter the likelihood by their weighted mean only. Devices and
    counts are lost.
    """
    if len(spectra.ohms) <= GROUPS:
        return spectra
    log_ohms = np.log(spectra.ohms)
    edges = np.linspace(log_ohms.min(), log_ohms.max(), GROUPS + 1)[1:-1]
    of_series = np.unique(np.searchsorted(edges, log_ohms), return_inverse=True)[1]
    ohms = np.exp(np.bincount(of_series, log_ohms) / np.bincount(of_series))
    key = of_series[spectra.series] * len(spectra.omega) + spectra.table_index
    first, entry = np.unique(key, return_index=True, return_inverse=True)[1:]
    weight = np.bincount(entry, spectra.weight).astype(np.float64)
    return replace(
        spectra,
        unit=np.zeros(len(ohms), np.int64),
        ohms=ohms,
        series=of_series[spectra.series][first],
        power=np.bincount(entry, spectra.weight * spectra.power) / weight,
        count=weight,
        octave=spectra.octave[first],
        weight=weight,
        table_index=spectra.table_index[first],
    )
