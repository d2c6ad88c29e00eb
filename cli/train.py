"""`xbar train`: train a network by pulses, see it happen, keep the run."""

import json as json_text
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from device_models.errors import ConfigError, consequence

from .text import TableOption, echo, si

if TYPE_CHECKING:
    from crossbar.experiment.config import Training
    from crossbar.experiment.trainer import Progress

OPTIONS = (
    "device", "init_from", "ei", "epochs", "optimizer", "learning_rate", "batch_size", "policy",
    "mapping", "hidden", "recurrent", "sigma_init", "update_noise", "hidden_w_max",
    "readout_w_max", "wires", "adc_bits", "seed", "accelerator", "data_set", "encoding",
    "board",
)  # fmt: skip


def label(name: str) -> str:
    """A setting as the user typed it."""
    if name not in OPTIONS:
        return f"--set {name}"
    return "--lr" if name == "learning_rate" else f"--{name.replace('_', '-')}"


# Values are taken as text: the record that holds them has their range, and words the message.
@click.command()
@click.option("--device", metavar="FILE", help="Device file or preset.  [default: oxram.yaml]")
@click.option("--init-from", metavar="RUN", help="Start from a run, or an npz as xbar program.")
@click.option("--data-set", cls=TableOption, table="crossbar.datasets:DATASETS",
              default_name="fashion_mnist")  # fmt: skip
@click.option("--encoding", cls=TableOption, table="crossbar.snn.encodings:ENCODINGS",
              default_name="latency")  # fmt: skip
@click.option("--ei", metavar="E:I", help="80:20, 95:5, 100:0, 0.8 or none.  [default: 80:20]")
@click.option("--epochs", metavar="N", help="Passes over the training images.  [default: 5]")
@click.option("--optimizer", cls=TableOption, table="crossbar.synapses.optimizers:OPTIMIZERS",
              default_name="adam")  # fmt: skip
@click.option(
    "--lr", "learning_rate", metavar="X", help="Learning rate.  [default: the optimizer's]"
)
@click.option("--batch-size", metavar="N", help="Images per update.  [default: 256]")
@click.option("--policy", cls=TableOption, table="crossbar.synapses.policies:POLICIES",
              default_name="by the device")  # fmt: skip
@click.option("--mapping", cls=TableOption, table="crossbar.mappings:MAPPINGS",
              default_name="one_sided")  # fmt: skip
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
@click.option("--network", metavar="NAME", help="A preset, a file of layers, or an NIR graph.")
@click.option("--config", metavar="FILE", help="Settings as YAML; options override it.")
@click.option("--out", metavar="DIR", help="Run folder.  [default: runs/DEVICE_EI_seedN]")
@click.option("--import", "imports", metavar="FILE", multiple=True,
              help="A Python file with kinds of your own; see examples/extend.")  # fmt: skip
@click.option("--resume", metavar="RUN", help="Continue a run; only --epochs may change.")
@click.option("--data-dir", metavar="DIR", help="Folder of the data set.")
@click.option("--threads", type=click.IntRange(1), help="Default: one per processor.")
@click.option("--accelerator", metavar="NAME", help="Dense torch on cuda, mps or cpu; no kernels.")
@click.option("--board", metavar="ADDRESS",
              help="tcp://HOST:PORT, its VISA name, recorded:FILE or python:MODULE.FUNCTION; all "
              "layers lie on it, one below the other.  [default: simulated]")  # fmt: skip
@click.option("--limits", metavar="FILE",
              help="What the board may be given; needed unless it is an emulator.")  # fmt: skip
@click.option("--token", metavar="T", envvar="XBAR_TOKEN", show_envvar=True,
              help="What the server of the board asks for.")  # fmt: skip
@click.option("--dry-run", is_flag=True,
              help="Send nothing; print what the board would get. It trains all epochs on an "
              "emulator first, as long as such a training takes: try --epochs 1.")  # fmt: skip
