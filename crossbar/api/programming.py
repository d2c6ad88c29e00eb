"""Write a trained network into emulated chips by write-verify, and let them age."""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from device_models import atomic
from device_models.errors import RunError, consequence
from device_models.model import DeviceModel
from device_models.presets import load_device
from device_models.record import Record, quantity

from ..boards.write_verify import WriteVerify, unreadable
from ..datasets import load_dataset
from ..datasets.encode import Data, encode
from ..energy import record_activity
from ..experiment import builder
from ..experiment.config import Training
from ..experiment.network_settings import with_network
from ..experiment.relaxation_limit import unmeasured_relaxation
from ..experiment.run import Run
from ..experiment.run_folder import CHIPS, claim_new
from ..experiment.train import Notice, note_compiling
from ..experiment.trainer import Trainer
from ..experiment.transfer import (
    ProgrammedChip,
    check_source,
    exact_accuracy,
    filling_window,
    graph_notes,
    parameters_of,
    write_chip,
)
from ..figures import style
from ..figures.program import programmed as figure
from ..metrics.statistics import student_interval
from ..nir.files import is_nir
from ..snn.parameters import Parameters
from .folders import Folder, path
from .threads import one_thread

DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Programming(Record):
    """Settings of the programming of chips besides those of the loop.

    Attributes:
        algorithm: How a chip is written.
        seed: Of the first chip; the others follow.
        seeds: Chips.
        retune_epochs: Epochs in which the readout is trained by pulses, at the end.
    """

    algorithm: Literal["write_verify"] = "write_verify"
    seed: int = quantity("", 0, 2**30, default=0)
    seeds: int = quantity("chips", 1, 1000, default=3)
    retune_epochs: int = quantity("epochs", 0, 10_000, default=0)


def program(
    source: Folder,
    *,
    config: Training | None = None,
    device: str | None = None,
    settings: Programming | None = None,
    loop: WriteVerify | None = None,
    retention: Sequence[float] = (1.0, 3600.0, DAY, 3652.5 * DAY),
    temperature_kelvin: float | None = None,
    out: Folder | None = None,
    threads: int | None = None,
    data_dir: Folder | None = None,
    notice: Notice = print,
) -> dict[str, Any]:
    """Write trained weights into new chips, by pulses and noisy reads in a closed loop.

    Trained numbers that lie on no device, digital biases and thresholds, are copied as they are.

    Args:
        source: A run folder, a graph of NIR, or an npz file of arrays; `crossbar.snn.parameters`
            has their names.
        config: Settings of the chips; by default those of the run, or all defaults.
        device: File or preset, in place of that of the settings.
        settings: How many chips, and what is done with them.
        loop: Settings of the closed loop.
        retention: Device times after the writing at which chips are tested again, seconds, rising.
        temperature_kelvin: Of the chips meanwhile; None: the reference of the device.
        out: Folder, new or empty; by default `runs/program_DEVICE_seedN`. Every chip is kept there
            as a run that training goes on with.
        threads: How many samples run at a time; by default one per processor.
        data_dir: Folder of the data set; by default it is looked for, then fetched.
        notice: Told what goes on, line by line.

    Returns:
        What `summary.json` says.

    Raises:
        XbarError: Something is wrong; nothing was written.
    """
    settings, loop, source = settings or Programming(), loop or WriteVerify(), Path(source)
    with consequence("nothing was written"), one_thread():
        base, model = chip_of(source, device, config)
        name = f"program_{Path(base.device).stem}_seed{settings.seed}"
        with claim_new(path(out), Path("runs") / name, CHIPS) as claim:
            dataset = load_dataset(base.data.set, path(data_dir), notice=notice)
            network = builder.plan_of(base, dataset)
            first = parameters_of(source, network, dataset)
            for line in graph_notes(source, network):
                notice(line)
            base = filling_window(base, network, model, first.weights)
            base = dataclasses.replace(base, init_from=str(source))
            data = encode(dataset, base.data, seed=base.seed)
            engine = builder.engine(base, network, (), threads)
            exact = exact_accuracy(engine, first, data)
            chips = Chips(
                base, model, data, first, loop, settings, retention, temperature_kelvin, threads
            )
            return program_chips(chips, claim.folder, exact, notice)


def chip_of(
    source: Path, device: str | None, config: Training | None
) -> tuple[Training, DeviceModel]:
    """Settings and device of the chips; those of the run, where the arguments leave them open.

    Raises:
        ConfigError: A file is wrong, or an npz file is not there.
        RunError: There is no such run.
    """
    run = check_source(source)
    base = config or (run.config if run else Training())
    if is_nir(source):
        base = with_network(base, str(source))
        layers: Any = base.network.layers
        layers = tuple(dataclasses.replace(each, w_max=None) for each in layers)  # filled later
        base = dataclasses.replace(base, network=dataclasses.replace(base.network, layers=layers))
    if device is None and run is not None and config is None:
        return base, run.model
    chosen = device or base.device
    return dataclasses.replace(base, device=chosen), load_device(chosen)


