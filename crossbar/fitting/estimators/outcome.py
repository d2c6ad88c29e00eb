"""From a fit of single pulses to parameters with intervals, and words for the reader."""

from dataclasses import replace

import numpy as np

from device_models.registry import name_of

from ..measurements import Floats
from . import bootstrap, linked_reads, spread
from .laws import LAWS, Law
from .part import Part
from .work import Fitted, Work, c2c_squared


def warnings_of(work: Work, fits: dict[int, Fitted]) -> tuple[str, ...]:
    """What the selection of pulses and devices means for the reader."""
    words = [
        f"no {name} pulses: the {name} law keeps the preset's parameters"
        for p, name in ((1, "SET"), (-1, "RESET"))
        if p not in fits
    ]
    for p, fitted in fits.items():
        there = np.unique(work.chain.device[work.chain.polarity == p])
        still = int(np.isnan(fitted.gain[there]).sum())
        if still:
            words.append(f"{still} devices do not move under {'SET' if p > 0 else 'RESET'} pulses")
    if (lost := 1.0 - work.used.mean()) > 0.5:
        words.append(
            f"{lost:.0%} of the pulses lie near a bound of their device and are left out; where a "
            "read spreads more than a step, c2c_sigma and d2d_step_sigma are biased"
        )
    if work.known_read:
        what = "rests on the read noise" if work.read_measured else "contains the read noise"
        words.append(f"pulses share no readings: c2c_sigma {what} of the device")
    return tuple(words)


def add_law(found: Part, work: Work, fits: dict[int, Fitted]) -> Part:
    """Scale and shape of the polarities that have pulses."""
    units = len(work.device_of_unit)
    for polarity, law in zip((1, -1), LAWS[name_of(work.model)], strict=True):
        if polarity in fits:
            fitted = fits[polarity]
            found = _added(found, law.scale, fitted.scale, units, "median device")
            ends = {law.scale: bootstrap.interval(fitted.scale, units, log=True)}
            found = replace(found, intervals=found.intervals | ends)
            if law.shape:
                found = _within(_added(found, law.shape, fitted.shape, units, ""), law)
    return found


def _within(found: Part, law: Law) -> Part:
    """The interval of a shape inside its range, with a warning where it reaches an end of it."""
    low, high = found.intervals[law.shape]
    if law.low < low and high < law.high:
        return found
    ends = {law.shape: (max(low, law.low), min(high, law.high))}
    words = f"{law.shape} is hardly told: its interval reaches the end of its range"
    return replace(found, intervals=found.intervals | ends, warnings=(*found.warnings, words))


def add_c2c(found: Part, work: Work, fits: dict[int, Fitted]) -> Part:
    """Cycle-to-cycle spread of one step."""
    if not fits:
        return found
    c2, units = c2c_squared(work, work.weight), len(work.device_of_unit)
    words = "residual spread less the read noise that neighbours share"
    if work.known_read:
        words = "residual spread less the read noise of repeated reads"
        words = words if work.read_measured else "residual spread, read noise included"
    found = _added(found, "c2c_sigma", np.sqrt(np.maximum(c2, 0.0)), units, words)
    ends = {"c2c_sigma": bootstrap.root_interval(c2, units)}
    return replace(found, intervals=found.intervals | ends)


def add_d2d(found: Part, work: Work, fits: dict[int, Fitted]) -> Part:
    """Spread of the gains between devices, without their sampling errors."""
    logs, errors, group = [], [], []
    for number, fitted in enumerate(fits.values()):
        moves = np.isfinite(fitted.gain)
        if moves.sum() > 1:
            relative = fitted.error[moves] / fitted.gain[moves]
            logs.append(np.log(fitted.gain[moves]) + 0.5 * relative**2)
            errors.append(relative)
            group.append(np.full(int(moves.sum()), number))
    if not logs:
        return found
    numbers = np.unique(np.concatenate(group), return_inverse=True)[1]
    s = spread.between(np.concatenate(logs), np.concatenate(errors), numbers)
    return replace(
        found,
        values=found.values | {"d2d_step_sigma": s.sigma},
        intervals=found.intervals | {"d2d_step_sigma": (s.low, s.high)},
        words=found.words | {"d2d_step_sigma": "log gains less their sampling errors"},
    )


def add_read(found: Part, work: Work, fits: dict[int, Fitted]) -> Part:
    """White read noise, where neighbouring pulses share readings."""
    if work.known_read or not fits:
        return found
    bins = linked_reads.binned(work, work.weight)
    law, free = linked_reads.law(work, bins)
    floor, fraction = linked_reads.most(work, bins, free=free)
    most = {"read_floor": floor, "read_fraction": fraction}
    words = "readings that neighbouring pulses share"
    for name, draws in zip(("read_floor", "read_fraction", "read_exponent"), law, strict=True):
        if name == "read_exponent" and not free:
            continue
        found = _added(found, name, draws, len(work.device_of_unit), words)
        low, high = found.intervals[name]
        if low <= 0.0:
            ends = {name: (0.0, max(high, most.get(name, high)))}
            found = replace(found, intervals=found.intervals | ends)
    return found


def _added(found: Part, name: str, draws: Floats, units: int, words: str) -> Part:
    """The part with one more parameter, from its repeats."""
    return replace(
        found,
        values=found.values | {name: float(draws[0])},
        intervals=found.intervals | {name: bootstrap.interval(draws, units)},
        words=found.words | {name: words},
    )