@click.option("--float-baseline", is_flag=True, help="Train on exact weights too; print the gap.")
@click.option("--float-twin", "float_baseline", is_flag=True, hidden=True)  # its former name
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--no-figures", is_flag=True, help="Draw nothing.")
def train(
    network: str | None,
    config: str | None,
    out: str | None,
    resume: str | None,
    data_dir: str | None,
    threads: int | None,
    limits: str | None,
    token: str | None,
    dry_run: bool,
    float_baseline: bool,
    as_json: bool,
    no_figures: bool,
    sets: tuple[str, ...],
    imports: tuple[str, ...],
    **typed: str | None,
) -> None:
    """Train a spiking network whose only weights are conductances.

    Trains 784-100-10 on Fashion-MNIST by default. Ctrl-C leaves a run that --resume continues, and
    so does a board that fails: --resume reads the conductances that it has then and goes on; pulses
    sent since the last epoch stay on its cells. A board needs the lines of all layers, 884 x 200 by
    default; a smaller one is told how many.

    \b
    Examples:
      xbar train --device oxram.yaml --ei 80:20
      xbar train --device gaussian_update.yaml --update-noise 0.2 --epochs 30
      xbar train --policy closed_loop --optimizer adam --float-baseline
      xbar train --hidden 200,100 --recurrent --ei 80:20
      xbar train --data-set mnist --encoding rate
      xbar train --wires 2 --set wires.refresh=epoch --set tiles.tile_rows=64
      xbar train --network graph.nir --data-set mnist --epochs 1
      xbar train --config my_run.yaml --seed 7 --out runs/mine --json
      xbar train --resume runs/oxram_80-20_seed0 --epochs 10
      xbar serve --device ideal.yaml --rows 884 --columns 200 &
      xbar train --device ideal.yaml --board tcp://127.0.0.1:5025 --epochs 1
      xbar train --board python:my_lab.open_board --limits limits.yaml --dry-run
    """
    given = {name: text for name, text in typed.items() if text is not None}
    with consequence("nothing was written"):
        given |= assignments(sets, given)
        files = {"--config": config, "--network": network, "--import": imports, "--out": out,
                 "--limits": limits, "--dry-run": dry_run}  # fmt: skip
        epochs = check_resumed(given, files) if resume else None
        settings = None if resume else read_settings(given, config, network, imports, dry_run)
    bar: dict[str, Any] = {
        "data_dir": data_dir, "notice": lambda line: echo(line, err=True),
        "progress": progress_bar,
    }  # fmt: skip
    from crossbar.experiment.network_settings import located_in

    if dry_run:
        from crossbar.api.training import budget

        with located_in(network):
            echo(budget(settings, limits=limits, token=token, **bar).table())
        return
    from crossbar.api.training import train as run_training

    with located_in(network), _interruptible():
        run = run_training(
            settings, out=out, resume=resume, epochs=epochs, float_baseline=float_baseline,
            figures=not no_figures, threads=threads, limits=limits, token=token, **bar,
        )  # fmt: skip
    summary = run.summary
    tested_on = "held-back" if run.config.data.held_back else "test"
    echo(json_text.dumps(summary, indent=2) if as_json else table(summary, run.folder, tested_on))


@contextmanager
def _interruptible() -> Iterator[None]:
    """Say how an interrupted training is continued, and end with the exit code of Ctrl-C."""
    from crossbar.experiment.train import TrainingInterrupted

    try:
        yield
    except TrainingInterrupted as e:
        echo(
            f"\nInterrupted; epoch {e.epoch} is kept. "
            f"Continue with: xbar train --resume {e.folder}",
            err=True,
        )
        raise click.exceptions.Exit(130) from None


def assignments(sets: tuple[str, ...], given: Collection[str] = ()) -> dict[str, str]:
    """`--set NAME=VALUE` as field -> text.

    Args:
        sets: As they were typed.
        given: Options that were typed beside them.

    Raises:
        ConfigError: One has no name or no `=`, or a setting is given twice.
    """
    from crossbar.experiment.typed_settings import FIELDS

    if wrong := [text for text in sets if not ("=" in text and text.split("=")[0].strip())]:
        raise ConfigError(f"--set takes NAME=VALUE, not {wrong[0]!r}")
    names = [text.split("=", 1)[0].strip() for text in sets]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"--set {twice[0]} is given twice; leave one out")
    for option in given:
        if (fields := FIELDS.get(option, (option,)))[1:] == () and fields[0] in names:
            raise ConfigError(
                f"{label(option)} and --set {fields[0]} are one setting; leave one out"
            )
    return {name.strip(): value.strip() for name, value in (t.split("=", 1) for t in sets)}


def read_settings(
    given: Mapping[str, str],
    config: str | None,
    network: str | None,
    imports: tuple[str, ...] = (),
    dry_run: bool = False,
) -> "Training":
    """The configuration file, or the defaults, with the network and the typed options over it."""
    from crossbar.experiment.config import Training
    from crossbar.experiment.imports import load_training, with_imports
    from crossbar.experiment.typed_settings import settings_of

    base = load_training(Path(config)) if config else Training()
    return settings_of(given, with_imports(base, imports), network, label=label, on_boards=dry_run)


def check_resumed(given: Mapping[str, str], others: Mapping[str, object]) -> int | None:
    """The epochs that a resumed run is to come to, where they are typed.

    Args:
        given: Settings that were typed.
        others: Options that a resumed run does not take, with what was typed.

    Raises:
        ConfigError: Something else is to change, or that is no number of epochs.
    """
    from crossbar.experiment.config import Training
    from device_models.schema import override

    fixed = [label(n) for n in given if n != "epochs"]
    fixed += [option for option, value in others.items() if value]
    if fixed:
        raise ConfigError(
            f"--resume keeps the settings of the run; {', '.join(fixed)} cannot change"
        )
    if "epochs" not in given:
        return None
    return override(Training(), {"epochs": (given["epochs"], "--epochs")}).epochs


