"""`xbar program`: write a trained network into an emulated chip by write-verify, and let it age."""

import dataclasses
import json as json_text
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from device_models.errors import ConfigError, RunError, XbarError
from device_models.overrides import override
from device_models.record import Record, quantity

from .text import said, si

if TYPE_CHECKING:
    import numpy as np

    from crossbar.boards.write_verify import WriteVerify
    from crossbar.datasets.encode import Data
    from crossbar.experiment.config import Training
    from crossbar.experiment.transfer import Chip, Weights
    from device_models.model import DeviceModel

NOTHING = "nothing was written"
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "y": 31_557_600.0}
LOOP = ("tolerance", "confirm", "max_pulses", "passes", "relax_seconds")


@dataclass(frozen=True, kw_only=True)
class Programming(Record):
    """Settings of the command besides those of the loop."""

    algorithm: Literal["write_verify"] = "write_verify"
    seed: int = quantity("", 0, 2**30, default=0)
    seeds: int = quantity("chips", 1, 1000, default=3)
    retune_epochs: int = quantity("epochs", 0, 10_000, default=0)


@click.command()
@click.argument("source", metavar="RUN|WEIGHTS.npz")
@click.option("--device", metavar="FILE", help="Device or preset.  [default: RUN's, or oxram.yaml]")
@click.option("--config", metavar="FILE", help="Settings of the chip, as of xbar train.")
@click.option("--algorithm", metavar="NAME", help="How it is written.  [default: write_verify]")
@click.option("--tolerance", metavar="X", help="Half the band, share of the window [default: 0.01]")
@click.option("--confirm", metavar="N", help="Reads in the band that accept.  [default: 2]")
@click.option("--max-pulses", metavar="N", help="Of a device and pass.  [default: window twice]")
@click.option("--passes", metavar="N", help="Outer passes.  [default: 2]")
@click.option("--relax-seconds", metavar="S", help="Device time between them.  [default: 1]")
@click.option("--retention", default="1s,1h,1d,10y", show_default=True, metavar="TIMES",
              help="Device times after which the chip is tested again; s, min, h, d or y.")  # fmt: skip
@click.option("--retune-epochs", metavar="N", help="Then train the readout by pulses [default: 0]")
@click.option("--seed", metavar="N", help="Of the first chip.  [default: 0]")
@click.option("--seeds", metavar="N", help="How many chips.  [default: 3]")
@click.option("--out", metavar="DIR", help="Folder.  [default: runs/program_DEVICE_seedN]")
@click.option("--data-dir", metavar="DIR", help="Folder of the Fashion-MNIST files.")
@click.option("--threads", type=click.IntRange(1), help="Default: one per processor.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def program(
    source: str,
    device: str | None,
    config: str | None,
    retention: str,
    out: str | None,
    data_dir: str | None,
    threads: int | None,
    as_json: bool,
    **typed: str | None,
) -> None:
    """Write a trained network into new emulated chips: pulses and noisy reads in a closed loop.

    The weights are those of a RUN, or the arrays w0, w1, ... of an npz file. Prints what writing
    took, and the accuracy right after and as the chips age. Every chip is kept as a run that
    xbar train --resume goes on to train.

    \b
    Examples:
      xbar program runs/ideal_80-20_seed0 --device oxram.yaml
      xbar program weights.npz --device my.yaml --tolerance 0.02 --seeds 5
      xbar program runs/ideal_80-20_seed0 --device oxram.yaml --retention 1d,10y --retune-epochs 1
    """
    given = {n: (text, "--" + n.replace("_", "-")) for n, text in typed.items() if text is not None}
    try:
        found = programmed(
            source, device, config, out, times_of(retention), given, data_dir, threads
        )
    except XbarError as e:
        raise type(e)(said(str(e), NOTHING)) from e
    click.echo(json_text.dumps(found, indent=2) if as_json else page(found))


def programmed(
    source: str,
    device: str | None,
    config: str | None,
    out: str | None,
    retention: Sequence[float],
    given: Mapping[str, tuple[str, str]],
    data_dir: str | None,
    threads: int | None,
) -> dict[str, Any]:
    """Check everything, write the chips, keep them; what `summary.json` says."""
    import torch

    from crossbar.boards.write_verify import WriteVerify
    from crossbar.datasets.encode import encode
    from crossbar.experiment.transfer import chip_config, exact_accuracy, weights_of

    from .train import pictures

    torch.set_num_threads(1)  # the arrays are small: more threads only wait for each other
    loop = override(WriteVerify(), {n: text for n, text in given.items() if n in LOOP})
    settings = override(Programming(), {n: text for n, text in given.items() if n not in LOOP})
    base, model = chip_of(Path(source), device, config)
    folder = Path(out) if out else free(Path(base.device).stem, settings.seed)
    check_new(folder)
    images = pictures(data_dir)
    weights = weights_of(Path(source), base.plan, images)
    base = chip_config(base, model, weights, device=base.device, source=Path(source))
    data = encode(images, base.plan)
    exact = exact_accuracy(base, weights, data, threads)
    return kept(folder, base, model, data, weights, loop, settings, retention, exact, threads)


