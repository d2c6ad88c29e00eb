"""`xbar train`: train a network by pulses, see it happen, keep the run."""

import json as json_text
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from device_models.errors import ConfigError, XbarError

from .text import said, si

if TYPE_CHECKING:
    import numpy as np

    from crossbar.datasets.encode import Data
    from crossbar.datasets.fashion_mnist import FashionMnist
    from crossbar.experiment.config import Training
    from crossbar.experiment.run import Run
    from crossbar.experiment.trainer import Trainer

# option -> settings it stands for; others are named like their setting
FIELDS = {
    "wires": ("wires.word_ohms", "wires.bit_ohms"),
    "adc_bits": ("periphery.adc_bits",),
}
SHORT_FORMS = ("hidden", "ei", "recurrent", "sigma_init")  # of a network
OPTIONS = (
    "device", "init_from", "ei", "epochs", "optimizer", "learning_rate", "batch_size", "policy", "mapping", "hidden",
    "recurrent", "sigma_init", "update_noise", "hidden_w_max", "readout_w_max", "wires", "adc_bits", "seed",
)  # fmt: skip


def label(name: str) -> str:
    """A setting as the user typed it."""
    if name not in OPTIONS:
        return f"--set {name}"
    return "--lr" if name == "learning_rate" else f"--{name.replace('_', '-')}"


# Values are taken as text: the record that holds them has their range, and words the message.
@click.command()
@click.option("--device", metavar="FILE", help="Device file or preset.  [default: oxram.yaml]")
@click.option("--init-from", metavar="RUN", help="Start from the weights of a run, or an npz file.")
@click.option("--ei", metavar="E:I", help="80:20, 95:5, 100:0, 0.8 or none.  [default: 80:20]")
@click.option("--epochs", metavar="N", help="Passes over the training images.  [default: 3]")
@click.option("--optimizer", metavar="NAME", help="sgd, momentum or adam.  [default: sgd]")
@click.option(
    "--lr", "learning_rate", metavar="X", help="Default: sgd 0.01, momentum 0.002, adam 2e-4."
)
@click.option("--batch-size", metavar="N", help="Images per update.  [default: 256]")
@click.option(
    "--policy",
    metavar="NAME",
    help="accumulate, closed_loop, stochastic, sign or tiki_taka.  [default: by the device]",
)
@click.option(
    "--mapping",
    metavar="NAME",
    help="one_sided, pair, dale, reference_column or bit_sliced.  [default: one_sided]",
)
@click.option("--hidden", metavar="N[,N]", help="Neurons of each hidden layer.  [default: 100]")
@click.option("--recurrent", flag_value="true", help="Hidden layers also drive themselves.")
@click.option("--sigma-init", metavar="X", help="Spread of the first weights.  [default: 0.001]")
@click.option("--update-noise", metavar="X", help="gaussian_update: sigma_noise / sigma_init.")
@click.option("--hidden-w-max", metavar="X", help="Weight of the full window, hidden layer.")
@click.option("--readout-w-max", metavar="X", help="Weight of the full window, readout.")
@click.option("--wires", metavar="OHMS", help="Resistance of a wire segment, both lines.")
@click.option("--adc-bits", metavar="N", help="Columns are converted.  [default: exact currents]")
@click.option(
    "--set", "sets", metavar="NAME=VALUE", multiple=True, help="Any setting, wires.word_ohms=2."
)
@click.option("--seed", metavar="N", help="Seed of everything random.  [default: 0]")
@click.option("--config", metavar="FILE", help="Settings as YAML; options override it.")
@click.option("--out", metavar="DIR", help="Run folder.  [default: runs/DEVICE_EI_seedN]")
@click.option("--resume", metavar="RUN", help="Continue a run; only --epochs may change.")
@click.option("--data-dir", metavar="DIR", help="Folder of the Fashion-MNIST files.")
@click.option("--threads", type=click.IntRange(1), help="Default: one per processor.")
@click.option("--accelerator", metavar="NAME", help="Dense torch on cuda, mps or cpu; no kernels.")
@click.option("--float-twin", is_flag=True, help="Train the same on exact weights; print the gap.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--no-figures", is_flag=True, help="Draw nothing.")
def train(
    config: str | None,
    out: str | None,
    resume: str | None,
    data_dir: str | None,
    threads: int | None,
    accelerator: str | None,
    float_twin: bool,
    as_json: bool,
    no_figures: bool,
    sets: tuple[str, ...],
    **typed: str | None,
) -> None:
    """Train a spiking network whose only weights are conductances.

    Trains 784-100-10 on Fashion-MNIST by default. Ctrl-C leaves a run that --resume continues.

    \b
    Examples:
      xbar train --device oxram.yaml --ei 80:20
      xbar train --device gaussian_update.yaml --update-noise 0.2 --epochs 30
      xbar train --policy closed_loop --optimizer adam --float-twin
      xbar train --hidden 200,100 --recurrent --ei 80:20
      xbar train --wires 2 --set wires_refresh=epoch --set tile_rows=64
      xbar train --config my_run.yaml --seed 7 --out runs/mine --json
      xbar train --resume runs/oxram_80-20_seed0 --epochs 10
    """
    given = {name: text for name, text in typed.items() if text is not None}
    try:
        given |= assignments(sets)
        run = continued(resume, given, config, out) if resume else fresh(given, config, out)
        images = pictures(data_dir)
        begin(run, images, resumed=resume is not None)
        from crossbar.datasets.encode import encode

        data, images = encode(images, run.config.plan), images.test_half()
        trainer, before = prepare(run, data, threads, accelerator, resumed=resume is not None)
        twin = companion(run, data, threads, accelerator, wanted=float_twin)
    except XbarError as e:
        raise type(e)(said(str(e), "nothing was written")) from e
    try:
        go(run, trainer, before)
        if twin is not None:
            go(*twin)
    except KeyboardInterrupt:
        click.echo(
            f"\nInterrupted; epoch {trainer.rows[-1]['epoch']} is kept. "
            f"Continue with: xbar train --resume {run.folder}",
            err=True,
        )
        raise click.exceptions.Exit(130) from None
    from crossbar.energy.record_activity import keep

    found = run.write_summary(trainer.rows, None if twin is None else twin[1].rows)
    keep(run, trainer)
    if not no_figures:
        from crossbar.figures.run import draw_run

        draw_run(run, trainer, before, images)
    click.echo(json_text.dumps(found, indent=2) if as_json else table(found, run.folder))


