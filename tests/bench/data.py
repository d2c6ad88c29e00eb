# ruff: noqa: T201  # it talks on the terminal
"""What the benchmarks run on: Fashion-MNIST, or recordings of synthetic audio-like spikes."""

import dataclasses
import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from crossbar.datasets import Half, load_dataset
from crossbar.datasets.encode import Data, encode
from crossbar.datasets.settings import DataSettings
from crossbar.experiment import builder
from crossbar.experiment.config import Training
from crossbar.snn.encodings.events import Events
from crossbar.snn.encodings.latency import latency_code
from crossbar.snn.encodings.spike_trains import Recorded
from crossbar.snn.network import Network
from crossbar.snn.neurons import LeakyIntegrator, Lif
from crossbar.snn.plan import Plan, plan
from crossbar.synapses.optimizers import Sgd
from device_models.errors import DataError
from device_models.presets import load_device

BATCH = 256
SPIKES = 8000  # of one synthetic recording, on average


@dataclass(frozen=True, eq=False)
class Workload:
    """A network and what it learns."""

    name: str
    network: Plan
    data: Data
    rate: float  # learning rate
    origin: str  # of the data
    config: Training | None = None  # of a preset

    @property
    def batch(self) -> int:
        """Samples of an update."""
        return BATCH if self.config is None else self.config.batch_size


def network_of(
    *,
    inputs: int = 784,
    hidden: tuple[int, ...] = (100,),
    classes: int = 10,
    steps: int = 100,
    tau_mem_seconds: float = 10e-3,
    tau_syn_seconds: float = 5e-3,
    sigma_init: float | None = None,
    recurrent: bool = False,
) -> Plan:
    """A network of LIF neurons on data of some size."""
    taus = {"tau_mem_seconds": tau_mem_seconds, "tau_syn_seconds": tau_syn_seconds}
    network = Network.of(
        hidden=hidden,
        recurrent=recurrent,
        sigma_init=sigma_init,
        classes=classes,
        neuron=Lif(**taus),
        readout=LeakyIntegrator(**taus),
    )
    return plan(network, inputs=inputs, classes=classes, steps=steps, dt_seconds=1e-3)


def training_of(work: "Workload", **settings: object) -> Training:
    """Settings of a training of the work."""
    network = work.network
    return Training(
        network=network.network,
        data=DataSettings(steps=network.steps),
        optimizer=Sgd.Options(learning_rate=work.rate),
        **settings,
    )


