"""Paths of what reads see of device time, of many runs of readings at once.

The laws are those of `physics.step_fluctuation` and `telegraph.step`.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import lfilter
from torch import Tensor

from .. import telegraph
from ..model import DeviceState
from .measurements import Floats, Ints

LONG_SERIES = 2000  # reads, beyond which the slow part is filtered and not stepped

Index = NDArray[np.intp]


def groups(*keys: Ints) -> tuple[int, Index, Ints]:
    """How many runs of equal neighbours there are, their first rows, and the run of each row."""
    new = np.zeros(len(keys[0]), bool)
    new[:1] = True
    for key in keys:
        new[1:] |= key[1:] != key[:-1]
    return int(new.sum()), np.flatnonzero(new), np.cumsum(new) - 1


def by_index(index: Ints) -> Iterator[Index]:
    """The rows of index 0, those of index 1, ..., up to the last index."""
    order = np.argsort(index, kind="stable")
    yield from np.split(order, np.cumsum(np.bincount(index, minlength=1))[:-1])


def slow(
    times: list[float],
    run: Ints,
    index: Ints,
    dt: Floats,
    *,
    first: Tensor | None = None,
    even: bool = False,
    generator: torch.Generator,
) -> Tensor:
    """Paths of the slow fluctuation, the law of `physics.step_fluctuation`, for many runs at once.

    Args:
        times: Time constants of the components, seconds.
        run: Run of each row; rows are sorted by run.
        index: Index of each row in its run, from 0.
        dt: Seconds since the row before, shape (rows,).
        first: Fluctuation `dt` before the first row of each run, shape (components, runs); drawn
            if None.
        even: `dt` is the same in all rows of a run.
        generator: Source of the innovations.

    Returns:
        Shape (components, 1, rows), unit variance.
    """
    z = torch.randn((len(times), len(run)), generator=generator).double().numpy()
    rho = np.exp(-dt / np.array(times)[:, None])
    if first is None:
        rho[:, index == 0] = 0.0
    x = np.sqrt(1.0 - rho**2) * z
    if first is not None:
        x[:, index == 0] += (rho * first.double().numpy()[:, run])[:, index == 0]
    if even and int(index.max(initial=0)) >= LONG_SERIES:
        _filter(x, run, rho)
    else:
        for k, rows in enumerate(by_index(index)):
            if k:
                x[:, rows] += rho[:, rows] * x[:, rows - 1]
    return torch.from_numpy(x).float()[:, None]


def _filter(x: Floats, run: Ints, rho: Floats) -> None:
    """x[k] += rho x[k - 1] along each run of constant rho, in place."""
    _, start, _ = groups(run)
    for begin, end in zip(start, [*start[1:], len(run)], strict=True):
        for component in range(len(x)):
            poles = [1.0, -rho[component, end - 1]]
            x[component, begin:end] = lfilter([1.0], poles, x[component, begin:end])


def switch(state: DeviceState, index: Ints, dt: Floats, *, generator: torch.Generator) -> None:
    """Advance the traps of many runs, in place: from the states of the first rows on.

    Args:
        state: One device per row; its traps are as they were `dt` before the first row of its run.
        index: Index of each row in its run, from 0.
        dt: Seconds since the row before.
        generator: Of the jumps.
    """
    states, seconds = state.dynamics[telegraph.STATES], torch.from_numpy(dt)
    uniform = torch.rand(states.shape, generator=generator)
    for k, rows in enumerate(by_index(index)):
        here = torch.from_numpy(rows)
        traits = {name: state.traits[name][..., here] for name in telegraph.TRAITS}
        before = states[..., here - 1 if k else here]
        states[..., here] = telegraph.step(traits, before, seconds[here], uniform[..., here])


def switching(
    state: DeviceState, start: Index, dt: Floats, *, generator: torch.Generator
) -> Tensor:
    """Traps of series of evenly spaced reads, the law of `telegraph.step`, by their dwell times.

    The number of reads that a trap stays in a state is geometric.

    Args:
        state: One device per row.
        start: First row of each series.
        dt: Seconds between the reads of the series of each row.
        generator: Of the jumps.

    Returns:
        Shape (traps, 1, rows).
    """
    states = state.dynamics[telegraph.STATES].clone()
    factor, seconds, duty = (state.traits[name][:, 0].numpy() for name in telegraph.TRAITS)
    numbers = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    ends = [*start[1:], len(dt)]
    for begin, end in zip(start, ends, strict=True):
        for k in np.flatnonzero(factor[:, begin] > 0.0):
            share = float(duty[k, begin])
            switches = -np.expm1(-dt[begin] / float(seconds[k, begin]))
            leaves = (share * switches, (1.0 - share) * switches)  # from 0, from 1
            first = int(states[k, 0, begin])
            path = _path(end - begin, first, leaves, numbers)
            states[k, 0, begin:end] = torch.from_numpy(path).to(states.dtype)
    return states


def _path(
    reads: int, first: int, leaves: tuple[float, float], generator: np.random.Generator
) -> Ints:
    """States of one trap from `first` on; `leaves`: probability to leave 0, and 1, per read."""
    runs, total, state = list[Ints](), 0, first
    pair = 2.0 / max(1.0 / max(leaves[0], 1e-15) + 1.0 / max(leaves[1], 1e-15), 2.0)
    count = 2 * int(reads * pair) + 16
    while total < reads:
        chance = np.where((np.arange(count) + state) % 2 == 0, leaves[0], leaves[1])
        dwell = np.minimum(generator.geometric(np.maximum(chance, 1e-12)), reads)
        runs.append(np.repeat((np.arange(count) + state) % 2, dwell))
        total, state = total + int(dwell.sum()), (state + count) % 2
    return np.concatenate(runs)[:reads]
