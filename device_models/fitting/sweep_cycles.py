"""Cycles out of the switching events of sweeps, and these in words."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..units import format_si
from .measurements import Cycles, Floats, Sweeps
from .sweep_loops import switches

FORMING = 1.4  # ratio of the first SET voltage of a device to the largest of its others
FEWEST = 3  # SETs of a device of which the first may be its forming


class Curve(NamedTuple):
    """The points of one device, in their order: volts, and amperes of the sign of the voltage."""

    device: int
    volts: Floats
    amperes: Floats


def switching_events(
    curves: Sequence[Curve], v_read_volts: float, source: str
) -> tuple[Sweeps, int]:
    """The events of some curves, those of a device in the order of its curves.

    Args:
        curves: None of their points is missing.
        v_read_volts: Where levels are taken, positive.
        source: The file.

    Returns:
        The events, and how many points the half loops have in which something switches.
    """
    each = [(c.device, e) for c in curves for e in switches(c.volts, c.amperes, v_read_volts)]
    each.sort(key=lambda pair: pair[0])  # stable
    events = [event for _, event in each]
    sweeps = Sweeps(
        device=np.array([device for device, _ in each], np.int64),
        half_loop=np.zeros(len(each), np.int64),
        polarity=np.array([e.polarity for e in events], np.int64),
        volts=np.array([e.volts for e in events]),
        g_before_siemens=np.array([e.g_before_siemens for e in events]),
        g_after_siemens=np.array([e.g_after_siemens for e in events]),
        limit_amperes=np.array([e.limit_amperes for e in events]),
        source=source,
    )
    return _renumbered(sweeps), sum(len(e.rows) for e in events)


def without_forming(sweeps: Sweeps) -> tuple[Sweeps, tuple[str, ...]]:
    """The events without the first SETs that formed their devices, and a remark on those.

    A device is formed by a SET that begins its record, at `FORMING` times the largest of its other
    SET voltages or more.
    """
    keep = np.ones(len(sweeps), bool)
    for device in np.unique(sweeps.device):
        rows = np.flatnonzero(sweeps.device == device)
        sets = rows[sweeps.polarity[rows] > 0]
        if len(sets) < FEWEST or sets[0] != rows[0]:
            continue
        volts = np.abs(sweeps.volts[sets])
        keep[sets[0]] = volts[0] < FORMING * volts[1:].max()
    formed = np.abs(sweeps.volts[~keep])
    if keep.all():
        return sweeps, ()
    text = f"{len(formed)} of them formed its device ({float(np.median(formed)):.3g} V)"
    return sweeps.take(keep), (f"{text}: left out",)


def cycles_of(sweeps: Sweeps) -> Cycles:
    """Full cycles: LRS after a SET, HRS after the RESET that follows it.

    The level before the RESET stands for an LRS, and that before the next SET for an HRS, that was
    not measured. A SET that no RESET follows has the HRS before it. Pairs of which one level is
    unknown, or HRS is not the lower one, are left out.
    """
    pairs = list[tuple[int, float, float]]()
    for device in np.unique(sweeps.device):
        rows = sweeps.take(sweeps.device == device)
        is_set, before, after = rows.polarity > 0, rows.g_before_siemens, rows.g_after_siemens
        for i in range(len(rows)):
            last = i + 1 == len(rows)
            if is_set[i] and (last or is_set[i + 1]):
                pairs.append((int(device), after[i], before[i]))
            elif not is_set[i]:
                follows = i > 0 and is_set[i - 1]
                lrs = _first(after[i - 1] if follows else np.nan, before[i])
                hrs = _first(after[i], np.nan if last or not is_set[i + 1] else before[i + 1])
                pairs.append((int(device), lrs, hrs))
    table = np.array(pairs, np.float64).reshape(-1, 3)
    table = table[np.isfinite(table).all(1) & (table[:, 1] > table[:, 2])]
    device = table[:, 0].astype(np.int64)
    _, first, count = np.unique(device, return_index=True, return_counts=True)
    return Cycles(
        device=device,
        cycle=np.arange(len(device)) - np.repeat(first, count),
        lrs_siemens=table[:, 1],
        hrs_siemens=table[:, 2],
        source=sweeps.source,
    )


def _first(level: float, other: float) -> float:
    """A level, or the other one if it is unknown."""
    return level if np.isfinite(level) else other


def in_words(sweeps: Sweeps, v_read_volts: float) -> list[str]:
    """What sweeps hold: switching voltages, levels and the current limit."""
    texts = []
    for sign, name in ((1, "SET"), (-1, "RESET")):
        volts = sweeps.volts[sweeps.polarity == sign]
        if len(volts):
            texts.append(f"{len(volts)} {name} at {_spread(volts, 'V')}")
    cycles = cycles_of(sweeps)
    if len(cycles):
        lrs, hrs = 1.0 / cycles.lrs_siemens, 1.0 / cycles.hrs_siemens
        at = f"{v_read_volts:.3g} V"
        texts.append(f"LRS {_spread(lrs, 'ohm')} and HRS {_spread(hrs, 'ohm')} at {at}")
    limit = sweeps.limit_amperes[np.isfinite(sweeps.limit_amperes)]
    texts += [f"compliance {_spread(limit, 'A')}"] if len(limit) else []
    return texts


def _spread(values: Floats, unit: str) -> str:
    """The median of some values, and the range of most if they differ."""
    quantiles = np.quantile(values, (0.05, 0.5, 0.95))
    low, middle, high = (
        f"{x:.3g} V" if unit == "V" else format_si(x, unit, digits=3) for x in quantiles.tolist()
    )
    return middle if low == high else f"{middle} ({low} to {high})"


def _renumbered(sweeps: Sweeps) -> Sweeps:
    """The events with the number of each on its device, in their order."""
    counts: dict[int, int] = {}
    number = np.empty(len(sweeps), np.int64)
    for i, device in enumerate(sweeps.device.tolist()):
        number[i] = counts[device] = counts.get(device, -1) + 1
    return replace(sweeps, half_loop=number)
