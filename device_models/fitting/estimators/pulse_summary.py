"""From a fit of single pulses to parameters with intervals, remarks and warnings."""

from dataclasses import replace

import numpy as np
from scipy import stats

from ...registry import name_of
from . import gain_correlation
from .laws import LAWS, Law
from .parameters import ParameterSet
from .pulse_fit import PulseFit

BESIDE = {
    "c2c_additive_siemens": "spread beside the step, alike where steps are small",
    "c2c_quantum_siemens": "variance beside the step, in proportion to it",
}
SIDES = ((1, "SET"), (0, "RESET"))


def warnings_of(fit: PulseFit) -> tuple[str, ...]:
    """What the selection of pulses and devices means for the reader."""
    words, fitted = [], {c.field for c in fit.problem.coordinates}
    laws = LAWS[name_of(fit.problem.model)]
    for (side, name), law in zip(SIDES, laws, strict=True):
        if law.scale not in fitted:
            words.append(f"no {name} pulses: the {name} law keeps the preset's parameters")
        elif still := fit.devices - int(fit.moving[side].sum()):
            words.append(f"{still} devices do not move under {name} pulses")
    if fit.lost > 0.5:
        words.append(
            f"{fit.lost:.0%} of the pulses may have ended at a bound of their device "
            "and are left out"
        )
    if fit.known_read:
        what = "rests on the read noise" if fit.read_measured else "contains the read noise"
        words.append(f"pulses share no readings: c2c_sigma {what} of the device")
    return tuple(words)


def add_law(parameters: ParameterSet, fit: PulseFit) -> ParameterSet:
    """Scale and shape of the polarities that have pulses."""
    fitted = {c.field for c in fit.problem.coordinates}
    for law in LAWS[name_of(fit.problem.model)]:
        if law.scale in fitted:
            for name in law.linear or (law.scale,):
                parameters = _added(parameters, fit, name, "median device")
            if law.shape:
                parameters = _within(_added(parameters, fit, law.shape, law.remark), law)
    return parameters


def _within(parameters: ParameterSet, law: Law) -> ParameterSet:
    """The interval of a shape inside its range, with a warning where it reaches an end of it."""
    low, high = parameters.intervals[law.shape]
    if law.low < low and high < law.high:
        return parameters
    ends = {law.shape: (max(low, law.low), min(high, law.high))}
    words = f"{law.shape} is hardly told: its interval reaches the end of its range"
    return replace(
        parameters, intervals=parameters.intervals | ends, warnings=(*parameters.warnings, words)
    )


def add_c2c(parameters: ParameterSet, fit: PulseFit) -> ParameterSet:
    """Cycle-to-cycle spread of one step, and beside it."""
    words = "spread of the steps less the errors of the readings that they share"
    if fit.known_read:
        words = "spread of the steps less the read noise of repeated reads"
        words = words if fit.read_measured else "spread of the steps, read noise included"
    parameters = _added(parameters, fit, "c2c_sigma", words)
    fitted = {c.field for c in fit.problem.coordinates}
    for name, words in BESIDE.items():
        if name in fitted:
            parameters = _added(parameters, fit, name, words)
    return parameters


def add_d2d(parameters: ParameterSet, fit: PulseFit) -> ParameterSet:
    """Spread of the gains between devices, without their sampling errors, and of the asymmetry."""
    if fit.d2d is None or not np.isfinite(fit.d2d.high):
        return parameters
    words = "log gains less their sampling errors"
    low, high = fit.d2d.low, fit.d2d.high
    if (rho := gain_correlation.estimate(fit.gains)) is not None:
        low, high = min(low, rho.sigma_low), max(high, rho.sigma_high)
    ends = {"d2d_step_sigma": (low, high)}
    parameters = parameters.extended({"d2d_step_sigma": fit.d2d.sigma}, ends, words)
    if rho is None or rho.high - rho.low > gain_correlation.VAGUE:
        return parameters
    name = "d2d_step_correlation"
    return parameters.extended({name: rho.value}, {name: (rho.low, rho.high)}, words)


def add_read(parameters: ParameterSet, fit: PulseFit) -> ParameterSet:
    """White read noise, where neighbouring pulses share readings."""
    for c in fit.problem.coordinates:
        if c.field.startswith("read_"):
            parameters = _added(parameters, fit, c.field, "readings that neighbouring pulses share")
    return parameters


def add_draws(
    parameters: ParameterSet, fit: PulseFit, count: int, generator: np.random.Generator
) -> ParameterSet:
    """The set with joint draws of what the likelihood fits, by Student's t.

    Only of a law of many coefficients, whose errors make up for each other: drawn apart, they would
    make bands wider than any fit allows. Others are drawn apart, which errs on the wide side.
    """
    if not count or fit.units < 2 or not LAWS[name_of(fit.problem.model)][0].linear:
        return parameters
    size, axes = np.linalg.eigh((fit.covariance + fit.covariance.T) / 2.0)
    z = generator.standard_normal((count, len(size))) * np.sqrt(np.maximum(size, 0.0)) @ axes.T
    freedom = max(fit.units - 1, 1)
    z *= np.sqrt(freedom / generator.chisquare(freedom, count))[:, None]
    box = fit.problem.box
    x = np.clip(fit.at + z, box.low, box.high)
    draws = {
        c.field: np.array([c.back(value) for value in column])
        for c, column in zip(fit.problem.coordinates, x.T.tolist(), strict=True)
        if c.field in parameters.values
    }
    return replace(parameters, draws=parameters.draws | draws)


def _added(parameters: ParameterSet, fit: PulseFit, name: str, words: str) -> ParameterSet:
    """The set with one more parameter and the interval of its coordinate, by Student's t."""
    k = [c.field for c in fit.problem.coordinates].index(name)
    c, x = fit.problem.coordinates[k], float(fit.at[k])
    half = float(
        np.sqrt(max(fit.covariance[k, k], 0.0)) * stats.t.ppf(0.975, max(fit.units - 1, 1))
    )
    low, high = fit.problem.box.low[k], fit.problem.box.high[k]
    ends = c.back(max(x - half, low)), c.back(min(x + half, high))
    return parameters.extended({name: c.back(x)}, {name: ends}, words)
