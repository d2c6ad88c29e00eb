"""Samples as an epoch of training sees them: moved in time and across channels, parts left out.

Source:
    Moved in time: D. Salaj et al., eLife 10, e65459, 2021. Steps and channels left out: D. S. Park
    et al., SpecAugment, Interspeech 2019; here spikes are left out, not features averaged.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device_models.record import Record, quantity

from .events import Events, time_type


@dataclass(frozen=True, kw_only=True)
class Augmentation(Record):
    """How far samples are moved at most, either way, and how wide a part is left out at most.

    Each is drawn for every sample and epoch of training, all whole numbers as likely, from the seed
    of the run and the number of the epoch. What a network is tested on is never changed.
    """

    shift_steps: int = quantity("steps", 0, 65_535, default=0)
    shift_channels: int = quantity("channels", 0, 65_535, default=0)
    mask_steps: int = quantity("steps", 0, 65_535, default=0)
    mask_channels: int = quantity("channels", 0, 65_535, default=0)

    @property
    def is_none(self) -> bool:
        """Whether samples stay as they are."""
        return not (
            self.shift_steps or self.shift_channels or self.mask_steps or self.mask_channels
        )


def augmented(
    events: Events,
    how: Augmentation,
    *,
    channels: int,
    lines: int,
    steps: int,
    generator: np.random.Generator,
) -> Events:
    """Spikes that are moved and thinned out.

    Args:
        events: Spikes; a sample's are sorted by step and line, as they stay.
        how: By how much.
        channels: Of a sample; `lines` lie side by side for each.
        lines: Of a channel.
        steps: Of the network.
        generator: What is drawn is drawn from it, a number for each sample and kind.
    """
    samples, counts = len(events), np.diff(events.offsets)

    def drawn(low: int | NDArray[np.int64], high: int | NDArray[np.int64]) -> NDArray[np.int64]:
        """A number of each sample for each of its spikes."""
        return np.repeat(generator.integers(low, high, samples, endpoint=True), counts)

    times = events.times + drawn(-how.shift_steps, how.shift_steps)
    rows = events.rows.astype(np.int64)
    if how.shift_channels:
        rows += lines * drawn(-how.shift_channels, how.shift_channels)
    stay = (times >= 0) & (times < steps) & (rows >= 0) & (rows < channels * lines)
    for at, most, end in (
        (times, how.mask_steps, steps),
        (rows // lines, how.mask_channels, channels),
    ):
        if most:
            first, width = drawn(0, end - 1), drawn(0, most)
            stay &= (at < first) | (at >= first + width)
    ends = np.concatenate([[0], stay.cumsum()])
    return Events(
        rows[stay].astype(np.uint16), times[stay].astype(time_type(steps)), ends[events.offsets]
    )
