"""`xbar analyze`: what a chip does to a tile, and to a network that was trained on another."""

import csv
import dataclasses
import io
import json as json_text
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from device_models.errors import ConfigError, XbarError
from device_models.overrides import override
from device_models.record import Record, quantity

from .sweeps import SWEEPS, parsed
from .text import said, si

if TYPE_CHECKING:
    import numpy as np

    from crossbar.array.tile import CrossbarTile
    from crossbar.datasets.encode import Data
    from crossbar.experiment.config import Training
    from crossbar.experiment.run import Run
    from crossbar.wires.wires import Wires

NOTHING = "nothing was drawn"
SIZES = (16, 32, 64, 128)
SEGMENTS_OHMS = (0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, kw_only=True)
class Analysis(Record):
    """Settings of an analysis."""

    rows: int = quantity("lines", 1, 4096, default=128)
    columns: int = quantity("lines", 1, 4096, default=128)
    wires_ohms: float = quantity("ohm", 0.0, 1e9, default=2.0)
    driver_ohms: float = quantity("ohm", 0.0, 1e9, default=0.0)
    sense_ohms: float = quantity("ohm", 0.0, 1e9, default=0.0)
    g_low_siemens: float = quantity("S", 1e-12, 1.0, default=1e-6)
    g_high_siemens: float = quantity("S", 1e-12, 1.0, default=1e-4)
    v_read_volts: float = quantity("V", 1e-3, 0.5, default=0.2)
    layer: int = quantity("", 0, 1, default=0)
    tile: int = quantity("", 0, 1_000_000, default=0)
    repeats: int = quantity("", 1, 1000, default=3)
    seed: int = quantity("", 0, 2**31 - 1, default=0)

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            ConfigError: A field is outside its range, or the window is empty.
        """
        super().__post_init__()
        if self.g_low_siemens > self.g_high_siemens:
            raise ConfigError("the lowest conductance is above the highest")


@click.command()
@click.argument("run", required=False)
@click.option("--out", metavar="DIR", help="Folder of the pictures.  [default: analysis, or RUN's]")
@click.option("--rows", metavar="N", help="Of a tile of random conductances.  [default: 128]")
@click.option("--columns", metavar="N", help="As --rows.")
@click.option("--wires", "wires_ohms", metavar="OHMS", help="One wire segment.  [default: 2]")
@click.option("--driver-ohms", metavar="OHMS", help="Output resistance of a driver.")
@click.option("--sense-ohms", metavar="OHMS", help="Input resistance of a sense amplifier.")
@click.option("--g-low", "g_low_siemens", metavar="S", help="Lowest conductance.  [default: 1e-6]")
@click.option("--g-high", "g_high_siemens", metavar="S", help="Highest one.  [default: 1e-4]")
@click.option("--layer", metavar="N", help="Layer of RUN whose tile is drawn.  [default: 0]")
@click.option("--tile", metavar="N", help="Number of that tile, row by row.  [default: 0]")
@click.option("--sweep", "sweeps", metavar="NAME=VALUES", multiple=True,
              help="Test RUN on other chips: wires, tile, adc_bits, stuck, stuck_low.")  # fmt: skip
@click.option("--repeats", metavar="N", help="Tests per value of a sweep.  [default: 3]")
@click.option("--seed", metavar="N", help="Seed of everything random.  [default: 0]")
@click.option("--data-dir", metavar="DIR", help="Folder of the Fashion-MNIST files.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in SI units.")
def analyze(
    run: str | None,
    out: str | None,
    sweeps: tuple[str, ...],
    data_dir: str | None,
    as_json: bool,
    **typed: str | None,
) -> None:
    """Show what the wires of a tile do, exactly; test a trained network on other chips.

    Without RUN a tile of random conductances is solved; with RUN a tile of that network. Pictures:
    conductances, node voltages, what is left across each device, the currents of the columns; the
    loss against size and wires; the accuracy for each sweep.

    \b
    Examples:
      xbar analyze --rows 128 --columns 128 --wires 2
      xbar analyze runs/oxram_80-20_seed0 --layer 0 --wires 2
      xbar analyze runs/oxram_80-20_seed0 --sweep wires=0,0.5,1,2,5 --sweep adc_bits=3:10
      xbar analyze runs/oxram_80-20_seed0 --sweep stuck_low=0:0.2:0.05 --repeats 5
    """
    given = {n: (text, option(n)) for n, text in typed.items() if text is not None}
    try:
        settings = override(Analysis(), given)
        opened = opened_run(run, sweeps)
        wanted = [parsed(text) for text in sweeps]
        folder = made(Path(out) if out else (opened.folder if opened else Path()) / "analysis")
        found: dict[str, Any] = {"tile": tile_report(settings, opened, given, folder)}
        if opened is None:
            found["losses"] = loss_report(settings, folder)
        elif wanted:
            base = opened.config
            if "wires_ohms" in given:
                base = dataclasses.replace(base, wires=wires_of(settings))
            data = encoded(opened, data_dir)
            for name, values in wanted:
                swept = sweep_report(opened, base, name, values, settings, data, folder)
                found.setdefault("sweeps", {})[name] = swept
    except XbarError as e:
        raise type(e)(said(str(e), NOTHING)) from e
    found["folder"] = str(folder)
    click.echo(json_text.dumps(found, indent=2) if as_json else page(found))


def option(name: str) -> str:
    """A field as the user typed it."""
    names = {"wires_ohms": "wires", "g_low_siemens": "g-low", "g_high_siemens": "g-high"}
    return "--" + names.get(name, name.replace("_", "-"))


def opened_run(run: str | None, sweeps: tuple[str, ...]) -> "Run | None":
    """The run, if one is named; sweeps need one."""
    from crossbar.experiment.run import Run

    if run is None and sweeps:
        raise ConfigError("--sweep needs a RUN to test")
    return Run.open(Path(run)) if run else None


def made(folder: Path) -> Path:
    """The folder, made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise ConfigError(f"{folder} cannot be made: {e.strerror}") from e
    return folder


