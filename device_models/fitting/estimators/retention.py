"""Relaxation from readings some times after programming; the likelihood is in
`relaxation_likelihood`.

What the readings do not identify is the preset's: the hump in g needs a range of conductance, the
tail of z many devices, the onset several times, the activation energy several temperatures. Where
there are several times the read error is fitted too: it is there before anything relaxes. It is
returned as `read_fraction` and `read_exponent`, which repeated reads or pulses determine better.
Where repeated reads of the same devices are there, their noise, white and slow, is known.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from ... import physics
from ...physics import BOLTZMANN_EV_PER_KELVIN
from ...pulsed import Pulsed
from ..measurements import Floats, Ints, Retention
from . import bootstrap, copula
from .laws import read_variance
from .parameters import ParameterSet
from .relaxation_likelihood import Changes, Parameter, RelaxationFit, maximise

Values = dict[str, float]
Intervals = dict[str, tuple[float, float]]

MOST = 4000  # devices; more make the intervals narrower than the law is true
MOST_READINGS = 16  # of a device; what is more says little: neighbours depend on each other
FEWEST = 3  # devices
SPAN = 3.0  # ratio of initial conductances from which the hump is fitted
SHAPE_DEVICES = 20  # from which the hump, the onset and the read error are fitted
TAIL_DEVICES = 100  # from which the tail is
ONSET_TIMES = 3  # later times from which the onset is fitted
VAGUE = float(np.log(10.0))  # standard error of a log onset that is not identified
MOST_EV = 5.0  # largest activation energy that is tried
MOST_ERROR_EV = 0.5  # standard error of an activation energy that is reported
FLOOR = 0.1  # of the window's lower end: only relaxation that was stopped leads below
MISFIT = 0.1  # of sigma: how far one temperature may be from the Arrhenius law


def estimate(
    table: Retention,
    model: Pulsed,
    *,
    generator: np.random.Generator,
    resamples: int,
    read_measured: bool = False,
) -> ParameterSet:
    """Fit the relaxation of a device type.

    Args:
        table: Readings; the first one of each device is where its change starts.
        model: Its read noise, and what is not identified.
        generator: Of the joint draws. The intervals are those of infinitely many resamples of
            devices, by the scores of the likelihood.
        resamples: Joint draws; 0 for no intervals either.
        read_measured: The read noise of the model, white and slow, was measured on these devices,
            and is no relaxation; that of others is left in.
    """
    changes = _changes(table, model, read_measured=read_measured)
    parameters = ParameterSet(devices=changes.count, rows=len(table), files=(table.source,))
    if changes.count < FEWEST:
        warning = "relaxation needs 3 devices with readings at two times: the preset's is kept"
        return replace(parameters, warnings=(warning,))
    parameters = replace(
        parameters, warnings=bootstrap.few_devices_warnings(changes.count, "retention")
    )
    remark = "change since the first reading, less its read error"
    if changes.count > MOST:
        remark += f"; about {MOST} of {changes.count} devices, evenly chosen"
    fit, changes, warned = _fit(changes.subset(MOST).thinned(MOST_READINGS), model)
    values, intervals = _fields(fit, changes)
    words, spread = dict.fromkeys(values, remark), _covariance(fit, changes, model)
    if fit.error("error") < VAGUE:
        noise, ends = _read_law(fit, changes, model)
        values, intervals = values | noise, intervals | ends
        words |= dict.fromkeys(noise, "error of the readings after a write")
    draws = dict[str, Floats]()
    if resamples == 0:
        intervals = {name: (value, value) for name, value in values.items()}
    else:
        z = copula.scores(spread, resamples, generator.spawn(1)[0])
        draws = _draws(values, intervals, z, model)
    return replace(
        parameters,
        devices=changes.count,
        values=values,
        intervals=intervals,
        draws=draws,
        remarks=words,
        warnings=(*warned, *parameters.warnings),
    )


# --- rows ----------------------------------------------------------------------------------------


def _changes(table: Retention, model: Pulsed, *, read_measured: bool) -> Changes:
    """Later readings against the first one of the same write."""
    t = table.take(np.lexsort((table.time_seconds, table.initial_siemens, table.device)))
    new = (np.diff(t.device, prepend=-1) != 0) | (np.diff(t.initial_siemens, prepend=-1.0) != 0)
    start = np.flatnonzero(new)[np.cumsum(new) - 1]
    # The first row is the starting point itself where it repeats its reading.
    repeats = np.isclose(t.g_siemens[start], t.initial_siemens, rtol=1e-9, atol=0.0)
    began = np.where(repeats, t.time_seconds[start], 0.0)
    heat = _heat(t.temperature_kelvin, model)
    rows = (t.time_seconds > began) & (t.initial_siemens > 0.0) & np.isfinite(t.g_siemens)
    first, change = t.initial_siemens[rows], (t.g_siemens - t.initial_siemens)[rows]
    level = _mean_reading(start[rows], first, t.g_siemens[rows]) if read_measured else first
    level = np.maximum(level, 1e-12)
    unit = float(np.median(first)) if len(first) else 1.0
    typical = 1.5 * float(np.median(np.abs(change))) / unit if len(change) else 0.0
    return Changes(
        device=np.unique(t.device[rows], return_inverse=True)[1].astype(np.int64),
        first=first / unit,
        change=change / unit,
        seconds=t.time_seconds[rows],
        began_seconds=began[rows],
        heat=heat[rows],
        began_heat=heat[start][rows],
        read2=read_variance(model, level) / unit**2,
        slow2=_slow_variance(model, level, (t.time_seconds - began)[rows], read_measured) / unit**2,
        at_floor=(t.g_siemens[rows] < FLOOR * model.g_min_siemens).astype(np.float64),
        read_measured=read_measured,
        motion=max(typical, 1e-6),
        unit_siemens=unit,
    )


def _mean_reading(write: Ints, first: Floats, later: Floats) -> Floats:
    """Mean of the first and the later readings after each write, of which the noise is taken.

    That of the first alone would be too small just where it was read too low.
    """
    which = np.unique(write, return_inverse=True)[1]
    count = np.bincount(which)
    mean = (np.bincount(which, first) / count + np.bincount(which, later)) / (count + 1)
    return np.asarray(mean[which])


def _slow_variance(model: Pulsed, g: Floats, seconds: Floats, is_known: bool) -> Floats:
    """Variance of how slow read noise changes in some time, siemens squared."""
    if not is_known or not len(g):
        return np.zeros(len(g))
    spread = physics.growing_fraction(
        torch.from_numpy(g), model.slow_fraction, model.read_knee_ohms,
        model.slow_exponent, model.slow_cap,
    ).numpy()  # fmt: skip
    lost = -np.expm1(-seconds[:, None] / np.array(model.slow_times)).mean(1)
    return np.asarray(2.0 * (spread * g) ** 2 * lost)


def _heat(kelvin: Floats, model: Pulsed) -> Floats:
    """(1 / reference - 1 / T) / k, 1/eV; unknown temperatures are the reference."""
    kelvin = np.where(np.isfinite(kelvin), kelvin, model.reference_kelvin)
    return (1.0 / model.reference_kelvin - 1.0 / kelvin) / BOLTZMANN_EV_PER_KELVIN


# --- what is fitted ------------------------------------------------------------------------------


def _fit(changes: Changes, model: Pulsed) -> tuple[RelaxationFit, Changes, tuple[str, ...]]:
    """The maximum, the rows it is of, and a warning about several temperatures."""
    heat = np.round(changes.heat, 2)
    levels = [x for x in np.unique(heat) if changes.take(heat == x).count >= FEWEST]
    if len(levels) < 2:
        return _at(changes, model), changes, ()
    fit = _at(changes, model, activation=True)
    worst, energy = _misfit(changes, fit, levels), fit.values["activation"]
    if worst > MISFIT:
        why = f"do not follow one Arrhenius law (off by {worst:.2g} of the spread)"
    elif fit.error("activation") > MOST_ERROR_EV or energy > 0.99 * MOST_EV:
        why = "do not tell the activation energy"
    else:
        return fit, changes, ()
    near = min(levels, key=abs)
    kelvin = 1.0 / (1.0 / model.reference_kelvin - near * BOLTZMANN_EV_PER_KELVIN)
    warning = (
        f"several temperatures {why}: relaxation is fitted at {kelvin:.0f} K, "
        "relax_activation_ev is the preset's"
    )
    changes = changes.take(heat == near)
    return _at(changes, model), changes, (warning,)


def _at(changes: Changes, model: Pulsed, *, activation: bool = False) -> RelaxationFit:
    """The maximum; the onset is the preset's if the readings leave it open."""
    free, held = _parameters(changes, model)
    if activation:
        del held["activation"]
        free["activation"] = Parameter((0.2, 1.0), 0.0, MOST_EV)
    if "onset" not in free:
        return maximise(changes, free, held)
    fit = maximise(changes, free, held)
    at_end = fit.values["onset"] < free["onset"].low + 0.01
    if at_end or fit.error("onset") > VAGUE:
        held["onset"] = float(np.log(model.relax_onset_seconds))
        del free["onset"]
        return maximise(changes, free, held)
    return fit


