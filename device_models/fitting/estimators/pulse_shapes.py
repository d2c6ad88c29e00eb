"""How the step depends on amplitude and width, from pulses that vary them.

Pulses of one polarity, amplitude and width are a group. The steps of group k of device d add up to

    sum dg = a_d f_k sum s(g_before),

s the step law fitted to the reference group, a_d the gain of the device; so conductance and device
are taken out, and f_k is found by alternating sums. Its logarithm is then

    ln f_k = c + ln a(V_k) + ln w(t_k)

in the form of `device_models.pulse_law`, by weighted least squares in the scale and the exponent;
c takes up the error of the reference. Intervals come from resampled devices. Pulses that a bound
may have cut are left out, chosen by what is expected of them and not by what they did.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize

from ...pulse_law import log_amplitude, log_width
from ...pulsed import Pulsed
from ..measurements import Floats, Ints, Pulses
from . import bootstrap
from .laws import step
from .parameters import ParameterSet

WAYS = {1: "set", -1: "reset"}
ROUNDS = 8  # of the alternating sums
SELECTIONS = 3  # of the pulses that no bound cut
MARGIN = 2.0  # spreads of a step that must fit between a device and its bound
FEWEST = 8  # pulses of a group that counts
LEAST_SCALE, MOST_SCALE = 2e-3, 50.0  # volts per e-fold that are tried
MOST_EXPONENT = 10.0

Bools = NDArray[np.bool_]


class OwnPulse(NamedTuple):
    """The pulse that the device file is about: the most frequent one of each polarity.

    Attributes:
        values: `set_volts`, `reset_volts`, `width_seconds` as measured.
        rows: Pulses that are such ones.
        varies: Whether there are others.
    """

    values: dict[str, float]
    rows: Bools
    varies: bool


def shapes_of(pulses: Pulses, model: Pulsed) -> tuple[Floats, Floats]:
    """Amplitude and width of every pulse, those of the model where the file is silent."""
    own = np.where(pulses.polarity > 0, model.set_volts, model.reset_volts)
    volts = np.where(np.isfinite(pulses.v_volts), np.abs(pulses.v_volts), own)
    seconds = np.where(np.isfinite(pulses.width_seconds), pulses.width_seconds, model.width_seconds)
    return rounded(volts), rounded(seconds)


def rounded(values: Floats) -> Floats:
    """Six digits: what an instrument writes twice is one value."""
    values = np.asarray(values, np.float64)
    digits = np.floor(np.log10(np.maximum(np.abs(values), 1e-300)))
    unit = 10.0 ** (digits - 5.0)
    return np.asarray(np.where(values > 0.0, np.round(values / unit) * unit, values))


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
    if not varies:
        return OwnPulse({}, np.ones(len(pulses), bool), False)
    common = [np.unique(seconds[pulses.polarity == sign]) for sign in signs]
    shared = np.isin(seconds, np.intersect1d(common[0], common[-1]))
    width = _usual(seconds[shared] if shared.any() else seconds, model.width_seconds)
    values, rows = {"width_seconds": width}, np.zeros(len(pulses), bool)
    for sign in signs:
        of_sign = pulses.polarity == sign
        at_width = of_sign & (seconds == width)
        at_width = at_width if at_width.any() else of_sign
        usual = _usual(volts[at_width], getattr(model, f"{WAYS[sign]}_volts"))
        values[f"{WAYS[sign]}_volts"] = usual
        rows |= at_width & (volts == usual)
    return OwnPulse(values, rows, True)


def _usual(values: Floats, wanted: float) -> float:
    """The wanted value if it is there; else the most frequent, of several the middle one."""
    each, count = np.unique(values, return_counts=True)
    if float(rounded(np.array(wanted))) in each:
        return wanted
    most = each[count >= 0.9 * count.max()]
    return float(most[(len(most) - 1) // 2])


def own_set(own: OwnPulse, pulses: Pulses) -> ParameterSet:
    """The measured pulse as parameters; their interval is the value."""
    return ParameterSet(
        values=own.values,
        intervals={name: (value, value) for name, value in own.values.items()},
        remarks=dict.fromkeys(own.values, "pulse to which the step law belongs"),
        devices=len(np.unique(pulses.device)),
        rows=int(own.rows.sum()),
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
    rows = 0
    for sign in WAYS:
        groups = _grouped(pulses.take(pulses.polarity == sign), model, sign)
        if groups is None:
            continue
        law = _Law(model, sign, groups.volts, groups.seconds)
        if not law.names:
            continue
        rows += groups.rows
        parts = _with_law(parts, law, groups, generator, resamples)
    return replace(parts, rows=rows)


class _Groups(NamedTuple):
    """Sums of steps: of each unit that is resampled (a device or a part of one) and group.

    Attributes:
        volts, seconds: Of each group, (groups,).
        moved: Steps as read, siemens, (units, groups).
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

    def factors(self, weight: Floats) -> Floats:
        """f of every group, nan where it has no pulses; see the module.

        Args:
            weight: How often each unit counts, (units,).
        """
        count = int(self.device.max()) + 1
        moved, expected = np.zeros((2, count, len(self.volts)))
        np.add.at(moved, self.device, self.moved * weight[:, None])
        np.add.at(expected, self.device, self.expected * weight[:, None])
        gains, f = np.ones(count), np.ones(len(self.volts))
        crossed = ((expected > 0.0).sum(1) > 1).any()
        with np.errstate(invalid="ignore", divide="ignore"):
            for _ in range(ROUNDS):
                f = moved.sum(0) / (gains @ expected)
                if crossed:  # else the gain of a device and its only group are one number
                    known = np.where(np.isfinite(f), f, 0.0)
                    gains = moved.sum(1) / (expected @ known)
                    gains = np.where(np.isfinite(gains) & (gains > 0.0), gains, 1.0)
        return np.asarray(f)


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
    of_row = device[unit]
    expected = step(model, pulses.g_before_siemens, sign)
    moved = (pulses.g_after_siemens - pulses.g_before_siemens) * sign
    room = _room(pulses, sign)
    inside = room > 0.0
    for _ in range(SELECTIONS):
        sums = _summed(pairs, unit, device, group, moved * inside, expected * inside)
        f = np.nan_to_num(sums.factors(np.ones(len(device))), nan=1.0, posinf=1.0)
        total, whole = np.zeros((2, int(device.max()) + 1))
        np.add.at(total, of_row, moved * inside)
        np.add.at(whole, of_row, f[group] * expected * inside)
        gain = np.clip(total / np.maximum(whole, 1e-300), 0.1, 10.0)[of_row]
        largest = np.maximum(f[group], 0.0) * gain * expected * (1.0 + MARGIN * model.c2c_sigma)
        inside = room > largest
    few = np.bincount(group[inside], minlength=len(pairs)) < FEWEST
    inside &= ~few[group]
    sums = _summed(pairs, unit, device, group, moved * inside, expected * inside)
    return sums._replace(rows=int(inside.sum()))


