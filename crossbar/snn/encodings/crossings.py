"""Features over time as spikes: what crosses a threshold, or lies above it.

Features are standardised, mean 0 and variance 1 of each channel over what is learned. Thresholds
lie evenly from `lowest` to `highest`. A frame is a step, and a channel has

    code `crossings`: two lines for each threshold; one spikes in the step in which the feature
        rises to it or above, the other one in which it falls below. Before the first step it lies
        below all. A constant feature sends nothing.
    code `levels`: one line for each threshold, which spikes in every step in which the feature is
        not below it.

Source:
    Crossings: the spike encoder of D. Salaj et al., eLife 10, e65459, 2021, on features that are
    standardised (ours).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from device_models.errors import ConfigError
from device_models.record import quantity

from .augment import Augmentation, augmented
from .events import Encoding, Events, check_fits, joined, of_sorted_keys, sort_keys

AT_A_TIME = 100  # samples


class Crossings(Encoding):
    """See the module."""

    takes = "features"

    @dataclass(frozen=True, kw_only=True)
    class Options(Augmentation):
        """Thresholds, in standard deviations, and which code.

        Samples that are learned are moved in time by up to ten steps, see `Augmentation`.
        """

        thresholds: int = quantity("thresholds", 1, 64, default=4)
        lowest: float = quantity("standard deviations", -10.0, 10.0, default=-0.7)
        highest: float = quantity("standard deviations", -10.0, 10.0, default=2.2)
        code: Literal["crossings", "levels"] = "crossings"
        shift_steps: int = quantity("steps", 0, 65_535, default=10)

        def __post_init__(self) -> None:
            """Check that thresholds rise.

            Raises:
                ConfigError: They do not.
            """
            super().__post_init__()
            if not self.lowest < self.highest:
                raise ConfigError(
                    f"thresholds from lowest = {self.lowest:g} to highest = {self.highest:g}; "
                    "lowest < highest is allowed"
                )

    def __init__(self, options: Options) -> None:
        """See `Encoding`."""
        self._options = options
        self.fresh = not options.is_none

    @property
    def _lines(self) -> int:
        """Of a channel."""
        return self._options.thresholds * (1 + (self._options.code == "crossings"))

    def input_shape(self, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
        """See `Encoding.input_shape`: lines of a channel side by side."""
        return sample_shape[0], self._lines

    def encode(self, samples: np.ndarray, *, steps: int, generator: np.random.Generator) -> Events:
        """See `Encoding.encode`; samples are features, and nothing is random.

        Args:
            samples: (samples, channels, frames) float32, standardised.
            steps: As many as frames.
            generator: Not used.

        Raises:
            ConfigError: There are other steps than frames.
            ShapeError: See `Encoding.encode`.
        """
        check_fits(len(samples), self.input_shape(samples.shape[1:]), steps)
        if samples.shape[2] != steps:
            raise ConfigError(
                f"data.steps = {steps:,}, but a sample has {samples.shape[2]:,} frames, and each "
                "is a step; nothing was encoded"
            )
        parts = (samples[i : i + AT_A_TIME] for i in range(0, len(samples), AT_A_TIME))
        return joined([self._events(part) for part in parts])

    def encode_epoch(
        self,
        samples: np.ndarray,
        encoded: Events,
        *,
        steps: int,
        generator: np.random.Generator,
    ) -> Events:
        """See `Encoding.encode_epoch`: `augmented`."""
        return augmented(
            encoded, self._options, channels=samples.shape[1], lines=self._lines, steps=steps,
            generator=generator,
        )  # fmt: skip

    def _events(self, features: np.ndarray) -> Events:
        """Spikes of some samples."""
        thresholds = np.linspace(
            self._options.lowest, self._options.highest, self._options.thresholds
        ).astype(np.float32)
        above = features.transpose(0, 2, 1)[..., None] >= thresholds  # sample, step, channel, line
        if self._options.code == "crossings":
            before = np.zeros_like(above)
            before[:, 1:] = above[:, :-1]
            above = np.concatenate([above & ~before, before & ~above], axis=3)
        samples, steps, channels, lines = above.shape
        sample, step, line = np.nonzero(above.reshape(samples, steps, channels * lines))
        return of_sorted_keys(sort_keys(sample, step, line), samples=samples, steps=steps)