def _parameters(changes: Changes, model: Pulsed) -> tuple[dict[str, Parameter], dict[str, float]]:
    """The fitted parameters with their starting points, and the fixed ones with their values."""
    low, high = np.quantile(changes.first, (0.02, 0.98))
    seconds = changes.seconds[changes.seconds > 0.0]
    times = int(np.median(np.bincount(changes.device)))
    free = {"sigma2": Parameter((0.1, 1.0), 0.0), "drift": Parameter((0.0,))}
    held = {
        "peak": float(np.log(model.relax_peak_siemens / changes.unit_siemens)),
        "sharpness": float(np.log(model.relax_sharpness)),
        "tail2": model.relax_tail_sigma**2,
        "onset": float(np.log(model.relax_onset_seconds)),
        "activation": model.relax_activation_ev,
    }
    if changes.count >= SHAPE_DEVICES and high / low > SPAN:
        peaks = np.log(low + (high - low) * np.array([0.1, 0.35, 0.7]))
        free["peak"] = Parameter(tuple(peaks), np.log(low / 5.0), np.log(5.0 * high))
        free["sharpness"] = Parameter((0.0, 1.2), np.log(0.02), np.log(50.0))
    if changes.count >= TAIL_DEVICES:
        free["tail2"] = Parameter((0.3,), 0.0, 6.0)
    if changes.count >= SHAPE_DEVICES and times > 1 and not changes.read_measured:
        soon = np.abs(changes.change[changes.seconds <= 1.01 * seconds.min()])
        begin = float(np.log(np.median(soon) + 1e-3 * changes.motion))
        free["error"] = Parameter((begin,), begin - 10.0, begin + 2.0)
        free["power"] = Parameter((0.0,), -3.0, 1.0)  # 1: a constant relative error
    if changes.count >= SHAPE_DEVICES and times >= ONSET_TIMES:
        early, late = np.log(seconds.min()), np.log(seconds.max())
        free["onset"] = Parameter((early - 4.0, early + 1.0), early - 14.0, late)
    return free, {name: value for name, value in held.items() if name not in free}


