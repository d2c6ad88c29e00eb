"""The step tables of `Tabulated`, from single pulses or from measured quantiles.

The tables are those of a device of gain 1: steps are divided by the gain of their device first.
"""

from dataclasses import replace

import numpy as np

from device_models.tabulated import Tabulated

from ..measurements import Floats, Ints, Pulses, StepTable
from . import bootstrap, spread, steps
from .laws import LEVELS, MOST_BINS, as_model
from .outcome import add_d2d, add_read
from .part import Part
from .work import Work, reads, solve

LEAST_PULSES = 50  # of each polarity and bin
NAMES = {1: "set_siemens", -1: "reset_siemens"}


def estimate(
    pulses: Pulses,
    model: Tabulated,
    *,
    generator: np.random.Generator,
    resamples: int,
    read_measured: bool = False,
    quantiles: tuple[StepTable, ...] = (),
) -> Part:
    """Tables from pulses: bins of equally many pulses, and the quantiles of their steps.

    Gains of devices, read noise and the conductance before each pulse are those of a fit of the
    exponential law of `oxram` (`steps`): the tables need no law, these hardly depend on it. Read
    noise takes its share off the variance of a bin by drawing its quantiles towards their median.

    Args:
        pulses: At least one row.
        model: Keeps what pulses do not tell; a polarity without pulses keeps its table.
        generator: Of the resamples.
        resamples: How many.
        read_measured: See `steps.estimate`.
        quantiles: The measured tables that `pulses` were made of, if all of them were: these are
            then pooled themselves, by `of_quantiles`.
    """
    if quantiles:
        return of_quantiles(quantiles, model)
    work = solve(pulses, as_model(model, "oxram"), read_measured=read_measured)
    found = add_read(add_d2d(steps.part_of(pulses, work), work), work)
    bins, there = _bins(work), np.unique(work.chain.polarity[work.used])
    tables = {n: _of_pulses(work, bins, p) for p, n in NAMES.items() if p in there}
    return _with_tables(found, model, bins, LEVELS, tables)


def of_quantiles(
    measured: tuple[StepTable, ...], model: Tabulated, *, bins: int = MOST_BINS
) -> Part:
    """Tables from measured quantiles: the median device at equal shares of the devices' ranges.

    Devices differ in their range; a bin is the median of their conductances at one share of it.
    """
    shares, levels = np.linspace(0.0, 1.0, bins), np.unique([t.levels for t in measured])
    g = np.array([np.interp(shares, _shares(t), t.g_siemens) for t in measured])
    dg = np.array([_at(t, shares, levels) for t in measured])  # (tables, bins, levels)
    device = np.array([t.device for t in measured])
    polarity = np.array([t.polarity for t in measured])
    tables, logs, group = {}, list[Floats](), list[Ints]()
    for sign, name in NAMES.items():
        if not (mine := polarity == sign).any():
            continue
        gains, tables[name] = _gains(dg[mine])
        moving = gains > 0.0
        logs.append(np.log(gains[moving]))
        group.append(np.full(int(moving.sum()), len(logs) - 1))
    found = Part(
        devices=len(np.unique(device)),
        rows=len(measured),
        files=tuple(dict.fromkeys(t.source for t in measured)),
        warnings=bootstrap.few(len(np.unique(device)), "step tables"),
    )
    values = np.concatenate(logs)
    if len(values) > len(logs):
        s = spread.between(values, np.zeros(len(values)), np.concatenate(group))
        found = replace(
            found,
            values={"d2d_step_sigma": s.sigma},
            intervals={"d2d_step_sigma": (s.low, s.high)},
            words={"d2d_step_sigma": "log gains of the devices' tables"},
        )
    return _with_tables(found, model, np.median(g, axis=0), tuple(levels.tolist()), tables)


def _shares(table: StepTable) -> Floats:
    """Conductances of a table as shares of its range."""
    g = table.g_siemens
    return np.asarray((g - g[0]) / (g[-1] - g[0]))


