"""How devices differ in their read noise: factors of the white and slow parts, and traps."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy import stats

from ... import read_noise
from ...pulsed import Pulsed
from ...record import Range
from ..measurements import Floats, Reads
from . import copula, device_factors, read_features, telegraph, whittle
from .device_factors import LevelFit, Levels
from .parameters import ParameterSet
from .spectral_fit import CAP, LEAST_GAIN, NOTHING, SLOW, SLOW_EXPONENT, WHITE, SpectralFit, number
from .whittle import NAMES

LEAST_DEVICES = 3  # that a spread needs
D2D = {SLOW: "slow_d2d_sigma", WHITE[0]: "read_d2d_sigma"}
SLOW_NAMES = (*NAMES[3:], "slow_d2d_sigma")
TWO_LEVELS = 1.45  # kurtosis below which a series stands at two levels; a drift has 1.8
WIDER = 1.3  # factor to t: levels are measured, and the shape of the slow spectrum is fitted
JUMPS = 8.0  # kurtosis of changes above which it jumps
AT_BORDER = 1e-6  # of the parameters of a law: no farther from its border
CLEARLY = 3.0  # standard errors of mean excess kurtosis over series


# --- factors of devices --------------------------------------------------------------------------


def with_factors(
    parameters: ParameterSet,
    fit: SpectralFit,
    *,
    generator: np.random.Generator,
    resamples: int,
) -> ParameterSet:
    """The set with the spread of the factors of devices, and with laws of a median device.

    Where devices do not differ clearly, the laws stay as fitted to all spectra.

    Args:
        parameters: From all spectra.
        fit: How.
        generator: Of the joint draws.
        resamples: Draws; 0: no intervals.
    """
    if parameters.devices < LEAST_DEVICES or int(fit.spectra.unit.max()) + 1 < LEAST_DEVICES:
        return parameters
    white, slow = device_factors.levels(fit.spectra, fit.best.at, fit.laws)
    rest = generator, resamples
    parameters = _with_factor(parameters, fit, white, WHITE, *rest)
    if parameters.values.get(NAMES[SLOW], 0.0) > 0.0:
        parameters = _with_factor(parameters, fit, slow, (SLOW, SLOW_EXPONENT, CAP), *rest)
    return parameters


def _law(fit: SpectralFit, indices: tuple[int, ...]) -> Callable[[Floats, Floats], Floats]:
    """ln(law^2) of resistances and the parameters of these indices."""
    knee, cap = fit.laws

    def white(ohms: Floats, theta: Floats) -> Floats:
        grown = np.minimum(theta[1] + theta[2] * np.log(ohms / knee), np.log(cap))
        level: Floats = np.log(np.maximum(theta[0], 0.0) + np.exp(2.0 * grown) + whittle.LEAST)
        return level

    def slow(ohms: Floats, theta: Floats) -> Floats:
        level: Floats = 2.0 * np.minimum(theta[0] + theta[1] * np.log(ohms / knee), theta[2])
        return level

    return white if indices == WHITE else slow


def _with_factor(
    parameters: ParameterSet,
    fit: SpectralFit,
    levels: Levels,
    indices: tuple[int, ...],
    generator: np.random.Generator,
    resamples: int,
) -> ParameterSet:
    """The set with the spread of one kind of factor, and its law where they differ clearly."""
    if len(np.unique(levels.unit)) < LEAST_DEVICES:
        return parameters
    at, name = list(indices), D2D[indices[0]]
    low, high = fit.box.low[at], fit.box.high[at]
    if indices[-1] == CAP and low[-1] == high[-1]:  # the preset's, or raised to what was read
        cap = parameters.values.get(NAMES[CAP], fit.model.slow_cap)
        low[-1] = high[-1] = np.log(max(cap, NOTHING))
    law = _law(fit, indices)
    factors = device_factors.fit(levels, law, fit.best.at[at], low, high)
    if indices[-1] == CAP and low[-1] < high[-1]:
        cap = np.log(max(fit.model.slow_cap, NOTHING))  # of the preset: the device file has it
        ends = np.append(low[:-1], cap), np.append(high[:-1], cap)
        preset = device_factors.fit(levels, law, fit.best.at[at], *ends)
        if preset.best.value.loss - factors.best.value.loss < LEAST_GAIN:
            factors = preset
            dropped = {n: v for n, v in parameters.values.items() if n != NAMES[CAP]}
            parameters = (
                replace(parameters, values=dropped) if factors.gain > LEAST_GAIN else parameters
            )
    units, k = len(np.unique(levels.unit)), len(indices)
    ends = factors.box.low[:k] + AT_BORDER, factors.box.high[:k] - AT_BORDER
    inside = (ends[0] < factors.best.at[:k]) & (factors.best.at[:k] < ends[1])
    rises = _rises(units, int(inside.sum()))
    words = f"spread over devices of the logarithm, {len(levels.y)} series"
    if factors.gain < LEAST_GAIN:
        upper = device_factors.interval(factors, k, rises[1])[1] if resamples else 0.0
        return parameters.extended({name: 0.0}, {name: (0.0, upper)}, words)
    return _replaced(parameters, fit, factors, indices, rises, words, generator, resamples)


def _rises(units: int, fitted: int) -> tuple[float, float]:
    """How far the profile rises at the ends of 95 % intervals: of the law, and of the spread.

    Exact for a linear law of Gaussian residuals of one unknown spread, whose profile is
    n / 2 ln(1 + t^2 / (n - p)): t is Student's, and the spread follows chi^2 (its upper end).

    Args:
        units: n, devices.
        fitted: p, numbers of the law that stand at no border: they follow no residual.
    """
    dof = max(units - fitted, 1)
    t = WIDER * stats.t.ppf(0.975, dof)
    shrunk = stats.chi2.ppf(0.025, dof) / WIDER**2 / units
    law = np.log1p(t**2 / dof)
    return float(units / 2 * law), float(units / 2 * max(law, shrunk - 1.0 - np.log(shrunk)))


def _replaced(
    parameters: ParameterSet,
    fit: SpectralFit,
    factors: LevelFit,
    indices: tuple[int, ...],
    rises: tuple[float, float],
    words: str,
    generator: np.random.Generator,
    resamples: int,
) -> ParameterSet:
    """The set with the law of a median device and the spread of the factors."""
    free = [i for i in range(len(indices)) if factors.box.high[i] > factors.box.low[i]]
    names = [NAMES[indices[i]] for i in free] + [D2D[indices[0]]]
    numbers = [number(indices[i], factors.best.at[i]) for i in free] + [factors.sigma]
    values = dict(zip(names, numbers, strict=True))
    if not resamples:
        return parameters.extended(values, {n: (v, v) for n, v in values.items()}, words)
    ends = [fit.ends(indices[i], device_factors.interval(factors, i, rises[0])) for i in free] + [
        device_factors.interval(factors, len(indices), rises[1])
    ]
    intervals = {
        n: _no_narrower(parameters, n, v, (min(low, v), max(high, v)))
        for (n, v), (low, high) in zip(values.items(), ends, strict=True)
    }
    parameters = parameters.extended(values, intervals, f"of a median device; {words}")
    which = [*free, len(indices)]
    covariance = np.linalg.inv(factors.best.value.curvature[np.ix_(which, which)])
    count = len(next(iter(parameters.draws.values()), np.empty(resamples)))
    z = copula.scores(np.asarray(covariance, np.float64), count, generator)
    fields = fit.model.__dataclass_fields__
    draws = {
        n: copula.drawn(column, values[n], intervals[n], fields[n].metadata["range"])
        for n, column in zip(names, z.T, strict=True)
    }
    others = {n: d for n, d in parameters.draws.items() if n in parameters.values}
    return replace(parameters, draws=others | draws)


def _no_narrower(
    parameters: ParameterSet, name: str, value: float, interval: tuple[float, float]
) -> tuple[float, float]:
    """An interval, of slow noise at least as wide as that of all spectra about its own value.

    That one contains that amplitude and times of slow noise are hardly told apart.
    """
    if name not in NAMES[SLOW:] or name not in parameters.intervals:
        return interval
    before, (low, high) = parameters.values[name], parameters.intervals[name]
    if name == NAMES[SLOW_EXPONENT]:
        ends = max(value + low - before, 0.0), value + high - before
    else:
        ends = value * low / before, min(value * high / before, 1.0)
    return min(interval[0], ends[0]), max(interval[1], ends[1])


# --- traps ---------------------------------------------------------------------------------------


def with_traps(
    parameters: ParameterSet,
    reads: Reads,
    model: Pulsed,
    *,
    spans: bool,
    generator: np.random.Generator,
    resamples: int,
) -> ParameterSet:
    """The set with telegraph noise in place of slow noise where that predicts devices better.

    It is tried where series jump or stand at two levels.

    Args:
        parameters: With white and slow noise.
        reads: What is fitted.
        model: Gives what the set does not.
        spans: Whether resistances differ enough for an exponent.
        generator: Of the simulations.
        resamples: 0: no intervals.
    """
    two, total, jumps = _jumping(reads)
    if not jumps:
        return parameters
    numbers: dict[str, Any] = dict(parameters.values)
    here = replace(model, **numbers)
    table = telegraph.measured_series(
        reads, lambda ohms: _white(here, ohms), spans=spans,
        exponent=model.telegraph_exponent, cap=model.telegraph_cap,
    )  # fmt: skip
    words = f"telegraph noise: {two} of {total} series jump or stand at two levels, and "
    if table is None:
        words += f"fewer than {telegraph.LEAST_DEVICES} devices do not tell their traps"
        return replace(parameters, warnings=(*parameters.warnings, words))
    populations = [telegraph.simulated(table, kind, generator=generator)
                   for kind in ("traps", "slow")]  # fmt: skip
    choice = telegraph.compared(table, *populations)
    if not choice.wins:
        words += f"traps do not predict other devices better ({choice}): the fitted noise has none"
        return replace(parameters, warnings=(*parameters.warnings, words))
    draws = dict(zip(populations[0].names, telegraph.posterior(table, populations[0]).T,
                     strict=True))  # fmt: skip
    return _trapped(parameters, model, table, populations[0], draws, resamples, str(choice))


def _white(model: Pulsed, ohms: Floats) -> Floats:
    """Relative white noise of a median device."""
    g = torch.from_numpy(1.0 / ohms)
    sigma = read_noise.white_sigma(model, g)
    white: Floats = np.full(len(ohms), 1e-9) if sigma is None else (sigma / g).numpy()
    return white


def _jumping(reads: Reads) -> tuple[int, int, bool]:
    """How many long series jump or stand at two levels, of how many; whether traps are tried."""
    chosen = read_features.of_reads(reads)
    if chosen is None:
        return 0, 0, False
    f = read_features.features(chosen[1])
    at = [read_features.NAMES.index(name) for name in
          ("kurtosis", "kurtosis of changes", "kurtosis of neighbours")]  # fmt: skip
    kurtosis = np.exp(f[:, at]) - 0.1
    visible = f[:, 2] > 0.3  # else it is white noise that stands about one level
    two = ((kurtosis[:, 0] < TWO_LEVELS) & visible) | (kurtosis[:, 1:] > JUMPS).any(1)
    excess = kurtosis[:, 1:] - 3.0
    error = excess.std(0) / np.sqrt(len(f)) + 1e-9
    many = len(f) >= telegraph.LEAST_DEVICES and bool((excess.mean(0) > CLEARLY * error).any())
    return int(two.sum()), len(f), bool(two.any()) or many


def _trapped(
    parameters: ParameterSet,
    model: Pulsed,
    table: telegraph.MeasuredSeries,
    population: telegraph.Population,
    draws: dict[str, Floats],
    resamples: int,
    choice: str,
) -> ParameterSet:
    """The set with the fields of traps, the white noise beside them, and no slow noise."""
    count = len(draws["traps"])
    natural = {n: np.exp(d) if n in telegraph.LOGS else d for n, d in draws.items()}
    fields = {f"telegraph_{n}": natural[n] for n in telegraph.TRAPS
              if n not in ("white", "amplitude", "d2d_sigma")}  # fmt: skip
    fraction = natural["amplitude"] * (model.read_knee_ohms / table.ohms) ** natural["exponent"]
    fields |= {"telegraph_fraction": fraction, "read_d2d_sigma": natural["d2d_sigma"]}
    if not table.spans:
        del fields["telegraph_exponent"]
    for name in ("read_floor", "read_fraction"):
        if name in parameters.values:
            before = parameters.draws.get(name, np.array([parameters.values[name]]))
            fields[name] = np.resize(before, count) * natural["white"]
    if "read_exponent" in parameters.draws:
        fields["read_exponent"] = np.resize(parameters.draws["read_exponent"], count)
    ranges = {n: model.__dataclass_fields__[n].metadata["range"] for n in fields}
    fields = {n: np.clip(d, ranges[n].low, ranges[n].high) for n, d in fields.items()}
    values = {n: float(np.median(d)) for n, d in fields.items()}
    intervals = {n: (v, v) for n, v in values.items()}
    if resamples:
        intervals = {n: _ends(population, n, d, ranges[n]) for n, d in fields.items()}
        for name in ("read_floor", "read_fraction"):  # beside traps they are not told apart
            if name in intervals:
                intervals[name] = (0.0, intervals[name][1])
    upper = parameters.intervals.get(NAMES[SLOW], (0.0, 0.0))[1]
    fast = {n: v for n, v in parameters.values.items() if n not in SLOW_NAMES}
    without = replace(parameters, values=fast, draws=fields | {NAMES[SLOW]: np.zeros(count)})
    words = f"simulated series; traps predict other devices better ({choice})"
    without = without.extended(values, intervals, words)
    words = "what depends on the lag is telegraph noise"
    return without.extended({NAMES[SLOW]: 0.0}, {NAMES[SLOW]: (0.0, upper)}, words)


def _ends(
    population: telegraph.Population, name: str, draws: Floats, allowed: Range
) -> tuple[float, float]:
    """95 % interval of the draws of a field; where the prior ends it, the end of the range."""
    low, high = (float(q) for q in np.quantile(draws, (0.025, 0.975)))
    short = name.removeprefix("telegraph_").removeprefix("read_")
    if short not in population.names:
        return low, high
    k = population.names.index(short)
    width = telegraph.EDGE * (population.high[k] - population.low[k])
    ends = np.array([population.low[k] + width, population.high[k] - width])
    ends = np.exp(ends) if short in telegraph.LOGS else ends
    return (
        allowed.low if low <= ends[0] else low,
        allowed.high if high >= ends[1] else high,
    )