@dataclass(frozen=True)
class Chips:
    """What chips are made of, and what is done with them; see `program`."""

    config: Training
    model: DeviceModel
    data: Data
    first: Parameters
    loop: WriteVerify
    settings: Programming
    retention: Sequence[float]
    temperature_kelvin: float | None
    threads: int | None


def program_chips(chips: Chips, folder: Path, exact: float, notice: Notice) -> dict[str, Any]:
    """Write the chips into a claimed folder; its summary comes last, without it nothing stays."""
    forget(folder)  # what a killed command left
    try:
        programmed = []
        for number in range(chips.settings.seeds):
            notice(f"chip {number + 1} of {chips.settings.seeds}: {chips.config.device} ...")
            programmed.append(program_one(chips, folder, chips.settings.seed + number, notice))
            if number == 0 and (warning := _unmeasured(chips, programmed[0])):
                notice(warning)
        content = summary(chips, [chip.report for chip in programmed], exact)
        content["folder"] = str(folder)
        draw(programmed, content, folder / "program.png")
        atomic.write(folder / "summary.json", (json.dumps(content, indent=2) + "\n").encode())
    except BaseException as e:
        forget(folder)
        if isinstance(e, OSError):
            raise RunError(f"{folder} cannot be written: {e.strerror or e}") from e
        raise
    return content


def forget(folder: Path) -> None:
    """Remove what was written to the folder of chips before its summary."""
    for chip in folder.glob("chip_seed*"):
        shutil.rmtree(chip, ignore_errors=True)
    (folder / "program.png").unlink(missing_ok=True)


def _unmeasured(chips: Chips, chip: ProgrammedChip) -> str:
    """`unmeasured_relaxation` of a chip that ages."""
    if not chips.retention:
        return ""
    arrays = [array for layer in chip.layers for array in layer]
    return unmeasured_relaxation(chips.model, [a.true_siemens[a.written.chosen] for a in arrays])


def program_one(chips: Chips, folder: Path, seed: int, notice: Notice) -> ProgrammedChip:
    """Write one chip and keep it as a run, as it is before time passes."""
    config = dataclasses.replace(chips.config, seed=seed)
    run = Run.new(folder / f"chip_seed{seed}", config, chips.model, chips.first)

    def keep(trainer: Trainer) -> None:
        run.save(trainer, trainer.conductances())
        record_activity.keep(run, trainer)

    trainer = builder.trainer(
        run.config, chips.model, chips.data, threads=chips.threads, first=chips.first
    )
    note_compiling(trainer, notice)
    return write_chip(
        trainer, chips.loop, retention=chips.retention,
        temperature_kelvin=chips.temperature_kelvin,
        retune_epochs=chips.settings.retune_epochs, keep=keep,
    )  # fmt: skip


def summary(chips: Chips, reports: list[dict[str, Any]], exact: float) -> dict[str, Any]:
    """What `summary.json` says: every chip, and the accuracy of all."""
    noisy = unreadable(chips.model, chips.loop)
    content = {
        "source": chips.config.init_from,
        "device": chips.config.device,
        "settings": dataclasses.asdict(chips.settings) | dataclasses.asdict(chips.loop),
        "max_pulses_per_pass": chips.loop.most(chips.model),
        "unreadable_siemens": [float(noisy.min()), float(noisy.max())] if len(noisy) else None,
        "retention_seconds": list(chips.retention),
        "temperature_kelvin": chips.temperature_kelvin,
        "source_accuracy": exact,
        "programmed_accuracy": interval([chip["programmed_accuracy"] for chip in reports]),
        "retention_accuracy": [
            interval([chip["retention_accuracy"][i] for chip in reports])
            for i in range(len(chips.retention))
        ],
        "chips": reports,
    }
    if chips.settings.retune_epochs:
        last = [chip["retuned"]["accuracy"][-1] for chip in reports]
        content["retuned_accuracy"] = interval(last)
    return content


def interval(values: Sequence[float]) -> dict[str, float]:
    """Mean over the chips and half of its 95 % interval."""
    mean, half = student_interval(values)
    return {"mean": float(mean), "half_of_95_percent_interval": float(half)}


def draw(chips: list[ProgrammedChip], content: dict[str, Any], file: Path) -> None:
    """The picture: devices of the first chip, accuracy of all."""
    arrays = [array for layer in chips[0].layers for array in layer]

    def all_of(name: str) -> np.ndarray:
        parts = [getattr(a.written, name)[a.written.chosen].numpy() for a in arrays]
        return np.concatenate(parts).astype(float)

    true = [a.true_siemens[a.written.chosen].numpy() for a in arrays]
    reports = [chip.report for chip in chips]
    accuracy = np.array([[r["programmed_accuracy"], *r["retention_accuracy"]] for r in reports]).T
    picture = figure(
        all_of("targets"), np.concatenate(true).astype(float), all_of("pulses"),
        [0.0, *content["retention_seconds"]], accuracy, content["source_accuracy"],
    )  # fmt: skip
    style.save(picture, file)