def _at(table: StepTable, shares: Floats, levels: Floats) -> Floats:
    """Steps of a table at other shares of its range and other levels, (shares, levels)."""
    x = _shares(table)
    rows = np.array([np.interp(shares, x, row) for row in table.dg_siemens])
    return np.array([np.interp(levels, table.levels, column) for column in rows.T])


def _gains(dg: Floats) -> tuple[Floats, Floats]:
    """Gain of each device and the median table of gain 1, from tables (devices, bins, levels)."""
    gains = np.ones(len(dg))
    for _ in range(3):
        table = np.median(dg / gains[:, None, None], axis=0)
        mean = table.mean(1)
        gains = dg.mean(2) @ mean / (mean @ mean)
        moving = gains > 0.0
        gains = np.where(moving, gains / np.median(gains[moving]), 1.0)
    return np.where(moving, gains, 0.0), table


def _bins(work: Work) -> Floats:
    """Conductances with equally many pulses of the rarer polarity between them."""
    polarity = work.chain.polarity[work.used]
    counts = [int((polarity == p).sum()) for p in NAMES]
    rare = min(filter(None, counts))
    count = int(np.clip(rare // LEAST_PULSES, 2, MOST_BINS))
    g = work.g[work.used]
    found = np.unique(np.quantile(g, (np.arange(count) + 0.5) / count))
    return found if len(found) > 1 else found[0] * np.array([1.0, 1.0 + 1e-6])


def _of_pulses(work: Work, bins: Floats, polarity: int) -> Floats:
    """Quantiles of the steps upward of a device of gain 1, (bins, LEVELS); rows without pulses nan."""
    rows = work.used & (work.chain.polarity == polarity) & (work.gain > 0.0)
    edges = 0.5 * (bins[1:] + bins[:-1])
    place = np.searchsorted(edges, work.g[rows])
    dg = polarity * work.chain.dg[rows] / work.gain[rows]
    noise = (reads(work, work.chain.before) + reads(work, work.chain.after))[rows]
    noise = noise / work.gain[rows] ** 2
    found = np.full((len(bins), len(LEVELS)), np.nan)
    for i in range(len(bins)):
        if (here := place == i).sum() > 1:
            q, middle = np.quantile(dg[here], LEVELS), np.median(dg[here])
            own = max(0.0, 1.0 - noise[here].mean() / max(dg[here].var(), 1e-300))
            found[i] = middle + np.sqrt(own) * (q - middle)
    return found


def _with_tables(
    found: Part,
    model: Tabulated,
    bins: Floats,
    levels: tuple[float, ...],
    tables: dict[str, Floats],
) -> Part:
    """The part with all four fields of the tables; what was not measured is the model's own."""
    whole = {"bins_siemens": bins, "levels": np.array(levels)}
    for name in NAMES.values():
        table = tables.get(name, np.full((len(bins), len(levels)), np.nan))
        known = np.isfinite(table).all(1)
        if not known.any():
            table = _kept(model, name, bins, np.array(levels))
        elif not known.all():
            columns = [np.interp(bins, bins[known], column) for column in table[known].T]
            table = np.array(columns).T
        # The median of devices, or drawing together, may swap two nearly equal quantiles.
        whole[name] = np.maximum.accumulate(table, axis=1).ravel()
    words = "quantiles of the step of a device of gain 1"
    return replace(
        found,
        tables={name: tuple(values.tolist()) for name, values in whole.items()},
        words=found.words | dict.fromkeys(whole, words),
    )


def _kept(model: Tabulated, name: str, bins: Floats, levels: Floats) -> Floats:
    """The table of the model itself at other bins and levels."""
    rows = np.reshape(getattr(model, name), (len(model.bins_siemens), len(model.levels)))
    across = np.array([np.interp(levels, model.levels, row) for row in rows])
    return np.array([np.interp(bins, model.bins_siemens, column) for column in across.T]).T