def _misfit(changes: Changes, fit: RelaxationFit, levels: list[float]) -> float:
    """How far drift and sigma of one temperature are from the law, beyond two standard errors.

    As a fraction of sigma.
    """
    alone = {"sigma2": Parameter((fit.values["sigma2"],), 0.0), "drift": Parameter((0.0,))}
    held = {name: value for name, value in fit.values.items() if name not in alone}
    sigma, worst = max(float(np.sqrt(fit.values["sigma2"])), 1e-9), 0.0
    for level in levels:
        rows: NDArray[np.bool_] = np.round(changes.heat, 2) == level
        here = maximise(changes.take(rows), alone, held)
        spread = abs(np.sqrt(here.values["sigma2"]) - sigma) - here.error("sigma2") / sigma
        drift = abs(here.values["drift"] - fit.values["drift"]) - 2.0 * here.error("drift")
        worst = max(worst, float(spread) / sigma, float(drift) / sigma)
    return worst


# --- the parameters ------------------------------------------------------------------------------


def _fields(fit: RelaxationFit, changes: Changes) -> tuple[Values, Intervals]:
    """Fields of the model and their intervals; variances and logarithms are undone."""
    amount = changes.motion * changes.unit_siemens
    back: dict[str, tuple[str, Callable[[float], float]]] = {
        "sigma2": ("relax_sigma_siemens", lambda v: amount * math.sqrt(max(v, 0.0))),
        "drift": ("relax_drift_siemens", lambda v: amount * v),
        "peak": ("relax_peak_siemens", lambda v: changes.unit_siemens * math.exp(v)),
        "sharpness": ("relax_sharpness", math.exp),
        "tail2": ("relax_tail_sigma", lambda v: math.sqrt(max(v, 0.0))),
        "onset": ("relax_onset_seconds", math.exp),
        "activation": ("relax_activation_ev", lambda v: max(v, 0.0)),
    }
    times = float(stats.t.ppf(0.975, changes.count - 1))
    values, intervals = {}, {}
    for name in fit.free:
        if name not in back:
            continue
        field, undo = back[name]
        value, error = fit.values[name], fit.error(name)
        half, ratio = min(times * error, 50.0), 1.0
        if name in ("sigma2", "tail2") and error < 0.5 * value:
            half, ratio = 0.0, float(np.exp(times * error / value))
        values[field] = float(undo(value))
        intervals[field] = float(undo(value / ratio - half)), float(undo(value * ratio + half))
    return values, intervals


