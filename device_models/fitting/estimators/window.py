"""The window of a device of which only pulses are known: the range they reached."""

import numpy as np

from ...pulsed import Pulsed
from ...soft_bounds import SoftBounds
from ..measurements import Floats, Ints, Pulses
from . import asymptotes, bootstrap, device_bounds
from .laws import relative_noise
from .parameters import ParameterSet
from .saturation import ramp_levels, up_to_the_bound

NAMES = {-1: "g_min_siemens", 1: "g_max_siemens"}
MOST = 0.8  # of the devices must end in plateaus, or those that do are no sample of them
EXTREMES = {-1: 0.005, 1: 0.995}  # of the ends of ramps: no stuck device sets the window


def estimate(
    pulses: Pulses, model: Pulsed, *, generator: np.random.Generator, resamples: int
) -> ParameterSet:
    """`g_min_siemens` and `g_max_siemens`; the step law counts in fractions of what lies between.

    The upper end is where SET ramps end, the lower one where RESET ramps do (without ramps of a
    polarity: where those of the other begin; of single pulses: all readings). A ramp that ends in a
    plateau ends at its level, not in the read noise around it. Where nearly all devices end in
    plateaus of their own, these are their bounds: `device_bounds` tells the ends of the window from
    the spread of the devices, `d2d_bound_sigma`. Soft bounds are approached and never reached:
    their ends are `asymptotes`, where the steps tell these.
    """
    unit, devices_of = bootstrap.units(pulses.device, pulses.ramp)
    drawn = bootstrap.weights(len(devices_of), resamples, generator)
    before, after = up_to_the_bound(pulses)
    goes_on = np.zeros(len(pulses), bool)
    goes_on[:-1] = (np.diff(pulses.ramp) == 0) & (np.diff(pulses.device) == 0)
    goes_on[:-1] &= np.diff(pulses.index) == 1
    ends = np.empty((len(drawn), 2))
    for side, (polarity, level) in enumerate(EXTREMES.items()):
        last = ~goes_on & (pulses.polarity == polarity)
        first = np.r_[True, ~goes_on[:-1]]
        g, unit_of_value = (after[last], unit[last]) if last.any() else (before[first], unit[first])
        if not goes_on.any():
            g, unit_of_value = np.r_[before, after], np.r_[unit, unit]
        ends[:, side] = bootstrap.quantiles(g, unit_of_value, drawn, np.array([level]))[:, 0]
    low, high = np.maximum(ends[:, 0], 1e-12), ends[:, 1]
    if not low[0] < high[0]:
        words = "the pulses do not move the devices: the preset's window is kept"
        return ParameterSet(warnings=(words,))
    draws = {"g_min_siemens": low, "g_max_siemens": high}
    reached = ParameterSet(
        values={name: float(d[0]) for name, d in draws.items()},
        intervals={n: bootstrap.interval(d, len(devices_of)) for n, d in draws.items()},
        remarks=dict.fromkeys(draws, "reached by the pulses (0.5 and 99.5 % of the ends of ramps)"),
        devices=len(np.unique(pulses.device)),
        rows=len(pulses),
        files=(pulses.source,),
    )
    if isinstance(model, SoftBounds):
        limits = float(before.min(initial=low[0])), float(after.max(initial=high[0]))
        reached = _with_asymptotes(reached, pulses, unit, drawn, limits)
    return _with_bounds(reached, pulses, model, resamples, generator)


def _with_asymptotes(
    parameters: ParameterSet,
    pulses: Pulses,
    unit: Ints,
    drawn: Floats,
    reached: tuple[float, float],
) -> ParameterSet:
    """The window with the ends that soft bounds only approach, where the steps tell them."""
    for sign, name in NAMES.items():
        draws = asymptotes.asymptote(pulses, sign, unit, drawn, reached)
        if draws is not None:
            parameters = parameters.extended(
                {name: float(draws[0])},
                {name: bootstrap.interval(draws, drawn.shape[1])},
                "where the mean step is zero, beyond what the pulses reached",
            )
    return parameters


def _with_bounds(
    parameters: ParameterSet,
    pulses: Pulses,
    model: Pulsed,
    resamples: int,
    generator: np.random.Generator,
) -> ParameterSet:
    """The window with the bounds of the devices, where their ramps show them."""
    ends = []
    for sign in NAMES:
        level, device = ramp_levels(pulses, sign)
        there = np.isfinite(level) & (level > 0.0)
        if not there.any() or there.mean() < MOST:
            continue
        noise = relative_noise(model, float(np.median(level[there])))
        end = device_bounds.end_of(sign, np.log(level[there]), device[there], *noise)
        ends += [] if end is None else [end]
    if not ends:
        return parameters
    bounds = device_bounds.bounds(ends, max(resamples, 1), generator)
    named = {NAMES[sign]: bound for sign, bound in bounds.ends_siemens.items()}
    named["d2d_bound_sigma"] = bounds.sigma
    words = "plateaus of the ramps of each device, half-normal inside the window"
    return parameters.extended(
        {name: bound.value for name, bound in named.items()},
        {name: bound.interval for name, bound in named.items()},
        words,
    )
