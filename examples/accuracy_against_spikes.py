"""Draws test accuracy, with 95 % Student intervals over seeds, against hidden spikes.

python examples/accuracy_against_spikes.py --seeds 5 --out accuracy_against_spikes.png
"""

import argparse
from dataclasses import replace

import numpy as np
import torch

from crossbar.datasets import fashion_mnist
from crossbar.figures import style
from crossbar.figures.tile import mean_interval
from crossbar.training.config import Training
from crossbar.training.data import encode
from crossbar.training.run import summary
from crossbar.training.trainer import Data, Trainer
from device_models.presets import load_device


def trained(config: Training, data: Data) -> list[float]:
    """Percent of accuracy, hidden spikes, pulses, read and write joules, seconds of one run."""
    trainer = Trainer(config, load_device(config.device), data)
    trainer.start()
    while trainer.epoch < config.epochs:
        list(trainer.run_epoch())
    end = summary(trainer.rows, config)
    costs = (sum(end["pulses"].values()), *end["energy_joules"].values(), end["seconds"])
    return [100.0 * end["test_accuracy"], end["spikes_per_inference"]["total"], *costs]


def main() -> None:
    """Train, print a row and draw a point for each bound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    bounds = parser.add_argument("--most", type=float, nargs="+", help="spikes; 0: no bound")
    bounds.default = [30, 60, 100, 200, 300, 0]
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=style.check_target, default="accuracy_against_spikes.png")
    typed = parser.parse_args()
    torch.set_num_threads(1)
    base = Training(optimizer="adam", learning_rate=2e-3, schedule="cosine", epochs=typed.epochs)
    data, figure = encode(fashion_mnist.load(notice=print), base.network), style.sheet(6.0, 4.0)
    axes = figure.subplots()
    print("     most    accuracy (%)    spikes    pulses  read (J) write (J)   seconds")
    for most in typed.most:
        config = replace(base, network=replace(base.network, spikes_most=most or None))
        runs = [trained(replace(config, seed=seed), data) for seed in range(typed.seeds)]
        mean, half = mean_interval(np.transpose(runs))
        name, accuracy = f"{most:g}" if most else "none", f"{mean[0]:.2f} +- {half[0]:.2f}"
        print(f"{name:>9}{accuracy:>16}", *(f"{value:9.4g}" for value in mean[1:]), flush=True)
        axes.errorbar(mean[1], mean[0], half[0], half[1], fmt="o", color=style.INK)
        axes.annotate(name, (mean[1], mean[0]), (6, -12), textcoords="offset points")
    style.dress(axes, x="hidden spikes per image", y="test accuracy (%)")
    style.save(figure, typed.out)


if __name__ == "__main__":
    main()
