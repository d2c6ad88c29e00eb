"""A training run from its settings to its last epoch: new or resumed, kept after every epoch."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from device_models.claim import Claim
from device_models.errors import ConfigError, XbarError, consequence
from device_models.jit import is_compiled
from device_models.model import DeviceModel
from device_models.overrides import override
from device_models.presets import load_device

from ..datasets import LoadedDataset, load_dataset
from ..datasets.encode import Data, encode
from ..snn.engines import DenseEngine
from ..snn.engines.dense import named_device
from . import builder
from .array_parts import check_update_noise, lossless_note
from .boards import BoardFactory, OpenedBoard, open_training_board
from .config import SIMULATED, Training
from .endurance_check import worn_out
from .float_baseline import FOLDER, baseline_of, has_baseline, plan_baseline
from .relaxation_limit import unmeasured_relaxation
from .run import Run
from .run_folder import RUN, claim_new
from .trainer import Progress, Trainer
from .transfer import check_source, graph_notes, parameters_of

Notice = Callable[[str], None]
ProgressBar = Callable[[Iterator[Progress], int, str], Iterable[Progress]]


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C came during the training.

    Attributes:
        folder: Of the run, which `resume` goes on with.
        epoch: The last one that is kept.
    """

    def __init__(self, folder: Path, epoch: int) -> None:
        """Say what is kept."""
        super().__init__(f"epoch {epoch} is kept; go on with resume={str(folder)!r}")
        self.folder, self.epoch = folder, epoch


@dataclass(frozen=True)
class Session:
    """A run at the end of an epoch, and what goes on with it.

    Attributes:
        run: The run, saved.
        trainer: At its last epoch.
        before: Conductances of each layer before training.
        baseline: The session of the float baseline, if the run has one.
        board: What was opened for it by an address; None otherwise.
        claim: Of its folder; None for a baseline, which lies in it.
    """

    run: Run
    trainer: Trainer
    before: list[np.ndarray]
    baseline: "Session | None" = None
    board: OpenedBoard | None = None
    claim: Claim | None = None

    def close(self) -> None:
        """Let go of the folder and of the board that was opened; idempotent."""
        try:
            if self.board is not None:
                self.board.stack.board.close()
        finally:
            if self.claim is not None:
                release(self.claim)


def open_session(
    config: Training | None = None,
    *,
    model: DeviceModel | None = None,
    out: Path | None = None,
    resume: Path | None = None,
    epochs: int | None = None,
    float_baseline: bool = False,
    boards: BoardFactory | None = None,
    token: str | None = None,
    threads: int | None = None,
    data_dir: Path | None = None,
    dataset: LoadedDataset | None = None,
    notice: Notice = print,
) -> Session:
    """Begin a run, or take up one where it stopped; arguments as `crossbar.train`.

    Raises:
        XbarError: Something is wrong; nothing was written.
    """
    with consequence("nothing was written"):
        if resume is None:
            settings = with_epochs(config or Training(), epochs)
            claim = claim_new(out, default_folder(settings), RUN)
        else:
            run = resume_run(resume, config, out, epochs)
            claim = Claim(resume, RUN)
        try:
            if resume is None:
                device = model or load_device(settings.device)
                run = Run.new(claim.folder, settings, device)
                check_early(run)
            else:
                for line in run.note_edits():
                    notice(line)
            if float_baseline:
                plan_baseline(run)
            dataset = dataset or load_dataset(run.config.data.set, data_dir, notice=notice)
            data = encoded(run, dataset, notice, resumed=resume is not None)
            session = begin(run, data, threads, notice, resume is not None, boards, token)
            if has_baseline(run):
                session = with_baseline(session, data, threads, notice)
        except BaseException:
            release(claim)
            raise
        return replace(session, claim=claim)


