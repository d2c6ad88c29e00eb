"""The step tables of `Tabulated`: one from single pulses, or those of all devices from quantiles.

The table of single pulses is that of a device of gain 1 between the bounds of the window: steps are
divided by the gain of their device first.
"""

from dataclasses import replace

import numpy as np

from ...tabulated import Tabulated
from ..measurements import Floats, Ints, Pulses, StepTable
from . import bootstrap, steps
from .laws import LEVELS, MOST_BINS, as_model
from .parameters import ParameterSet
from .pulse_fit import ROUNDS, PulseFit, reads, solve
from .pulse_summary import add_d2d, add_read

LEAST_PULSES = 50  # of each polarity and bin
NAMES = {1: "set_steps", -1: "reset_steps"}


def estimate(
    pulses: Pulses,
    model: Tabulated,
    *,
    generator: np.random.Generator,
    resamples: int,
    read_measured: bool = False,
    rounds: int = ROUNDS,
    quantiles: tuple[StepTable, ...] = (),
) -> ParameterSet:
    """Tables from pulses: bins of equally many pulses, and the quantiles of their steps.

    Gains of devices, read noise and the conductance before each pulse are those of a fit of the
    exponential law of `oxram` (`steps`): the tables need no law, these hardly depend on it. Read
    noise is subtracted from the variance of a bin by drawing its quantiles towards their median.

    Args:
        pulses: At least one row.
        model: The source of what pulses do not identify; a polarity without pulses has its table.
        generator: Of the resamples.
        resamples: How many.
        read_measured: See `steps.estimate`.
        rounds: See `pulse_fit.solve`.
        quantiles: The measured tables that `pulses` were made of, if all of them were: these are
            then used themselves, by `of_quantiles`.
    """
    if quantiles:
        return of_quantiles(quantiles, model, generator=generator, resamples=resamples)
    oxram = as_model(model, "oxram")
    fit = solve(pulses, oxram, read_measured=read_measured, rounds=rounds)
    parameters = add_read(add_d2d(steps.new_set(pulses, fit), fit), fit)
    bins, there = _bins(fit), np.unique(fit.train.polarity[fit.used])
    tables = {n: _of_pulses(fit, bins, p) for p, n in NAMES.items() if p in there}
    return _with_tables(parameters, model, bins, tables)


def of_quantiles(
    measured: tuple[StepTable, ...],
    model: Tabulated,
    *,
    generator: np.random.Generator,
    resamples: int = 0,
    bins: int = MOST_BINS,
    levels: tuple[float, ...] = (),
) -> ParameterSet:
    """Tables from measured quantiles: those of every device, at equal positions in its range.

    The range of a device is that of its conductances before the pulses. Devices differ in their
    range, in their gains and in the shape of their steps, and not by a law of few parameters: the
    model holds them all and draws among them. A polarity that was not measured of a device is the
    median of the others. The draws are resamples of the devices. The levels are those measured,
    unless `levels` names others.
    """
    positions = np.linspace(0.0, 1.0, bins)
    at = np.array(levels) if levels else np.unique([t.levels for t in measured])
    names = np.unique([t.device for t in measured])
    ends = np.array([_range(measured, name) for name in names])
    whole = {name: np.full((len(names), bins, len(at)), np.nan) for name in NAMES.values()}
    for t in measured:
        k = int(np.searchsorted(names, t.device))
        whole[NAMES[t.polarity]][k] = _at(t, positions, at, *ends[k])
    whole = {name: _filled(table, model, name, positions, at) for name, table in whole.items()}
    drawn = bootstrap.picks(len(names), resamples, generator)
    parameters = _median_window(measured, ends, drawn)
    fields = whole | {"low_siemens": ends[:, 0], "high_siemens": ends[:, 1]}
    tables = {"bins": tuple(positions.tolist()), "levels": tuple(at.tolist())}
    tables |= {name: tuple(values.ravel().tolist()) for name, values in fields.items()}
    return replace(
        parameters,
        tables=tables,
        draws={n: v[drawn[1:]].reshape(resamples, -1) for n, v in fields.items() if resamples},
        remarks=parameters.remarks | dict.fromkeys(tables, "quantiles of the steps of each device"),
    )


def _median_window(measured: tuple[StepTable, ...], ends: Floats, drawn: Ints) -> ParameterSet:
    """The median window of the devices; of several no spread but that of their tables and bounds.

    Args:
        measured: The tables.
        ends: Range of each device, siemens, shape (devices, 2).
        drawn: From `bootstrap.picks`.
    """
    medians = np.median(ends[drawn], axis=1).T
    ends_by_name = dict(zip(("g_min_siemens", "g_max_siemens"), medians, strict=True))
    parameters = ParameterSet(
        devices=len(ends),
        rows=len(measured),
        files=tuple(dict.fromkeys(t.source for t in measured)),
        warnings=bootstrap.few_devices_warnings(len(ends), "step tables"),
    ).extended(
        {n: float(m[0]) for n, m in ends_by_name.items()},
        {n: bootstrap.interval(m, len(ends)) for n, m in ends_by_name.items()},
        "median of the ranges of devices",
    )
    if len(ends) == 1:
        return parameters
    spreads = dict.fromkeys(("d2d_step_sigma", "d2d_bound_sigma"), 0.0)
    words = "held by the tables and bounds of single devices"
    return parameters.extended(spreads, dict.fromkeys(spreads, (0.0, 0.0)), words)


