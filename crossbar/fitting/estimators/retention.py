"""Relaxation per decade of time, from readings some times after programming.

With h(g) = (g / peak) exp(1 - g / peak) and l = log10((onset + t) / (onset + t_first)) a device at
first reading g moves by (drift + sigma z) h(g) l, one z per device. Its slope b against l so has

    mean drift h,    variance sigma^2 h^2 + (error of the slope)^2;

the error comes from the scatter around the slope, or, with two readings only, from the read noise.
"""

from dataclasses import dataclass, replace

import numpy as np

from device_models.pulsed import Pulsed

from ..measurements import Floats, Ints, Retention
from . import bootstrap
from .laws import read_variance
from .part import Part

BINS = 24
PEAKS = 160
SPAN = 3.0  # ratio of initial conductances that tells a peak
ROBUST = 5.0  # robust standard deviations beyond which a slope is drawn in


@dataclass(frozen=True, eq=False)
class _Slopes:
    """One row per device: first conductance, slope per decade, its squared error."""

    g: Floats
    slope: Floats
    error2: Floats


def estimate(
    table: Retention, model: Pulsed, *, generator: np.random.Generator, resamples: int
) -> Part:
    """Fit `relax_sigma_siemens`, `relax_drift_siemens` and, if it can be told, the peak."""
    kelvin = np.unique(table.temperature_kelvin[np.isfinite(table.temperature_kelvin)])
    words: tuple[str, ...] = ()
    if len(kelvin) > 1:
        near = kelvin[np.abs(kelvin - model.reference_kelvin).argmin()]
        table = table.take(~(np.abs(table.temperature_kelvin - near) > 0.5))
        words = (f"several temperatures: relaxation is fitted at {near:g} K",)
    slopes = _slopes(table, model)
    n = len(slopes.g)
    part = Part(devices=n, rows=len(table), files=(table.source,), warnings=words)
    if n < 3:
        few = "relaxation needs 3 devices with readings at two times: the preset's is kept"
        return replace(part, warnings=(*words, few))
    drawn = bootstrap.weights(n, resamples, generator)
    low, high = np.quantile(slopes.g, (0.02, 0.98))
    free = bool(high / low > SPAN)
    peaks = np.geomspace(low / 2, high * 2, PEAKS) if free else np.array([model.relax_peak_siemens])
    drift, sigma, peak = _fit(slopes, drawn, peaks)
    draws = {"relax_sigma_siemens": sigma, "relax_drift_siemens": drift}
    draws |= {"relax_peak_siemens": peak} if free else {}
    return replace(
        part,
        values={name: float(d[0]) for name, d in draws.items()},
        intervals={name: bootstrap.interval(d, n) for name, d in draws.items()},
        words=dict.fromkeys(draws, "growth per decade of time, less the read noise"),
        warnings=(*words, *bootstrap.few(n, "retention")),
    )


def _slopes(table: Retention, model: Pulsed) -> _Slopes:
    """Slope of every device against decades, through its first reading or with an intercept."""
    onset = model.relax_onset_seconds
    order = np.lexsort((table.time_seconds, table.device))
    t = table.take(order)
    _, first, device, count = np.unique(
        t.device, return_index=True, return_inverse=True, return_counts=True
    )
    g0 = t.initial_siemens[first]
    is_first = np.isclose(t.g_siemens[first], g0, rtol=1e-9, atol=0.0)
    start = np.where(is_first, t.time_seconds[first], 0.0)
    decade = np.log10((onset + t.time_seconds) / (onset + start[device]))
    moved = t.g_siemens - g0[device]
    # Where the first reading is no row of its own, it is one more point at zero decades.
    points = count + ~is_first
    k = len(count)
    sl, sll, sm, slm, smm = bootstrap.sums(
        device, k, decade, decade**2, moved, decade * moved, moved**2
    )
    across = sll - sl**2 / points
    good = (points >= 2) & (across > 0.01) & (g0 > 0.0)
    slope = np.divide(slm - sl * sm / points, across, out=np.zeros(k), where=good)
    rest = smm - sm**2 / points - slope**2 * across
    read2 = read_variance(model, np.maximum(g0, 1e-12))
    several = points > 2
    scatter = rest[good & several].sum() / max((points[good & several] - 2).sum(), 1)
    # Scatter relative to the device's read noise, pooled: one device alone has too few points.
    shape = read2 / max(float(read2[good].mean()), 1e-30) if read2.any() else np.ones(k)
    noise2 = scatter * shape if several.any() else read2
    error2 = np.divide(noise2, across, out=np.zeros(k), where=good)
    back = np.log10(1.0 + start[good] / onset)
    return _at_zero(_Slopes(g0[good], slope[good], error2[good]), back)


