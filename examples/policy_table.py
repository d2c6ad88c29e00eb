"""One row of the table policy x device: trains some seeds and prints what they came to.

    python examples/policy_table.py --device oxram.yaml --policy closed_loop --optimizer adam

A --config gives any other setting; what is typed goes over it. Accuracy is the mean over the seeds
with its 95 % interval by Student's t; what was sent is the mean over the seeds, of all epochs.
"""

import argparse
import dataclasses
import math
import statistics
from pathlib import Path
from typing import Any

import torch
from scipy.stats import t as student

from crossbar.datasets import fashion_mnist
from crossbar.datasets.encode import encode
from crossbar.experiment.config import Training
from crossbar.experiment.run import summary
from crossbar.experiment.trainer import Trainer
from crossbar.synapses.policies.compatibility import policy_of
from device_models.presets import load_device
from device_models.schema import load

HEAD = ("policy", "device", "test accuracy", "pulses / weight", "write energy", "bytes / synapse")


def typed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, help="settings as YAML")
    for name in ("device", "policy", "optimizer", "schedule"):
        parser.add_argument(f"--{name}")
    for name in ("update-noise", "learning-rate"):
        parser.add_argument(f"--{name}", type=float)
    for name in ("readback-every", "epochs"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 on")
    return parser.parse_args()


def trained(config: Training, images: fashion_mnist.FashionMnist) -> dict[str, Any]:
    """The summary of a run of one seed, which is written nowhere."""
    trainer = Trainer(config, load_device(config.device), encode(images, config.network), threads=1)
    trainer.start()
    while trainer.epoch < config.epochs:
        for _ in trainer.run_epoch():
            pass
    return summary(trainer.rows, config)


def interval(accuracies: list[float]) -> str:
    """Mean and half the width of its 95 % interval, in percent; one seed has none."""
    mean = f"{statistics.mean(accuracies):.2%}"
    n = len(accuracies)
    if n == 1:
        return mean
    half = student.ppf(0.975, n - 1) * statistics.stdev(accuracies) / math.sqrt(n)
    return f"{mean} +- {100.0 * half:.2f}"


def row(config: Training, found: list[dict[str, Any]]) -> tuple[str, ...]:
    """What the runs of all seeds say under `HEAD`."""
    weights = sum(rows * outputs for rows, outputs in config.plan.crossbars)
    noise = f", noise {config.update_noise:g}" if config.update_noise else ""
    pulses = statistics.mean(sum(one["pulses"].values()) for one in found) / weights
    joules = statistics.mean(one["energy_joules"]["write"] for one in found)
    return (
        f"{config.policy} ({config.optimizer})",
        Path(config.device).stem + noise,
        interval([one["test_accuracy"] for one in found]),
        f"{pulses:.1f}",
        f"{joules:.3g} J",
        f"{found[0]['digital_bytes_per_synapse']['total']:.3g}",
    )


def main() -> None:
    """Train the seeds one after the other and print the row."""
    given = vars(typed())
    path, seeds = given.pop("config"), given.pop("seeds")
    base = load(path, Training) if path else Training()
    changes = {name: value for name, value in given.items() if value is not None}
    config = dataclasses.replace(base, **changes)
    config = dataclasses.replace(config, policy=policy_of(config, load_device(config.device)))
    torch.set_num_threads(1)
    images, found = fashion_mnist.load(notice=print), []
    for seed in range(seeds):
        found.append(trained(dataclasses.replace(config, seed=seed), images))
        print(f"seed {seed}: {found[-1]['test_accuracy']:.2%}", flush=True)
    for cells in (HEAD, ("---",) * len(HEAD), row(config, found)):
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
