"""One row of the table policy x device: trains some seeds and prints what they came to.

    python examples/policy_table.py --device oxram.yaml --policy closed_loop --optimizer adam

A --config gives any other setting; what is typed goes over it. Accuracy is the mean over the seeds
with its 95 % interval by Student's t; what was sent is the mean over the seeds, of all epochs.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

import torch

from crossbar.datasets import DATASETS, LoadedDataset, load_dataset
from crossbar.datasets.encode import encode
from crossbar.experiment import builder
from crossbar.experiment.config import Training
from crossbar.experiment.run import summary
from crossbar.metrics.statistics import student_interval
from crossbar.synapses.optimizers import OPTIMIZERS
from crossbar.synapses.policies import POLICIES
from crossbar.synapses.policies.compatibility import default_policy
from device_models.presets import load_device
from device_models.record import Tagged
from device_models.schema import load, override

FIELDS = {  # option -> setting; others are named like their setting
    "learning_rate": "optimizer.learning_rate",
    "schedule": "optimizer.schedule",
    "readback_every": "reads.readback_every",
}
HEAD = ("policy", "device", "test accuracy", "pulses / weight", "write energy", "bytes / synapse")


def typed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, help="settings as YAML")
    for name in ("device", "policy", "optimizer", "schedule", "update-noise", "learning-rate",
                 "readback-every", "epochs"):  # fmt: skip
        parser.add_argument(f"--{name}")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 on")
    return parser.parse_args()


def trained(config: Training, dataset: LoadedDataset) -> dict[str, Any]:
    """The summary of a run of one seed, which is written nowhere."""
    data = encode(dataset, config.data, seed=config.seed)
    trainer = builder.trainer(config, load_device(config.device), data, threads=1)
    trainer.start()
    while trainer.epoch < config.epochs:
        for _ in trainer.run_epoch():
            pass
    return summary(trainer.rows)


def interval(accuracies: list[float]) -> str:
    """Mean and half the width of its 95 % interval, in percent; one seed has none."""
    mean, half = student_interval(accuracies)
    return f"{mean:.2%}" + (f" +- {100.0 * half:.2f}" if len(accuracies) > 1 else "")


def row(config: Training, summaries: list[dict[str, Any]]) -> tuple[str, ...]:
    """What the runs of all seeds say under `HEAD`."""
    options = config.policy
    policy = (
        Tagged(POLICIES).name_of(options) if options else default_policy(load_device(config.device))
    )
    network = builder.plan_of(config, DATASETS[config.data.set])
    weights = sum(rows * outputs for rows, outputs in network.crossbars)
    noise = f", noise {config.update_noise:g}" if config.update_noise else ""
    pulses = statistics.mean(sum(each["pulses"].values()) for each in summaries) / weights
    joules = statistics.mean(each["energy_joules"]["write"] for each in summaries)
    return (
        f"{policy} ({Tagged(OPTIMIZERS).name_of(config.optimizer)})",
        Path(config.device).stem + noise,
        interval([each["test_accuracy"] for each in summaries]),
        f"{pulses:.1f}",
        f"{joules:.3g} J",
        f"{summaries[0]['digital_bytes_per_synapse']['total']:.3g}",
    )


def main() -> None:
    """Train the seeds one after the other and print the row."""
    given = vars(typed())
    path, seeds = given.pop("config"), given.pop("seeds")
    base = load(path, Training) if path else Training()
    texts = {FIELDS.get(name, name): text for name, text in given.items() if text is not None}
    config = override(base, texts)
    torch.set_num_threads(1)
    dataset, summaries = load_dataset(config.data.set, notice=print), []
    for seed in range(seeds):
        summaries.append(trained(override(config, {"seed": str(seed)}), dataset))
        print(f"seed {seed}: {summaries[-1]['test_accuracy']:.2%}", flush=True)
    for cells in (HEAD, ("---",) * len(HEAD), row(config, summaries)):
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
