# ruff: noqa: T201  # it talks on the terminal
"""Published presets: training by pulses, against torch on the same network, batches and steps.

Everyone starts from one state: that of a few batches of ideal training, so that it spikes about as
often as while it learns. In torch the optimizer is torch's own of the same kind and constants.
"""

import functools
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import ours
import preset_nets
import torch
from data import Workload, batches, dense, shortened
from rounds import Entry

from crossbar.datasets import DATASETS, Half, LoadedDataset, load_dataset
from crossbar.datasets.encode import encode
from crossbar.experiment import builder
from crossbar.experiment.config import Training
from crossbar.experiment.network_settings import with_network
from crossbar.experiment.trainer import Trainer
from crossbar.snn import reference
from crossbar.snn.engines import Batch, EventEngine, LayerView
from crossbar.snn.parameters import initial
from device_models.errors import DataError
from device_models.presets import load_device

SETTLE = {"lateral_inhibition": 200, "csnn_mnist": 20, "csnn_cifar10": 4}  # batches
NAMES = tuple(SETTLE)
SAMPLES, TEST = 12_800, 512
# Grey values that synthetic images have on average, and their deviation, as the real ones.
GREY = {"mnist": (33.0, 78.0), "fashion_mnist": (73.0, 90.0), "cifar10": (121.0, 64.0)}


class State(NamedTuple):
    """Of each crossbar: weights, that of a digital bias last, and what its neurons have."""

    matrices: list[np.ndarray]
    trained: list[np.ndarray | None]


@functools.cache
def work_of(name: str) -> Workload:
    """The preset on the first of its images, or on synthetic ones where there are none."""
    config = with_network(Training(), name)
    return workload(name, config, first_images(config.data.set))


def workload(name: str, config: Training, images: LoadedDataset) -> Workload:
    """A network on some images."""
    data = encode(images, config.data, seed=0)
    plan = builder.plan_of(config, data)
    return Workload(name, plan, data, config.optimizer.first_rate, images.origin, config)


def first_images(name: str, test: int = TEST) -> LoadedDataset:
    """Some images of a set, so many of them to test on."""
    try:
        dataset = load_dataset(name, notice=lambda text: print(text, file=sys.stderr))
    except DataError as reason:
        print(f"{reason}\nthe benchmark goes on with synthetic images", file=sys.stderr)
        return synthetic(name, test=test)
    halves = (
        Half(half.samples[:count], half.labels[:count])
        for half, count in ((dataset.train, SAMPLES), (dataset.test, test))
    )
    title = DATASETS[name].title
    return LoadedDataset(
        title=title,
        class_names=dataset.class_names,
        **dict(zip(("train", "test"), halves, strict=True)),
        origin=f"{title} ({dataset.origin})",
    )


def synthetic(name: str, count: int = SAMPLES, test: int = TEST) -> LoadedDataset:
    """Random images of the shape, mean and deviation of a set, each class around one of its own."""
    draw, (mean, deviation) = np.random.default_rng(0), GREY[name]
    shape, classes = DATASETS[name].sample_shape, DATASETS[name].class_names
    labels = draw.integers(0, len(classes), count + test).astype(np.uint8)
    around = draw.normal(0.0, 0.7, (len(classes), *shape))
    z = around[labels] + draw.normal(0.0, 0.7, (len(labels), *shape))
    if mean < deviation:  # most pixels are black: the brightest ones are not
        z = np.where(z > 0.8, 3.5 * z, 0.0) - mean / deviation
    grey = np.clip(mean + deviation * z, 0, 255).astype(np.uint8)
    return LoadedDataset(
        title=DATASETS[name].title,
        class_names=classes,
        train=Half(grey[test:], labels[test:]),
        test=Half(grey[:test], labels[:test]),
        origin=f"synthetic images like {DATASETS[name].title}",
    )


