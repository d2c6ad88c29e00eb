"""Recorded spikes, and their code: a window of time, cut into the steps of the network."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_models.errors import ConfigError
from device_models.record import quantity

from .augment import Augmentation, augmented
from .events import (
    SAMPLES_AT_A_TIME,
    Encoding,
    Events,
    check_fits,
    joined,
    of_sorted_keys,
    sort_keys,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class SpikeTrains:
    """Spikes of many recordings, sample i being `offsets[i]:offsets[i + 1]`; an array of samples.

    Attributes:
        seconds: (spikes,) float32, since the beginning of the recording.
        units: (spikes,) uint16, channel.
        offsets: (samples + 1,) int64.
        channels: How many there are.
    """

    seconds: NDArray[np.float32]
    units: NDArray[np.uint16]
    offsets: NDArray[np.int64]
    channels: int

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.offsets) - 1

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and channels."""
        return len(self), self.channels

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the channels."""
        return self.units.dtype

    def __getitem__(self, chosen: Any) -> "SpikeTrains":
        """Some samples: a slice, numbers, or a mask."""
        numbers = np.arange(len(self))[chosen]
        counts = np.diff(self.offsets)[numbers]
        offsets = np.concatenate([[0], counts]).cumsum()
        at = np.arange(offsets[-1]) + np.repeat(self.offsets[numbers] - offsets[:-1], counts)
        return SpikeTrains(
            seconds=self.seconds[at],
            units=self.units[at],
            offsets=offsets,
            channels=self.channels,
        )


class Recorded(Encoding):
    """Spikes of a recording, in steps of `seconds` / steps; later ones are left out.

    A step of the network stands for one of these, whatever its own clock says. Several spikes of a
    line in a step are several events: the line is driven as often.
    """

    takes = "spikes"

    @dataclass(frozen=True, kw_only=True)
    class Options(Augmentation):
        """The window.

        `channels_per_line` neighbours share an input line: 5 makes 140 lines of the 700 channels of
        the Heidelberg digits. With `binary` a line spikes once in a step at most.
        """

        seconds: float = quantity("s", 1e-6, 1e6, default=1.0)
        channels_per_line: int = quantity("channels", 1, 65_535, default=1)
        binary: bool = False

    def __init__(self, options: Options) -> None:
        """See `Encoding`."""
        self._options = options
        self.fresh = not options.is_none

    def input_shape(self, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
        """See `Encoding.input_shape`.

        Raises:
            ConfigError: Channels are left over.
        """
        channels, shared = sample_shape[0], self._options.channels_per_line
        if channels % shared:
            raise ConfigError(
                f"data.encoding.channels_per_line = {shared} does not divide the {channels:,} "
                "channels of the data; nothing was encoded"
            )
        return (channels // shared,)

    def expected_spikes(self, samples: Any, *, steps: int) -> float:
        """See `Encoding.expected_spikes`: all that were recorded."""
        return float(len(samples.units))

    def encode(self, samples: Any, *, steps: int, generator: np.random.Generator) -> Events:
        """See `Encoding.encode`; samples are `SpikeTrains`, and nothing is random."""
        check_fits(len(samples), self.input_shape(samples.shape[1:]), steps)
        batches = []
        for first in range(0, len(samples), SAMPLES_AT_A_TIME):
            part = samples[first : first + SAMPLES_AT_A_TIME]
            step = np.floor(part.seconds * (steps / self._options.seconds)).astype(np.int64)
            inside = step < steps
            sample = np.repeat(np.arange(len(part)), np.diff(part.offsets))[inside]
            line = part.units[inside].astype(np.int64) // self._options.channels_per_line
            keys = sort_keys(sample, step[inside], line)
            keys.sort()
            keys = keys[np.diff(keys, prepend=-1) != 0] if self._options.binary else keys
            batches.append(of_sorted_keys(keys, samples=len(part), steps=steps))
        return joined(batches)

    def encode_epoch(
        self, samples: Any, encoded: Events, *, steps: int, generator: np.random.Generator
    ) -> Events:
        """See `Encoding.encode_epoch`: `augmented`; a channel is an input line."""
        (lines,) = self.input_shape(samples.shape[1:])
        return augmented(
            encoded, self._options, channels=lines, lines=1, steps=steps, generator=generator
        )
