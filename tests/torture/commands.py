"""The long commands of `xbar`, small enough to take a second, and what each is made for."""

from dataclasses import dataclass

SMALL = (
    "--device oxram.yaml --hidden 8 --batch-size 64 --sigma-init 0.02 --set data.steps=20 "
    "--threads 1"
)
PLAN = """cells: 4
rest_cells: 4
retention_cells: 4
cycles: 4
cycle_reads: 2
pulses: 20
amplitudes: [0.9]
widths: [1.0]
sweep_steps: 2
sweep_pulses: 2
reads: 20
read_intervals_seconds: [0.1]
levels: 2
retention_seconds: [1.0, 10.0]
"""


@dataclass(frozen=True)
class Command:
    """A command as it is typed.

    Attributes:
        line: The command.
        again: What goes on where the line itself is refused, because something is there already.
        seed: An option that makes another result of it; empty where there is none.
        needs: What must lie there.
    """

    line: str
    again: str = ""
    seed: str = "--seed 7"
    needs: tuple[str, ...] = ()


FIRST = {  # what others need: made once
    "run": f"train {SMALL} --epochs 1 --no-figures --out run",
    "measured": "characterize --board simulated --rows 3 --columns 4 --plan plan.yaml -o measured",
}
COMMANDS = {
    "train": Command(
        f"train {SMALL} --epochs 2 --out new", "train --resume new"
    ),
    "train --float-baseline": Command(
        f"train {SMALL} --epochs 2 --float-baseline --no-figures --out new",
        "train --resume new --float-baseline --no-figures",
    ),
    "train --resume": Command(
        "train --resume run --epochs 3 --no-figures --threads 1", seed="", needs=("run",)
    ),
    "program": Command(
        "program run --seeds 2 --retention 1s --threads 1 --out chips", needs=("run",)
    ),
    "fit --report": Command(
        "fit measured/reads.csv measured/retention.csv --same-devices --drop-negative --force "
        "-o fitted.yaml --bootstrap 2 --report report",
        needs=("measured",),
    ),
    "estimate": Command("estimate run --draws 20 --out report", needs=("run",)),
    "analyze --sweep": Command(
        "analyze run --sweep wires=0,2 --repeats 1 --out pictures", needs=("run",)
    ),
    "characterize": Command(
        "characterize --board simulated --rows 3 --columns 4 --plan plan.yaml -o new",
        "characterize --resume new",
        needs=("plan.yaml",),
    ),
    "export": Command(
        "export run -o graph.nir", "export run -o graph.nir --force", seed="", needs=("run",)
    ),
    "data get": Command("data get fashion_mnist", seed=""),
}  # fmt: skip
