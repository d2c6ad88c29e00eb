"""Pulses in order, with the readings that neighbours share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..measurements import Floats, Ints, Pulses, StepTable

Bools = NDArray[np.bool_]
QUANTILES_PER_BIN = 19


@dataclass(frozen=True, eq=False)
class PulseTrain:
    """Pulses in the order in which they were given.

    Attributes:
        device: Of each pulse, from 0 without gaps.
        ramp: Number of the ramp, unique over devices.
        polarity: +1 or -1.
        before: Reading before, siemens.
        after: Reading after.
        linked: Whether the reading before is the reading after the pulse of the row before.
    """

    device: Ints
    ramp: Ints
    polarity: Ints
    before: Floats
    after: Floats
    linked: Bools

    @classmethod
    def of(cls, pulses: Pulses) -> "PulseTrain":
        """The train of a table; pulses of one device are together and in order."""
        device = np.unique(pulses.device, return_inverse=True)[1].astype(np.int64)
        order = np.argsort(device, kind="stable")
        p, device = pulses.take(order), device[order]
        linked = np.zeros(len(p), bool)
        linked[1:] = (
            (device[1:] == device[:-1])
            & (p.g_before_siemens[1:] == p.g_after_siemens[:-1])
            & ((p.ramp[1:] != p.ramp[:-1]) | (np.diff(p.index) == 1))
        )
        ramp = device * (int(p.ramp.max(initial=0)) + 1) + p.ramp
        before, after = p.g_before_siemens, p.g_after_siemens
        return cls(device, ramp, p.polarity, before, after, linked)

    @property
    def dg(self) -> Floats:
        """Steps as read, siemens, signed by the polarity: positive is the wanted direction."""
        return (self.after - self.before) * self.polarity

    def extremes(self) -> tuple[Floats, Floats]:
        """Lowest and highest conductance of each device (2 and 98 % of its readings)."""
        order = np.lexsort((self.before, self.device))
        count = np.bincount(self.device)
        start = np.cumsum(count) - count
        sorted_g = self.before[order]
        low = sorted_g[start + (0.02 * (count - 1)).astype(int)]
        return low, sorted_g[start + np.ceil(0.98 * (count - 1)).astype(int)]


def from_quantiles(tables: tuple[StepTable, ...]) -> Pulses:
    """Steps that have the quantiles of step tables: some per conductance, none linked."""
    wanted = (np.arange(QUANTILES_PER_BIN) + 0.5) / QUANTILES_PER_BIN
    parts = []
    for number, table in enumerate(tables):
        good = np.isfinite(table.dg_siemens).all(0) & (table.g_siemens > 0.0)
        g = np.repeat(table.g_siemens[good], len(wanted))
        columns = table.dg_siemens[:, good].T
        steps = [np.interp(wanted, table.levels, column) for column in columns]
        dg = np.concatenate(steps) if steps else np.empty(0)
        n = len(g)
        parts.append(
            Pulses(
                device=np.full(n, table.device),
                ramp=np.full(n, number),
                index=2 * np.arange(n),
                polarity=np.full(n, table.polarity),
                g_before_siemens=g,
                g_after_siemens=g + dg,
                v_volts=np.full(n, table.v_volts),
                width_seconds=np.full(n, table.width_seconds),
                source=table.source,
            )
        )
    return Pulses.join(parts)