def progress_bar(steps: "Iterator[Progress]", total: int, label: str) -> "Iterator[Progress]":
    """The batches of an epoch, with a bar on the terminal."""
    with click.progressbar(
        steps,
        length=total,
        label=label,
        file=sys.stderr,
        item_show_func=lambda step: f"train {step.accuracy:.1%}" if step else "",
    ) as bar:
        yield from bar


def table(summary: Mapping[str, Any], folder: Path, name: str) -> str:
    """The closing table; `name` is what the network was tested on, `test` or `held-back`."""
    low, high = summary["test_accuracy_interval"]
    first, last = summary["spikes_per_inference_initial"], summary["spikes_per_inference"]
    energy, pulses, reads = summary["energy_joules"], summary["pulses"], summary["reads"]
    rows = [
        (
            f"{name} accuracy",
            f"{summary['test_accuracy']:.2%}  (95 % interval of the {name} images alone "
            f"{low:.2%} to {high:.2%})",
        ),
        *baseline_rows(summary),
        *spike_rows(first, last),
        (
            "rate of a hidden neuron",
            f"{summary['rate_hz']['initial']:.2f} Hz before, "
            f"{summary['rate_hz']['final']:.2f} Hz after",
        ),
        ("pulses", f"{pulses['set']:,} SET, {pulses['reset']:,} RESET"),
        (
            "reads",
            f"{reads['row_activations']:,} row activations, "
            f"{reads['column_conversions']:,} column conversions, "
            f"{reads['device_reads']:,} single devices",
        ),
        *clipped_rows(summary.get("periphery", {})),
        (
            "energy in the devices",
            f"{si(energy['write'], 'J')} write, {si(energy['read'], 'J')} read",
        ),
        *wear_rows(summary),
        ("time", f"{summary['seconds']:.1f} s"),
        ("run", str(folder)),
    ]
    return "\n".join(f"{name:<29}{text}" for name, text in rows)


def spike_rows(first: Mapping[str, Any], last: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Spikes of the hidden layers, of each where there are several, and of an output that spikes.

    Args:
        first: Before training.
        last: After it.
    """
    rows = [("hidden spikes per inference", f"{activity(first)} before, {activity(last)} after")]
    each = zip(first["layers"], last["layers"], strict=True)
    rows += [
        (f"  of hidden {number}", f"{before:.1f} before, {after:.1f} after")
        for number, (before, after) in enumerate(each, 1)
        if len(last["layers"]) > 1
    ]
    before, after = (spikes.get("output") for spikes in (first, last))  # rows of before had none
    if before is not None and after is not None:
        rows.append(("output spikes per inference", f"{before:.1f} before, {after:.1f} after"))
    return rows


def baseline_rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The row of a run with a float baseline."""
    if "float_baseline" not in summary:
        return []
    accuracy, gap = (summary["float_baseline"][name] for name in ("test_accuracy", "gap"))
    side = "below" if gap >= 0.0 else "above"
    return [("float baseline", f"{accuracy:.2%}; this run is {abs(gap) * 100.0:.2f} points {side}")]


def clipped_rows(periphery: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The row of a run whose columns were converted."""
    if "clipped_share" not in periphery:
        return []
    share, count = periphery["clipped_share"], periphery["clipped_conversions"]
    return [("conversions above the range", f"{count:,} ({share:.2%})")]


def wear_rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The rows of wear and digital memory."""
    memory, wear = summary["digital_bytes_per_synapse"], summary.get("wear", {})  # of emulators
    arrays = {"pulses_per_device": "pulses per device", "fast_array": "pulses per fast device"}
    rows = [
        (title, spread(wear[name], wear["endurance_pulses"]))
        for name, title in arrays.items()
        if name in wear
    ]
    bytes_per_synapse = (
        f"{memory['total']:.3g} ({memory['policy']:.3g} policy + {memory['optimizer']:.3g} "
        f"optimizer + {memory['read_back']:.3g} weights read back)"
    )
    return [*rows, ("digital bytes per synapse", bytes_per_synapse)]


def spread(pulses: Mapping[str, float], endurance: float | None) -> str:
    """`2.31 mean, 14 99.9th percentile, 40 max; the device file gives no endurance`."""
    text = f"{pulses['mean']:,.2f} mean, {pulses['percentile_99_9']:,.0f} 99.9th percentile, "
    text += f"{pulses['max']:,.0f} max; "
    if endurance is None:
        return f"{text}the device file gives no endurance"
    return f"{text}{pulses['max'] / endurance:.2g} of the endurance of {endurance:.3g}"


def activity(spikes: Mapping[str, float | None]) -> str:
    """`52.1 (40.2 E + 11.9 I)`."""
    excitatory, inhibitory = spikes["excitatory"], spikes["inhibitory"]
    if excitatory is None or inhibitory is None:
        return f"{spikes['total']:.1f}"
    return f"{spikes['total']:.1f} ({excitatory:.1f} E + {inhibitory:.1f} I)"
