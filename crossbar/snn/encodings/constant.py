"""Constant input: every value drives its line in all steps, as an amplitude of the read voltage.

With v a value 0 to 255, mean and std those of its channel,

    x = (v / 255 - mean) / std,   code = round(x / X (2^b - 1)),   X the largest |x| of any value,

and b the bits of the drivers' converters, one of them for the sign where a value is below zero:
(2^(b-1) - 1) is the top code then. A line carries code / top of the read voltage, and the neurons
behind the array take X times its currents, so that a weight means the same at any mean and std. The
first layer is read once per sample and position and held: what drives it does not change. Ours.
"""

from dataclasses import dataclass

import numpy as np

from device_models.errors import ConfigError
from device_models.record import Record, quantity

from .events import Encoding, Events, Held, amplitudes_of, flat
from .values import normalised


class Constant(Encoding):
    """See the module."""

    is_held = True

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """Bits of the converters, sign included; mean and std of all channels, or of each."""

        bits: int = quantity("bit", 2, 12, default=8)
        mean: tuple[float, ...] = quantity("of full brightness", -10.0, 10.0, default=(0.0,))
        std: tuple[float, ...] = quantity("of full brightness", 1e-3, 10.0, default=(1.0,))

        @property
        def is_signed(self) -> bool:
            """Whether a value lies below zero: the darkest one lies below a mean."""
            return max(self.mean) > 0.0

        @property
        def top(self) -> int:
            """The largest code."""
            return int(2 ** (self.bits - self.is_signed)) - 1

    def __init__(self, options: Options) -> None:
        """Take the settings."""
        self.options = options

    def encode(self, samples: np.ndarray, *, steps: int, generator: np.random.Generator) -> Events:
        """See `Encoding.encode`; nothing is random, and there are no spikes.

        Raises:
            ConfigError: There are more means than channels.
        """
        lines = flat(samples, steps=steps)
        channels = samples.shape[1] if samples.ndim == 4 else 1
        mean, std = (self._of_channels(name, channels) for name in ("mean", "std"))
        every = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None, None], channels, axis=1)
        values = normalised(every, mean=mean, std=std)[:, :, 0, 0].T  # (channels, 256)
        largest, top = float(np.abs(values).max()), self.options.top
        codes_of = np.rint(values / largest * top).astype(np.int16)
        codes = np.empty(lines.shape, np.int16)
        width = lines.shape[1] // channels
        for channel in range(channels):
            part = slice(channel * width, (channel + 1) * width)
            codes[:, part] = codes_of[channel][lines[:, part]]
        held = Held(codes, largest / top, top, self.options.is_signed)
        return amplitudes_of(held, steps=steps)

    def _of_channels(self, name: str, channels: int) -> list[float]:
        """A setting of each channel."""
        given = getattr(self.options, name)
        if len(given) not in (1, channels):
            raise ConfigError(
                f"encoding.{name} has {len(given)} numbers, the samples have {channels} "
                f"channel{'s' * (channels > 1)}; give one for all, or one for each; nothing was "
                "encoded"
            )
        return list(given) * (channels if len(given) == 1 else 1)