def wires_of(settings: Analysis) -> "Wires":
    """The lines that the options describe."""
    from crossbar.wires.wires import Wires

    return Wires(
        settings.wires_ohms, settings.wires_ohms, settings.driver_ohms, settings.sense_ohms
    )


def random_conductances(settings: Analysis, rows: int, columns: int) -> "np.ndarray":
    """Log-uniform in the window, siemens."""
    import numpy as np

    from device_models.streams import stream

    u = stream("analysis", settings.seed).random((rows, columns))
    low, high = np.log(settings.g_low_siemens), np.log(settings.g_high_siemens)
    return np.asarray(np.exp(low + (high - low) * u))


def tile_report(
    settings: Analysis, run: "Run | None", given: Mapping[str, object], folder: Path
) -> dict[str, Any]:
    """Solve one tile with all rows driven, draw it, and say what it loses."""
    import numpy as np

    from crossbar.figures import style, tile

    wires = wires_of(settings)
    if run is None:
        g = random_conductances(settings, settings.rows, settings.columns)
        about = f"{settings.rows} x {settings.columns} random conductances"
    else:
        if run.config.wires != type(run.config.wires)() and "wires_ohms" not in given:
            wires = run.config.wires
        g, about = trained_tile(run, settings)
    about += f", {wires.word_ohms:g} ohm a word-line segment, {wires.bit_ohms:g} ohm a bit-line one"
    solved = crossbar_tile(g, wires)
    v = np.full(len(g), settings.v_read_volts)
    style.save(tile.maps(solved, v, about=about), folder / "tile.png")
    ideal, real = v @ g, solved.voltages(v).amperes[0]
    return {
        "about": about,
        "rows": g.shape[0],
        "columns": g.shape[1],
        "ideal_amperes": float(ideal.sum()),
        "sensed_amperes": float(real.sum()),
        "lost_share": 1.0 - float(real.sum() / ideal.sum()),
        "worst_column_lost_share": float((1.0 - real / ideal).max()),
    }


def crossbar_tile(g: "np.ndarray", wires: "Wires") -> "CrossbarTile":
    """The tile; a seam between the settings and the physics."""
    from crossbar.array.tile import CrossbarTile

    return CrossbarTile(g, wires=wires)


