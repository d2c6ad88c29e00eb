"""What an uncertain end of the window adds to the intervals of the step law.

The law counts in fractions of the window, and is fitted with the window held. If its upper end
moves by a relative error e, scale and shape move so that steps stay as measured: with
d s = s_e e + s_a d ln(scale) + s_b d shape = 0 in least squares over the window,

    d (ln scale, shape) = -(s_a, s_b)^+ s_e e.

The variance of e times the squares of these slopes is added to those of the law. Of a law that is
linear in its fields these move themselves, not their logarithms.
"""

from dataclasses import replace

import numpy as np

from ...pulsed import Pulsed
from ...registry import name_of
from ..measurements import Floats
from .laws import LAWS, Law, step
from .parameters import ParameterSet

POINTS = 64  # conductances of the least squares
SMALL = 1e-4  # relative change of a difference quotient
HALF = 1.959964  # standard errors of half a 95 % interval


def widened(
    parameters: ParameterSet,
    model: Pulsed,
    window: ParameterSet,
    generator: np.random.Generator,
) -> ParameterSet:
    """The parameters of a step law with the error of the window in their intervals.

    Args:
        parameters: With intervals, and perhaps with draws.
        model: With the law and the window.
        window: Where the window is from.
        generator: Of the errors of the window in the draws.
    """
    low, high = window.intervals.get("g_max_siemens", (0.0, 0.0))
    error = (high - low) / 2.0 / HALF / model.g_max_siemens
    intervals, draws = dict(parameters.intervals), dict(parameters.draws)
    for sign, law in zip((1, -1), LAWS.get(name_of(model), ()), strict=False):
        if law.scale not in intervals or error <= 0.0:
            continue
        slopes = _slopes(model, law, sign)
        if law.scale in draws:
            draws |= _moved(draws, law, slopes, error, generator)
        more = HALF * error * np.abs(slopes)
        for name, half in zip(law.linear, more, strict=False):
            value, ends = parameters.values[name], intervals[name]
            below, above = (float(np.hypot(end - value, half)) for end in ends)
            intervals[name] = max(value - below, law.least), min(value + above, 1.0)
        if law.linear:
            continue
        value = parameters.values[law.scale]
        ratios = [np.hypot(np.log(end / value), more[0]) if end > 0.0 else np.inf
                  for end in intervals[law.scale]]  # fmt: skip
        intervals[law.scale] = float(value * np.exp(-ratios[0])), float(value * np.exp(ratios[1]))
        if law.shape in intervals:
            value, ends = parameters.values[law.shape], intervals[law.shape]
            below, above = (float(np.hypot(end - value, more[1])) for end in ends)
            intervals[law.shape] = max(value - below, law.low), min(value + above, law.high)
    return replace(parameters, intervals=intervals, draws=draws)


def _moved(
    draws: dict[str, Floats],
    law: Law,
    slopes: Floats,
    error: float,
    generator: np.random.Generator,
) -> dict[str, Floats]:
    """The draws of a law, each with its own error of the window."""
    e = error * generator.standard_normal(len(draws[law.scale]))
    moved = {n: draws[n] + e * slope for n, slope in zip(law.fields, slopes, strict=True)}
    if not law.linear:
        moved[law.scale] = draws[law.scale] * np.exp(e * slopes[0])
    return moved


def _slopes(model: Pulsed, law: Law, sign: int) -> Floats:
    """Of ln scale and of the shape, or of the linear fields, by the relative error of g_max."""
    g = np.linspace(model.g_min_siemens, model.g_max_siemens, POINTS)
    here = step(model, g, sign)

    def change(**fields: float) -> Floats:
        return (step(model, g, sign, **fields) - here) / SMALL

    columns = [] if law.linear else [here]  # of ln scale
    columns += [change(**{name: getattr(model, name) + SMALL}) for name in law.linear]
    if law.shape:
        columns.append(change(**{law.shape: getattr(model, law.shape) + SMALL}))
    moved = change(g_max_siemens=model.g_max_siemens * (1.0 + SMALL))
    return np.asarray(-np.linalg.lstsq(np.stack(columns, 1), moved, rcond=None)[0])
