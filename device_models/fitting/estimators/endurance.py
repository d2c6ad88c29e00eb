"""Endurance from devices whose window closed, beside others that outlived their record."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_ndtr
from scipy.stats import t as student

from ...pulsed import Pulsed
from ..measurements import Floats, Lifetimes
from .copula import UNKNOWN
from .parameters import ParameterSet

PULSES = 2.0  # of a cycle
FEWEST = 3  # devices that died, of which a spread is taken
LEAST_SIGMA = 0.01

Bools = NDArray[np.bool_]


def estimate(
    lives: Lifetimes, model: Pulsed, *, generator: np.random.Generator, resamples: int
) -> ParameterSet:
    """`endurance_pulses` and, of `FEWEST` dead devices on, `endurance_sigma`, by likelihood.

    Lives are log-normal; a device that did not die says that its life is longer than its record:

        ln L = sum_died ln phi(z) / sigma + sum_alive ln Phi(-z),   z = (ln N - mu) / sigma.

    With fewer dead devices the spread is that of the model, or unknown if that is 0; then endurance
    is known within the factor `copula.UNKNOWN` of one life. Intervals are those of Student's t for
    the dead devices, from the curvature of ln L.

    Args:
        lives: At least one device died.
        model: Gives the spread where too few died.
        generator: Not used: no resample has fewer deaths than needed.
        resamples: Not used.
    """
    logs, died = np.log(PULSES * np.maximum(lives.cycles, 1)), lives.died > 0
    count = int(died.sum())
    mean = float(logs[died].mean())
    fixed = None if count >= FEWEST else max(model.endurance_sigma, LEAST_SIGMA)
    start = [mean] if fixed else [mean, np.log(max(float(logs[died].std()), LEAST_SIGMA))]
    best = minimize(_loss, start, args=(logs, died, fixed), method="Nelder-Mead").x
    error = _errors(best, logs, died, fixed)
    width = float(student.ppf(0.975, max(count - 1, 1)))
    unknown = fixed is not None and model.endurance_sigma == 0.0
    half = np.log(UNKNOWN) if unknown else min(width * error[0], np.log(UNKNOWN))
    values = {"endurance_pulses": float(np.exp(best[0]))}
    intervals = {"endurance_pulses": (np.exp(best[0] - half), np.exp(best[0] + half))}
    if not fixed:
        values["endurance_sigma"] = float(np.exp(best[1]))
        ends = best[1] + width * error[1] * np.array([-1.0, 1.0])
        intervals["endurance_sigma"] = tuple(np.exp(ends).tolist())
    words = f"two pulses a cycle; the window of {count} of {len(lives)} devices closed"
    warned = (f"endurance_pulses is that of {count} device{'s' * (count > 1)}: how devices differ "
              "in it is not known",) if unknown else ()  # fmt: skip
    return ParameterSet(
        values=values,
        intervals={name: (float(low), float(high)) for name, (low, high) in intervals.items()},
        remarks=dict.fromkeys(values, words),
        devices=len(np.unique(lives.device)),
        rows=len(lives),
        files=(lives.source,),
        warnings=warned,
    )


def _loss(x: Floats, logs: Floats, died: Bools, fixed: float | None) -> float:
    """Minus the log likelihood at a mean and, unless it is fixed, the logarithm of the spread."""
    sigma = fixed or max(float(np.exp(np.clip(x[1], -20.0, 5.0))), LEAST_SIGMA)
    z = (logs - x[0]) / sigma
    return float(np.where(died, 0.5 * z * z + np.log(sigma), -log_ndtr(-z)).sum())


def _errors(x: Floats, logs: Floats, died: Bools, fixed: float | None) -> Floats:
    """Standard errors by the curvature of the loss, (numbers,)."""
    curvature = np.empty(len(x))
    for k in range(len(x)):
        step = np.zeros(len(x))
        step[k] = 1e-3
        sides = [_loss(x + s * step, logs, died, fixed) for s in (-1.0, 0.0, 1.0)]
        curvature[k] = (sides[0] - 2.0 * sides[1] + sides[2]) / 1e-6
    return np.asarray(1.0 / np.sqrt(np.maximum(curvature, 1e-9)))
