"""Starting point of a fit of pulses: law by least squares, size of the noise, moving devices."""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import nnls

from ...pulsed import Pulsed
from ...registry import name_of
from ..measurements import Floats
from . import saturation
from .laws import LAWS, Law, read_variance, step
from .pulse_likelihood import Coordinate
from .pulse_train import Bools, PulseTrain

BINS = 64
LEAST_C2C, LEAST_FLOOR = 0.05, 1e-3
MOVES = 3.0  # travel of a device that moves, in standard deviations of its readings
FEWEST = 4  # pulses of a polarity that is fitted
SMOOTH = 1e-3  # weight of equal coefficients beside the pulses, where these do not reach
BESIDE = {"c2c_additive_siemens": "square", "c2c_quantum_siemens": "variance"}
UNIT = 0.01  # of the window: that of coefficients and of additive spread


def inner(train: PulseTrain) -> Bools:
    """Pulses far from the ends of what their device reached; all, if these are hardly any."""
    low, high = (x[train.device] for x in train.extremes())
    rows = np.abs(train.before - 0.5 * (low + high)) < 0.4 * (high - low)
    return np.asarray(rows if rows.mean() > 0.05 else np.ones(len(rows), bool))


def model(train: PulseTrain, model: Pulsed, *, known_read: bool) -> Pulsed:
    """The model with a law fitted to the steps as read, and spreads that explain the residuals.

    All spread is multiplicative here, but of a law that changes its sign: by such spread alone no
    step could be where the law is 0, and the fit would keep that away from all steps.
    """
    rows = inner(train)
    expected, residuals = list[Floats](), list[Floats]()
    for polarity, law in zip((1, -1), LAWS[name_of(model)], strict=True):
        selected = rows & (train.polarity == polarity)
        if selected.sum() < FEWEST:
            continue
        model = _by_squares(model, law, polarity, train.before[selected], train.dg[selected])
        s = step(model, train.before[selected], polarity)
        expected.append(s)
        residuals.append(train.dg[selected] - s)
    if not expected:
        return model
    g = float(np.median(train.before[rows]))
    size = float(np.sqrt(np.mean(np.concatenate(residuals) ** 2) / 2.0))
    moved = float(np.sqrt(np.mean(np.concatenate(expected) ** 2)))
    spreads: dict[str, Any] = {"c2c_sigma": float(np.clip(size / moved, LEAST_C2C, 2.0))}
    spreads |= dict.fromkeys(BESIDE, 0.0)
    if is_signed(model):
        spreads |= {"c2c_additive_siemens": size, "c2c_quantum_siemens": size**2 / moved}
    if not known_read:
        floor = float(np.clip(0.5 * size / g, LEAST_FLOOR, 0.3))
        grown = (1.0 / g / model.read_knee_ohms) ** model.read_exponent
        spreads |= {"read_floor": floor, "read_fraction": min(0.5 * floor / grown, 1.0)}
    return replace(model, **spreads)


def _by_squares(model: Pulsed, law: Law, polarity: int, g: Floats, dg: Floats) -> Pulsed:
    """The shape on its grid, and the scale, of least squares over bins of conductance."""
    edges = np.linspace(g.min(), g.max() * (1 + 1e-12) + 1e-30, BINS + 1)
    bin_index = np.clip(np.searchsorted(edges, g, "right") - 1, 0, BINS - 1)
    w, wg, wy = (np.bincount(bin_index, x, minlength=BINS) for x in (np.ones(len(g)), g, dg))
    filled = w > 0
    w, wg, wy = w[filled], wg[filled], wy[filled]
    if law.linear:
        return replace(model, **_coefficients(model, law, polarity, wg / w, wy / w, np.sqrt(w)))
    best: tuple[float, float, float] = (-np.inf, 0.0, 1.0)
    for value in law.grid():
        s = step(model, wg / w, polarity, **{law.shape: float(value)})
        ratio = float(wy @ s) / max(float(w @ s**2), 1e-300)
        best = max(best, (ratio * float(wy @ s) if ratio > 0.0 else 0.0, float(value), ratio))
    scale = float(getattr(model, law.scale)) * best[2]
    allowed = model.__dataclass_fields__[law.scale].metadata["range"]
    fitted: dict[str, Any] = {law.scale: float(np.clip(scale, 1e-5, allowed.high))}
    if law.shape:
        fitted[law.shape] = best[1]
    return replace(model, **fitted)