def _range(measured: tuple[StepTable, ...], device: int) -> tuple[float, float]:
    """Lowest and highest conductance at which a device was measured."""
    g = np.concatenate([t.g_siemens for t in measured if t.device == device])
    return float(g.min()), float(g.max())


def _at(table: StepTable, positions: Floats, levels: Floats, low: float, high: float) -> Floats:
    """Steps relative to a range, at positions in it and at other levels, (positions, levels)."""
    x = (table.g_siemens - low) / (high - low)
    rows = np.array([np.interp(positions, x, row) for row in table.dg_siemens])
    steps = np.array([np.interp(levels, table.levels, column) for column in rows.T])
    return np.maximum.accumulate(steps, axis=1) / (high - low)


def _filled(
    table: Floats, model: Tabulated, name: str, positions: Floats, levels: Floats
) -> Floats:
    """Tables (devices, positions, levels); devices without one get the median of the others."""
    there = np.isfinite(table).all(axis=(1, 2))
    other = (
        np.median(table[there], 0) if there.any() else _model_table(model, name, positions, levels)
    )
    return np.where(np.reshape(there, (-1, 1, 1)), table, np.maximum.accumulate(other, axis=1))


def _bins(fit: PulseFit) -> Floats:
    """Conductances with equally many pulses of the rarer polarity between them."""
    polarity = fit.train.polarity[fit.used]
    counts = [int((polarity == p).sum()) for p in NAMES]
    rare = min(filter(None, counts))
    count = int(np.clip(rare // LEAST_PULSES, 2, MOST_BINS))
    model = fit.problem.model
    g = np.clip(fit.g[fit.used], model.g_min_siemens, model.g_max_siemens)
    centres = np.unique(np.quantile(g, (np.arange(count) + 0.5) / count))
    return centres if len(centres) > 1 else np.array([model.g_min_siemens, model.g_max_siemens])


def _of_pulses(fit: PulseFit, bins: Floats, polarity: int) -> Floats:
    """Quantiles of the steps of a device of gain 1, upward, (bins, LEVELS); nan without pulses."""
    rows = fit.used & (fit.train.polarity == polarity) & (fit.gain > 0.0)
    edges = 0.5 * (bins[1:] + bins[:-1])
    bin_index = np.searchsorted(edges, fit.g[rows])
    dg = polarity * fit.train.dg[rows] / fit.gain[rows]
    noise = (reads(fit, fit.train.before) + reads(fit, fit.train.after))[rows]
    noise = noise / fit.gain[rows] ** 2
    quantiles = np.full((len(bins), len(LEVELS)), np.nan)
    for i in range(len(bins)):
        if (here := bin_index == i).sum() > 1:
            q, middle = np.quantile(dg[here], LEVELS), np.median(dg[here])
            c2c_fraction = max(0.0, 1.0 - noise[here].mean() / max(dg[here].var(), 1e-300))
            quantiles[i] = middle + np.sqrt(c2c_fraction) * (q - middle)
    return quantiles


def _with_tables(
    parameters: ParameterSet, model: Tabulated, bins: Floats, tables: dict[str, Floats]
) -> ParameterSet:
    """The set with one table per polarity; what was not measured is that of the model.

    Args:
        parameters: The set without.
        model: Its window is that of the table.
        bins: Siemens.
        tables: Field -> quantiles in siemens, (bins, LEVELS); rows without pulses nan.
    """
    positions, levels = (bins - model.g_min_siemens) / model.window_siemens, np.array(LEVELS)
    whole = {"bins": positions, "levels": levels}
    for name in NAMES.values():
        table = tables.get(name, np.full((len(bins), len(levels)), np.nan)) / model.window_siemens
        measured = np.isfinite(table).all(1)
        if not measured.any():
            table = _model_table(model, name, positions, levels)
        elif not measured.all():
            columns = [np.interp(bins, bins[measured], column) for column in table[measured].T]
            table = np.array(columns).T
        # Drawing together may swap two nearly equal quantiles.
        whole[name] = np.maximum.accumulate(table, axis=1).ravel()
    words = "quantiles of the step of a device of gain 1"
    fields = {name: tuple(values.tolist()) for name, values in whole.items()}
    return replace(
        parameters,
        tables=fields | {"low_siemens": (), "high_siemens": ()},
        remarks=parameters.remarks | dict.fromkeys(whole, words),
    )


def _model_table(model: Tabulated, name: str, positions: Floats, levels: Floats) -> Floats:
    """The median of the tables of the model itself, at other positions and levels."""
    shape = (model.tables, len(model.bins), len(model.levels))
    rows = np.median(np.reshape(getattr(model, name), shape), axis=0)
    across = np.array([np.interp(levels, model.levels, row) for row in rows])
    return np.array([np.interp(positions, model.bins, column) for column in across.T]).T
