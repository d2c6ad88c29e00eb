"""From a fit of single pulses to parameters with intervals, and words for the reader."""

from dataclasses import replace

import numpy as np

from device_models.registry import name_of

from ..measurements import Floats
from . import bootstrap, growth, spread
from .laws import LAWS
from .part import Part
from .work import Fitted, Work, read_pairs, residuals, variances


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
            found = _added(found, law.scale, fits[polarity].scale, units, "median device")
            if law.shape:
                found = _added(found, law.shape, fits[polarity].shape, units, "")
    return found


def add_c2c(found: Part, work: Work, fits: dict[int, Fitted]) -> Part:
    """Cycle-to-cycle spread of one step."""
    if not fits:
        return found
    c2, _ = variances(work, work.weight)
    words = "residual spread less the read noise that neighbours share"
    if work.known_read:
        words = "residual spread less the read noise of repeated reads"
        words = words if work.read_measured else "residual spread, read noise included"
    return _added(found, "c2c_sigma", np.sqrt(c2), len(work.device_of_unit), words)


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
    s, r, v = residuals(work)
    y, g2, pair = read_pairs(work, r, s**2 * work.sampling)
    ohms = 1.0 / np.maximum(work.chain.before, 1e-12)
    bins = 12
    edges = np.quantile(ohms[pair], np.linspace(0, 1, bins + 1))
    place = np.clip(np.searchsorted(edges, ohms, "right") - 1, 0, bins - 1)
    w = g2 / v**2 * pair
    count = len(work.device_of_unit)
    keys = work.unit * bins + place
    sw, swy, swg, swr = (
        work.weight @ x.reshape(count, bins)[:, :]
        for x in bootstrap.sums(keys, count * bins, w, w * y, w * g2, w * ohms)
    )
    return _read_law(found, work, sw, swy, swg, swr)


def _read_law(found: Part, work: Work, sw: Floats, swy: Floats, swg: Floats, swr: Floats) -> Part:
    """Growth of the read noise with resistance, from sums in bins of it, (resamples, bins)."""
    model = work.model
    ok = (sw[0] > 0.0) & (swg[0] > 0.0)
    ohms = swr[0, ok] / sw[0, ok]
    free = growth.spans(ohms)
    repeats = []
    for row in range(len(sw)):
        seen = ok & (swg[row] > 0.0)
        relative = swy[row, seen] / swg[row, seen]
        repeats.append(
            growth.fit(
                np.ones((1, int(seen.sum()))),
                relative,
                swr[row, seen] / sw[row, seen],
                swg[row, seen],
                knee=model.read_knee_ohms,
                exponents=growth.EXPONENTS if free else np.array([model.read_exponent]),
                with_floor=True,
                reweighted=False,
            )
        )
    units = len(work.device_of_unit)
    words = "readings that neighbouring pulses share"
    columns = np.array([[float(x[0]) for x in r] for r in repeats]).T
    for name, draws in zip(("read_floor", "read_fraction", "read_exponent"), columns, strict=True):
        if name != "read_exponent" or free:
            found = _added(found, name, draws, units, words)
    return found


def _added(found: Part, name: str, draws: Floats, units: int, words: str) -> Part:
    """The part with one more parameter, from its repeats."""
    return replace(
        found,
        values=found.values | {name: float(draws[0])},
        intervals=found.intervals | {name: bootstrap.interval(draws, units)},
        words=found.words | {name: words},
    )
