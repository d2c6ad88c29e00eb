"""From a fit of single pulses to parameters with intervals, and words for the reader."""

from dataclasses import replace

import numpy as np
from scipy import stats

from ...registry import name_of
from .laws import LAWS, Law
from .parameters import Part
from .pulse_fit import Work

SIDES = ((1, "SET"), (0, "RESET"))


def warnings_of(work: Work) -> tuple[str, ...]:
    """What the selection of pulses and devices means for the reader."""
    words, fitted = [], {c.field for c in work.problem.coordinates}
    laws = LAWS[name_of(work.problem.model)]
    for (side, name), law in zip(SIDES, laws, strict=True):
        if law.scale not in fitted:
            words.append(f"no {name} pulses: the {name} law keeps the preset's parameters")
        elif still := work.devices - int(work.moving[side].sum()):
            words.append(f"{still} devices do not move under {name} pulses")
    if work.lost > 0.5:
        words.append(
            f"{work.lost:.0%} of the pulses may have ended at a bound of their device and are left out"
        )
    if work.known_read:
        what = "rests on the read noise" if work.read_measured else "contains the read noise"
        words.append(f"pulses share no readings: c2c_sigma {what} of the device")
    return tuple(words)


def add_law(found: Part, work: Work) -> Part:
    """Scale and shape of the polarities that have pulses."""
    fitted = {c.field for c in work.problem.coordinates}
    for law in LAWS[name_of(work.problem.model)]:
        if law.scale in fitted:
            found = _added(found, work, law.scale, "median device")
            if law.shape:
                found = _within(_added(found, work, law.shape, law.words), law)
    return found


def _within(found: Part, law: Law) -> Part:
    """The interval of a shape inside its range, with a warning where it reaches an end of it."""
    low, high = found.intervals[law.shape]
    if law.low < low and high < law.high:
        return found
    ends = {law.shape: (max(low, law.low), min(high, law.high))}
    words = f"{law.shape} is hardly told: its interval reaches the end of its range"
    return replace(found, intervals=found.intervals | ends, warnings=(*found.warnings, words))


def add_c2c(found: Part, work: Work) -> Part:
    """Cycle-to-cycle spread of one step."""
    words = "spread of the steps less the errors of the readings that they share"
    if work.known_read:
        words = "spread of the steps less the read noise of repeated reads"
        words = words if work.read_measured else "spread of the steps, read noise included"
    return _added(found, work, "c2c_sigma", words)


def add_d2d(found: Part, work: Work) -> Part:
    """Spread of the gains between devices, without their sampling errors."""
    if work.d2d is None or not np.isfinite(work.d2d.high):
        return found
    return replace(
        found,
        values=found.values | {"d2d_step_sigma": work.d2d.sigma},
        intervals=found.intervals | {"d2d_step_sigma": (work.d2d.low, work.d2d.high)},
        words=found.words | {"d2d_step_sigma": "log gains less their sampling errors"},
    )


def add_read(found: Part, work: Work) -> Part:
    """White read noise, where neighbouring pulses share readings."""
    for c in work.problem.coordinates:
        if c.field.startswith("read_"):
            found = _added(found, work, c.field, "readings that neighbouring pulses share")
    return found


def _added(found: Part, work: Work, name: str, words: str) -> Part:
    """The part with one more parameter and the interval of its coordinate, by Student's t."""
    k = [c.field for c in work.problem.coordinates].index(name)
    c, x = work.problem.coordinates[k], float(work.at[k])
    half = float(
        np.sqrt(max(work.covariance[k, k], 0.0)) * stats.t.ppf(0.975, max(work.units - 1, 1))
    )
    low, high = work.problem.box.low[k], work.problem.box.high[k]
    ends = c.back(max(x - half, low)), c.back(min(x + half, high))
    return replace(
        found,
        values=found.values | {name: c.back(x)},
        intervals=found.intervals | {name: ends},
        words=found.words | {name: words},
    )