def check_early(run: Run) -> None:
    """Refuse, before the data are read, what needs none of them to be seen.

    Raises:
        ConfigError: The device has no update noise to set, torch has no such accelerator, or a file
            is not there.
        RunError: There is no such run to start from.
    """
    config = run.config
    config.data.check()
    check_update_noise(run.model, config)
    if isinstance(config.engine, DenseEngine.Options):
        named_device(config.engine.device)
    if config.faults.map is not None and not Path(config.faults.map).is_file():
        raise ConfigError(f"faults.map: there is no file {config.faults.map}")
    if config.init_from:
        check_source(Path(config.init_from))


def release(claim: Claim) -> None:
    """Let go of the folder of a run; one without a checkpoint is not whole."""
    is_run = (claim.folder / "checkpoint.npz").exists()
    if not is_run:
        with suppress(OSError):  # there is none, or something lies in it
            (claim.folder / FOLDER).rmdir()
    claim.close(is_whole=is_run)


def with_baseline(session: Session, data: Data, threads: int | None, notice: Notice) -> Session:
    """The session with that of its float baseline, new or resumed; if it fails, it is closed."""
    try:
        other, begun = baseline_of(session.run)
        prepared = prepare(other, data, threads, notice, resumed=begun)
    except BaseException:
        session.close()
        raise
    return replace(session, baseline=Session(other, *prepared))


def encoded(run: Run, dataset: LoadedDataset, notice: Notice, *, resumed: bool) -> Data:
    """The samples of a run; the first weights and the versions are looked up on the way."""
    if run.config.init_from and not resumed:
        network = builder.plan_of(run.config, dataset)
        run.first = parameters_of(Path(run.config.init_from), network, dataset)
        for line in graph_notes(Path(run.config.init_from), network):
            notice(line)
    images = len(dataset.train.labels) - run.config.data.held_back
    if run.config.epochs and run.config.batch_size > images:
        raise ConfigError(
            f"batch_size = {run.config.batch_size} is more than the {images} training images, so "
            "no update would be made"
        )
    for line in run.note_versions():
        notice(line)
    return encode(dataset, run.config.data, seed=run.config.seed)


def begin(
    run: Run,
    data: Data,
    threads: int | None,
    notice: Notice,
    resumed: bool,
    boards: BoardFactory | None,
    token: str | None,
) -> Session:
    """A run on its board, which is opened here if the settings name one.

    Raises:
        XbarError: Something is wrong; what was opened is closed.
    """
    if boards is not None and run.config.board != SIMULATED:
        raise ConfigError(f"board = {run.config.board}: boards are given already; leave one out")
    opened = None
    if boards is None:
        opened = open_training_board(run.config, run.model, token=token)
    if opened is None:
        prepared = prepare(run, data, threads, notice, resumed=resumed, boards=boards)
        return Session(run, *prepared)
    try:
        if resumed:
            opened.restore_sent(run.folder)
            notice(
                f"note: the cells of {run.config.board} are as they were left; pulses since the "
                "last epoch stay on them and are in no count"
            )
        place = opened.stack.place
        trainer, before = prepare(
            run, data, threads, notice, resumed=resumed, boards=place, check=opened.stack.check
        )
        opened.save_sent(run.folder)
    except BaseException:
        opened.stack.board.close()
        raise
    return Session(run, trainer, before, board=opened)


def resume_run(folder: Path, config: Training | None, out: Path | None, epochs: int | None) -> Run:
    """The run to continue, perhaps to a later epoch.

    Raises:
        ConfigError: Something else is to change.
        RunError: There is no such run.
    """
    if config is not None or out is not None:
        raise ConfigError("a resumed run keeps its settings and its folder; only epochs may change")
    run = Run.open(folder)
    run.config = with_epochs(run.config, epochs)
    return run


def with_epochs(config: Training, epochs: int | None) -> Training:
    """The settings with another number of epochs, where one is given."""
    changes: Mapping[str, str] = {} if epochs is None else {"epochs": str(epochs)}
    return override(config, changes)


def default_folder(settings: Training) -> Path:
    """`runs/DEVICE_EI_seedN`."""
    ei = settings.network.ei.replace(":", "-")
    return Path("runs") / f"{Path(settings.device).stem}_{ei}_seed{settings.seed}"


