"""White and slow read noise from repeated reads: all series at once, by their likelihood.

Law and likelihood are those of `whittle`. The intervals follow the profile of the likelihood,
widened by the scatter between devices (`likelihood`), and include a border that the data do not
exclude: no floor, or a time constant beyond the reads.
"""

import functools
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from ...pulsed import Pulsed
from ..measurements import Floats, Reads
from . import bootstrap, copula, likelihood, noise_law, read_population, whittle
from .likelihood import Box, Minimum, Value
from .parameters import ParameterSet
from .spectra import LONG, Spectra, of_reads
from .spectral_fit import (
    CAP,
    LEAST_GAIN,
    LONGEST,
    NOTHING,
    SHORTEST,
    SLOW,
    SLOW_EXPONENT,
    WHITE,
    SpectralFit,
    number,
)
from .whittle import NAMES

BEYOND = 10.0  # times the longest series: slowest time constant that is tried
STEEPEST = 5.0  # largest exponent
ROUNDS = 3  # of weights and fits
FIRST_STEPS = 12  # from each start; the best one goes on
LEAST_DRAWS = 20  # joint draws that are accepted at least


def estimate(
    reads: Reads,
    model: Pulsed,
    *,
    generator: np.random.Generator,
    resamples: int,
    keep: Collection[str] = (),
) -> ParameterSet:
    """Fit the laws of white and slow read noise; see `Pulsed` for them.

    `read_knee_ohms`, the resistance at which the fractions hold, and `read_cap` are the model's.
    `slow_cap` is fitted where the slow noise stops growing with resistance.

    Args:
        reads: Series of repeated reads; those of one read are not used.
        model: Gives knee, caps, and the exponents if the resistances span too little.
        generator: Of the joint draws; the intervals need no resamples.
        resamples: Joint draws; 0: no intervals either.
        keep: Exponents, times or cap that are the model's: the others are fitted with them.
    """
    devices = len(np.unique(reads.device))
    warnings = bootstrap.few_devices_warnings(devices, "repeated reads")
    parameters = ParameterSet(
        devices=devices, rows=len(reads), files=(reads.source,), warnings=warnings
    )
    spectra = of_reads(reads)
    if spectra is None:
        return parameters
    spans = noise_law.spans(spectra.ohms) and len(spectra.ohms) > 2
    long = int(spectra.long.sum())
    fit = _best(spectra, model, spans=spans, slow=long > 0, keep=keep)
    parameters = _add(parameters, fit, WHITE, "white part of repeated reads", resamples)
    if not spans:
        words = "the repeated reads span too little resistance: floor and growth of their noise"
        parameters = _warn(
            parameters, f"{words} are not told apart, and exponents stay as the preset's"
        )
    if not long:
        words = f"no series of {LONG} reads with a clock: slow noise, if any, is in the white part"
        parameters = _warn(parameters, words)
    else:
        parameters = _add_slow(parameters, fit, long, resamples)
    streams = generator.spawn(3)
    draws = _draws(parameters, fit, streams[0], resamples)
    parameters = replace(parameters, draws=draws)
    parameters = read_population.with_factors(
        parameters, fit, generator=streams[1], resamples=resamples
    )
    return read_population.with_traps(
        parameters, reads, model, spans=spans, generator=streams[2], resamples=resamples
    )


def _warn(parameters: ParameterSet, words: str) -> ParameterSet:
    return replace(parameters, warnings=(*parameters.warnings, words))


# --- the minimum ---------------------------------------------------------------------------------


def _best(
    spectra: Spectra, model: Pulsed, *, spans: bool, slow: bool, keep: Collection[str]
) -> SpectralFit:
    """The fit, with a fitted cap of the slow noise where the reads tell one.

    That is where it is `LEAST_GAIN` likelier than the cap of the model, or than none at all. (The
    first alone would choose those reads that by chance show another cap.)
    """
    limits = functools.partial(_box, spectra, model, spans=spans, slow=slow, keep=keep)
    fit = _searched(spectra, model, limits(cap=False))
    if not (spans and slow) or NAMES[CAP] in keep:
        return fit
    capped = _searched(spectra, model, limits(cap=True))
    for cap in (fit.box.high[CAP], 0.0):
        box = fit.box.fixed(CAP, cap)
        start = np.clip(capped.best.at, box.low, box.high)
        rival = likelihood.minimise(capped.loss(), start, box)
        if rival.value.loss - capped.best.value.loss > LEAST_GAIN:
            return capped
    return fit