def times_of(text: str) -> list[float]:
    """`1s,1h,1d,10y` in seconds, rising; empty text for none.

    Raises:
        ConfigError: That is no list of times.
    """
    found = []
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"\s*([0-9]+\.?[0-9]*)\s*(s|min|h|d|y)\s*", part)
        if not match or not 0.0 < float(match[1]) * UNITS[match[2]] <= 1e12:
            raise ConfigError(
                f"--retention takes times such as 1s,1h,1d,10y (s, min, h, d or y), not {part!r}"
            )
        found.append(float(match[1]) * UNITS[match[2]])
    return sorted(set(found))


def chip_of(source: Path, device: str | None, config: str | None) -> "tuple[Training, DeviceModel]":
    """Settings and device of the chips; those of the run, where the options leave them open.

    Raises:
        ConfigError: A file is wrong, or an npz file is not there.
        RunError: There is no such run.
    """
    from crossbar.experiment.config import Training
    from crossbar.experiment.run import Run
    from device_models.presets import load_device
    from device_models.schema import load

    run = None
    if source.suffix == ".npz":
        if not source.is_file():
            raise ConfigError(f"there is no file {source}")
    else:
        run = Run.open(source)
    base = load(Path(config), Training) if config else run.config if run else Training()
    if device is None and run is not None and config is None:
        return base, run.model
    chosen = device or base.device
    return dataclasses.replace(base, device=chosen), load_device(chosen)


