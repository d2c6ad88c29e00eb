"""How the step depends on amplitude and width, from pulses that vary them.

Pulses of one polarity, amplitude and width are a group. The steps of group k of device d in a range
b of conductance add up to

    sum dg = a_d f_k h_b sum s(g_before),

s the step law fitted to the reference group, h_b what it misses in that range, a_d the gain of the
device; so conductance and device are taken out, and f_k is found by alternating sums. (Without h_b
the error of the law, fitted to one group alone, moved the scale by 4 % and the interval was 1 %.)
The logarithm of f_k is then

    ln f_k = c + ln a(V_k) + ln w(t_k)

in the form of `device_models.pulse_law` that fits best (`amplitude_law`), by weighted least squares
in the scale and the exponent; c takes up the error of the reference. Intervals come from resampled
devices. Pulses that a bound may have cut are left out, chosen by what is expected of them and not
by what they did.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...pulsed import Pulsed
from ..measurements import Floats, Ints, Pulses
from . import bootstrap
from .amplitude_law import MOST_SCALE, AmplitudeLaw, best_form
from .laws import step
from .parameters import ParameterSet

WAYS = {1: "set", -1: "reset"}
ROUNDS = 12  # of the alternating sums
NEIGHBOURS = (-4, -3, -2, -1, 2, 3, 4, 5)
RANGES = 8  # of conductance, equally many pulses in each
SELECTIONS = 3  # of the pulses that no bound cut
MARGIN = 2.0  # spreads of a step that must fit between a device and its bound
MOST_SPREAD = 0.5  # of a step that counts there; more is noise of the readings
FEWEST = 8  # pulses of a group that counts

Bools = NDArray[np.bool_]


class OwnPulse(NamedTuple):
    """The pulse that the device file is about: the most frequent one of each polarity.

    Attributes:
        values: `set_volts`, `reset_volts`, `width_seconds`, where the files state them.
        rows: Pulses that are such ones.
        varies: Whether there are others.
    """

    values: dict[str, float]
    rows: Bools
    varies: bool


def shapes_of(pulses: Pulses, model: Pulsed) -> tuple[Floats, Floats]:
    """Amplitude and width of every pulse, those of the model where the file is silent."""
    standing = np.where(pulses.polarity > 0, model.set_volts, model.reset_volts)
    volts = np.where(np.isfinite(pulses.v_volts), np.abs(pulses.v_volts), standing)
    seconds = np.where(np.isfinite(pulses.width_seconds), pulses.width_seconds, model.width_seconds)
    return rounded(volts), rounded(seconds)


def rounded(values: Floats) -> Floats:
    """Six digits: what an instrument writes twice is one value."""
    each, index = np.unique(values, return_inverse=True)
    return np.array([float(f"{value:.6g}") for value in each])[index.ravel()]


def own_pulse(pulses: Pulses, model: Pulsed) -> OwnPulse:
    """Choose the pulse that the device file is about.

    That of the model where it was measured; else the most frequent one, of several the middle.
    """
    volts, seconds = shapes_of(pulses, model)
    signs = [sign for sign in WAYS if (pulses.polarity == sign).any()]
    varies = any(
        len(np.unique(np.stack([volts, seconds])[:, pulses.polarity == sign], axis=1).T) > 1
        for sign in signs
    )
    common = [np.unique(seconds[pulses.polarity == sign]) for sign in signs]
    shared = np.isin(seconds, np.intersect1d(common[0], common[-1]))
    width = _usual(seconds[shared] if shared.any() else seconds, model.width_seconds)
    rows = np.zeros(len(pulses), bool)
    values = {"width_seconds": width} if np.isfinite(pulses.width_seconds).any() else {}
    for sign in signs:
        of_sign = pulses.polarity == sign
        at_width = of_sign & (seconds == width)
        at_width = at_width if at_width.any() else of_sign
        usual = _usual(volts[at_width], getattr(model, f"{WAYS[sign]}_volts"))
        if np.isfinite(pulses.v_volts[of_sign]).any():
            values[f"{WAYS[sign]}_volts"] = usual
        rows |= at_width & (volts == usual)
    return OwnPulse(values, rows, varies)


def _usual(values: Floats, wanted: float) -> float:
    """The wanted value if it is there; else the most frequent, of several the middle one."""
    each, count = np.unique(values, return_counts=True)
    if float(f"{wanted:.6g}") in each:
        return wanted
    most = each[count >= 0.9 * count.max()]
    return float(most[(len(most) - 1) // 2])


def own_set(pulse: OwnPulse, pulses: Pulses) -> ParameterSet:
    """The measured pulse as parameters; their interval is the value."""
    own = pulses.take(pulse.rows)
    widths = {WAYS[sign]: own.width_seconds[own.polarity == sign] for sign in WAYS}
    stated = {way: np.nanmedian(x) for way, x in widths.items() if np.isfinite(x).any()}
    warnings = tuple(
        f"{way.upper()} pulses of {seconds:.3g} s alone, and a device file has one width, "
        f"{pulse.values['width_seconds']:.3g} s: the {way.upper()} law is said of that one"
        for way, seconds in stated.items()
        if not np.isclose(seconds, pulse.values["width_seconds"], rtol=1e-5)
    )
    return ParameterSet(
        warnings=warnings,
        values=pulse.values,
        intervals={name: (value, value) for name, value in pulse.values.items()},
        remarks=dict.fromkeys(pulse.values, "pulse to which the step law belongs"),
        devices=len(np.unique(pulses.device)),
        rows=int(pulse.rows.sum()),
        files=(pulses.source,),
    )


def estimate(
    pulses: Pulses, model: Pulsed, *, generator: np.random.Generator, resamples: int
) -> ParameterSet:
    """Fit the scale in volts and the exponent of the width, for the polarities that vary them.

    Args:
        pulses: Of every amplitude and width.
        model: Device with the step law of the reference pulses, and with those as its own.
        generator: Of the resamples.
        resamples: Behind each interval; 0: no intervals.
    """
    parts = ParameterSet(files=(pulses.source,), devices=len(np.unique(pulses.device)))
    fitted = list[tuple[AmplitudeLaw, _Groups, Floats, Floats]]()
    for sign, way in WAYS.items():
        groups = _grouped(pulses.take(pulses.polarity == sign), model, sign)
        if groups is None:
            continue
        law = AmplitudeLaw(model, way, groups.volts, groups.seconds)
        if law.names:
            fitted.append((law, groups, *_log_factors(groups, max(resamples, 50), generator)))
    form = best_form([(law, logs[0], errors) for law, _, logs, errors in fitted])
    if form != model.voltage_law:
        parts = replace(parts, choices={"voltage_law": form})
    for law, groups, logs, errors in fitted:
        law.voltage_law = form
        parts = _with_law(parts, law, groups, logs[: resamples + 1], errors)
    return replace(parts, rows=sum(groups.rows for _, groups, *_ in fitted))


def _log_factors(
    groups: "_Groups", resamples: int, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """ln f of every group, of the sample and of resamples, nan where it has none; its error."""
    weights = bootstrap.weights(len(groups.device), resamples, generator)
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(np.array([groups.factors(w) for w in weights]))
    logs = np.where(np.isfinite(logs), logs, np.nan)
    spread = np.array([np.nanstd(x) if np.isfinite(x).sum() > 2 else np.nan for x in logs[1:].T])
    return logs, np.maximum(spread, 1e-3)


class _Groups(NamedTuple):
    """Sums of steps: of each unit that is resampled (a device or a part of one), group and range.

    Attributes:
        volts, seconds: Of each group, (groups,).
        moved: Steps as read, siemens, (units, groups, ranges).
        expected: By the step law of the median device, likewise.
        device: Of each unit.
        rows: Pulses that count.
    """

    volts: Floats
    seconds: Floats
    moved: Floats
    expected: Floats
    device: Ints
    rows: int

    @property
    def wider(self) -> float:
        """By what intervals grow for the factors of groups and ranges: they take up scatter.

        As `pulse_likelihood.covariance` counts parameters; at most a quarter of the units.
        """
        units = len(self.device)
        fitted = min(sum(self.moved.shape[1:]), max(1.0, units / 4))
        return float(np.sqrt((units - 1) / (units - fitted))) if units > 1 else 1.0

    def factors(self, weight: Floats) -> Floats:
        """f of every group, nan where it has no pulses; see the module.

        Args:
            weight: How often each unit counts, (units,).
        """
        shape = int(self.device.max()) + 1, *self.moved.shape[1:]
        moved, expected = np.zeros((2, *shape))
        np.add.at(moved, self.device, self.moved * weight[:, None, None])
        np.add.at(expected, self.device, self.expected * weight[:, None, None])
        gain, f, missing = (np.ones(count) for count in shape)
        for _ in range(ROUNDS):
            f = _ratio(moved.sum((0, 2)), np.einsum("dkb,d,b->k", expected, gain, missing))
            gains = np.nan_to_num(f)
            missing = _ratio(moved.sum((0, 1)), np.einsum("dkb,d,k->b", expected, gain, gains))
            missing = np.where(missing > 0.0, missing, 1.0)
            if (expected.sum(2) > 0.0).sum(1).max() > 1:  # else gain and group are one number
                gain = _ratio(moved.sum((1, 2)), np.einsum("dkb,k,b->d", expected, gains, missing))
                gain = np.where(gain > 0.0, gain, 1.0)
        return np.asarray(f)


def _ratio(above: Floats, below: Floats) -> Floats:
    """A quotient, nan where there is nothing below."""
    return np.asarray(np.where(below > 0.0, above / np.where(below > 0.0, below, 1.0), np.nan))


def _grouped(pulses: Pulses, model: Pulsed, sign: int) -> _Groups | None:
    """The sums of one polarity; None where there is one group only."""
    if not len(pulses):
        return None
    volts, seconds = shapes_of(pulses, model)
    pairs, group = np.unique(np.stack([volts, seconds], 1), axis=0, return_inverse=True)
    group = group.ravel()
    if len(pairs) < 2:
        return None
    unit, device = bootstrap.units(pulses.device, pulses.ramp)
    g = pulses.g_before_siemens
    level = _levels(pulses)
    band = np.searchsorted(np.quantile(level, np.arange(1, RANGES) / RANGES), level)
    law = step(model, g, sign)
    way = np.where(law < 0.0, -1.0, 1.0)  # sums of steps that led both ways would tell no factor
    steps = (pulses.g_after_siemens - g) * sign * way, law * way

    def of(rows: Bools) -> _Groups:
        sums = np.zeros((2, len(device), len(pairs), RANGES))
        for total, values in zip(sums, steps, strict=True):
            np.add.at(total, (unit, group, band), values * rows)
        return _Groups(pairs[:, 0], pairs[:, 1], sums[0], sums[1], device, int(rows.sum()))

    margin = 1.0 + MARGIN * min(model.c2c_sigma, MOST_SPREAD)
    room = _room(pulses, sign)
    inside = room > 0.0
    for _ in range(SELECTIONS):
        f = np.nan_to_num(of(inside).factors(np.ones(len(device))), nan=1.0)
        total, whole = np.zeros((2, int(device.max()) + 1))
        np.add.at(total, device[unit], steps[0] * inside)
        np.add.at(whole, device[unit], f[group] * steps[1] * inside)
        gain = np.clip(total / np.maximum(whole, 1e-300), 0.1, 10.0)[device[unit]]
        largest = np.maximum(f[group], 0.0) * gain * steps[1] * margin
        inside = room > largest
    few = np.bincount(group[inside], minlength=len(pairs)) < FEWEST
    return of(inside & ~few[group])


def _levels(pulses: Pulses) -> Floats:
    """About where each pulse began, siemens, from its neighbours' readings and not from its own.

    A straight line through up to four readings before and four after its own two. Ranges that are
    cut by a pulse's own reading choose by its error: in a high one it was read too high, so that
    steps seem small there, and weak ones smallest.
    """
    order = np.lexsort((pulses.index, pulses.ramp, pulses.device))
    rows = pulses.take(order)
    same = np.r_[False, (np.diff(rows.ramp) == 0) & (np.diff(rows.device) == 0)]
    ramp, at = np.cumsum(~same), np.arange(len(rows))
    n, x, xx, y, xy = np.zeros((5, len(rows)))
    for place in NEIGHBOURS:  # of a reading, in pulses; 0 and 1 are a pulse's own
        other = np.clip(at + (place if place < 0 else place - 1), 0, len(rows) - 1)
        there = (ramp[other] == ramp) & (other - at == (place if place < 0 else place - 1))
        g = (rows.g_before_siemens if place < 0 else rows.g_after_siemens)[other]
        n, x, xx = n + there, x + there * place, xx + there * place**2
        y, xy = y + there * g, xy + there * place * g
    spread = n * xx - x**2
    line = (y * xx - xy * x) / np.where(spread > 0.0, spread, 1.0)
    level = np.empty(len(rows))
    level[order] = np.where(spread > 0.0, line, rows.g_before_siemens)
    return level


def _room(pulses: Pulses, sign: int) -> Floats:
    """How far each pulse is from the end of what its device reached, in its direction, siemens."""
    device = np.unique(pulses.device, return_inverse=True)[1]
    both = np.concatenate([pulses.g_before_siemens, pulses.g_after_siemens])
    ends = np.full(int(device.max()) + 1, -np.inf)
    np.maximum.at(ends, np.tile(device, 2), sign * both)
    return np.asarray(ends[device] - sign * pulses.g_before_siemens)


def _wider(draws: Floats, groups: _Groups, *, is_scale: bool) -> tuple[float, float]:
    """The interval of some draws, grown by what was fitted; of a scale by its ratio."""
    each = np.log(draws) if is_scale else draws
    ends = each[0] + groups.wider * (
        np.array(bootstrap.interval(each, len(groups.device))) - each[0]
    )
    low, high = (np.exp(ends) if is_scale else ends).tolist()
    return low, MOST_SCALE if is_scale and draws[0] > 0.99 * MOST_SCALE else high


def _with_law(
    parts: ParameterSet,
    law: AmplitudeLaw,
    groups: _Groups,
    logs: Floats,
    errors: Floats,
) -> ParameterSet:
    """The set with the parameters of one polarity; see `AmplitudeLaw.solve`."""
    solved = law.solve(logs, errors)
    if not np.isfinite(solved[0]).all():
        return parts
    words = f"steps of {int(np.isfinite(logs[0]).sum())} amplitudes and widths over the step law"
    if silent := int(np.isnan(logs[0]).sum()):
        words_left = f"{law.way}: {silent} of {logs.shape[1]} amplitudes and widths moved nothing"
        warning = f"{words_left} that can be told, and are left out of {' and '.join(law.names)}"
        parts = replace(parts, warnings=(*parts.warnings, warning))
    for k, name in enumerate(law.names):
        value = float(solved[0, k])
        ends = _wider(solved[:, k], groups, is_scale=name.endswith("scale_volts"))
        parts = parts.extended({name: value}, {name: ends}, words)
    repeats = np.where(np.isfinite(solved[1:]), solved[1:], solved[0])
    draws = {name: repeats[:, k] for k, name in enumerate(law.names)} if len(repeats) else {}
    ends = (float(groups.volts.min()), float(groups.volts.max()))
    tables = {f"{law.way}_fitted_volts": ends} if ends[0] < ends[1] else {}
    remarks = parts.remarks | dict.fromkeys(tables, "amplitudes of the pulses")
    return replace(parts, draws=parts.draws | draws, tables=parts.tables | tables, remarks=remarks)
