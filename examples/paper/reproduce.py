"""Figures of M. Kilgore et al., Sci. Rep. 15, 24798 (2025): trains what one needs, and draws it.

    python examples/paper/reproduce.py figure_2 --workers 2

The trainings are a study (`xbar sweep`) in `studies/FIGURE`; a second call goes on with what is
missing, and draws at once where nothing is. `--full` takes the trials of the paper, for a cluster.
"""

import argparse
import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import noise_figures
import rate_figures
import ratio_figures
import yaml
from matplotlib.figure import Figure

from cli.sweep import say, show
from crossbar.api.sweep import sweep
from crossbar.experiment.trials import EPOCHS, TRIALS, load_study
from crossbar.figures import style
from device_models.errors import XbarError

Rows = Sequence[Mapping[str, Any]]
Draw = Callable[[Rows, Mapping[str, Any]], tuple[Figure, list[str]]]
HERE = Path(__file__).parent
FIGURES: dict[str, Draw] = {
    "figure_1c": rate_figures.draw,
    "figure_2": noise_figures.draw,
    "ratios_on_oxram": ratio_figures.draw,
}


def main() -> None:
    """Run the study of a figure, draw it, and print it beside the published numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("figure", choices=FIGURES)
    parser.add_argument("--full", action="store_true", help="all trials of the paper")
    parser.add_argument("--out", type=Path, help="folder of the study")
    parser.add_argument("--workers", type=int, help="processes of this machine")
    parser.add_argument("--scheduler", help="address of a Dask scheduler, tcp://HOST:PORT")
    typed = parser.parse_args()
    name = typed.figure + ("_full" if typed.full else "")
    folder = typed.out or Path("studies") / name
    study, trials = load_study(HERE / f"{name}.yaml")
    sweep(
        trials, out=folder, resume=(folder / TRIALS).exists(), workers=typed.workers,
        scheduler=typed.scheduler, keep=study.keep, notice=say, progress=show,
    )  # fmt: skip
    with (folder / EPOCHS).open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    published = yaml.safe_load((HERE / "published.yaml").read_text("utf-8")).get(typed.figure, {})
    figure, lines = FIGURES[typed.figure](rows, published)
    style.save(figure, folder / f"{name}.png")
    print(*lines, f"{folder / name}.png", sep="\n")


if __name__ == "__main__":
    try:
        main()
    except XbarError as e:
        sys.exit(f"Error: {e}")