def trained_tile(run: "Run", settings: Analysis) -> "tuple[np.ndarray, str]":
    """Conductances of one tile of a trained layer, and whose they are."""
    import numpy as np

    with np.load(run.folder / "checkpoint.npz", allow_pickle=False) as arrays:
        g = arrays[f"{settings.layer}.g"].astype(np.float64)
    rows, columns = run.config.tile_rows, run.config.tile_columns
    across = -(-g.shape[1] // columns)
    count = across * -(-g.shape[0] // rows)
    if settings.tile >= count:
        raise ConfigError(f"--tile = {settings.tile}: layer {settings.layer} has 0 to {count - 1}")
    down, right = divmod(settings.tile, across)
    part = g[down * rows : (down + 1) * rows, right * columns : (right + 1) * columns]
    return part, f"{run.folder.name}, layer {settings.layer}, tile {settings.tile}"


def loss_report(settings: Analysis, folder: Path) -> dict[str, Any]:
    """Loss of square tiles against their size and wires, drawn."""
    import numpy as np

    from crossbar.figures import style, tile

    lost = np.empty((len(SEGMENTS_OHMS), len(SIZES)))
    for i, ohms in enumerate(SEGMENTS_OHMS):
        wires = wires_of(dataclasses.replace(settings, wires_ohms=ohms))
        for j, size in enumerate(SIZES):
            g = random_conductances(settings, size, size)
            lost[i, j] = 1.0 - crossbar_tile(g, wires).transfer_siemens.sum() / g.sum()
    low, high = si(settings.g_low_siemens, "S"), si(settings.g_high_siemens, "S")
    about = f"random conductances, log-uniform from {low} to {high}"
    style.save(tile.losses(SIZES, SEGMENTS_OHMS, lost, about=about), folder / "losses.png")
    return {"sizes": SIZES, "segment_ohms": SEGMENTS_OHMS, "lost_share": lost.tolist()}


def sweep_report(
    run: "Run",
    base: "Training",
    name: str,
    values: list[float],
    settings: Analysis,
    data: "Data",
    folder: Path,
) -> dict[str, Any]:
    """Test a run for every value, with a progress bar; draw it and keep the numbers."""
    import numpy as np

    from crossbar.figures import style, tile

    sweep = SWEEPS[name]
    chips = [sweep.changed(base, value) for value in values]
    tests = [(chip, repeat) for chip in chips for repeat in range(settings.repeats)]
    test = rewritten(run, data) if sweep.rewritten else kept(run, data)
    with click.progressbar(tests, label=f"sweep of {name}", file=sys.stderr) as bar:
        found = [test(chip, settings.seed + repeat) for chip, repeat in bar]
    accuracy = np.array(found).reshape(len(values), settings.repeats)
    baseline = kept(run, data)(run.config, 0)
    drawn = tile.sweep(sweep.title, sweep.unit, values, {run.folder.name: accuracy}, baseline)
    style.save(drawn, folder / f"sweep_{name}.png")
    write_csv(folder / f"sweep_{name}.csv", name, values, accuracy)
    middle, half = tile.mean_interval(accuracy)
    return {
        "values": values,
        "accuracy": accuracy.tolist(),
        "mean": middle.tolist(),
        "half_of_95_percent_interval": half.tolist(),
        "as_trained": baseline,
    }


def encoded(run: "Run", data_dir: str | None) -> "Data":
    """The images as spikes."""
    from crossbar.datasets.encode import encode
    from crossbar.datasets.fashion_mnist import load

    images = load(
        Path(data_dir) if data_dir else None, notice=lambda text: click.echo(text, err=True)
    )
    return encode(images, run.config.plan)


def kept(run: "Run", data: "Data") -> "Callable[[Training, int], float]":
    """A test of the trained conductances behind another chip: (settings, number) -> accuracy."""
    from crossbar.experiment.reevaluate import same_devices

    return lambda config, repeat: same_devices(run, data, config, repeat=repeat)


def rewritten(run: "Run", data: "Data") -> "Callable[[Training, int], float]":
    """A test of the trained weights, written to a new chip: (settings, number) -> accuracy."""
    from crossbar.experiment.fault_study import evaluate_with_faults, trained_weights

    weights = trained_weights(run, data)

    def test(config: "Training", seed: int) -> float:
        return evaluate_with_faults(run, data, weights, config.faults, seed=seed).accuracy

    return test


def write_csv(path: Path, name: str, values: list[float], accuracy: "np.ndarray") -> None:
    """One row per test."""
    from device_models import atomic

    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow([name, "repeat", "test_accuracy"])
    for value, tests in zip(values, accuracy.tolist(), strict=True):
        rows.writerows([value, repeat, test] for repeat, test in enumerate(tests))
    atomic.write(path, text.getvalue().encode())


def page(found: Mapping[str, Any]) -> str:
    """What a person reads."""
    tile = found["tile"]
    lines = [
        tile["about"],
        f"{'all rows driven':<24}{si(tile['ideal_amperes'], 'A')} without wires, "
        f"{si(tile['sensed_amperes'], 'A')} sensed: {tile['lost_share']:.1%} lost, "
        f"worst column {tile['worst_column_lost_share']:.1%}",
    ]
    for name, swept in found.get("sweeps", {}).items():
        lines += [f"{name}: {swept['as_trained']:.2%} as trained"]
        columns = swept["values"], swept["mean"], swept["half_of_95_percent_interval"]
        lines += [f"  {v:<10g}{m:.2%} +/- {half:.2%}" for v, m, half in zip(*columns, strict=True)]
    return "\n".join([*lines, f"{'pictures':<24}{found['folder']}"])
