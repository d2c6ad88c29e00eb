"""Samples and labels as the trainer takes them."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from device_models.errors import ConfigError, ShapeError
from device_models.record import Tagged
from device_models.streams import stream

from ..snn.encodings import ENCODINGS, Encoding, encoding_of
from ..snn.encodings.checks import check_samples
from ..snn.encodings.events import Events, time_type
from ..snn.encodings.spike_trains import SpikeTrains
from .dataset import Half, LoadedDataset
from .front_ends import FrontEnd
from .settings import DataSettings

MOST_BYTES = 2 * 2**30  # of the spikes of a run; making them takes as much again for a while


class Data(NamedTuple):
    """Encoded samples of both halves.

    Attributes:
        train_events: Spikes of the samples that are learned; of a fresh code those before training.
        train_labels: (samples,) int64, index into `class_names`.
        test_events: Spikes of the samples that are tested, the same in every epoch.
        test_labels: As `train_labels`.
        class_names: Of the data set.
        sample_shape: Of the input lines; that of an image before it was encoded.
        test_samples: (samples, ...) uint8 of the test half, for pictures; of sounds and recorded
            spikes the first alone, (1, channels, steps).
        test_name: What the test half is: `test`, or `held-back` training samples.
        encode_epoch: Epoch -> spikes of the samples that are learned, where every epoch is encoded
            anew; None where it is not.
    """

    train_events: Events
    train_labels: np.ndarray
    test_events: Events
    test_labels: np.ndarray
    class_names: tuple[str, ...]
    sample_shape: tuple[int, ...]
    test_samples: np.ndarray | None = None
    test_name: str = "test"
    encode_epoch: Callable[[int], Events] | None = None

    @property
    def inputs(self) -> int:
        """Input lines."""
        return math.prod(self.sample_shape)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def epoch_events(self, epoch: int, steps: int) -> Events:
        """What is learned in an epoch, the first of which is 1; call it once per epoch.

        Args:
            epoch: Which.
            steps: Of the network.

        Raises:
            ShapeError: As `check`, of samples that are encoded anew.
        """
        if self.encode_epoch is None:
            return self.train_events
        events = self.encode_epoch(epoch)
        self._check(events, self.train_labels, steps, "training samples")
        return events

    def first_test_samples(self, count: int | None) -> NDArray[np.int64]:
        """The numbers of so many samples that are tested, the first ones; None: of all.

        Raises:
            ShapeError: There are not so many.
        """
        most = len(self.test_labels)
        if count is not None and not 0 < count <= most:
            raise ShapeError(f"{count} samples of {most} {self.test_name} samples; nothing was run")
        return np.arange(most if count is None else count)

    def check(self, steps: int) -> None:
        """Look at every event and label, once: kernels believe them.

        Args:
            steps: Of the network.

        Raises:
            ShapeError: See `check_samples`.
        """
        self._check(self.train_events, self.train_labels, steps, "training samples")
        self._check(self.test_events, self.test_labels, steps, f"{self.test_name} samples")

    def _check(self, events: Events, labels: np.ndarray, steps: int, what: str) -> None:
        """See `check_samples`."""
        check_samples(
            events, labels, lines=self.inputs, classes=self.classes, steps=steps, what=what
        )

    def check_fit(self, *, inputs: int, classes: int) -> None:
        """Check that a network has a line for every input and an output for every class.

        Raises:
            ConfigError: It does not.
        """
        if (inputs, classes) != (self.inputs, self.classes):
            shape = " x ".join(map(str, self.sample_shape))
            raise ConfigError(
                f"the network has {inputs:,} inputs and {classes:,} classes, the data "
                f"{self.inputs:,} inputs ({shape}) and {self.classes:,} classes; "
                "nothing was trained"
            )


def encode(dataset: LoadedDataset, settings: DataSettings, *, seed: int) -> Data:
    """Spikes of both halves, or of what stands for them (`DataSettings.held_back`).

    Args:
        dataset: The samples.
        settings: How they are encoded.
        seed: Of the run; names what a random code draws.

    Raises:
        ConfigError: More samples are to be held back than the training half can spare, or their
            spikes would fill the memory.
        ShapeError: The samples do not fit into events.
    """
    encoding, train, test = encoding_of(settings.encoding), dataset.train, dataset.test
    if settings.held_back:
        train, test = hold_back(dataset, settings.held_back)
    check_kind(train.samples, dataset.title, settings)
    check_size(encoding, (train, test), settings)
    sample_shape = encoding.input_shape(dataset.sample_shape)
    pictures = test.samples
    if (front_end := settings.features) is not None:
        train, test = standardised(front_end, train, test)
        sample_shape = encoding.input_shape(train.samples.shape[1:])
    train_events, test_events = (
        encoding.encode(
            half.samples, steps=settings.steps, generator=stream("encoding", seed, k, 0)
        )
        for k, half in enumerate((train, test))
    )
    epoch_code = partial(_of_epoch, encoding, train.samples, train_events, settings.steps, seed)
    if encoding.takes != "images":
        pictures = picture(test_events, sample_shape, settings.steps)
    return Data(
        train_events=train_events,
        train_labels=train.labels.astype(np.int64),
        test_events=test_events,
        test_labels=test.labels.astype(np.int64),
        class_names=dataset.class_names,
        sample_shape=sample_shape,
        test_samples=pictures,
        test_name="held-back" if settings.held_back else "test",
        encode_epoch=epoch_code if encoding.fresh else None,
    )


def check_kind(samples: Any, title: str, settings: DataSettings) -> None:
    """Refuse samples of another kind than their encoding takes.

    Raises:
        ConfigError: Says what fits.
    """
    settings.check()
    kinds = {"u": "images", "i": "sounds"}
    kind = (
        "spikes" if isinstance(samples, SpikeTrains) else kinds.get(samples.dtype.kind, "numbers")
    )
    takes = "sounds" if settings.front_end else encoding_of(settings.encoding).takes
    if kind != takes:
        fits = {
            "images": "an encoding of images",
            "sounds": "data.front_end = log_mel or mfcc with data.encoding = crossings",
            "spikes": "data.encoding = spikes",
        }.get(kind, "nothing here")
        raise ConfigError(
            f"{title} has {kind}, the data settings encode {takes}; {fits} fits; "
            "nothing was encoded"
        )


def standardised(front_end: FrontEnd, train: Half, test: Half) -> tuple[Half, Half]:
    """Features of sounds: mean 0 and variance 1 of each channel over what is learned.

    Returns:
        Both halves, samples (samples, channels, frames) float32.
    """
    features = [front_end.features(half.samples) for half in (train, test)]
    mean = features[0].mean(axis=(0, 2), dtype=np.float64)[:, None]
    spread = features[0].std(axis=(0, 2), dtype=np.float64)[:, None]
    spread[spread == 0.0] = 1.0
    scaled = [((each - mean) / spread).astype(np.float32) for each in features]
    return Half(scaled[0], train.labels), Half(scaled[1], test.labels)


def picture(events: Events, sample_shape: tuple[int, ...], steps: int) -> NDArray[np.uint8]:
    """The first sample as an image: spikes of each channel over time, the lowest line below."""
    first = slice(events.offsets[0], events.offsets[1])
    lines = events.rows[first] // math.prod(sample_shape[1:])
    image: NDArray[np.float64] = np.zeros((sample_shape[0], steps))
    np.add.at(image, (lines, events.times[first]), 1.0)
    return np.asarray(image[None, ::-1] * (255.0 / max(image.max(), 1.0)), np.uint8)


def check_size(encoding: Encoding, halves: Sequence[Half], settings: DataSettings) -> None:
    """Refuse spikes that would fill the memory.

    Args:
        encoding: Of the samples.
        halves: The samples.
        settings: How they are encoded.

    Raises:
        ConfigError: Says how many there would be, and their bytes.
    """
    steps, name = settings.steps, Tagged(ENCODINGS).name_of(settings.encoding)
    spikes = sum(encoding.expected_spikes(half.samples, steps=steps) for half in halves)
    size = spikes * (np.dtype(np.uint16).itemsize + time_type(steps).itemsize)
    if size > MOST_BYTES:
        most = int(steps * MOST_BYTES / size)
        raise ConfigError(
            f"data.encoding = {name} makes about {spikes / 1e6:,.0f} million spikes of "
            f"{settings.set} in {steps:,} steps, {size / 2**30:,.1f} GiB; at most "
            f"{MOST_BYTES / 2**30:g} GiB are kept: take {most:,} steps at most, or lower "
            "peak_spikes_per_step as much, or choose another encoding; nothing was encoded"
        )


def _of_epoch(
    encoding: Encoding, samples: Any, encoded: Events, steps: int, seed: int, epoch: int
) -> Events:
    """Spikes of the samples that are learned in an epoch, where the code is fresh."""
    generator = stream("encoding", seed, 0, epoch)
    return encoding.encode_epoch(samples, encoded, steps=steps, generator=generator)


def hold_back(dataset: LoadedDataset, count: int) -> tuple[Half, Half]:
    """Part the training half.

    Returns:
        What is left to learn, and `count` samples that are held back; each in the order of the set.

    Raises:
        ConfigError: Nothing would be left.
    """
    samples, labels = dataset.train
    if count >= len(samples):
        raise ConfigError(
            f"held_back = {count:,} leaves nothing to learn of the {len(samples):,} training "
            f"samples of {dataset.title}; nothing was trained"
        )
    held_back = np.zeros(len(samples), bool)
    held_back[held_back_images(len(samples), count)] = True
    return (
        Half(samples[~held_back], labels[~held_back]),
        Half(samples[held_back], labels[held_back]),
    )


def held_back_images(samples: int, count: int) -> NDArray[np.int64]:
    """Which training samples are held back: the first of one fixed shuffle, whatever the seed.

    More of them contain fewer of them.
    """
    return stream("held-back samples", 0).permutation(samples)[:count]
