"""Steps drawn from measured quantiles, one pulse at a time, for kernels.

The slow reference is `Tabulated.draw_step_siemens`, where the equations are: a pulse takes one
uniform number, which the table turns into a step (inversion). All numbers are float32.
"""

from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np
from torch import Tensor

from device_models import physics
from device_models.jit import inlined
from device_models.pulsed import Pulsed
from device_models.tabulated import Tabulated

Number = np.float32
ZERO, ONE = Number(0.0), Number(1.0)
LEAST_RANGE = Number(physics.LEAST_STEP_SIEMENS)  # siemens: devices are divided by theirs


class Knots(NamedTuple):
    """Rising numbers between which a table is interpolated, and one over each gap."""

    at: np.ndarray
    per_gap: np.ndarray

    @classmethod
    def of(cls, values: tuple[float, ...]) -> Self:
        """Of a field of `Tabulated`."""
        return cls(np.array(values, Number), (1.0 / np.diff(values)).astype(Number))


class StepTables(NamedTuple):
    """The measured devices of a `Tabulated`.

    Attributes:
        bins: Places in the range of a device.
        levels: Probabilities.
        changes: `Tabulated.changes`, (tables, signs, bins, levels): upward, shares of the range.
        owner: Table of each device on the board; empty where there is one table.
    """

    bins: Knots
    levels: Knots
    changes: np.ndarray
    owner: np.ndarray

    def of_devices(self, traits: Mapping[str, Tensor]) -> Self:
        """The same for the devices of these traits."""
        table = traits.get("table")
        return self if table is None else self._replace(owner=table.numpy().reshape(-1))


def step_tables_of(p: Pulsed) -> StepTables | None:
    """The tables of a model that has any."""
    if not isinstance(p, Tabulated):
        return None
    changes = p.changes().numpy().astype(Number, order="C")
    return StepTables(Knots.of(p.bins), Knots.of(p.levels), changes, np.empty(0, np.int64))


@inlined
def locate(knots: Knots, value: Number) -> tuple[int, Number]:
    """`physics.between` of one value."""
    at, interval = knots.at, 0
    for i in range(1, at.shape[0] - 1):  # few knots: counting all takes no branch
        interval += value >= at[i]
    part = (value - at[interval]) * knots.per_gap[interval]
    return interval, min(max(part, ZERO), ONE)


@inlined
def drawn_step(
    tables: StepTables, device: int, is_down: bool, g: Number, low: Number, high: Number, u: Number
) -> Number:
    """Step of one pulse in its direction, siemens, before the gain and the bounds.

    Args:
        tables: Of the devices.
        device: Flat index on the board.
        is_down: Whether the pulse is a RESET.
        g: Conductance before.
        low: Lower bound of the device.
        high: Upper one.
        u: Uniform in 0..1.
    """
    width = max(high - low, LEAST_RANGE)
    row, along = locate(tables.bins, (g - low) / width)
    column, across = locate(tables.levels, u)
    owner = np.int64(tables.owner[np.uint32(device)]) if tables.owner.shape[0] else np.int64(0)
    way, changes = np.int64(is_down), tables.changes
    first, second = changes[owner, way, row, column], changes[owner, way, row + 1, column]
    first += across * (changes[owner, way, row, column + 1] - first)
    second += across * (changes[owner, way, row + 1, column + 1] - second)
    change: Number = (first + along * (second - first)) * width
    return -change if is_down else change