def check_new(folder: Path) -> None:
    """Raise RunError where the folder exists and is not empty, or cannot be made."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise RunError(f"{folder} exists; choose another --out")
    above = next(parent for parent in folder.absolute().parents if parent.exists())
    if not above.is_dir():
        raise RunError(f"{folder} cannot be made, because {above} is no folder")


def free(device: str, seed: int) -> Path:
    """`runs/program_DEVICE_seedN`, with a number behind it if that exists."""
    base = Path("runs") / f"program_{device}_seed{seed}"
    number, folder = 1, base
    while folder.exists():
        number += 1
        folder = base.with_name(f"{base.name}_{number}")
    return folder


def kept(
    folder: Path,
    base: "Training",
    model: "DeviceModel",
    data: "Data",
    weights: "Weights",
    loop: "WriteVerify",
    settings: Programming,
    retention: Sequence[float],
    exact: float,
    threads: int | None,
) -> dict[str, Any]:
    """Write the chips into a folder beside `folder`, which takes its name when it is complete."""
    from device_models import atomic

    partial = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
    try:
        partial.mkdir(parents=True)
        chips = []
        for number in range(settings.seeds):
            config = dataclasses.replace(base, seed=settings.seed + number)
            click.echo(f"chip {number + 1} of {settings.seeds}: {base.device} ...", err=True)
            chips.append(
                one(partial, config, model, data, weights, loop, settings, retention, threads)
            )
        found = summary(
            [chip.told for chip in chips], base, model, loop, settings, retention, exact
        )
        found["folder"] = str(folder)
        draw(chips, found, partial / "program.png")
        atomic.write(partial / "summary.json", (json_text.dumps(found, indent=2) + "\n").encode())
        partial.replace(folder)
    except OSError as e:
        raise RunError(f"{folder} cannot be written: {e.strerror or e}") from e
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return found


def one(
    folder: Path,
    config: "Training",
    model: "DeviceModel",
    data: "Data",
    weights: "Weights",
    loop: "WriteVerify",
    settings: Programming,
    retention: Sequence[float],
    threads: int | None,
) -> "Chip":
    """Write one chip and keep it as a run, as it is before time passes."""
    from crossbar.energy import record_activity
    from crossbar.experiment.run import Run
    from crossbar.experiment.trainer import Trainer
    from crossbar.experiment.transfer import write_chip

    run = Run(folder / f"chip_seed{config.seed}", config, model, weights)

    def keep(trainer: Trainer) -> None:
        run.save(trainer, [layer.board.state.g.numpy() for layer in trainer.layers])
        record_activity.keep(run, trainer)

    return write_chip(
        config, model, data, weights, loop, retention=retention,
        retune_epochs=settings.retune_epochs, threads=threads, keep=keep,
    )  # fmt: skip


def summary(
    chips: list[dict[str, Any]],
    base: "Training",
    model: "DeviceModel",
    loop: "WriteVerify",
    settings: Programming,
    retention: Sequence[float],
    exact: float,
) -> dict[str, Any]:
    """What `summary.json` says: every chip, and the accuracy of all."""
    from crossbar.boards.write_verify import unreadable

    noisy = unreadable(model, loop)
    found = {
        "source": base.init_from,
        "device": base.device,
        "settings": dataclasses.asdict(settings) | dataclasses.asdict(loop),
        "max_pulses_per_pass": loop.most(model),
        "unreadable_siemens": [float(noisy.min()), float(noisy.max())] if len(noisy) else None,
        "retention_seconds": list(retention),
        "source_accuracy": exact,
        "programmed_accuracy": interval([chip["programmed_accuracy"] for chip in chips]),
        "retention_accuracy": [
            interval([chip["retention_accuracy"][i] for chip in chips])
            for i in range(len(retention))
        ],
        "chips": chips,
    }
    if settings.retune_epochs:
        found["retuned_accuracy"] = interval([chip["retuned"]["accuracy"][-1] for chip in chips])
    return found


def interval(values: Sequence[float]) -> dict[str, float]:
    """Mean over the chips and half of its 95 % interval."""
    import numpy as np

    from crossbar.figures.tile import mean_interval

    middle, half = mean_interval(np.array(values))
    return {"mean": float(middle), "half_of_95_percent_interval": float(half)}


def draw(chips: "list[Chip]", found: Mapping[str, Any], path: Path) -> None:
    """The picture: devices of the first chip, accuracy of all."""
    import numpy as np

    from crossbar.figures import style
    from crossbar.figures.program import programmed as figure

    parts = [part for layer in chips[0].layers for part in layer]

    def all_of(name: str) -> "np.ndarray":
        arrays = [getattr(p.written, name)[p.written.chosen].numpy() for p in parts]
        return np.concatenate(arrays).astype(float)

    true = [p.true_siemens[p.written.chosen].numpy() for p in parts]
    told = [c.told for c in chips]
    accuracy = np.array([[t["programmed_accuracy"], *t["retention_accuracy"]] for t in told]).T
    drawn = figure(
        all_of("targets"), np.concatenate(true).astype(float), all_of("pulses"),
        [0.0, *found["retention_seconds"]], accuracy, found["source_accuracy"],
    )  # fmt: skip
    style.save(drawn, path)


def page(found: Mapping[str, Any]) -> str:
    """What a person reads: the first chip by layer, the accuracy of all chips."""
    from crossbar.figures.program import age

    chip, chips = found["chips"][0], found["chips"]
    tolerance = found["settings"]["tolerance"]
    lines = [f"{'':<10}{'pulses a cell':>14}{'reads':>8}{f'in +-{tolerance:.3g}':>12}"
             f"{'in +-0.05':>11}{'write':>10}{'verify':>10}{'time':>10}"]  # fmt: skip
    named = [(f"layer {i}", told) for i, told in enumerate(chip["layers"])]
    lines += [row(name, told) for name, told in [*named, ("all", chip["all"])]]
    lines.append(f"chip of seed {chip['seed']}; time: one word line at a time, without the waits")
    most = chip["all"]["pulses_per_device"]
    lines.append(
        f"{'pulses of a cell':<24}{most['median']:.0f} median, {most['percentile_95']:.0f} 95th, "
        f"{most['percentile_99_9']:.0f} 99.9th percentile, {most['max']:.0f} most"
    )
    if found["unreadable_siemens"]:
        low, high = (si(g, "S") for g in found["unreadable_siemens"])
        lines.append(f"{'read noise too large':<24}for this band from {low} to {high}")
    lines.append(f"{'accuracy':<24}{found['source_accuracy']:.2%} of the weights, read exactly")
    tested = [("right after", found["programmed_accuracy"])]
    times = zip(found["retention_seconds"], found["retention_accuracy"], strict=True)
    tested += [(f"after {age(seconds)}", accuracy) for seconds, accuracy in times]
    if "retuned_accuracy" in found:
        tested.append(("readout trained again", found["retuned_accuracy"]))
    for name, told in tested:
        half = told["half_of_95_percent_interval"]
        lost = 100.0 * (found["source_accuracy"] - told["mean"])
        spread = f" +/- {half:.2%} of {len(chips)} chips" if len(chips) > 1 else ""
        lines.append(f"{'  ' + name:<24}{told['mean']:.2%}{spread}, {lost:.2f} points lost")
    return "\n".join([*lines, f"{'folder':<24}{found['folder']}"])


def row(name: str, told: Mapping[str, Any]) -> str:
    """One line of the table."""
    energy, seconds = told["energy_joules"], told["seconds"]["one_word_line_at_a_time"]
    return (
        f"{name:<10}{told['pulses_per_device']['mean']:>14.2f}"
        f"{told['reads_per_device']['mean']:>8.2f}{told['accepted_share']:>12.2%}"
        f"{told['true_within_band_share']:>11.2%}{si(energy['write'], 'J'):>10}"
        f"{si(energy['verify'], 'J'):>10}{si(seconds, 's'):>10}"
    )