def _room(pulses: Pulses, sign: int) -> Floats:
    """How far each pulse is from the end of what its device reached, in its direction, siemens."""
    device = np.unique(pulses.device, return_inverse=True)[1]
    both = np.concatenate([pulses.g_before_siemens, pulses.g_after_siemens])
    ends = np.full(int(device.max()) + 1, -np.inf)
    np.maximum.at(ends, np.tile(device, 2), sign * both)
    return np.asarray(ends[device] - sign * pulses.g_before_siemens)


def _summed(
    pairs: Floats, unit: Ints, device: Ints, group: Ints, moved: Floats, expected: Floats
) -> _Groups:
    """Sums over the pulses of each unit and group."""
    sums = np.zeros((2, len(device), len(pairs)))
    np.add.at(sums[0], (unit, group), moved)
    np.add.at(sums[1], (unit, group), expected)
    return _Groups(pairs[:, 0], pairs[:, 1], sums[0], sums[1], device, 0)


class _Law:
    """The curve through the factors of one polarity."""

    def __init__(self, model: Pulsed, sign: int, volts: Floats, seconds: Floats) -> None:
        way = WAYS[sign]
        self._model, self._volts, self._seconds = model, volts, seconds
        self._own = float(getattr(model, f"{way}_volts"))
        names = {f"{way}_scale_volts": volts, f"{way}_width_exponent": seconds}
        self.names = [name for name, values in names.items() if len(np.unique(values)) > 1]
        self._has_volts = f"{way}_scale_volts" in self.names

    def solve(self, logs: Floats, errors: Floats) -> Floats:
        """Scale and exponent, of those that are fitted, by least squares; nan if they cannot be."""
        good = np.isfinite(logs) & np.isfinite(errors) & (errors > 0.0)
        if good.sum() < len(self.names) + 1:
            return np.full(len(self.names), np.nan)
        weight = 1.0 / errors[good]

        def off(x: Floats) -> Floats:
            return np.asarray((self._curve(x[1:])[good] + x[0] - logs[good]) * weight)

        start, low, high = [0.0], [-np.inf], [np.inf]
        if self._has_volts:
            start, low, high = [0.0, np.log(0.1)], [*low, np.log(LEAST_SCALE)], [*high, 4.0]
        if len(self.names) > len(start) - 1:
            start, low, high = [*start, 0.5], [*low, 0.0], [*high, MOST_EXPONENT]
        found = optimize.least_squares(off, start, bounds=(low, high))
        x = found.x[1:].copy()
        if self._has_volts:
            x[0] = min(np.exp(x[0]), MOST_SCALE)
        return np.asarray(x)

    def _curve(self, x: Floats) -> Floats:
        """ln(a w) of every group, at ln scale and exponent."""
        total, rest = np.zeros(len(self._volts)), list(x)
        if self._has_volts:
            scale, law = float(np.exp(rest.pop(0))), self._model.voltage_law
            total += log_amplitude(torch.from_numpy(self._volts), self._own, scale, law).numpy()
        if rest:
            own, form = self._model.width_seconds, self._model.width_law
            late = log_width(torch.from_numpy(self._seconds), own, float(rest[0]), form)
            total += np.maximum(late.numpy(), -50.0)
        return total


def _with_law(
    parts: ParameterSet,
    law: _Law,
    groups: _Groups,
    generator: np.random.Generator,
    resamples: int,
) -> ParameterSet:
    """The set with the parameters of one polarity."""
    weights = bootstrap.weights(len(groups.device), max(resamples, 50), generator)
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(np.array([groups.factors(w) for w in weights]))
    logs = np.where(np.isfinite(logs), logs, np.nan)
    spread = np.array([np.nanstd(x) if np.isfinite(x).sum() > 2 else np.nan for x in logs[1:].T])
    errors = np.maximum(spread, 1e-3)
    solved = np.array([law.solve(x, errors) for x in logs[: resamples + 1]])
    if not np.isfinite(solved[0]).all():
        return parts
    words = f"steps of {int(np.isfinite(logs[0]).sum())} amplitudes and widths over the step law"
    for k, name in enumerate(law.names):
        ends = bootstrap.interval(solved[:, k], len(groups.device))
        parts = parts.extended({name: float(solved[0, k])}, {name: ends}, words)
    repeats = np.where(np.isfinite(solved[1:]), solved[1:], solved[0])
    draws = {name: repeats[:, k] for k, name in enumerate(law.names)} if resamples else {}
    return replace(parts, draws=parts.draws | draws)
