"""Which registered step model predicts held-out devices."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import log_ndtr, logsumexp, ndtr

from ...errors import ConfigError
from ...model import DeviceModel
from ...pulsed import Pulsed
from ...tabulated import Tabulated
from ..measurements import Floats, Ints, Pulses
from ..result import Candidate
from . import bootstrap, steps, tables
from .laws import as_model, beside_variance, fittable, read_variance, step
from .pulse_train import PulseTrain

FOLDS = 3
ROUNDS = 2  # of a fit that only ranks
MOST_DEVICES = 60
MOST_PULSES = 400  # of a device
NODES = 21  # of the Gauss-Hermite sum over the gain of a new device
LEAST = 1e-3  # relative spread below which a step is not predicted


def candidates(
    pulses: Pulses, model: DeviceModel, *, generator: np.random.Generator
) -> tuple[Candidate, ...]:
    """Every model with a step law, by the likelihood of held-out devices, best first.

    The density of a held-out device is that of its steps, Normal(a s, (a s c)^2 + b^2 + two reads),
    of `tabulated` that of `_of_tables`, averaged over its unknown gains a; steps that share a
    reading are taken as independent, alike for all models. Pulses near the ends of a device's range
    are left out. Of one device alone, pieces of its history are held out. A law by which the pulses
    of a fold do not move a device on average is no candidate.

    Returns:
        Nothing, if there are fewer than `FOLDS` devices or pieces.
    """
    sample = _sample(pulses, generator)
    unit, device_of_unit = bootstrap.units(sample.device, sample.ramp)
    count = len(device_of_unit)
    if count < FOLDS:
        return ()
    fold = generator.permutation(count) % FOLDS
    scores = {}
    for name in fittable():
        total, size = np.zeros(count), np.zeros(count)
        for k in range(FOLDS):
            fitted = _fitted(sample.take(fold[unit] != k), as_model(model, name), generator)
            if fitted is None:
                break
            held_out = fold[unit] == k
            _add_score(sample.take(held_out), unit[held_out], fitted, total, size)
        else:
            scores[name] = (total, size)
    return _ranked(scores) if scores else ()


def _fitted(training: Pulses, start: Pulsed, generator: np.random.Generator) -> Pulsed | None:
    """A law with what some pulses tell of it; None where they lead nowhere on average by it."""
    settings: dict[str, Any] = {"generator": generator, "resamples": 0, "rounds": ROUNDS}
    if isinstance(start, Tabulated):
        parameters = tables.estimate(training, start, **settings)
    else:
        parameters = steps.estimate(training, start, **settings)
    changes: dict[str, Any] = _within(start, parameters.values) | parameters.tables
    try:
        return dataclasses.replace(start, **changes)
    except ConfigError:  # no step is above zero: such a device does not exist
        return None


def _sample(pulses: Pulses, generator: np.random.Generator) -> Pulses:
    """At most `MOST_DEVICES` devices with the first `MOST_PULSES` pulses of each; in order."""
    names, which, count = np.unique(pulses.device, return_inverse=True, return_counts=True)
    order = np.argsort(which, kind="stable")
    rank = np.empty(len(which), np.int64)
    rank[order] = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
    chosen = generator.permutation(len(names))[:MOST_DEVICES]
    most = MOST_PULSES if len(names) > 1 else 20 * MOST_PULSES
    return pulses.take(np.isin(which, chosen) & (rank < most))


def _within(model: Pulsed, values: dict[str, float]) -> dict[str, Any]:
    """Values brought into the ranges of their fields."""
    ranges = {n: model.__dataclass_fields__[n].metadata["range"] for n in values}
    return {n: float(np.clip(v, ranges[n].low, ranges[n].high)) for n, v in values.items()}


def _add_score(pulses: Pulses, unit: Ints, model: Pulsed, total: Floats, size: Floats) -> None:
    """Add the log density of every unit to `total`, and its number of pulses to `size`."""
    train = PulseTrain.of(dataclasses.replace(pulses, device=unit))
    names = np.unique(unit)
    low, high = (x[train.device] for x in train.extremes())
    edge = 0.05 * (high - low)
    inside = (train.before > low + edge) & (train.before < high - edge)
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    log_weights = np.log(weights / weights.sum())
    for polarity in (1, -1):
        rows = inside & (train.polarity == polarity)
        if not rows.any():
            continue
        device, dg, g = train.device[rows], train.dg[rows], train.before[rows]
        noise = 2.0 * read_variance(model, g)
        if isinstance(model, Tabulated):
            density_of = _of_tables(model, g, polarity, dg, noise)
        else:
            density_of = _of_law(model, g, polarity, dg, noise)
        each = np.empty((NODES, len(names)))
        for i, a in enumerate(np.exp(model.d2d_step_sigma * nodes)):
            density = np.bincount(device, density_of(float(a)), minlength=len(names))
            each[i] = density + log_weights[i]
        total[names] += logsumexp(each, axis=0)
        size[names] += np.bincount(device, minlength=len(names))


Density = Callable[[float], Floats]  # log densities of some steps at one gain


def _of_law(model: Pulsed, g: Floats, polarity: int, dg: Floats, noise: Floats) -> Density:
    """Normal around the law.

    Args:
        model: Its law and how it spreads.
        g: Conductances before the pulses, siemens.
        polarity: +1 SET, -1 RESET.
        dg: Steps in the direction of the pulse.
        noise: Variance of `dg` by the readings.
    """
    s, c = step(model, g, polarity), max(model.c2c_sigma, LEAST)

    def density(a: float) -> Floats:
        variance = (a * s * c) ** 2 + noise + beside_variance(model, a * s)
        log = -0.5 * ((dg - a * s) ** 2 / variance + np.log(2.0 * np.pi * variance))
        return np.asarray(log)

    return density


def _of_tables(model: Tabulated, g: Floats, polarity: int, dg: Floats, noise: Floats) -> Density:
    """Uniform between two levels of a table, exponential beyond the outermost, with read noise.

    A tail has the probability beyond its level and begins at the density of the adjacent gap, so
    its scale follows that gap. All of it is convolved with the normal read noise (at least `LEAST`
    of the median step). Arguments: see `_of_law`.
    """
    table = model.changes().mean(0)[0 if polarity > 0 else 1].numpy() * model.window_siemens
    x = (g - model.g_min_siemens) / model.window_siemens
    columns = polarity * np.array([np.interp(x, model.bins, column) for column in table.T]).T
    levels = np.array(model.levels)
    if polarity < 0:
        columns, levels = columns[:, ::-1], 1.0 - levels[::-1]
    masses = np.diff(levels)
    middle = columns[:, np.searchsorted(levels, 0.5)]

    def density(a: float) -> Floats:
        sigma = np.sqrt(noise + (LEAST * a * middle) ** 2 + 1e-30)[:, None]
        z = (dg[:, None] - a * columns) / sigma  # of each knot; counted in the noise, as gaps are
        gaps = np.maximum(-np.diff(z), LEAST)
        inner = (masses / gaps * (ndtr(z[:, :-1]) - ndtr(z[:, :-1] - gaps))).sum(1)
        logs = [np.log(inner + 1e-300)]
        for beyond, tail_mass, k in ((-z[:, 0], levels[0], 0), (z[:, -1], 1.0 - levels[-1], -1)):
            rate = masses[k] / (gaps[:, k] * tail_mass)
            tail = np.log(tail_mass * rate) + rate * (0.5 * rate - beyond)
            logs.append(tail + log_ndtr(beyond - rate))
        return np.asarray(np.logaddexp.reduce(logs) - np.log(sigma[:, 0]))

    return density


def _ranked(scores: dict[str, tuple[Floats, Floats]]) -> tuple[Candidate, ...]:
    """Mean log density per pulse, and its difference to the best with a standard error."""
    per_pulse = {name: float(t.sum() / max(n.sum(), 1)) for name, (t, n) in scores.items()}
    order = sorted(per_pulse, key=lambda name: -per_pulse[name])
    best, size = scores[order[0]]
    ranking = []
    for name in order:
        deficit = scores[name][0] - best
        error = np.sqrt(len(deficit)) * deficit.std(ddof=1) / max(size.sum(), 1)
        ranking.append(
            Candidate(
                name=name,
                log_likelihood=per_pulse[name],
                difference=float(deficit.sum() / max(size.sum(), 1)),
                standard_error=float(error),
            )
        )
    return tuple(ranking)
