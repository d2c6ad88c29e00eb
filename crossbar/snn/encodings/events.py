"""Spikes that come into a network, and what an encoding is."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from device_models.errors import ShapeError
from device_models.record import Record

MOST_LINES = 65_535
MOST_STEPS = 65_535
SAMPLES_AT_A_TIME = (
    250  # encoded and sorted: they fit a cache. The numbers of a random code depend on it.
)


class Held(NamedTuple):
    """Amplitudes that drive the input lines in every step, in the place of spikes.

    Value i of a sample drives line i with `codes / top` of the read voltage; its part in the
    current of the layer is `codes x unit` times its weight.
    """

    codes: np.ndarray  # (samples, lines) int16
    unit: float
    top: int  # the largest code of the drivers' converters
    is_signed: bool = False  # whether codes may be negative

    @property
    def gain(self) -> float:
        """What the read voltage itself stands for."""
        return self.unit * self.top

    @property
    def bits(self) -> int:
        """Of the drivers' converters: those of the top code, one more where a code is negative."""
        return self.top.bit_length() + bool((self.codes < 0).any())


@dataclass(frozen=True)
class Events:
    """Input spikes of many samples: those of sample i are `offsets[i]:offsets[i + 1]`.

    Within a sample they are sorted by step, then by line. Three bytes an event (four above 255
    steps): the 60,000 training images of Fashion-MNIST take 60 MB as a latency code.

    Attributes:
        rows: (events,) uint16, input line.
        times: (events,), step; of the type `time_type`.
        offsets: (samples + 1,) int64.
        held: Amplitudes in the place of spikes, of which there are none then; None: spikes.
    """

    rows: np.ndarray
    times: np.ndarray
    offsets: np.ndarray
    held: Held | None = None

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.offsets) - 1

    def first(self, count: int) -> "Events":
        """Those of the first samples."""
        offsets = self.offsets[: count + 1]
        held = self.held and self.held._replace(codes=self.held.codes[:count])
        return Events(self.rows[: offsets[-1]], self.times[: offsets[-1]], offsets, held)


class Encoding(ABC):
    """How samples become spikes: one file, and one line in `ENCODINGS`.

    Attributes:
        Options: The settings of the encoding.
        fresh: Whether every epoch of training is encoded anew.
        is_held: Whether it gives amplitudes that are held (`Held`), no spikes.
        takes: Of what samples it makes spikes: `images`, uint8; `features` of sounds, float32; or
            `spikes`, recorded ones.
    """

    Options: ClassVar[type[Record]]
    fresh = False
    is_held: ClassVar[bool] = False
    takes: ClassVar[Literal["images", "features", "spikes"]] = "images"

    @abstractmethod
    def __init__(self, options: Any) -> None:
        """Take the settings, an `Options`."""

    def expected_spikes(self, samples: np.ndarray, *, steps: int) -> float:
        """Spikes that `encode` makes on average, as far as it is known before; at least 0.

        Args:
            samples, steps: See `encode`.
        """
        return 0.0

    def input_shape(self, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the input lines of a sample; that of the sample itself unless said otherwise.

        Args:
            sample_shape: Of one sample.
        """
        return sample_shape

    def encode_epoch(
        self,
        samples: np.ndarray,
        encoded: Events,
        *,
        steps: int,
        generator: np.random.Generator,
    ) -> Events:
        """Spikes of the samples of an epoch of training, where the code is `fresh`.

        Args:
            samples, steps, generator: See `encode`.
            encoded: What `encode` made of them once. Not modified.
        """
        return self.encode(samples, steps=steps, generator=generator)

    @abstractmethod
    def encode(self, samples: np.ndarray, *, steps: int, generator: np.random.Generator) -> Events:
        """Spikes of some samples.

        Args:
            samples: What it `takes`; images are (samples, ...) uint8, 0 to full brightness 255, and
                the values of one in C order are its input lines. Not modified.
            steps: Length of the simulation.
            generator: What is random is drawn from it.

        Raises:
            ShapeError: There are no samples, or more lines or steps than events can hold.
        """


def time_type(steps: int) -> np.dtype[Any]:
    """What the times of so many steps are stored as: uint8 up to 255 steps, else uint16."""
    return np.dtype(np.uint8 if steps <= 255 else np.uint16)


def amplitudes_of(held: Held, *, steps: int) -> Events:
    """Samples of so many steps that are amplitudes, and no spikes."""
    none = np.zeros(0, np.uint16)
    offsets = np.zeros(len(held.codes) + 1, np.int64)
    return Events(none, none.astype(time_type(steps)), offsets, held)


def flat(samples: np.ndarray, *, steps: int) -> np.ndarray:
    """Samples as an encoder takes them.

    Returns:
        (samples, lines) uint8, a view where that is possible.

    Raises:
        ShapeError: See `Encoding.encode`; or the values are no bytes.
    """
    if samples.dtype != np.uint8:
        raise ShapeError(
            f"samples of type {samples.dtype}; grey values 0 to 255 as uint8 are encoded; "
            "nothing was encoded"
        )
    check_fits(len(samples), samples.shape[1:], steps)
    return samples.reshape(len(samples), samples[0].size)


def check_fits(samples: int, input_shape: tuple[int, ...], steps: int) -> None:
    """Refuse what events cannot say.

    Args:
        samples: How many.
        input_shape: Of the input lines of one.
        steps: Length of the simulation.

    Raises:
        ShapeError: See `Encoding.encode`.
    """
    lines = math.prod(input_shape)
    if not samples:
        raise ShapeError("there is no sample; nothing was encoded")
    if lines > MOST_LINES:
        raise ShapeError(
            f"{lines:,} input lines ({' x '.join(map(str, input_shape))}); an event names "
            f"one of at most {MOST_LINES:,} lines; nothing was encoded"
        )
    if not 1 <= steps <= MOST_STEPS:
        raise ShapeError(
            f"{steps:,} steps; an event names one of at least 1 and at most {MOST_STEPS:,} steps; "
            "nothing was encoded"
        )


def sort_keys(sample: np.ndarray, step: np.ndarray, line: np.ndarray) -> np.ndarray:
    """One int64 per spike that sorts by sample, step and line.

    Sorting them is several times faster than a stable argsort of each sample.
    """
    keys: np.ndarray = (sample.astype(np.int64) << 32) | (step.astype(np.int64) << 16) | line
    return keys


def of_sorted_keys(keys: np.ndarray, *, samples: int, steps: int) -> Events:
    """Events of `sort_keys` that are in order."""
    return Events(
        (keys & 0xFFFF).astype(np.uint16),
        ((keys >> 16) & 0xFFFF).astype(time_type(steps)),
        np.searchsorted(keys, np.arange(samples + 1, dtype=np.int64) << 32).astype(np.int64),
    )


def joined(batches: list[Events]) -> Events:
    """The samples of several `Events`, one after the other."""
    counts = np.concatenate([np.diff(batch.offsets) for batch in batches])
    return Events(
        np.concatenate([batch.rows for batch in batches]),
        np.concatenate([batch.times for batch in batches]),
        np.concatenate([[0], counts]).cumsum(),
    )