def assignments(sets: tuple[str, ...]) -> dict[str, str]:
    """`--set NAME=VALUE` as field -> text.

    Raises:
        ConfigError: One has no `=`.
    """
    if wrong := [text for text in sets if "=" not in text]:
        raise ConfigError(f"--set takes NAME=VALUE, not {wrong[0]!r}")
    return {name.strip(): value.strip() for name, value in (t.split("=", 1) for t in sets)}


def settings(given: Mapping[str, str], config: str | None) -> "Training":
    """The configuration file, or the defaults, with the typed options over it."""
    import dataclasses

    from crossbar.experiment.config import Training
    from crossbar.snn.network import ShortForms
    from device_models.schema import load, override

    base = load(Path(config), Training) if config else Training()
    short = {name: (text, label(name)) for name, text in given.items() if name in SHORT_FORMS}
    given = {name: text for name, text in given.items() if name not in SHORT_FORMS}
    if "adc_bits" in given:
        given = {"periphery.kind": "adc", **given}
    fields = {field: name for name in given for field in FIELDS.get(name, (name,))}
    chosen = override(base, {field: (given[name], label(name)) for field, name in fields.items()})
    network = override(ShortForms(), short).of(chosen.network)
    return dataclasses.replace(chosen, network=network)


def fresh(given: Mapping[str, str], config: str | None, out: str | None) -> "Run":
    """A new run from a file and options."""
    from crossbar.experiment.run import Run
    from device_models.presets import load_device

    chosen = settings(given, config)
    return Run.new(Path(out) if out else free_folder(chosen), chosen, load_device(chosen.device))


