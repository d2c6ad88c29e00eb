"""White read noise, from the readings that two pulses in a row share.

The residuals before and after a reading of error e hold +e and -e, so that -r_n r_(n-1) expects its
variance. How it grows with resistance is fitted to sums in bins of conductance; the conductance is
the one expected before the pulse (`Work.g`), for the reading itself would choose its own error.
"""

from typing import NamedTuple

import numpy as np

from ..measurements import Floats
from . import bootstrap, growth
from .work import Work, residuals

BINS = 12
ONE_SIDED = 3.84  # growth of chi-squared at the end of a 95 % interval
TRIED = 400  # values of an upper bound


class Bins(NamedTuple):
    """Relative read variance in bins of conductance; all of shape (resamples, bins)."""

    relative: Floats
    precision: Floats
    ohms: Floats


def binned(work: Work, weight: Floats) -> Bins:
    """Sums over linked pulses in bins of resistance."""
    s, r, v = residuals(work)
    y, pair = np.zeros(len(r)), np.zeros(len(r), bool)
    pair[1:] = work.chain.linked[1:] & work.used[1:] & work.used[:-1]
    # A gain fitted to the residuals takes its own variance out of their products.
    y[1:] = -r[1:] * r[:-1]
    y -= s**2 * work.sampling
    ohms = 1.0 / np.maximum(work.g, 1e-12)
    edges = np.quantile(ohms[pair], np.linspace(0, 1, BINS + 1)) if pair.any() else np.zeros(1)
    place = np.clip(np.searchsorted(edges, ohms, "right") - 1, 0, BINS - 1)
    w = work.g**2 / v**2 * pair
    count = len(work.device_of_unit)
    keys = work.unit * BINS + place
    columns = bootstrap.sums(keys, count * BINS, w, w * y, w * work.g**2, w * ohms)
    sw, swy, swg, swr = (weight @ x.reshape(count, BINS) for x in columns)
    full = np.maximum(swg, 1e-300)
    return Bins(swy / full, swg, np.where(sw > 0.0, swr / np.maximum(sw, 1e-300), 1.0))


def law(work: Work, bins: Bins) -> tuple[growth.Growth, bool]:
    """The law of every resample, and whether the exponent could be told."""
    known = bins.precision[0] > 0.0
    free = bool(known.any()) and growth.spans(bins.ohms[0, known])
    exponents = growth.EXPONENTS if free else np.array([work.model.read_exponent])
    rows = [
        growth.fit(
            np.ones((1, int(seen.sum()))),
            relative[seen],
            ohms[seen],
            precision[seen],
            knee=work.model.read_knee_ohms,
            exponents=exponents,
            with_floor=True,
            reweighted=False,
        )
        for relative, precision, ohms in zip(*bins, strict=True)
        if (seen := precision > 0.0).any()
    ]
    columns = np.array([[float(x[0]) for x in row] for row in rows]).reshape(-1, 3).T
    return growth.Growth(*columns), free


def most(work: Work, bins: Bins, *, free: bool) -> tuple[float, float]:
    """Largest floor and fraction that the bins leave possible, one at a time.

    Where a share of the noise is estimated as zero all its resamples are zero too. Its upper bound
    is where chi-squared, the other parameters free, has grown by `ONE_SIDED` (times what is left of
    it per bin, if that is more than 1).
    """
    seen = bins.precision[0] > 0.0
    y, p = bins.relative[0, seen], bins.precision[0, seen]
    exponents = growth.EXPONENTS[::5] if free else np.array([work.model.read_exponent])
    grown = (bins.ohms[0, seen] / work.model.read_knee_ohms) ** (2.0 * exponents[:, None])
    flat = np.ones_like(grown)
    return _upper(y, p, flat, grown), _upper(y, p, grown, flat)


def _upper(y: Floats, p: Floats, mine: Floats, other: Floats) -> float:
    """Largest b with y = b^2 mine + c^2 other, for the best of the rows of `mine` and `other`."""
    top = float(np.abs(y).max() + 5.0 / np.sqrt(p.sum())) / float(mine.min())
    tried = np.linspace(0.0, top, TRIED)
    rest = y - tried[:, None, None] * mine  # (tried, exponents, bins)
    c = np.maximum((p * rest * other).sum(2) / (p * other**2).sum(1), 0.0)
    loss = (p * (rest - c[:, :, None] * other) ** 2).sum(2).min(1)
    scale = max(1.0, float(loss.min()) / max(1, len(y) - 3))
    return float(np.sqrt(tried[loss <= loss.min() + ONE_SIDED * scale].max()))