class Arrays(NamedTuple):
    """Images in the shape of Fashion-MNIST."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    origin: str


@functools.cache
def images() -> Arrays:
    """Fashion-MNIST, or random images as bright as it where there is none."""
    try:
        found = load_dataset("fashion_mnist", notice=lambda text: print(text, file=sys.stderr))
    except DataError as reason:
        print(f"{reason}\nthe benchmark goes on with synthetic images", file=sys.stderr)
        return synthetic_images(20_000)
    return Arrays(*found.train, *found.test, f"Fashion-MNIST ({found.origin})")


def synthetic_images(count: int) -> Arrays:
    """Smooth random images; about 330 of 784 pixels spike, as in Fashion-MNIST."""
    draw = np.random.default_rng(0)
    means = draw.uniform(0.0, 1.0, (10, 28, 28))
    labels = draw.integers(0, 10, count)
    grey = np.clip(150 * means[labels] + draw.normal(-25.0, 40.0, (count, 28, 28)), 0, 255)
    pixels = grey.astype(np.uint8)
    test = count // 10
    parts = pixels[test:], labels[test:], pixels[:test], labels[:test]
    return Arrays(*parts, "synthetic images")


@functools.cache
def fashion(hidden: int = 100, samples: int = 60_000) -> Workload:
    """784-`hidden`-10 x 100 steps on latency-coded images, settings of the seed paper."""
    found, network = images(), network_of(hidden=(hidden,))
    data = Data(
        latency_code(found.train_images[:samples], steps=network.steps),
        found.train_labels[:samples].astype(np.int64),
        latency_code(found.test_images[:samples], steps=network.steps),
        found.test_labels[:samples].astype(np.int64),
        class_names(network),
        found.train_images.shape[1:],
    )
    return Workload(f"784-{hidden}-10 x 100", network, data, 0.01, found.origin)


@functools.cache
def digits(samples: int = 1024, hidden: int = 256, *, lines: int = 140) -> Workload:
    """`lines`-`hidden`-20 x 100 steps, recurrent, on the Heidelberg digits, or as `audio`.

    The digits last a second; neighbouring channels share a line, which spikes once in a step.
    """
    try:
        found = load_dataset("shd", notice=lambda text: print(text, file=sys.stderr))
    except DataError as reason:
        print(f"{reason}\nthe benchmark goes on with synthetic spikes", file=sys.stderr)
        return audio(samples, hidden, recurrent=True)
    network = network_of(
        inputs=lines, hidden=(hidden,), classes=20, tau_mem_seconds=20e-3, sigma_init=1e-3,
        recurrent=True,
    )  # fmt: skip
    shared = Recorded.Options(channels_per_line=700 // lines, binary=True)
    few = dataclasses.replace(
        found, train=first(found.train, samples), test=first(found.test, samples // 4)
    )
    settings = DataSettings(set="shd", encoding=shared, steps=network.steps)
    name = f"recurrent {lines}-{hidden}-20 x 100"
    encoded = encode(few, settings, seed=0)
    each = len(encoded.train_events.rows) / samples
    return Workload(name, network, encoded, 0.001, f"{found.title}, {each:,.0f} spikes each")


def first(half: Half, count: int) -> Half:
    """The first samples of a half."""
    return Half(half.samples[:count], half.labels[:count])


@functools.cache
def audio(samples: int = 1024, hidden: int = 200, *, recurrent: bool = False) -> Workload:
    """700-`hidden`-20 x 100 steps on synthetic spikes in the layout of the Heidelberg digits."""
    network = network_of(
        inputs=700,
        hidden=(hidden,),
        classes=20,
        tau_mem_seconds=5e-3,
        sigma_init=5e-4,
        recurrent=recurrent,
    )
    train, test = recordings(network, samples, 0), recordings(network, samples // 4, 1)
    name = f"{'recurrent ' * recurrent}700-{hidden}-20 x 100"
    data = Data(*train, *test, class_names(network), (network.inputs,))
    return Workload(name, network, data, 0.001, f"synthetic, {SPIKES} spikes each")


def class_names(network: Plan) -> tuple[str, ...]:
    """Numbers."""
    return tuple(map(str, range(network.classes)))


def recordings(network: Plan, count: int, seed: int) -> tuple[Events, np.ndarray]:
    """Recordings of three moving bands per class, about `SPIKES` spikes each, and labels."""
    bands = np.random.default_rng(0).uniform(0.1, 0.9, (network.classes, 3, 2))
    draw = np.random.default_rng([seed, count])
    labels = draw.integers(0, network.classes, count)
    sizes = draw.poisson(SPIKES, count)
    sample = np.repeat(np.arange(count), sizes)
    when = draw.beta(1.3, 2.0, len(sample))  # loud first, fading
    ends = bands[labels[sample], draw.integers(0, 3, len(sample))]
    middle = ends[:, 0] + (ends[:, 1] - ends[:, 0]) * when
    place = np.abs(middle + draw.normal(0.0, 0.08, len(sample))) % 1.0
    line = np.minimum(place * network.inputs, network.inputs - 1).astype(np.int64)
    step = np.minimum(when * network.steps, network.steps - 1).astype(np.int64)
    order = np.lexsort((line, step, sample))
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    events = Events(line[order].astype(np.uint16), step[order].astype(np.uint8), offsets)
    return events, labels


def dense(events: Events, chosen: np.ndarray, network: Plan, out: torch.Tensor) -> torch.Tensor:
    """Counts per step and line (len(chosen), steps, inputs), in `out`, which is reused."""
    starts, ends = events.offsets[chosen], events.offsets[chosen + 1]
    sizes = ends - starts
    sample = np.repeat(np.arange(len(chosen)), sizes)
    at = np.arange(len(sample)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    at += np.repeat(starts, sizes)
    cell = (sample * network.steps + events.times[at]) * network.inputs + events.rows[at]
    part = out[: len(chosen)].zero_()
    part.view(-1).index_add_(0, torch.from_numpy(cell), torch.ones(len(cell)))
    return part


def shortened(data: Data, *, test: int, train: int | None = None) -> Data:
    """The first samples of a set; all of the training ones by default."""
    data = data._replace(
        test_events=data.test_events.first(test), test_labels=data.test_labels[:test]
    )
    if train is None:
        return data
    encode = data.encode_epoch
    return data._replace(
        train_events=data.train_events.first(train),
        train_labels=data.train_labels[:train],
        encode_epoch=None if encode is None else lambda epoch: encode(epoch).first(train),
    )


@functools.cache
def settled(work: Workload, batches: int = 60) -> tuple[np.ndarray, ...]:
    """Weights after some batches of ideal training: from there on, activity is that of a training.

    One array for each crossbar; in a recurrent network the first is W1 with V below it.
    """
    few = min(batches * BATCH, len(work.data.train_labels))
    data = shortened(work.data, test=BATCH, train=few)
    trainer = builder.trainer(training_of(work), load_device("ideal"), data)
    trainer.start()
    for _ in trainer.run_epoch():
        pass
    return tuple(trainer.weights())


def batches(samples: int, seed: int, size: int = BATCH) -> Iterator[np.ndarray]:
    """Full batches of sample numbers, shuffled anew in every pass, without end."""
    draw = np.random.default_rng(seed)
    while True:
        order = draw.permutation(samples)
        for first in range(0, samples - size + 1, size):
            yield order[first : first + size]
