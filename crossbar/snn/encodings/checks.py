"""Samples before a kernel sees them: it believes every number, and writes where they say."""

import numpy as np

from device_models.arrays import check_array
from device_models.errors import ShapeError

from .events import Events, time_type


def check_samples(
    events: Events, labels: np.ndarray, *, lines: int, classes: int, steps: int, what: str
) -> None:
    """Refuse samples that a network cannot take; once per set, for it looks at every event.

    Args:
        events: Spikes, or amplitudes.
        labels: (samples,) int64.
        lines: Input lines of the network.
        classes: Its classes.
        steps: Its time steps.
        what: Which samples, for the message.

    Raises:
        ShapeError: It names what is wrong: a type or a shape, a line, a step or a label that the
            network has not, events that are not in order.
    """
    nothing = "nothing was run"
    if not isinstance(events, Events):
        raise ShapeError(f"{what}: {type(events).__name__}, not Events; {nothing}")
    check_array(events.offsets, f"offsets of the {what}", np.int64, (-1,), nothing)
    count = len(events.offsets) - 1
    if count < 1:
        raise ShapeError(f"there are no {what}; {nothing}")
    check_array(labels, f"labels of the {what}", np.int64, (count,), nothing)
    _check_range(labels, classes, f"label of the {what}", "classes", nothing)
    check_array(events.rows, f"lines of the {what}", np.uint16, (-1,), nothing)
    size = events.rows.shape
    check_array(events.times, f"steps of the {what}", time_type(steps), size, nothing)
    _check_range(events.rows, lines, f"line of the {what}", "input lines", nothing)
    _check_range(events.times, steps, f"step of the {what}", "steps", nothing)
    _check_order(events, what, nothing)
    if events.held is not None:
        codes = events.held.codes
        check_array(codes, f"amplitudes of the {what}", np.int16, (count, lines), nothing)


def _check_range(numbers: np.ndarray, end: int, what: str, of: str, nothing: str) -> None:
    """Refuse numbers outside [0, end)."""
    if numbers.size and not (numbers.min() >= 0 and numbers.max() < end):
        wrong = numbers[(numbers < 0) | (numbers >= end)][0]
        raise ShapeError(f"{what} {wrong}: the network has {end} {of}, from 0 on; {nothing}")


def _check_order(events: Events, what: str, nothing: str) -> None:
    """Refuse samples that lie elsewhere than one after the other, their steps in order."""
    offsets, times = events.offsets, events.times
    if offsets[0] < 0 or offsets[-1] > len(times) or (offsets[1:] < offsets[:-1]).any():
        raise ShapeError(
            f"offsets of the {what} must rise from 0 to {len(times)}, the number of events; "
            f"{nothing}"
        )
    falls = np.flatnonzero(times[1:] < times[:-1]) + 1
    inside = falls[(falls > offsets[0]) & (falls < offsets[-1])]
    if not np.isin(inside, offsets).all():
        raise ShapeError(f"events of the {what} are not in the order of their steps; {nothing}")