def _coefficients(
    model: Pulsed, law: Law, polarity: int, g: Floats, dg: Floats, root: Floats
) -> dict[str, Any]:
    """The coefficients of least squares, of a law that is linear in them, not below its least."""
    none = dict.fromkeys(law.linear, 0.0)
    columns = [step(model, g, polarity, **none | {name: 1.0}) for name in law.linear]
    design, root = np.stack(columns, 1), root[:, None]
    smooth = -np.diff(np.eye(len(law.linear)), axis=0) * (SMOOTH * root.sum() * design.max())
    rows = np.concatenate([design * root, smooth])
    wanted = np.concatenate([dg * root[:, 0], np.zeros(len(smooth))])
    best = nnls(rows, wanted)[0] if law.least == 0.0 else np.linalg.lstsq(rows, wanted)[0]
    best = best if best.any() else np.full(len(best), UNIT)
    return dict(zip(law.linear, np.clip(best, law.least, 1.0).tolist(), strict=True))


def is_signed(model: Pulsed) -> bool:
    """Whether the mean step of a model may lead the wrong way."""
    return any(law.least < 0.0 for law in LAWS[name_of(model)])


def beside(model: Pulsed) -> list[Coordinate]:
    """How the spreads beside the step are searched: the additive one, then that of events."""
    unit = UNIT * model.window_siemens
    return [Coordinate(name, kind, 0.0, 1.0, unit) for name, kind in BESIDE.items()]


def coordinates(train: PulseTrain, model: Pulsed, *, known_read: bool) -> tuple[Coordinate, ...]:
    """The parameters that trains of pulses can identify."""
    searched = list[Coordinate]()
    for polarity, law in zip((1, -1), LAWS[name_of(model)], strict=True):
        if (train.polarity == polarity).sum() < FEWEST:
            continue
        searched += [Coordinate(name, "plain", law.least, 1.0, UNIT) for name in law.linear]
        if not law.linear:
            searched.append(Coordinate(law.scale, "log", 1e-6, 1.0))
        if law.shape:
            searched.append(Coordinate(law.shape, "asinh", law.low, law.high))
    searched.append(Coordinate("c2c_sigma", "square", 0.0, 5.0))
    if is_signed(model):
        searched += beside(model)
    if not known_read:
        searched.append(Coordinate("read_floor", "square", 0.0, 1.0))
        searched.append(Coordinate("read_fraction", "square", 0.0, 1.0))
    return tuple(searched)


def moving(train: PulseTrain, model: Pulsed) -> Bools:
    """Devices that pulses of each polarity (RESET, SET) move beyond their noise, (2, devices).

    Of a law that changes its sign all that were pulsed: their steps may add up to nothing.
    """
    count = int(train.device.max()) + 1
    moves = np.zeros((2, count), bool)
    for side, polarity in enumerate((-1, 1)):
        pulsed = train.polarity == polarity
        fresh = pulsed & ~(train.linked & np.r_[False, pulsed[:-1]])
        n, starts, total, square = (
            np.bincount(train.device[pulsed], x[pulsed], minlength=count)
            for x in (np.ones(len(pulsed)), fresh.astype(np.float64), train.dg, train.dg**2)
        )
        spread = np.sqrt(np.maximum(square / np.maximum(n, 1) - (total / np.maximum(n, 1)) ** 2, 0))
        far = is_signed(model) | (total > MOVES * spread * np.sqrt(starts))
        moves[side] = (n > 0) & far
    return moves


def bounds(train: PulseTrain, model: Pulsed, *, no_reads: bool) -> Floats:
    """Lowest and highest conductance of each device, (2, devices).

    Where all ramps begin at one level after a full SET or RESET, that (`saturation.starts`). Else,
    where its ramps end in plateaus, their level; where its long ramps do not, the range of all
    devices; of short ramps the range of the device. (That range is the future of its pulses: a
    choice of pulses by it biases the law.) The extremes of readings lie beyond a bound: 2 % of
    readings are 2 sigma outside.
    """
    ends = np.array(train.extremes())
    if not no_reads:
        for side, sign in enumerate((1, -1)):
            ends[side] += sign * 2.0 * np.sqrt(read_variance(model, ends[side]))
    common = np.array([[ends[0].min()], [ends[1].max()]])
    plateaus = saturation.levels(train)
    guess = np.where(np.isnan(plateaus), ends, np.where(np.isinf(plateaus), common, plateaus))
    begun = saturation.starts(train, model)
    return np.where(np.isnan(begun), guess, begun)
