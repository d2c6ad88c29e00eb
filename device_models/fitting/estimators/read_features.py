"""Series of reads by ten numbers each, measured and simulated: what a population is compared by.

Of each series `PAIRS` pairs of neighbouring reads are taken, evenly spread over it: what happens
between neighbours is seen as well as what happens over the whole series. Simulated series have the
times of the measured ones; a set of them takes milliseconds.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import physics
from ..measurements import Floats, Ints, Reads

PAIRS = 80  # of neighbouring reads, of each series
LEAST_PAIRS = 32
MOST_SERIES = 40
LAGS = 1, 4, 16  # pairs
NAMES = (
    "difference of neighbours", "their largest differences", "spread",
    *(f"change over {lag} pairs" for lag in LAGS),
    "kurtosis", "kurtosis of changes", "skewness", "kurtosis of neighbours",
)  # fmt: skip
SHAPED = slice(2, 6)  # features whose distribution over series counts, not only its two moments


class Design(NamedTuple):
    """What was read.

    Attributes:
        ohms: Resistance of each series, shape (series,).
        unit: Device of each series.
        near_seconds: Between the reads of a pair.
        far_seconds: From the last read of a pair to the first of the next.
        pairs: How many there are of each series.
    """

    ohms: Floats
    unit: Ints
    near_seconds: Floats
    far_seconds: Floats
    pairs: int

    @property
    def lasting_seconds(self) -> float:
        """Length of the longest series."""
        return float(((self.near_seconds + self.far_seconds) * self.pairs).max())


def of_reads(reads: Reads) -> tuple[Design, Floats] | None:
    """The long series with a clock, evenly chosen: their design, and their reads (series, reads).

    None if there are fewer than two.
    """
    begin = np.flatnonzero(np.diff(reads.series, prepend=-1) != 0)
    size = np.diff(begin, append=len(reads))
    dt = reads.dt_seconds[begin]
    long = np.flatnonzero((size >= 2 * LEAST_PAIRS) & np.isfinite(dt) & (dt > 0.0))
    if len(long) < 2:
        return None
    pairs = int(min(PAIRS, np.median(size[long]) // 2))
    long = long[size[long] >= 2 * pairs]
    long = long[np.unique(np.linspace(0, len(long) - 1, MOST_SERIES).round().astype(int))]
    stride = size[long] // pairs
    first = begin[long, None] + stride[:, None] * np.arange(pairs)
    x = reads.g_siemens[np.stack([first, first + 1], 2).reshape(len(long), -1)]
    device = reads.device[begin[long]]
    several = len(np.unique(device)) > 1
    unit = np.unique(device if several else long, return_inverse=True)[1]
    near = dt[long]
    ohms = 1.0 / np.maximum(np.median(x, axis=1), 1e-12)
    return Design(ohms, unit.astype(np.int64), near, near * (stride - 1), pairs), x


def features(g: NDArray[Any]) -> Floats:
    """`NAMES` of series of pairs, shape (..., reads): (..., 10)."""
    x = g / g.mean(-1, keepdims=True) - 1.0
    near = x[..., 1::2] - x[..., ::2]
    middle = 0.5 * (x[..., 1::2] + x[..., ::2])
    level = 2.0 * np.log(np.sqrt(np.abs(near)).mean(-1) + 1e-9)  # jumps hardly count
    changes = [middle[..., lag:] - middle[..., :-lag] for lag in LAGS]
    middle = _standard(middle - middle.mean(-1, keepdims=True))
    square = middle * middle
    numbers = [
        level,
        _log_rms(near) - level,
        _log_rms(x) - level,
        *(_log_rms(change) - level for change in changes),
        np.log((square * square).mean(-1) + 0.1),
        _log_kurtosis(changes[1]),
        np.abs((square * middle).mean(-1)),
        _log_kurtosis(near),
    ]
    return np.stack(numbers, -1)


def _log_rms(x: Floats) -> Floats:
    rms: Floats = 0.5 * np.log((x * x).mean(-1) + 1e-18)
    return rms


def _standard(x: Floats) -> Floats:
    """Divided by the root of the mean square; powers of 32-bit numbers would vanish."""
    scaled: Floats = x / (np.sqrt((x * x).mean(-1, keepdims=True)) + 1e-9)
    return scaled


def _log_kurtosis(x: Floats) -> Floats:
    square = _standard(x)
    square *= square
    kurtosis: Floats = np.log((square * square).mean(-1) + 0.1)
    return kurtosis


def summaries(f: Floats, design: Design, series: Ints, *, spans: bool) -> Floats:
    """A set of series by what its features are over resistance and devices.

    Args:
        f: Features of sets, shape (sets, series, 10).
        design: Of the series.
        series: Indices of those that are used.
        spans: Whether resistances differ enough for slopes.

    Returns:
        Shape (sets, numbers).
    """
    x = np.log(design.ohms[series])
    x = x - x.mean()
    f = f[:, series]
    mean = f.mean(1)
    numbers = [mean]
    off = f - mean[:, None]
    if spans:
        slope = np.einsum("tdf,d->tf", off, x) / float(x @ x)
        off = off - slope[:, None] * x[:, None]
        numbers.append(slope)
    numbers.append(np.log(off.std(1) + 1e-3))
    for level in (0.1, 0.5, 0.9):
        numbers.append(np.quantile(off[..., SHAPED], level, axis=1))
    return np.concatenate(numbers, 1)


def simulate_traps(
    design: Design, p: dict[str, Floats], white: Floats, generator: np.random.Generator
) -> Floats:
    """Features of sets of devices with white and telegraph noise, the law of `telegraph`.

    Args:
        design: Of the series.
        p: Fields of the model without `telegraph_`, one number per set: traps, sigma, duty_sigma,
            shortest_seconds, longest_seconds, and d2d_sigma of the white noise.
        white: Relative white noise of a median device, shape (sets, series).
        generator: Of devices and reads.

    Keyword `p` holds also "amplitude", of shape (sets, series): the median one of a trap.
    """
    sets, devices = len(white), int(design.unit.max()) + 1
    number = generator.poisson(p["traps"][:, None], (sets, devices))
    owner = np.repeat(np.arange(sets * devices), number.ravel())  # trap -> set, device
    of_set, of_device = owner // devices, owner % devices
    factor = np.exp(p["sigma"][of_set] * generator.standard_normal(len(owner)))
    duty = 1.0 / (1.0 + np.exp(-p["duty_sigma"][of_set] * generator.standard_normal(len(owner))))
    ends = np.log(p["shortest_seconds"])[of_set], np.log(p["longest_seconds"])[of_set]
    tau = np.exp(ends[0] + (ends[1] - ends[0]) * generator.random(len(owner)))
    x = np.zeros((sets, len(design.ohms), 2 * design.pairs), np.float32)
    for series in range(len(design.ohms)):
        here = np.flatnonzero(of_device == design.unit[series])
        if not len(here):
            continue
        a = (factor[here] * p["amplitude"][of_set[here], series]).astype(np.float32)
        steps = design.near_seconds[series], design.far_seconds[series]
        path = _paths(duty[here], tau[here], steps, design.pairs, generator)
        first = np.flatnonzero(np.diff(of_set[here], prepend=-1))
        dev = a[:, None] * (duty[here].astype(np.float32)[:, None] - path)
        x[of_set[here][first], series] = np.add.reduceat(dev, first, axis=0)
    return _read(design, x, p["d2d_sigma"], white, generator)


def _paths(
    duty: Floats,
    tau: Floats,
    steps: tuple[float, float],
    pairs: int,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """States of traps at the reads of one series, shape (traps, reads), 0 or 1."""
    stays = [np.exp(-seconds / tau).astype(np.float32) for seconds in steps]
    path = np.empty((2 * pairs, len(duty)), np.float32)
    uniform = generator.random(path.shape, dtype=np.float32)
    share = duty.astype(np.float32)
    path[0] = uniform[0] < share
    for k in range(1, 2 * pairs):
        path[k] = uniform[k] < share + (path[k - 1] - share) * stays[(k + 1) % 2]
    return path.T


def simulate_slow(
    design: Design, p: dict[str, Floats], white: Floats, generator: np.random.Generator
) -> Floats:
    """The same of devices with white and slow noise, the law of `read_noise`.

    Here `p` has d2d_sigma, slow_d2d_sigma, shortest_seconds, longest_seconds, and amplitude.
    """
    sets, devices = len(white), int(design.unit.max()) + 1
    factor = np.exp(p["slow_d2d_sigma"][:, None] * generator.standard_normal((sets, devices)))
    amplitude = (p["amplitude"] * factor[:, design.unit]).astype(np.float32)
    amplitude /= np.float32(physics.COMPONENTS**0.5)
    ratio = p["longest_seconds"] / p["shortest_seconds"]
    x = np.zeros((sets, len(design.ohms), 2 * design.pairs), np.float32)
    for j in range(physics.COMPONENTS):
        tau = (p["shortest_seconds"] * ratio ** (j / (physics.COMPONENTS - 1)))[:, None]
        rho = [np.exp(-s / tau).astype(np.float32) for s in (design.near_seconds,
                                                              design.far_seconds)]  # fmt: skip
        fresh = [np.sqrt(1.0 - r**2) for r in rho]
        z = generator.standard_normal((2 * design.pairs, *amplitude.shape), dtype=np.float32)
        now = z[0]
        x[..., 0] += amplitude * now
        for k in range(1, 2 * design.pairs):
            way = (k + 1) % 2
            now = rho[way] * now + fresh[way] * z[k]
            x[..., k] += amplitude * now
    return _read(design, x, p["d2d_sigma"], white, generator)


def _read(
    design: Design,
    x: NDArray[np.float32],
    d2d_sigma: Floats,
    white: Floats,
    generator: np.random.Generator,
) -> Floats:
    """Features of reads with white noise added to relative deviations."""
    devices = int(design.unit.max()) + 1
    factor = np.exp(d2d_sigma[:, None] * generator.standard_normal((len(x), devices)))
    sigma = (white * factor[:, design.unit]).astype(np.float32)
    x += sigma[..., None] * generator.standard_normal(x.shape, dtype=np.float32)
    return features(np.maximum(1.0 + x, np.float32(0.01)))


def capped(p: Floats, exponent: Floats, ohms: Floats, at_ohms: float, cap: float) -> Floats:
    """min(cap, p (R / at_ohms)^exponent) of sets and series: `physics.growing_fraction`."""
    grown = np.log(p)[:, None] + exponent[:, None] * np.log(ohms / at_ohms)
    limited: Floats = np.minimum(np.exp(grown), cap)
    return limited
