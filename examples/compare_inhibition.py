"""Draws accuracy and hidden spikes per epoch of several runs, such as with inhibition and without.

xbar train --network lateral_inhibition --out runs/reset_line
xbar train --network lateral_inhibition --set network.layers.0.inhibition=none --out runs/none
python examples/compare_inhibition.py runs/none "reset line=runs/reset_line" --fields 18

A run may have a name before it; `--fields` adds what so many neurons of the last one look for.
"""

import argparse
from pathlib import Path

import crossbar as xb
from crossbar.experiment import builder, checkpoint
from crossbar.figures import fields, style, training
from crossbar.figures.run import first_fields


def draw_fields(figure, panels, run, most) -> None:
    """The fields of the first layer before and after training; loads the data of the run."""
    data = run.load_data(notice=print)
    trainer = builder.trainer(run.config, run.model, data, first=run.first)
    before = checkpoint.restore(trainer, run.checkpoint())[0]
    moments = {"Before training": before, "After training": trainer.conductances()[0]}
    for axes, (title, siemens) in zip(panels, moments.items(), strict=True):
        receptive = first_fields(trainer, siemens)
        if receptive is None:
            raise SystemExit(f"{run.folder}: the first layer has no image; nothing was drawn")
        fields.draw(figure, axes, receptive, kind="neurons", title=title, most=most)


def main() -> None:
    """Read the runs and draw them into one picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", metavar="[NAME=]RUN", nargs="+")
    parser.add_argument("--fields", type=int, default=0, help="neurons of the last run to draw")
    parser.add_argument("--out", type=style.check_target, default="inhibition.png")
    typed = parser.parse_args()
    runs = {}
    for text in typed.runs:
        name, _, folder = text.rpartition("=")
        runs[name or Path(folder).name] = xb.load_run(folder)
    rows = {name: run.rows for name, run in runs.items()}
    if not typed.fields:
        figure = training.compare(rows)
    else:
        figure = style.sheet(10.0, 6.2)
        above, below = figure.subfigures(2, 1, height_ratios=(1, 1.3))
        draw_fields(figure, above.subplots(1, 2), list(runs.values())[-1], typed.fields)
        training.draw_compared(*below.subplots(1, 2), rows)
    style.save(figure, typed.out, dots=100)
    for name, epochs in rows.items():
        accuracy, spikes = epochs[-1]["test_accuracy"], epochs[-1]["spikes_per_inference"]["total"]
        print(f"{name:<20}{accuracy:8.2%} {spikes:8.1f} hidden spikes per image")


if __name__ == "__main__":
    main()
