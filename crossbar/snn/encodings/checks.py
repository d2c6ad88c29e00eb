"""Samples before a kernel sees them: it believes every number, and writes where they say."""

import numpy as np

from device_models.arrays import check_array
from device_models.errors import ShapeError

from .events import Events, time_type

NOTHING = "nothing was run"


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
    check_events(events, lines=lines, steps=steps, what=what)
    check_array(labels, f"labels of the {what}", np.int64, (len(events),), NOTHING)
    check_range(labels, classes, f"label of the {what}", f"the network has {classes} classes")


def check_events(events: Events, *, lines: int, steps: int, what: str) -> None:
    """Refuse spikes or amplitudes that a network cannot take. Arguments: see `check_samples`.

    Raises:
        ShapeError: See `check_samples`.
    """
    if not isinstance(events, Events):
        raise ShapeError(f"{what}: {type(events).__name__}, not Events; {NOTHING}")
    check_array(events.offsets, f"offsets of the {what}", np.int64, (-1,), NOTHING)
    count = len(events.offsets) - 1
    if count < 1:
        raise ShapeError(f"there are no {what}; {NOTHING}")
    check_array(events.rows, f"lines of the {what}", np.uint16, (-1,), NOTHING)
    size = events.rows.shape
    check_array(events.times, f"steps of the {what}", time_type(steps), size, NOTHING)
    check_range(events.rows, lines, f"line of the {what}", f"the network has {lines} input lines")
    check_range(events.times, steps, f"step of the {what}", f"the network has {steps} steps")
    _check_order(events, what)
    if events.held is not None:
        codes = events.held.codes
        check_array(codes, f"amplitudes of the {what}", np.int16, (count, lines), NOTHING)


def check_range(numbers: np.ndarray, end: int, what: str, there: str) -> None:
    """Refuse whole numbers outside [0, end).

    Raises:
        ShapeError: It names the first, and what is `there`.
    """
    if numbers.size and numbers.view(f"u{numbers.itemsize}").max() >= end:  # below 0: huge ones
        wrong = numbers[(numbers < 0) | (numbers >= end)][0]
        raise ShapeError(f"{what} {wrong}: {there}, from 0 on; {NOTHING}")


def _check_order(events: Events, what: str) -> None:
    """Refuse samples that lie elsewhere than one after the other, their steps in order."""
    offsets, times = events.offsets, events.times
    if offsets[0] < 0 or offsets[-1] > len(times) or (offsets[1:] < offsets[:-1]).any():
        raise ShapeError(
            f"offsets of the {what} must rise from 0 to {len(times)}, the number of events; "
            f"{NOTHING}"
        )
    falls = np.flatnonzero(times[1:] < times[:-1]) + 1
    inside = falls[(falls > offsets[0]) & (falls < offsets[-1])]
    if not np.isin(inside, offsets).all():
        raise ShapeError(f"events of the {what} are not in the order of their steps; {NOTHING}")