def _box(
    spectra: Spectra,
    model: Pulsed,
    *,
    spans: bool,
    slow: bool,
    keep: Collection[str],
    cap: bool,
) -> Box:
    """Limits of the parameters; those that are not fitted have the value of the model."""
    none, times = np.log(NOTHING), [model.slow_shortest_seconds, model.slow_longest_seconds]
    at = np.array([0.0, none, model.read_exponent, none, model.slow_exponent, 0.0, 0.0, 0.0])
    at[SHORTEST : LONGEST + 1] = np.log(times)
    at[CAP] = np.log(max(model.slow_cap, NOTHING)) if spans else 0.0  # of one resistance: none
    low, high = at.copy(), at.copy()
    high[[0, 1]] = 1.0, 0.0
    if spans:
        low[2], high[2] = 0.0, STEEPEST
    if slow:
        high[SLOW] = 0.0
        low[[SHORTEST, LONGEST]] = np.log(np.nanmin(spectra.dt_seconds) / 2.0)
        lasting = np.nanmax(spectra.dt_seconds * spectra.reads)
        high[[SHORTEST, LONGEST]] = np.log(BEYOND * lasting)
        if spans:
            low[SLOW_EXPONENT], high[SLOW_EXPONENT] = 0.0, STEEPEST
    if cap:
        low[CAP], high[CAP] = np.log(1e-5), 0.0
    for k in (WHITE[-1], SLOW_EXPONENT, SHORTEST, LONGEST):
        if NAMES[k] in keep:
            low[k] = high[k] = at[k]
    return Box(low, high, (SHORTEST, LONGEST))


def _searched(spectra: Spectra, model: Pulsed, box: Box) -> SpectralFit:
    """The best minimum from several starts, then with the weights of its own misfit."""
    unknown = likelihood.Minimum(box.low, Value(np.inf, box.low, np.eye(len(box.low))))
    fit = SpectralFit(spectra, model, box, unknown)
    loss = fit.loss()
    minima = [
        likelihood.minimise(loss, start, box, steps=FIRST_STEPS) for start in _starts(spectra, fit)
    ]
    best = min(minima, key=lambda minimum: minimum.value.loss)
    fit = replace(fit, best=likelihood.minimise(loss, best.at, box))
    for _ in range(ROUNDS):
        fit = replace(fit, spectra=whittle.reweighted(fit.spectra, fit.best.at, *fit.laws))
        fit = replace(fit, best=likelihood.minimise(fit.loss(), fit.best.at, box))
    at = _ordered(fit.best.at)
    return replace(fit, best=Minimum(at, fit.loss()(at)))


def _ordered(theta: Floats) -> Floats:
    """The same law with the shorter time first, and the longer one longer."""
    ordered = theta.copy()
    ordered[SHORTEST : LONGEST + 1].sort()
    ordered[LONGEST] = max(ordered[LONGEST], ordered[SHORTEST] + 0.01)
    return ordered


def _starts(spectra: Spectra, fit: SpectralFit) -> list[Floats]:
    """Points from which a minimum is sought."""
    decade = float(np.mean(np.log(spectra.ohms / fit.laws[0])))
    long = spectra.long
    squares = np.bincount(spectra.series, spectra.power * spectra.count)
    whole = squares / np.bincount(spectra.series, spectra.count)
    fast = np.append(spectra.series[1:], -1) != spectra.series  # highest frequencies
    white = 0.5 * np.log(np.median(spectra.power[fast]) + NOTHING)
    total = 0.5 * np.log(whole[long] + NOTHING) if long.any() else np.zeros(1)
    dt, lasting = 1.0, 1.0
    if long.any():
        dt = float(np.nanmin(spectra.dt_seconds))
        lasting = float(np.nanmax(spectra.dt_seconds * spectra.reads))
    times = [(dt, lasting / 3.0), (5.0 * dt, lasting), (20.0 * dt, lasting / 20.0)]
    caps = (total.max(), total.max() - 1.0) if fit.free[CAP] else (fit.box.high[CAP],)
    return [
        np.array([
            0.3 * np.exp(2.0 * white), white - grows * decade, grows,
            float(np.median(total)) - steep * decade, steep, *np.log(pair), cap,
        ])
        for grows, steep in ((0.4, 0.3), (0.8, 1.2), (0.8, 2.5))
        for pair in (times if fit.free[SLOW] else times[:1])
        for cap in caps
    ]  # fmt: skip


# --- the parameters ------------------------------------------------------------------------------


def _add_slow(
    parameters: ParameterSet, fit: SpectralFit, long: int, resamples: int
) -> ParameterSet:
    """Fraction, exponent, times and perhaps the cap of the slow part."""
    words = f"part of the reads that depends on the lag, {long} series"
    if not _has_slow_noise(fit):
        parameters = _add(parameters, fit, (SLOW,), words, resamples)
        upper = parameters.intervals[NAMES[SLOW]][1] if resamples else 0.0
        return replace(
            parameters,
            values=parameters.values | {NAMES[SLOW]: 0.0},
            intervals=parameters.intervals | {NAMES[SLOW]: (0.0, upper)},
        )
    parameters = _add(parameters, fit, (SLOW, SLOW_EXPONENT, CAP), words, resamples)
    parameters = _above_the_cap(parameters, fit)
    words += "; effective: slower and faster than the reads nothing is seen"
    parameters = _add(parameters, fit, (SHORTEST, LONGEST), words, resamples)
    if fit.best.at[LONGEST] >= fit.box.high[LONGEST] - 0.01:
        words = "the slowest time constant lies beyond the reads: its value is a lower bound"
        return _warn(parameters, words)
    return parameters


