"""A board that answers what `Board` names and nothing else, and a small problem to train on it."""

import dataclasses

import numpy as np
import torch
from xbar_training import encoded, small

from crossbar.array.counters import Counters
from crossbar.boards.protocol import BoardInfo
from crossbar.datasets.settings import DataSettings
from crossbar.snn.neurons import Lif
from device_models.presets import load_device

# Conductances are whole steps of a power of two: on either side of the comparison they are exact.
UNIT, LEVELS = 2.0**-21, 2000
STEPS = dataclasses.replace(
    load_device("ideal"), states=LEVELS, g_min_siemens=2 * UNIT, g_max_siemens=(2 + LEVELS) * UNIT
)
STEP = np.float32(STEPS.window_siemens / STEPS.states)
LOW, HIGH = np.float32(STEPS.g_min_siemens), np.float32(STEPS.g_max_siemens)


class Bench:
    """Devices in a drawer: equal steps, no noise, no time. What `Board` names, and nothing else."""

    def __init__(self, shape):
        self.info = BoardInfo(
            name="bench", shape=shape, tile_shape=(64, 64), read_volts=0.25, read_seconds=1e-7,
            is_emulator=False,
        )  # fmt: skip
        self.counters = Counters()
        self._g = np.full(shape[0] * shape[1], LOW)

    def read(self, device=None):
        g = self._g.reshape(self.info.shape) if device is None else self._g[device]
        self.counters += Counters(device_reads=g.size)
        return torch.from_numpy(g.copy())

    def vmm(self, volts):
        self.counters += Counters(row_activations=int((volts != 0).sum()))
        return volts.double() @ torch.from_numpy(self._g.reshape(self.info.shape)).double()

    def pulse(self, pulses, shape=None):
        assert shape is None
        device, count = pulses
        assert len(np.unique(device)) == len(device)
        self._g[device] = np.clip(self._g[device] + count.astype(np.float32) * STEP, LOW, HIGH)
        up, down = count.clip(min=0).sum(), -count.clip(max=0).sum()
        self.counters += Counters(set_pulses=int(up), reset_pulses=int(down))

    def wait(self, seconds):
        pass

    def close(self):
        pass


def images(count, seed):
    """6 x 6 images of ten classes and their labels: each class has its own bright pixels."""
    bright = np.random.default_rng(99).random((10, 6, 6)) < 0.4
    generator = np.random.default_rng([seed, count])
    labels = generator.integers(0, 10, count)
    dim = generator.integers(0, 80, (count, 6, 6))
    return (dim + 150 * bright[labels]).astype(np.uint8), labels


def problem(seed=0, **settings):
    """A configuration of one epoch of four updates, and its data."""
    network = {"hidden": 8, "sigma_init": 0.2, "neuron": Lif(surrogate_scale=3.0)}
    network |= settings.pop("network", {})
    options = {"batch_size": 16, "epochs": 1, "learning_rate": 0.1, "seed": seed} | settings
    data = encoded(*images(64, seed), *images(16, seed + 1), steps=40)
    return small(network=network, data=DataSettings(steps=40), **options), data