def free_folder(config: "Training") -> Path:
    """`runs/DEVICE_EI_seedN`, with a number behind it if that exists."""
    ratio = config.plan.ei.replace(":", "-")
    base = Path("runs") / f"{Path(config.device).stem}_{ratio}_seed{config.seed}"
    number, folder = 1, base
    while folder.exists():
        number += 1
        folder = base.with_name(f"{base.name}_{number}")
    return folder


def continued(
    resume: str | None, given: Mapping[str, str], config: str | None, out: str | None
) -> "Run":
    """The run to continue, perhaps to a later epoch."""
    from crossbar.experiment.run import Run
    from device_models.schema import override

    fixed = [label(n) for n in given if n != "epochs"]
    fixed += ["--config"] * bool(config) + ["--out"] * bool(out)
    if fixed:
        raise ConfigError(
            f"--resume keeps the settings of the run; {', '.join(fixed)} cannot change"
        )
    run = Run.open(Path(str(resume)))
    more = {"epochs": (given["epochs"], "--epochs")} if "epochs" in given else {}
    run.config = override(run.config, more)
    return run


def pictures(data_dir: str | None) -> "FashionMnist":
    """Fashion-MNIST, from the first place that has it."""
    from crossbar.datasets.fashion_mnist import load

    return load(Path(data_dir) if data_dir else None, notice=notice)


def begin(run: "Run", images: "FashionMnist", *, resumed: bool) -> None:
    """Read the weights that a new run starts from, if it is to start from some."""
    from crossbar.experiment.transfer import weights_of

    if run.config.init_from and not resumed:
        run.weights = weights_of(Path(run.config.init_from), run.config.plan, images)


def prepare(
    run: "Run",
    data: "Data",
    threads: int | None,
    accelerator: str | None,
    *,
    resumed: bool,
) -> "tuple[Trainer, list[np.ndarray]]":
    """The chip, new or (for a resumed run) in the state of the last epoch."""
    import torch

    from crossbar.experiment.endurance_check import worn_out
    from crossbar.experiment.trainer import Trainer
    from device_models.jit import is_compiled

    torch.set_num_threads(1)  # the arrays are small: more threads only wait for each other
    made = partial(
        Trainer, run.config, run.model, data,
        threads=threads, accelerator=accelerator, weights=run.weights,
    )  # fmt: skip
    trainer = made(notice=notice)
    if not (accelerator or is_compiled("kernels")):
        notice("compiling the kernels for this machine, once (about 15 s) ...")
    if resumed:
        return trainer, run.restore(trainer)
    if text := worn_out(run.config, run.model, made):
        notice(text)
    trainer.start()
    before = [layer.board.state.g.numpy() for layer in trainer.layers]
    run.save(trainer, before)
    return trainer, before


def companion(
    run: "Run",
    data: "Data",
    threads: int | None,
    accelerator: str | None,
    *,
    wanted: bool,
) -> "tuple[Run, Trainer, list[np.ndarray]] | None":
    """The float twin of a run as `go` takes it; None where none is wanted or was begun."""
    from crossbar.experiment.float_baseline import has_twin, twin_of

    begun = has_twin(run)
    if not (wanted or begun):
        return None
    twin = twin_of(run)
    return twin, *prepare(twin, data, threads, accelerator, resumed=begun)


def notice(text: str) -> None:
    """A line for the person who waits."""
    click.echo(text, err=True)


def go(run: "Run", trainer: "Trainer", before: "list[np.ndarray]") -> None:
    """Train to the last epoch with a progress bar; keep every epoch."""
    total = run.config.epochs
    notice(f"{run.folder}: untrained {trainer.rows[0]['test_accuracy']:.1%}")
    while trainer.epoch < total:
        label = f"epoch {trainer.epoch + 1}/{total}"
        with click.progressbar(
            trainer.run_epoch(),
            length=trainer.batches,
            label=label,
            file=sys.stderr,
            item_show_func=lambda step: f"train {step.accuracy:.1%}" if step else "",
        ) as bar:
            for _ in bar:
                pass
        run.save(trainer, before)
        row = trainer.rows[-1]
        notice(f"{label}  test {row['test_accuracy']:.2%}  {row['seconds']:.1f} s")


