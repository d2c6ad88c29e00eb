"""Small problems to train on, and the dense sums that training is compared with."""

import dataclasses
import functools
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from crossbar.datasets import DATASETS
from crossbar.datasets.encode import Data
from crossbar.datasets.locate import Environment
from crossbar.experiment import builder
from crossbar.experiment.config import Training
from crossbar.snn import reference
from crossbar.snn.encodings.latency import latency_code
from crossbar.snn.network import Network
from crossbar.snn.neurons import LeakyIntegrator, Lif
from crossbar.snn.plan import plan
from crossbar.synapses.optimizers import OPTIMIZERS
from device_models.errors import DataError
from device_models.presets import load_device

# A membrane this close to the threshold, or two steps that compete for a maximum so closely, may go
# another way in float32: what hangs on it is no test of the arithmetic.
MARGIN = 4e-6
CHECKOUT = Path(__file__).resolve().parents[2]
REAL = dict(DATASETS)  # whatever a test puts in their place


def offline(url):
    """The network is not asked by tests."""
    raise OSError(f"{url} is not asked by tests")


def no_program(command, folder):
    """Nor is a package manager."""
    raise FileNotFoundError(2, "not run by tests", command[0])


def fashion_images():
    """Fashion-MNIST where this machine has it, else the reason why not."""
    return images_of("fashion_mnist")


@functools.cache
def images_of(name):
    """A data set where this machine has it, or ../shared/data does, else the reason why not."""
    environment = Environment(open_url=offline, run=no_program)
    shared = Path(os.environ.get("XBAR_SHARED") or CHECKOUT.parent / "shared") / "data"
    reasons = []
    for folder in (None, shared):
        try:
            return REAL[name].load(folder, notice=lambda line: None, environment=environment)
        except DataError as reason:
            reasons.append(str(reason))
    return reasons[0]


def fashion(train, test):
    """The first images of Fashion-MNIST; skips the test without them."""
    images = fashion_images()
    if isinstance(images, str):
        pytest.skip(images)
    return encoded(
        images.train.samples[:train], images.train.labels[:train],
        images.test.samples[:test], images.test.labels[:test],
    )  # fmt: skip


def encoded(train_images, train_labels, test_images, test_labels, steps=100):
    """Latency-coded `Data`."""
    return Data(
        latency_code(train_images, steps=steps),
        train_labels.astype(np.int64),
        latency_code(test_images, steps=steps),
        test_labels.astype(np.int64),
        tuple("0123456789"),
        train_images.shape[1:],
        test_images,
    )


@functools.cache
def bars(train, test):
    """28 x 28 images of ten classes: a bright bar at the height of its class, on dim noise."""
    generator = np.random.default_rng([5, train, test])
    labels = generator.integers(0, 10, train + test)
    images = generator.integers(0, 60, (train + test, 28, 28))
    for image, label in zip(images, labels, strict=True):
        left = generator.integers(0, 10)
        image[2 * label + 3 : 2 * label + 7, left : left + 18] += generator.integers(60, 190)
    return images.astype(np.uint8), labels


@functools.cache
def synthetic(train=192, test=64):
    """The images of `bars`, ready to be learned."""
    images, labels = bars(train, test)
    return encoded(images[:train], labels[:train], images[train:], labels[train:])


def planned(config, data=None):
    """The network of a configuration on its data."""
    return builder.plan_of(config, data or synthetic())


def trainer_of(config, data, *, model=None, threads=1):
    """A trainer that has not started."""
    torch.set_num_threads(1)  # as the command does: the arrays are small
    return builder.trainer(config, model or load_device(config.device), data, threads=threads)


def trained(config, data, **kind):
    """A trainer after all epochs of its configuration."""
    trainer = trainer_of(config, data, **kind)
    trainer.start()
    finish(trainer, config.epochs)
    return trainer


def finish(trainer, epochs):
    """Train up to an epoch."""
    while trainer.epoch < epochs:
        for _ in trainer.run_epoch():
            pass


def small(**settings):
    """A configuration for `synthetic`; sigma_init makes its hidden neurons fire.

    Settings of the rooms `tiles`, `reads` and `optimizer` are given by their own names.
    """
    network = {"hidden": 20, "sigma_init": 0.02} | settings.pop("network", {})
    base = Training(batch_size=32, epochs=2, network=Network.of(**network), optimizer="sgd")
    return changed(base, **settings)


def changed(config, **settings):
    """Other settings, given as for `small`."""
    if "optimizer" in settings:
        kind = OPTIMIZERS[settings.pop("optimizer")].Options
        config = dataclasses.replace(config, optimizer=kind())
    for room in ("tiles", "reads", "optimizer"):
        record = getattr(config, room)
        names = [field.name for field in dataclasses.fields(record) if field.name in settings]
        inside = {name: settings.pop(name) for name in names}
        config = dataclasses.replace(config, **{room: dataclasses.replace(record, **inside)})
    return dataclasses.replace(config, **settings)


DATA = {"inputs": 784, "classes": 10, "steps": 100, "dt_seconds": 1e-3}


def plan_of(**settings):
    """A network of the short forms on some data; time constants are those of all its neurons."""
    data = {name: settings.pop(name, value) for name, value in DATA.items()}
    taus = ("tau_mem_seconds", "tau_syn_seconds")
    times = {name: settings.pop(name) for name in taus if name in settings}
    scale = {n: settings.pop(n) for n in ("surrogate_scale",) if n in settings}
    if times or scale:
        settings |= {"neuron": Lif(**times, **scale), "readout": LeakyIntegrator(**times)}
    return plan(Network.of(classes=data["classes"], **settings), **data)


def plan_for(config):
    """What follows from the network of a configuration for `synthetic`."""
    data = DATA | {"steps": config.data.steps, "dt_seconds": config.data.dt_seconds}
    return plan(config.network, **data)


def without_seconds(rows):
    """Rows of a run, without what a clock said."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def same_bits(one, other):
    """Fail unless two trainers are in one state."""
    assert without_seconds(one.rows) == without_seconds(other.rows)
    for a, b in zip(one.emulators, other.emulators, strict=True):
        assert torch.equal(a.state_dict()["g"], b.state_dict()["g"])
        assert a.counters == b.counters
    for a, b in zip(one.policies, other.policies, strict=True):
        assert a.state().keys() == b.state().keys()
        for name, kept in a.state().items():
            assert torch.equal(kept, b.state()[name])


def dense_run(network, weights, events, labels, which):
    """The dense reference on some samples: outcome, and its weights as leaves for autograd."""
    leaves = [torch.as_tensor(w).double().requires_grad_() for w in weights]
    x = reference.dense(events, which, network, torch.float64)
    outcome = reference.simulate(network, leaves, x, torch.from_numpy(labels[which]))
    return outcome, leaves, x


def margins(outcome):
    """Per sample, how close a membrane comes to the threshold or a rival to a maximum in time."""
    each = [(v.detach() - 1.0).abs().flatten(1).amin(1) for v in outcome.membrane if v.numel()]
    readout = outcome.readout.detach()
    if outcome.readout.shape[1] == outcome.spikes[0].shape[1]:  # the output spikes
        return torch.stack(each).amin(0)
    top = readout.max(dim=1, keepdim=True).values
    rival = torch.where(readout < top, readout, -torch.inf).max(dim=1).values
    to_rival = (top[:, 0] - rival).min(dim=1).values  # inf for a silent class
    return torch.stack([to_rival, *each]).amin(0)