@functools.cache
def settled(work: Workload, count: int) -> State:
    """After so many batches of training on ideal devices; what is drawn at first for 0."""
    few = shortened(work.data, test=1, train=max(count, 1) * work.batch)
    trainer = builder.trainer(work.config, load_device("ideal"), few)
    trainer.start()
    if count:
        for _ in trainer.run_epoch():
            pass
    return State(trainer.matrices(), [layer.trained for layer in trainer.layers])


def started(work: Workload, state: State, device: str, threads: int) -> Trainer:
    """A trainer that has programmed a state into devices."""
    few = shortened(work.data, test=TEST)
    weights = [
        m[:rows] for m, (rows, _) in zip(state.matrices, work.network.crossbars, strict=True)
    ]
    first = initial(work.network, work.config.seed)._replace(weights=tuple(weights))
    trainer = builder.trainer(
        work.config, load_device(device), few, threads=threads, first=first,
        notice=lambda text: None,
    )  # fmt: skip
    each = zip(trainer.layers, trainer.biases, state.matrices, state.trained, strict=True)
    for layer, bias, matrix, trained in each:
        if bias is not None:
            bias.values = matrix[-1].copy()
        layer.trained = None if trained is None else trained.copy()
    trainer.start()
    return trainer


def pulsed(work: Workload, state: State, device: str, threads: int) -> Callable[[], int]:
    """What trains one batch at each call: reads, gradients, pulses."""
    steps = ours.endless(started(work, state, device, threads))

    def unit() -> int:
        next(steps)
        return work.batch

    return unit


def images_of(work: Workload, chosen: np.ndarray) -> torch.Tensor:
    """Training samples as torch takes them, (B, steps, lines); held amplitudes (B, 1, lines)."""
    if work.data.train_events.held is not None:
        return reference.dense(work.data.train_events, chosen, work.network, torch.float32)
    buffer = torch.zeros(len(chosen), work.network.steps, work.network.inputs)
    return dense(work.data.train_events, chosen, work.network, buffer)


def learning(make: preset_nets.Make, work: Workload, state: State) -> Callable[[], int]:
    """What trains one batch at each call, in torch."""
    program = make(work.network, state.matrices, state.trained)
    optimizer = preset_nets.optimizer_of(work.config.optimizer, program.parameters)
    order = batches(len(work.data.train_labels), seed=0, size=work.batch)

    def unit() -> int:
        chosen = next(order)
        labels = torch.from_numpy(work.data.train_labels[chosen])
        optimizer.zero_grad()
        program.loss(images_of(work, chosen), labels).backward()
        optimizer.step()
        return len(chosen)

    return unit


def entries(work: Workload, threads: int, *, settle: int) -> dict[str, Entry]:
    """Everyone who trains a preset."""

    def torch_entry(make: preset_nets.Make) -> Entry:
        choice = tuple(sorted({1, threads}))
        return Entry(lambda: learning(make, work, settled(work, settle)), torch_threads=choice)

    def our_entry(device: str) -> Entry:
        return Entry(lambda: pulsed(work, settled(work, settle), device, threads))

    rivals = {name: torch_entry(make) for name, make in preset_nets.makes(work.network).items()}
    return rivals | {f"xbar {device}": our_entry(device) for device in ("ideal", "oxram")}


def losses(work: Workload, state: State, chosen: np.ndarray) -> dict[str, float]:
    """Mean loss of some training samples with equal weights, by everyone."""
    data, network = work.data, work.network
    none = np.zeros((0, 0), np.float32)
    views = [
        LayerView(matrix, none, np.zeros(len(matrix)), trained=trained)
        for matrix, trained in zip(state.matrices, state.trained, strict=True)
    ]
    engine = EventEngine(network, tile_rows=128, threads=1)
    done = engine.run(Batch(data.train_events, data.train_labels, chosen, 1), views)
    labels = torch.from_numpy(data.train_labels[chosen])
    loss_by = {"xbar": float(done.losses.mean())}
    for name, make in preset_nets.makes(network).items():
        with torch.no_grad():
            program = make(network, state.matrices, state.trained)
            loss_by[name] = float(program.loss(images_of(work, chosen), labels))
    return loss_by
