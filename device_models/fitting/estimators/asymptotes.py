"""Ends of a window that pulses approach and never reach: where their mean step is zero."""

import numpy as np

from ..measurements import Floats, Ints, Pulses

LEAST_PULSES = 4
LEAST_SLOPE = 3.0  # standard errors that a slope differs from zero, or the end is not told
FARTHEST = 3.0  # ranges that were reached, from their end


def asymptote(
    pulses: Pulses, sign: int, unit: Ints, drawn: Floats, reached: tuple[float, float]
) -> Floats | None:
    """Conductance at which the straight line of steps over conductance is zero.

    Under a law d g = b (g_end - g) the mean of the steps of one polarity falls to zero at the end
    of the window; a straight line of d g over g tells b and g_end. Read noise of g is in d g, too,
    and would make the line steeper; so its slope is that over the reading one pulse earlier, whose
    noise is in neither (an instrumental variable).

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

    Source:
        J. D. Angrist and J.-S. Pischke, Mostly Harmless Econometrics, 2009, section 4.1.
    """
    follows = (np.diff(pulses.ramp) == 0) & (np.diff(pulses.device) == 0)
    follows &= (np.diff(pulses.index) == 1) & (pulses.polarity[1:] == sign)
    rows = 1 + np.flatnonzero(follows)
    if len(rows) < LEAST_PULSES or np.ptp(pulses.g_before_siemens[rows]) == 0.0:
        return None
    scale = float(pulses.g_before_siemens[rows].mean())
    earlier, x = (pulses.g_before_siemens[at] / scale for at in (rows - 1, rows))
    y = pulses.g_after_siemens[rows] / scale - x
    # Sums of each unit, of all products that means and covariances are made of.
    columns = np.stack([np.ones_like(x), earlier, x, y], axis=1)
    products = np.zeros((drawn.shape[1], 4, 4))
    np.add.at(products, unit[rows], columns[:, :, None] * columns[:, None, :])
    sums = np.tensordot(drawn, products, 1)
    count, means = sums[:, 0, 0], sums[:, 0] / sums[:, :1, 0]
    spread = sums / count[:, None, None] - means[:, :, None] * means[:, None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = spread[:, 1, 3] / spread[:, 1, 2]
        end = scale * (means[:, 2] - means[:, 3] / slope)
        left = spread[:, 3, 3] - 2.0 * slope * spread[:, 2, 3] + slope**2 * spread[:, 2, 2]
        error = np.sqrt(np.maximum(left, 0.0) * spread[:, 1, 1] / count) / spread[:, 1, 2]
    low, high = reached
    beyond = (end - high) if sign > 0 else (low - end)
    whole = np.isfinite(end) & (slope < -LEAST_SLOPE * error) & (end > 0.0)
    if not (whole[0] and 0.0 <= beyond[0] <= FARTHEST * (high - low)):
        return None
    return np.asarray(np.where(whole, end, np.nan))