def _above_the_cap(parameters: ParameterSet, fit: SpectralFit) -> ParameterSet:
    """The set with a cap of the slow noise that lets it be as large as it was read.

    Reads of about one resistance tell how large it is there, and not whether it stops growing.
    """
    if NAMES[CAP] in parameters.values:
        return parameters
    decades = np.log(fit.spectra.ohms / fit.laws[0])
    reached = float(np.exp(np.max(fit.best.at[SLOW] + fit.best.at[SLOW_EXPONENT] * decades)))
    if reached <= fit.model.slow_cap or fit.box.high[CAP] < 0.0:
        words = f"slow_cap = {fit.model.slow_cap:.3g} is the preset's: no series reaches a cap"
        return _warn(parameters, words) if fit.model.slow_cap < 1.0 else parameters
    words = f"slow_cap = {fit.model.slow_cap:.3g} of the preset is below the slow noise as read"
    parameters = _warn(parameters, f"{words}: it is raised to {min(reached, 1.0):.3g}")
    value = min(reached, 1.0)
    return parameters.extended({NAMES[CAP]: value}, {NAMES[CAP]: (value, 1.0)}, "at least as read")


def _has_slow_noise(fit: SpectralFit) -> bool:
    """Whether slow noise is likelier than none."""
    low, high = fit.box.low.copy(), fit.box.high.copy()
    fixed = [SLOW, SLOW_EXPONENT, SHORTEST, LONGEST, CAP]
    low[fixed] = high[fixed] = fit.best.at[fixed]
    low[SLOW] = high[SLOW] = np.log(NOTHING)
    rival = likelihood.minimise(fit.loss(), fit.best.at, Box(low, high))
    return rival.value.loss - fit.best.value.loss > LEAST_GAIN


def _add(
    parameters: ParameterSet,
    fit: SpectralFit,
    indices: tuple[int, ...],
    words: str,
    resamples: int,
) -> ParameterSet:
    """The set with the fitted ones of some parameters, by their indices into `NAMES`."""
    fitted = [k for k in indices if fit.free[k]]
    values = {NAMES[k]: number(k, fit.best.at[k]) for k in fitted}
    intervals = {name: (v, v) for name, v in values.items()}
    if resamples:
        wider = likelihood.inflation(*_uncertainty(fit), fit.free)
        intervals = {NAMES[k]: _interval(fit, k, float(wider[k])) for k in fitted}
    return parameters.extended(values, intervals, words)


def _uncertainty(fit: SpectralFit) -> tuple[Floats, Floats]:
    """Curvature at the minimum and variance of the score, each of shape (p, p)."""
    curvature = whittle.value(fit.spectra, fit.best.at, *fit.laws).curvature
    return curvature, whittle.score_variance(fit.spectra, fit.best.at, *fit.laws, fit.free)


def _draws(
    parameters: ParameterSet, fit: SpectralFit, generator: np.random.Generator, resamples: int
) -> dict[str, Floats]:
    """Joint draws: each parameter as its interval, with the correlations of the sandwich.

    Far from the minimum the likelihood is no parabola. A draw that is less likely than by its
    scores is accepted with the probability exp(depth - loss / (inflation stretch^2)); at least
    `LEAST_DRAWS` of the likeliest are accepted. The inflation is the largest of all parameters, so
    that nothing is rejected under a parabola. The rule is not from a source.
    """
    indices = [int(k) for k in np.flatnonzero(fit.free) if NAMES[k] in parameters.values]
    if not resamples or not indices:
        return {}
    curvature, variance = _uncertainty(fit)
    covariance = likelihood.sandwich(curvature, variance, fit.free)[np.ix_(indices, indices)]
    z = copula.scores(covariance, resamples, generator)
    drawn, theta = {}, np.tile(fit.best.at, (resamples, 1))
    for column, k in zip(z.T, indices, strict=True):
        name, allowed = NAMES[k], fit.model.__dataclass_fields__[NAMES[k]].metadata["range"]
        drawn[name] = copula.drawn(
            column, parameters.values[name], parameters.intervals[name], allowed
        )
        theta[:, k] = _searched_number(k, drawn[name])
    loss = fit.loss()
    lost = np.array([loss(_ordered(row)).loss for row in theta]) - fit.best.value.loss
    lost /= likelihood.inflation(curvature, variance, fit.free).max() * fit.stretch**2
    chance = copula.depth(z, covariance) - lost
    stays = np.log(generator.uniform(size=resamples)) < chance
    stays[np.argsort(lost)[:LEAST_DRAWS]] = True
    return {name: draws[stays] for name, draws in drawn.items()}


def _searched_number(k: int, value: Floats) -> Floats:
    """The parameter of the search from one of the model: `number` undone."""
    if k == 0:
        return value**2
    return value if k in (2, SLOW_EXPONENT) else np.log(np.maximum(value, NOTHING))


def _interval(fit: SpectralFit, k: int, wider: float) -> tuple[float, float]:
    """95 % interval of parameter k."""
    gain = 0.5 * (copula.Z * fit.stretch) ** 2 * wider
    return fit.ends(k, likelihood.interval(fit.loss(), fit.best, fit.box, k, gain))