def prepare(
    run: Run,
    data: Data,
    threads: int | None,
    notice: Notice,
    *,
    resumed: bool,
    boards: BoardFactory | None = None,
    check: Callable[[], None] = lambda: None,
) -> tuple[Trainer, list[np.ndarray]]:
    """A trainer, new and programmed or (for a resumed run) in the state of the last epoch.

    What is read and pulsed comes after `check`, which is asked once all arrays are placed.

    Returns:
        It, and the conductances of each layer before training.
    """

    def new_trainer(warn: Notice = lambda text: None) -> Trainer:
        return builder.trainer(
            run.config, run.model, data, threads=threads, first=run.first, boards=boards,
            notice=warn,
        )  # fmt: skip

    trainer = new_trainer(notice)
    used: int | None = getattr(trainer.setup.engine, "threads", None)
    if threads is not None and used is not None and used < threads:
        notice(f"note: {threads} threads were asked for; the kernels run on {used}")
    check()
    if boards is None and (note := lossless_note(run.model, run.config.wires, run.config.device)):
        notice(note)
    note_compiling(trainer, notice)
    if resumed:
        return trainer, run.restore(trainer)
    if boards is None and (warning := worn_out(run.config.epochs, run.model, new_trainer)):
        notice(warning)
    trainer.start()
    before = trainer.conductances()
    run.save(trainer, before)
    return trainer, before


def note_compiling(trainer: Trainer, notice: Notice) -> None:
    """Say that the kernels of a trainer are compiled first, if they are."""
    if builder.uses_kernels(trainer) and not is_compiled("kernels"):
        notice("compiling the kernels for this machine, once (about 20 s) ...")


def no_progress_bar(steps: Iterator[Progress], total: int, label: str) -> Iterable[Progress]:
    """Shows nothing."""
    return steps


def train_loop(
    session: Session, *, notice: Notice = print, progress: ProgressBar = no_progress_bar
) -> None:
    """Train to the last epoch and keep every epoch; then the same with the float baseline.

    Raises:
        TrainingInterrupted: Ctrl-C came; the run is kept up to the last whole epoch.
        XbarError: A board failed or refused; likewise.
    """
    folder, rows = session.run.folder, session.trainer.rows
    try:
        train_epochs(session, notice, progress)
        if session.baseline is not None:
            train_epochs(session.baseline, notice, progress)
    except KeyboardInterrupt:
        raise TrainingInterrupted(folder, rows[-1]["epoch"]) from None
    except XbarError as e:
        kept = f"epoch {rows[-1]['epoch']} is kept; go on with xbar train --resume {folder}"
        raise type(e)(f"{e}; {kept}") from e
    finally:
        if session.board is not None:
            session.board.save_sent(folder)


def train_epochs(session: Session, notice: Notice, progress: ProgressBar) -> None:
    """Train one run to its last epoch and keep every epoch."""
    run, trainer, last = session.run, session.trainer, session.trainer.epochs
    notice(f"{run.folder}: untrained {trainer.rows[0]['test_accuracy']:.1%}")
    if trainer.setup.network.neurons and not trainer.rows[-1]["spikes_per_inference"]["total"]:
        drawn = "; try a larger --sigma-init, or --ei none" * (run.config.init_from is None)
        notice(f"warning: no hidden neuron spikes, so nothing can be learned{drawn}")
    while trainer.epoch < last:
        label = f"epoch {trainer.epoch + 1}/{last}"
        for _ in progress(trainer.run_epoch(), trainer.batches, label):
            pass
        run.save(trainer, session.before)
        if session.board is not None:
            session.board.save_sent(run.folder)
        row = trainer.rows[-1]
        notice(f"{label}  test {row['test_accuracy']:.2%}  {row['seconds']:.1f} s")
    trained = [torch.from_numpy(g) for g in trainer.conductances()] if trainer.emulators else []
    if trained and (warning := unmeasured_relaxation(run.model, trained)):
        notice(warning)