def _covariance(fit: RelaxationFit, changes: Changes, model: Pulsed) -> Floats:
    """Covariance of what is fitted, in the order of `_fields` and then of `_read_law`."""
    at = {name: np.eye(len(fit.free))[i] for i, name in enumerate(fit.free)}
    rows = [row for name, row in at.items() if name not in ("error", "power")]
    if "error" in at:
        knee = float(np.log(changes.unit_siemens * model.read_knee_ohms))
        rows += [at["error"] - knee * at["power"], -at["power"]]
    linear = np.stack(rows)
    spread: Floats = linear @ fit.covariance @ linear.T
    return spread


def _draws(values: Values, intervals: Intervals, z: Floats, model: Pulsed) -> dict[str, Floats]:
    """Each field as its interval, joined by correlated scores, one column per field.

    The floor of the read error is the last field and has no column: it is drawn alone.
    """
    ranges = {n: model.__dataclass_fields__[n].metadata["range"] for n in values}
    return {
        name: copula.drawn(column, values[name], intervals[name], ranges[name])
        for name, column in zip(values, z.T, strict=False)
    }


def _read_law(fit: RelaxationFit, changes: Changes, model: Pulsed) -> tuple[Values, Intervals]:
    """The read noise of the model that gives the fitted read error."""
    knee = float(np.log(changes.unit_siemens * model.read_knee_ohms))
    error, power = (fit.values[name] for name in ("error", "power"))
    fraction, exponent = error + (1.0 - power) * knee, 1.0 - power
    at = [fit.free.index(name) for name in ("error", "power")]
    weights = np.array([1.0, -knee])
    spread = 1.96 * float(np.sqrt(weights @ fit.covariance[np.ix_(at, at)] @ weights))
    half = 1.96 * fit.error("power")
    # A floor below the smallest relative error would not be noticed.
    most = float(np.exp(error - exponent * np.log(changes.first.max())))
    values = {"read_fraction": np.exp(fraction), "read_exponent": exponent, "read_floor": 0.0}
    intervals = {
        "read_fraction": (float(np.exp(fraction - spread)), float(np.exp(fraction + spread))),
        "read_exponent": (exponent - half, exponent + half),
        "read_floor": (0.0, most),
    }
    return {name: float(value) for name, value in values.items()}, intervals
