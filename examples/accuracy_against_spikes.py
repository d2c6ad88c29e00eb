"""Draws test accuracy, with 95 % Student intervals over seeds, against hidden spikes.

python examples/accuracy_against_spikes.py --seeds 5 --out accuracy_against_spikes.png
"""

import argparse
from dataclasses import replace
from tempfile import TemporaryDirectory

import crossbar as xb
from crossbar.figures import style
from crossbar.metrics.statistics import student_interval


def trained(config: xb.Training) -> list[float]:
    """Percent of accuracy, hidden spikes, pulses, read and write joules, seconds of one run."""
    with TemporaryDirectory() as folder:
        end = xb.train(config, out=folder, notice=lambda line: None).summary
    joules = end["energy_joules"]
    costs = sum(end["pulses"].values()), joules["read"], joules["write"], end["seconds"]
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
    base, figure = xb.Training(epochs=typed.epochs), style.sheet(6.0, 4.0)
    axes = figure.subplots()
    print("     most    accuracy (%)    spikes    pulses  read (J) write (J)   seconds")
    for most in typed.most:
        config = replace(base, network=replace(base.network, spikes_most=most or None))
        runs = [trained(replace(config, seed=seed)) for seed in range(typed.seeds)]
        (accuracy, half), (spikes, spread), *costs = map(student_interval, zip(*runs, strict=True))
        name, percent = f"{most:g}" if most else "none", f"{accuracy:.2f} +- {half:.2f}"
        print(f"{name:>9}{percent:>16}{spikes:9.4g}", *(f"{m:9.4g}" for m, _ in costs), flush=True)
        axes.errorbar(spikes, accuracy, half, spread, fmt="o", color=style.INK)
        axes.annotate(name, (spikes, accuracy), (6, -12), textcoords="offset points")
    style.dress(axes, x="hidden spikes per image", y="test accuracy (%)")
    style.save(figure, typed.out)


if __name__ == "__main__":
    main()
