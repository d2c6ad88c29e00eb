"""Our kernels as contestants: the trainer with its pulses, the engine alone, the two forward only.

All that the benchmarks know of the public Python interface is in this file.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from data import BATCH, Workload, batches, shortened, training_of

from crossbar.experiment import builder
from crossbar.experiment.trainer import Progress, Trainer
from crossbar.snn.engines import Batch, BatchResult, EventEngine, LayerView
from crossbar.snn.parameters import initial
from device_models.model import DeviceModel
from device_models.presets import load_device

TEST = 512  # test images that a trainer under test evaluates when it starts


def model(device: str, *, quiet: bool = False) -> DeviceModel:
    """A preset, with its read noise or (`quiet`) without."""
    found = load_device(device)
    return dataclasses.replace(found, read_floor=0.0, read_fraction=0.0) if quiet else found


def trainer(
    work: Workload,
    weights: Sequence[np.ndarray],
    device: DeviceModel,
    threads: int,
    **settings: object,
) -> Trainer:
    """A trainer of the work, started with some weights."""
    config = training_of(work, **settings)
    few = shortened(work.data, test=TEST)
    first = initial(work.network, config.seed)._replace(weights=tuple(weights))
    made = builder.trainer(
        config, device, few, threads=threads, first=first, notice=lambda text: None
    )
    made.start()
    return made


def endless(made: Trainer) -> Iterator[Progress]:
    """One batch after the other, over as many epochs as it takes."""
    while True:
        yield from made.run_epoch()


def pulsed(
    work: Workload,
    weights: Sequence[np.ndarray],
    device: DeviceModel,
    threads: int,
    **settings: object,
) -> Callable[[], int]:
    """What trains one batch at each call: reads, gradients, pulses."""
    steps = endless(trainer(work, weights, device, threads, **settings))

    def unit() -> int:
        next(steps)
        return BATCH

    return unit


def unpulsed(
    work: Workload, weights: Sequence[np.ndarray], device: DeviceModel, threads: int
) -> Callable[[], int]:
    """What runs one batch forward and back, and sends no pulse."""
    made = trainer(work, weights, device, threads)
    layers = [LayerView(*layer) for layer in made.effective()]
    engine, data = EventEngine(work.network, tile_rows=128, threads=threads), work.data
    order = batches(len(data.train_labels), seed=0)

    def unit() -> int:
        chosen = next(order)
        learn(engine, work, layers, chosen)
        return len(chosen)

    return unit


def inferring(
    work: Workload, weights: Sequence[np.ndarray], device: DeviceModel, threads: int
) -> Callable[[], int]:
    """What runs a batch of test samples."""
    made = trainer(work, weights, device, threads)
    layers = [LayerView(*layer) for layer in made.effective()]
    engine, data = EventEngine(work.network, tile_rows=128, threads=threads), work.data
    order = batches(len(data.test_labels), seed=0)

    def unit() -> int:
        chosen = next(order)
        engine.run(Batch(data.test_events, data.test_labels, chosen, 1), layers)
        return len(chosen)

    return unit


def exact(weights: Sequence[np.ndarray]) -> list[LayerView]:
    """Layers that are their weights, without noise."""
    none = np.zeros((0, 0), np.float32)
    return [LayerView(w, none, np.zeros(len(w))) for w in weights]


def learn(
    engine: EventEngine, work: Workload, layers: Sequence[LayerView], chosen: np.ndarray
) -> BatchResult:
    """Forward and backward pass of some training samples."""
    data = work.data
    batch = Batch(data.train_events, data.train_labels, chosen, 1)
    return engine.run(batch, layers, learn=[layer.weights for layer in layers])
