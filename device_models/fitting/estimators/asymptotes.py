"""Ends of a window that pulses approach and never reach: where their mean step is zero."""

import numpy as np

from ..measurements import Floats, Ints, Pulses

LEAST_SLOPE = 3.0  # standard errors that a slope differs from zero, or the end is not told
FARTHEST = 3.0  # ranges that were reached, from their end


def asymptote(
    pulses: Pulses, sign: int, unit: Ints, drawn: Floats, reached: tuple[float, float]
) -> Floats | None:
    """Conductance at which the straight line of steps over conductance is zero.

    Under a law d g = b (g_end - g) the mean of the steps of one polarity falls to zero at the end
    of the window; least squares of d g against g tell b and g_end.

    Args:
        pulses: With readings before and after.
        sign: +1: of SET pulses, the upper end; -1: of RESET pulses, the lower one.
        unit: Of each row, as `bootstrap.units` has it.
        drawn: How often each resample takes each unit, (1 + resamples, units); the first row is
            the sample itself.
        reached: Range of the readings, siemens.

    Returns:
        (1 + resamples,) siemens; None where the steps do not tell: they do not fall toward that
        end, or it lies inside of what was reached or far beyond it.
    """
    rows = pulses.polarity == sign
    g = pulses.g_before_siemens[rows]
    step = pulses.g_after_siemens[rows] - g
    if len(g) < 4 or np.ptp(g) == 0.0:
        return None
    scale = float(g.mean())
    x, y = g / scale, step / scale
    moments = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    sums = np.zeros((drawn.shape[1], moments.shape[1]))
    np.add.at(sums, unit[rows], moments)
    count, sx, sy, sxx, sxy, syy = (drawn @ sums).T
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = sxx - sx * sx / count
        slope = (sxy - sx * sy / count) / spread
        end = scale * (sx / count - sy / count / slope)
        left = syy - sy * sy / count - slope * (sxy - sx * sy / count)
        error = np.sqrt(np.maximum(left, 0.0) / (count - 2.0) / spread)
    low, high = reached
    beyond = (end - high) if sign > 0 else (low - end)
    whole = np.isfinite(end) & (slope < -LEAST_SLOPE * error) & (end > 0.0)
    if not (whole[0] and 0.0 <= beyond[0] <= FARTHEST * (high - low)):
        return None
    return np.asarray(np.where(whole, end, np.nan))
