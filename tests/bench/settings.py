# ruff: noqa: T201  # it talks on the terminal
"""What each setting costs: seconds of an epoch, and the ratio to the default `oxram` epoch.

All settings stand at once and have their turns in every round: a short epoch by pulses, and the
test. Seconds are scaled to an epoch of 60,000 images: what begins one and its test count once, each
batch as often as there are. Ratios are taken within a round. Compiling is left out.
"""

import dataclasses
import time
from collections.abc import Mapping
from typing import NamedTuple

import devices
import presets
from data import shortened
from rounds import spread

from crossbar.datasets.encode import Data, encode
from crossbar.experiment import builder
from crossbar.experiment.config import Training
from crossbar.experiment.trainer import Trainer
from crossbar.experiment.typed_settings import settings_of
from crossbar.mappings import MAPPINGS
from crossbar.snn.engines import ENGINES
from crossbar.snn.network import Network
from crossbar.snn.neurons import LeakyIntegrator
from crossbar.snn.topology import Conv2d, Delays, Dense, Lateral, MaxPool
from crossbar.synapses.policies import POLICIES
from device_models.presets import load_device, preset_names

DEFAULT = "default"
EPOCH = 60_000  # images
BATCHES, TEST = 24, 10_000  # of a short epoch, and test images
FEWER = {"engine=dense": (3, 500), "engine=board": (2, 64)}  # the same of slow ones
WARM = 2  # short epochs before
TARGETS = {  # ratios that are wanted, by the words that a row starts with
    "--mapping": 2.0, "--adc-bits": 2.0, "--wires 2": 3.0, "--wires 2, 1R": 3.0, "1R": 2.5,
    "--recurrent": 2.0, "--hidden 100,60": 2.0, "--hidden 1000": 6.0, "--policy": 2.5,
    "--device": 3.0,
}  # fmt: skip
TYPED = {
    "--adc-bits 6": {"adc_bits": "6"},
    "--wires 2": {"wires": "2"},
    "--wires 2, 1R": {"wires": "2", "tiles.array_kind": "1R"},
    "1R": {"tiles.array_kind": "1R"},
    "--recurrent": {"recurrent": "true"},
    "--hidden 100,60": {"hidden": "100,60"},
    "--hidden 1000": {"hidden": "1000"},
}
HIDDEN = Dense(neurons=100, ei="80:20")
LAYERS_OF = {  # before the readout; `dense` and `recurrent` have rows of their own
    "conv2d": (Conv2d(channels=4, kernel=5, pool=2),),
    "lateral": (Lateral(neurons=100, inhibition="reset_line"),),
    "max_pool": (MaxPool(size=2), HIDDEN),
    "delays": (Delays(copies=2, most_steps=10), HIDDEN),
}


class Epoch(NamedTuple):
    """What one short epoch comes to, scaled to a whole one: seconds."""

    wall: float
    cpu: float


def configs() -> dict[str, Training]:
    """Every setting by the words that choose it, the default first."""
    found = {DEFAULT: Training()}
    typed = TYPED | {f"--mapping {name}": {"mapping": name} for name in MAPPINGS}
    typed |= {f"--policy {name}": {"policy": name} for name in POLICIES}
    typed |= {f"engine={name}": {"engine": name} for name in ENGINES}
    found |= {name: settings_of(given, Training()) for name, given in typed.items()}
    shipped = (name.removesuffix(".yaml") for name in preset_names())
    found |= {f"--device {name}": devices.settings(name) for name in shipped}
    readout = Dense(neurons=10, neuron=LeakyIntegrator())
    networks = {k: Network(layers=(*layers, readout)) for k, layers in LAYERS_OF.items()}
    return found | {f"layer {k}": Training(network=n) for k, n in networks.items()}


def target(name: str) -> float | None:
    """The ratio that is wanted of a row; None: none is."""
    return TARGETS.get(name, TARGETS.get(name.split()[0]))


def trainer(name: str, config: Training, data: Data, threads: int) -> Trainer:
    """A trainer of one row, after its warm-up."""
    batches, test = FEWER.get(name, (BATCHES, TEST))
    few = shortened(data, train=batches * config.batch_size, test=test)
    # The rate does not fall while it is timed: no epoch that is run is near the last.
    long = dataclasses.replace(config, epochs=1000)
    made = builder.trainer(
        long, load_device(config.device), few, threads=threads, notice=lambda text: None
    )
    made.start()
    for _ in range(WARM):
        short_epoch(made)
    return made


def short_epoch(made: Trainer) -> Epoch:
    """Train one and test; the first batch counts what begins the epoch."""
    marks = [(time.perf_counter(), time.process_time())]
    for _ in made.run_epoch():
        marks.append((time.perf_counter(), time.process_time()))
    marks.append((time.perf_counter(), time.process_time()))
    begin, first, *_, last, end = marks
    share = (EPOCH // made.batch_size - 1) / (made.batches - 1)
    tests = TEST / len(made.data.test_labels)
    wall, cpu = (
        first[i] - begin[i] + share * (last[i] - first[i]) + tests * (end[i] - last[i])
        for i in (0, 1)
    )
    return Epoch(wall, cpu)


def table(threads: int, rounds: int, only: Mapping[str, Training] | None = None) -> dict:
    """Every row, printed and as JSON.

    Args:
        threads: Of each trainer.
        rounds: Turns of each row.
        only: Other rows than all.
    """
    images = presets.first_images("fashion_mnist", test=TEST)
    data, chosen = encode(images, Training().data, seed=0), only or configs()
    made = {name: trainer(name, config, data, threads) for name, config in chosen.items()}
    timed: dict[str, list[Epoch]] = {name: [] for name in made}
    for _ in range(rounds):
        for name, own in made.items():
            timed[name].append(short_epoch(own))
    print(f"\nWhat a setting costs, {images.origin}; {rounds} rounds, {threads} threads")
    print(f"{'':28s} {'s an epoch':>22s} {'CPU s':>7s} {'ratio':>7s} {'by CPU':>7s} {'wanted':>7s}")
    found = {name: figures(timed[name], timed[DEFAULT], target(name)) for name in timed}
    for name, row in found.items():
        print(f"{name:28s} {table_row(row)}")
    return found


def figures(own: list[Epoch], default: list[Epoch], wanted: float | None) -> dict[str, object]:
    """One row as JSON."""
    wall, cpu = (
        [getattr(a, clock) / getattr(b, clock) for a, b in zip(own, default, strict=True)]
        for clock in ("wall", "cpu")
    )
    return {
        "seconds": spread([epoch.wall for epoch in own]),
        "cpu_seconds": spread([epoch.cpu for epoch in own]),
        "ratio": spread(wall),
        "cpu_ratio": spread(cpu),
        "wanted": wanted,
    }


def table_row(row: dict) -> str:
    """The figures of one row; a ratio above what is wanted has a star."""
    seconds, cpu = row["seconds"], row["cpu_seconds"]["median"]
    ratio, by_cpu, wanted = row["ratio"]["median"], row["cpu_ratio"]["median"], row["wanted"]
    times = f"{seconds['median']:.2f} ({seconds['min']:.2f}-{seconds['max']:.2f})"
    most = "" if wanted is None else f"<= {wanted:g}{'*' * (min(ratio, by_cpu) > wanted)}"
    return f"{times:>22s} {cpu:7.2f} {ratio:7.2f} {by_cpu:7.2f} {most:>7s}"