def _at_zero(slopes: _Slopes, back: Floats) -> _Slopes:
    """Conductances right after the pulse, which the law counts from.

    The first reading is `back` decades old; each device is moved back along its own slope, drawn
    towards the mean of its neighbours as far as the slope is mere error.
    """
    place, bins = _places(slopes.g)
    count, total, squares, error = bootstrap.sums(
        place, bins, np.ones(len(place)), slopes.slope, slopes.slope**2, slopes.error2
    )
    size = np.maximum(count, 1.0)
    mean = total / size
    variance = np.maximum(squares / size - mean**2, 1e-30)
    sure = np.clip(1.0 - error / size / variance, 0.0, 1.0)[place]
    moved = (mean[place] + sure * (slopes.slope - mean[place])) * back
    return replace(slopes, g=np.maximum(slopes.g - moved, 0.2 * slopes.g))


def _places(g: Floats) -> tuple[Ints, int]:
    """Bin of each device, equally filled, and how many bins."""
    bins = min(BINS, max(1, len(g) // 4))
    edges = np.quantile(g, np.linspace(0.0, 1.0, bins + 1))
    place = np.clip(np.searchsorted(edges, g, "right") - 1, 0, bins - 1)
    return place.astype(np.int64), bins


def _fit(slopes: _Slopes, drawn: Floats, peaks: Floats) -> tuple[Floats, Floats, Floats]:
    """Drift, sigma and peak of every resample, by likelihood over the peaks, in bins of g."""
    place, bins = _places(slopes.g)
    slope = _drawn_in(slopes.slope, place, bins)
    n, sb, sbb, sv, sg = (
        drawn @ _scatter(place, bins, x)
        for x in (np.ones(len(slope)), slope, slope**2, slopes.error2, slopes.g)
    )
    size = np.maximum(n, 1e-9)
    g, v, best = sg / size, sv / size, np.full(len(drawn), np.inf)
    drift, sigma, peak = np.zeros((3, len(drawn)))
    for candidate in peaks:
        h = np.where(n > 0, g / candidate * np.exp(1.0 - g / candidate), 1e-9)
        d, s2 = np.zeros(len(drawn)), np.full(len(drawn), 0.0)
        for _ in range(6):
            variance = s2[:, None] * h**2 + v + 1e-30
            w = n / variance
            d = (h * sb / variance).sum(1) / (w * h**2).sum(1)
            squares = sbb - 2 * d[:, None] * h * sb + n * (d[:, None] * h) ** 2
            u = h**2 / variance**2
            s2 = np.maximum((u * (squares - n * v)).sum(1) / (u * n * h**2).sum(1), 0.0)
        variance = s2[:, None] * h**2 + v + 1e-30
        loss = (n * np.log(variance) + squares / variance).sum(1)
        better = loss < best
        best = np.where(better, loss, best)
        drift, sigma = np.where(better, d, drift), np.where(better, np.sqrt(s2), sigma)
        peak = np.where(better, candidate, peak)
    return drift, sigma, peak


def _scatter(place: Ints, bins: int, x: Floats) -> Floats:
    """x in the column of its bin, shape (devices, bins)."""
    out = np.zeros((len(x), bins))
    out[np.arange(len(x)), place] = x
    return out


def _drawn_in(slope: Floats, place: Ints, bins: int) -> Floats:
    """Slopes with the outliers of each bin brought to `ROBUST` robust standard deviations."""
    out = slope.copy()
    for b in range(bins):
        mine = place == b
        if mine.sum() > 3:
            middle = np.median(slope[mine])
            spread = 1.4826 * np.median(np.abs(slope[mine] - middle))
            out[mine] = np.clip(slope[mine], middle - ROBUST * spread, middle + ROBUST * spread)
    return out
