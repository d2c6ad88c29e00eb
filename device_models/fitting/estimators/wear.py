"""Wear from full SET and RESET cycles: how the levels of a device move with its cycles."""

from dataclasses import replace

import numpy as np
from scipy.special import ndtr

from ...pulsed import Pulsed
from ..measurements import Cycles, Floats, Ints
from . import bootstrap
from .parameters import ParameterSet

FEWEST = 10  # cycles of a device
MOST_DECADES = 3.0  # the range of the parameters
SIDES = (("wear_high_decades", "lrs_siemens", -1.0), ("wear_low_decades", "hrs_siemens", 1.0))


def tells(cycles: Cycles, model: Pulsed) -> bool:
    """Whether cycles tell the wear of a device: its file gives the endurance that age is part of.

    Without it every fit of cycles would make devices mortal that nobody saw die.
    """
    _, rows = np.unique(cycles.device, return_counts=True)
    return model.endurance_pulses > 0.0 and bool((rows >= FEWEST).any())


def estimate(
    cycles: Cycles, model: Pulsed, *, generator: np.random.Generator, resamples: int
) -> ParameterSet:
    """The decades that both levels move by until the end of life, see `device_models.wear`.

    Least squares of log10 g against the age of a device after so many cycles, two pulses each, with
    a level of its own for every device; whole devices are resampled. Endurance and exponent are
    those of the device file. A level that moves by too little to tell is left out with a warning.
    """
    unit, devices_of = bootstrap.units(cycles.device)
    drawn = bootstrap.weights(len(devices_of), resamples, generator)
    parameters = ParameterSet(
        devices=len(np.unique(cycles.device)), rows=len(cycles), files=(cycles.source,)
    )
    for name, column, sign in SIDES:
        g = getattr(cycles, column)
        finite = np.isfinite(g)
        if not finite.any():
            continue
        logs = np.log10(np.maximum(g[finite], 1e-15))
        age, of = mean_age(model, cycles.cycle[finite]), cycles.device[finite]
        slopes = sign * _slopes(age, logs, of, unit[finite], drawn)
        low, high = bootstrap.interval(slopes, drawn.shape[1])
        if not -MOST_DECADES < low <= high < MOST_DECADES:
            words = f"{name} is not told: the cycles are too few of the endurance; the preset's"
            parameters = replace(parameters, warnings=(*parameters.warnings, words))
            continue
        wider = parameters.extended(
            {name: float(slopes[0])}, {name: (low, high)}, "trend of the levels with the cycles"
        )
        repeats = slopes[0] + (slopes[1:] - slopes[0]) * bootstrap.stretch(drawn.shape[1])
        draws = {name: np.clip(repeats, -MOST_DECADES, MOST_DECADES)} if resamples else {}
        parameters = replace(wider, draws=parameters.draws | draws)
    return parameters


def mean_age(model: Pulsed, cycle: Ints) -> Floats:
    """Age after so many cycles of two pulses, in the mean over devices of their own lifetimes.

    The mean of min(1, X), X log-normal: Phi(m / s) + exp(m + s^2 / 2) Phi(-m / s - s).
    """
    parts = 2.0 * np.maximum(cycle, 0) / model.endurance_pulses
    m = model.wear_exponent * np.log(np.maximum(parts, 1e-300))
    s = max(model.wear_exponent * model.endurance_sigma, 1e-9)
    late = np.exp(np.minimum(m + s * s / 2.0, 0.0 if s < 1e-6 else 700.0)) * ndtr(-m / s - s)
    return np.asarray(ndtr(m / s) + late)


def _slopes(age: Floats, logs: Floats, device: Ints, unit: Ints, drawn: Floats) -> Floats:
    """Slope of every resample, (1 + resamples,); nan where all ages of a device are equal."""
    _, of, count = np.unique(device, return_inverse=True, return_counts=True)
    x, y = (each - (np.bincount(of, each) / count)[of] for each in (age, logs))
    products, squares = bootstrap.sums(unit, drawn.shape[1], x * y, x * x)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((drawn @ products) / (drawn @ squares))