def table(found: Mapping[str, Any], folder: Path) -> str:
    """The closing table."""
    low, high = found["test_accuracy_interval"]
    first, last = found["spikes_per_inference_initial"], found["spikes_per_inference"]
    energy, pulses, reads = found["energy_joules"], found["pulses"], found["reads"]
    rows = [
        (
            "test accuracy",
            f"{found['test_accuracy']:.2%}  (95 % interval of the test images alone "
            f"{low:.2%} to {high:.2%})",
        ),
        *twins(found),
        ("hidden spikes per inference", f"{activity(first)} before, {activity(last)} after"),
        (
            "rate of a hidden neuron",
            f"{found['rate_hz']['initial']:.2f} Hz before, "
            f"{found['rate_hz']['final']:.2f} Hz after",
        ),
        ("pulses", f"{pulses['set']:,} SET, {pulses['reset']:,} RESET"),
        (
            "reads",
            f"{reads['row_activations']:,} row activations, "
            f"{reads['column_conversions']:,} column conversions, "
            f"{reads['device_reads']:,} single devices",
        ),
        *clipped(found.get("periphery", {})),
        (
            "energy in the devices",
            f"{si(energy['write'], 'J')} write, {si(energy['read'], 'J')} read",
        ),
        *lasting(found),
        ("time", f"{found['seconds']:.1f} s"),
        ("run", str(folder)),
    ]
    return "\n".join(f"{name:<29}{text}" for name, text in rows)


def twins(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The row of a run with a float twin."""
    if "float_twin" not in found:
        return []
    accuracy, gap = found["float_twin"]["test_accuracy"], found["float_twin"]["gap"]
    side = "below" if gap >= 0.0 else "above"
    return [("float twin", f"{accuracy:.2%}; this run is {abs(gap) * 100.0:.2f} points {side}")]


def clipped(periphery: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The row of a run whose columns were converted."""
    if "clipped_share" not in periphery:
        return []
    share, count = periphery["clipped_share"], periphery["clipped_conversions"]
    return [("conversions above the range", f"{count:,} ({share:.2%})")]


def lasting(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The rows of wear and digital memory; nothing for epochs that do not say."""
    if "wear" not in found:
        return []
    wear, kept = found["wear"], found["digital_bytes_per_synapse"]
    limit = wear["endurance_pulses"]
    rows = [
        ("pulses per device", spread(wear["pulses_per_device"], limit)),
        (
            "digital bytes per synapse",
            f"{kept['total']:.3g} ({kept['policy']:.3g} policy + {kept['optimizer']:.3g} optimizer "
            f"+ {kept['read_back']:.3g} weights read back)",
        ),
    ]
    if "fast_array" in wear:
        rows.insert(1, ("pulses per fast device", spread(wear["fast_array"], limit)))
    return rows


def spread(pulses: Mapping[str, float], endurance: float | None) -> str:
    """`2.31 mean, 14 99.9th percentile, 40 max; the device file gives no endurance`."""
    said = f"{pulses['mean']:,.2f} mean, {pulses['percentile_99_9']:,.0f} 99.9th percentile, "
    said += f"{pulses['max']:,.0f} max; "
    if endurance is None:
        return f"{said}the device file gives no endurance"
    return f"{said}{pulses['max'] / endurance:.2g} of the endurance of {endurance:.3g}"


def activity(spikes: Mapping[str, float | None]) -> str:
    """`52.1 (40.2 E + 11.9 I)`."""
    excitatory, inhibitory = spikes["excitatory"], spikes["inhibitory"]
    if excitatory is None or inhibitory is None:
        return f"{spikes['total']:.1f}"
    return f"{spikes['total']:.1f} ({excitatory:.1f} E + {inhibitory:.1f} I)"
