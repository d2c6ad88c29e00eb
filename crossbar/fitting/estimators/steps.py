"""Step law, cycle-to-cycle and device-to-device spread, and read noise, from single pulses.

A pulse n of device d reads as

    dG_n = a_d s(g_n) (1 + c z_n) + e_(n+1) - e_n,

with the gain a_d, log-normal around 1 with spread d2d_step_sigma; the law s; c = c2c_sigma; and the
error e of each reading, which two consecutive pulses share. So the residuals r_n have

    Var r_n = a_d^2 s^2 c^2 + Var e_n + Var e_(n+1),    Cov(r_n, r_(n+1)) = -Var e_(n+1),

and r_n^2 + r_n r_(n+1) + r_n r_(n-1) expects a_d^2 s^2 c^2 without any read noise, and -r_n r_(n+1)
the read noise without any cycle-to-cycle spread: neither is mistaken for the other.

The law is fitted against a conductance that does not contain e_n (the reading before the pulse
before, moved by one expected step), or else its slope would absorb read noise. Pulses that could
end at a bound of their device are left out, by that conductance too, never by their outcome.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from device_models.pulsed import Pulsed
from device_models.registry import name_of

from ..measurements import Floats, Ints, Pulses
from . import bootstrap, linked_reads, spread
from .chain import Bools, Chain
from .laws import LAWS, Law, step
from .outcome import add_c2c, add_d2d, add_law, add_read, warnings_of
from .part import Part
from .saturation import on_the_way
from .work import Fitted, Work, c2c_squared, law_step, reads, step_variance

BINS = 32
ROUNDS = 4
MARGIN = 2.5  # standard deviations that a pulse is kept away from a bound
TRIPLES = 30  # linked pulses that a separation of read noise needs


def estimate(
    pulses: Pulses,
    model: Pulsed,
    *,
    generator: np.random.Generator,
    resamples: int,
    read_measured: bool = False,
) -> Part:
    """Fit everything that single pulses tell.

    Args:
        pulses: At least one row.
        model: Device with the law to fit; keeps what pulses do not tell.
        generator: Of the resamples.
        resamples: How many.
        read_measured: The model's read noise was measured: where pulses share no readings it is
            taken off the spread; an assumed one is not.
    """
    work, fits = solve(pulses, model, generator, resamples, read_measured=read_measured)
    found = part_of(pulses, work, fits)
    for add in (add_law, add_c2c, add_d2d, add_read):
        found = add(found, work, fits)
    return found


def solve(
    pulses: Pulses,
    model: Pulsed,
    generator: np.random.Generator,
    resamples: int,
    *,
    read_measured: bool,
) -> tuple[Work, dict[int, Fitted]]:
    """The rounds of a fit: what all its parts are made of, and the law of each polarity."""
    pulses = pulses.take(on_the_way(pulses))
    work = _start(Chain.of(pulses), model, generator, resamples, read_measured)
    fits: dict[int, Fitted] = {}
    for _ in range(ROUNDS):
        work, fits = _round(work)
    return work, fits


def part_of(pulses: Pulses, work: Work, fits: dict[int, Fitted]) -> Part:
    """What a fit says of itself, before its parameters."""
    devices = len(np.unique(work.chain.device))
    return Part(
        devices=devices,
        rows=int(work.used.sum()),
        files=(pulses.source,),
        warnings=(*_few(work, devices), *warnings_of(work, fits)),
    )


def _few(work: Work, devices: int) -> tuple[str, ...]:
    """What the intervals of few devices are worth."""
    if work.nested and devices > 1:
        words = "their ramps are resampled: the intervals hold for them, not for the type"
        return (f"pulses: {devices} devices only; {words}",)
    return bootstrap.few(devices, "pulses")


def _start(
    chain: Chain,
    model: Pulsed,
    generator: np.random.Generator,
    resamples: int,
    read_measured: bool,
) -> Work:
    """Before the first round: pulses far from the ends of their device are used, gains are 1."""
    unit, device_of_unit = bootstrap.units(chain.device, chain.ramp)
    n = len(chain.device)
    low, high = (x[chain.device] for x in chain.extremes())
    inner = np.abs(chain.before - 0.5 * (low + high)) < 0.4 * (high - low)
    known_read = int((chain.linked[1:] & chain.linked[:-1]).sum()) < TRIPLES
    return Work(
        chain=chain,
        model=model if known_read else replace(model, read_floor=0.0, read_fraction=0.0),
        unit=unit,
        device_of_unit=device_of_unit,
        weight=bootstrap.weights(len(device_of_unit), resamples, generator),
        g=chain.before,
        used=inner if inner.mean() > 0.1 else np.ones(n, bool),
        gain=np.ones(n),
        sampling=np.zeros(n),
        c2c=1.0,
        known_read=known_read,
        read_measured=read_measured,
        flat=float(np.var(chain.dg)) + 1e-24,
    )


def _round(work: Work) -> tuple[Work, dict[int, Fitted]]:
    """Fit both polarities, then bring spreads, gains and selection up to date."""
    fits, model, gain, sampling = {}, work.model, work.gain.copy(), work.sampling.copy()
    for polarity, law in zip((1, -1), LAWS[name_of(model)], strict=True):
        rows = work.used & (work.chain.polarity == polarity)
        if int(rows.sum()) < 4:
            continue
        fits[polarity] = fitted = _fit_polarity(work, law, polarity, rows)
        model = replace(model, **_clipped(model, law, fitted.scale[0], fitted.shape[0]))
        mine = work.chain.polarity == polarity
        device = work.chain.device[mine]
        gain[mine] = np.nan_to_num(fitted.gain[device], nan=1.0)
        sampling[mine] = np.nan_to_num((fitted.error / fitted.gain)[device]) ** 2
    work = replace(work, model=model, gain=gain, sampling=np.minimum(sampling, 1.0))
    work = replace(work, g=_expected_before(work))
    c2c = float(np.sqrt(np.maximum(c2c_squared(work, work.weight[:1])[0], 0.0)))
    work = replace(work, c2c=c2c, flat=0.0, model=_with_reads(work))
    return replace(work, used=_away_from_bounds(work)), fits


def _with_reads(work: Work) -> Pulsed:
    """The model with the read noise that linked pulses show, where they tell it."""
    if work.known_read:
        return work.model
    law, _ = linked_reads.law(work, linked_reads.binned(work, work.weight[:1]))
    return replace(
        work.model,
        read_floor=min(float(law.floor[0]), 1.0),
        read_fraction=min(float(law.fraction[0]), 1.0),
        read_exponent=float(law.exponent[0]),
    )


def _fit_polarity(work: Work, law: Law, polarity: int, rows: Bools) -> Fitted:
    """Profile the shape over its grid; gains of devices are free at every value of it."""
    count = len(work.device_of_unit)
    g, dg, unit = work.g[rows], work.chain.dg[rows], work.unit[rows]
    precision = 1.0 / step_variance(work)
    noise = (precision**2 * _power(work, rows, precision))[rows]
    w, wg, wy, wn = _binned(unit, count, g, *(precision[rows] * x for x in (1.0, g, dg)), noise)
    used = w > 0.0
    grid = law.grid()
    top, bottom, chance = np.empty((3, len(grid), count))
    for k, value in enumerate(grid):
        phi = np.zeros(w.shape)
        phi[used] = step(work.model, wg[used] / w[used], polarity, **{law.shape: float(value)})
        top[k], bottom[k] = (wy * phi).sum(1), (w * phi**2).sum(1)
        chance[k] = 0.0 if work.flat else (wn * phi**2).sum(1)
    shape, at = _best_shape(work, grid, top, bottom, chance)
    return _scales(work, law, polarity, rows, shape, at, top, bottom)


def _binned(unit: Ints, count: int, g: Floats, *columns: Floats) -> list[Floats]:
    """Sums of columns in bins of conductance, each (units, BINS)."""
    edges = np.linspace(g.min(), g.max() * (1 + 1e-12) + 1e-30, BINS + 1)
    place = unit * BINS + np.clip(np.searchsorted(edges, g, "right") - 1, 0, BINS - 1)
    return [x.reshape(count, BINS) for x in bootstrap.sums(place, count * BINS, *columns)]


def _best_shape(
    work: Work, grid: Floats, top: Floats, bottom: Floats, chance: Floats
) -> tuple[Floats, Floats]:
    """Shape with the least squares for every resample, and its place in the grid, a fraction.

    The squares that free gains explain by chance, `chance` / `bottom` per device, are taken off:
    the noise of the steps of many devices would choose the shape that fits most of it.
    """
    explained = np.empty((len(work.weight), len(grid)))
    for k in range(len(grid)):
        squares = work.by_device(top[k]) ** 2 - work.by_device(chance[k], power=2)
        norm = work.by_device(bottom[k])
        gain2 = np.divide(squares, norm, out=np.zeros(norm.shape), where=norm > 0.0)
        explained[:, k] = (work.device_weight * gain2).sum(1)
    best = explained.argmax(1)
    if len(grid) < 3:
        return grid[best], best.astype(np.float64)
    rows, middle = np.arange(len(best)), np.clip(best, 1, len(grid) - 2)
    before, here, after = (explained[rows, middle + i] for i in (-1, 0, 1))
    curve = 2.0 * here - before - after
    bend = np.divide(after - before, 2.0 * curve, out=np.zeros_like(curve), where=curve > 0.0)
    at = np.where(best == middle, middle + np.clip(bend, -0.5, 0.5), best)
    return np.interp(at, np.arange(len(grid)), grid), at


def _scales(
    work: Work,
    law: Law,
    polarity: int,
    rows: Bools,
    shape: Floats,
    at: Floats,
    top: Floats,
    bottom: Floats,
) -> Fitted:
    """Gains at the best shape of each resample, and the median device's scale."""
    below = np.minimum(at.astype(int), len(top) - 1)
    above, part = np.minimum(below + 1, len(top) - 1), (at - at.astype(int))[:, None]
    scale_now = float(getattr(work.model, law.scale))
    t0, t1, b0, b1 = (
        work.by_device(x) for x in (top[below], top[above], bottom[below], bottom[above])
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = (1.0 - part) * t0 / b0 + part * t1 / b1  # of the law with the present scale
    error = _gain_error(work, law, polarity, rows, float(shape[0]))
    moves = np.isfinite(gains[0]) & (gains[0] > 3.0 * error)
    if not moves.any():
        moves = np.isfinite(gains[0]) & (gains[0] > 0.0)
    if not moves.any():
        return Fitted(np.full(len(at), scale_now), shape, gains[0] * np.nan, error)
    relative = error[moves] / gains[0][moves]
    group = np.zeros(int(moves.sum()), np.int64)
    log0 = np.log(gains[0][moves]) + 0.5 * relative**2
    sigma = spread.between(log0, relative, group).sigma if len(group) > 2 else 0.0
    w = work.device_weight[:, moves] / (sigma**2 + relative**2 + 1e-12)
    w = np.where(np.isfinite(gains[:, moves]), w, 0.0)  # a resample may lack a device
    logs = np.log(np.maximum(np.nan_to_num(gains[:, moves]), 1e-6)) + 0.5 * relative**2
    with np.errstate(invalid="ignore"):
        middle = np.clip((w * logs).sum(1) / w.sum(1), -30.0, 30.0)
    relative_gain = np.where(moves, gains[0] / np.exp(middle[0]), np.nan)
    return Fitted(scale_now * np.exp(middle), shape, relative_gain, error / np.exp(middle[0]))


def _gain_error(work: Work, law: Law, polarity: int, rows: Bools, shape: float) -> Floats:
    """Standard error of the gain of each device."""
    s = step(work.model, work.g, polarity, **{law.shape: shape})
    precision = np.where(rows, 1.0 / step_variance(work), 0.0)
    total, norm = bootstrap.sums(
        work.chain.device,
        int(work.device_of_unit.max()) + 1,
        (s * precision) ** 2 * _power(work, rows, precision),
        s**2 * precision,
    )
    return np.sqrt(np.maximum(total, 0.0)) / np.maximum(norm, 1e-300)


def _power(work: Work, rows: Bools, weight: Floats) -> Floats:
    """Share of each pulse in the variance of a sum of weighted steps, over its squared weight.

    The read errors that it shares with the pulse before count with it.
    """
    chain = work.chain
    noise, own = reads(work, chain.before), work.gain * law_step(work) * work.c2c
    both = chain.linked[1:] & rows[1:] & rows[:-1]
    ratio = np.divide(weight[:-1], weight[1:], out=np.zeros(len(rows) - 1), where=both)
    found = own**2 + noise + reads(work, chain.after)
    found[1:] -= 2.0 * ratio * chain.polarity[1:] * chain.polarity[:-1] * noise[1:]
    return np.where(rows, found, 0.0)


def _expected_before(work: Work) -> Floats:
    """Conductance before each pulse from the reading before the pulse before, where linked."""
    chain = work.chain
    here = replace(work, g=chain.before)
    moved = chain.before + chain.polarity * work.gain * law_step(here)
    g = chain.before.copy()
    g[1:] = np.where(chain.linked[1:], moved[:-1], g[1:])
    low, high = chain.extremes()
    return np.clip(g, low[chain.device], high[chain.device])


def _away_from_bounds(work: Work) -> Bools:
    """Pulses that their device's bounds cannot have cut; all, if that would leave too few."""
    low, high = (x[work.chain.device] for x in work.chain.extremes())
    # A device that waits at its bound reads beyond it: 2 % of its readings lie 2 sigma outside.
    low, high = (low + 2.0 * np.sqrt(reads(work, low)), high - 2.0 * np.sqrt(reads(work, high)))
    s = np.abs(work.gain) * law_step(work)
    noise = MARGIN * np.sqrt(step_variance(work) + (s * work.c2c) ** 2)
    ahead, behind = s + noise, np.maximum(noise - s, 0.0)
    up = work.chain.polarity > 0
    above, under = np.where(up, ahead, behind), np.where(up, behind, ahead)
    free = (work.g < high - above) & (work.g > low + under)
    kept = free | ~np.isin(work.chain.polarity, _crowded(work, free))
    # The first pulse of a run is known by its own reading only, whose error is in its step too.
    return np.asarray(kept & (work.chain.linked | work.known_read), bool)


def _crowded(work: Work, free: Bools) -> list[int]:
    """Polarities that keep enough pulses when those near a bound are left out."""
    return [
        p for p in (1, -1) if (mine := work.chain.polarity == p).any() and free[mine].mean() > 0.2
    ]


def _clipped(model: Pulsed, law: Law, scale: float, shape: float) -> dict[str, Any]:
    """Scale and shape within their declared ranges."""
    values = {name: v for name, v in ((law.scale, scale), (law.shape, shape)) if name}
    ranges = {name: model.__dataclass_fields__[name].metadata["range"] for name in values}
    return {n: float(np.clip(v, ranges[n].low, ranges[n].high)) for n, v in values.items()}
