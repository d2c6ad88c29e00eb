"""The samples of a run once more through its trained network, with every spike, part by part."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from device_models.errors import ConfigError
from device_models.streams import stream_key

from ..datasets.encode import Data
from ..metrics.spike_sums import Spikes
from ..snn.encodings.events import Events
from ..snn.engines.protocol import Batch, BatchResult
from ..snn.plan import LayerPlan
from .reevaluate import rebuilt
from .run import Run
from .trainer import Trainer

HALVES = ("test", "train")
SPIKES_AT_A_TIME = 1 << 22  # of all hidden layers, as far as the last test tells
CELLS_AT_A_TIME = (
    1 << 25
)  # of (samples, neurons, steps) of the layer that is looked at, a byte each
MOST_AT_A_TIME = 1000  # samples


class Part(NamedTuple):
    """Some samples.

    Attributes:
        labels: (samples,) class of each.
        result: What the network did, with every spike.
    """

    labels: np.ndarray
    result: BatchResult


def trained_network(run: Run, data: Data, threads: int | None = None) -> Trainer:
    """The trained conductances of a run, as its last test found them; see `rebuilt`."""
    trainer = rebuilt(run, data, threads)
    for emulator in trainer.emulators:
        emulator.begin_epoch(trainer.epoch)
    return trainer


def hidden_layers(trainer: Trainer) -> list[LayerPlan]:
    """The layers whose spikes are looked at: those with synapses but the last.

    Raises:
        ConfigError: There is none that sends spikes.
    """
    layers = [layer for layer in trainer.setup.network.synaptic[:-1] if layer.spikes]
    if not layers:
        raise ConfigError("the network has no hidden layer that sends spikes")
    return layers


def samples_of(data: Data, half: str, images: int | None) -> tuple[Events, np.ndarray, int]:
    """Events and labels of a half, and how many samples are asked for.

    Raises:
        ConfigError: It has not so many.
    """
    is_test = half == "test"
    events, labels = (
        (data.test_events, data.test_labels) if is_test else (data.train_events, data.train_labels)
    )
    if images is not None and images > len(labels):
        name = data.test_name if is_test else "training"
        raise ConfigError(f"--images = {images}: there are {len(labels)} {name} images")
    return events, labels, images or len(labels)


def parts(trainer: Trainer, half: str, images: int | None, neurons: int) -> Iterator[Part]:
    """The first samples of a half, in order.

    The test half spikes as in the last test of the run: to the last bit with the event engine; the
    dense ones draw their read noise by the batch.

    Args:
        trainer: See `trained_network`.
        half: One of `HALVES`.
        images: So many samples; None: all.
        neurons: Of the layer that is looked at.

    Raises:
        ConfigError: See `samples_of`.
    """
    events, labels, count = samples_of(trainer.data, half, images)
    purpose = 1 if half == "test" else 0
    key = stream_key("read noise", trainer.setup.seed, trainer.epoch, purpose)
    each = max(1.0, trainer.rows[-1]["spikes_per_inference"]["total"])
    size = min(
        MOST_AT_A_TIME,
        int(SPIKES_AT_A_TIME / each),
        CELLS_AT_A_TIME // (neurons * trainer.setup.network.steps),
    )
    bounds = range(0, count, max(1, size))
    chosen = [np.arange(low, min(low + max(1, size), count)) for low in bounds]
    batches = (Batch(events, labels, one, key, int(one[0])) for one in chosen)
    for one, result in zip(chosen, trainer.replay(batches), strict=True):
        yield Part(labels[one], result)


def spikes_of(events: Events, neurons: np.ndarray) -> Spikes:
    """The spikes of some neurons of a layer, which are numbered anew.

    Args:
        events: Of all its neurons.
        neurons: Which, ascending.
    """
    samples = np.repeat(np.arange(len(events)), np.diff(events.offsets))
    number = np.full(1 + max(int(neurons.max()), int(events.rows.max(initial=0))), -1)
    number[neurons] = np.arange(len(neurons))
    who = number[events.rows]
    chosen = who >= 0
    return Spikes(samples[chosen], who[chosen], events.times[chosen].astype(np.int64))
