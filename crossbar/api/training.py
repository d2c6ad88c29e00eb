"""Train a network, or look at one that was trained."""

from dataclasses import replace

from device_models.errors import ConfigError, consequence
from device_models.model import DeviceModel

from ..boards.budget import Budget
from ..boards.limits import Limits, load_limits
from ..datasets import LoadedDataset
from ..energy import record_activity
from ..experiment.boards import BoardFactory
from ..experiment.config import Training
from ..experiment.dry_run import dry_run
from ..experiment.run import Run
from ..experiment.train import Notice, ProgressBar, no_progress_bar, open_session, train_loop
from .folders import Folder, check_callable, check_kind, path
from .threads import one_thread


def train(
    config: Training | None = None,
    *,
    model: DeviceModel | None = None,
    out: Folder | None = None,
    resume: Folder | None = None,
    epochs: int | None = None,
    float_baseline: bool = False,
    figures: bool = False,
    board: str | None = None,
    limits: Limits | Folder | None = None,
    boards: BoardFactory | None = None,
    token: str | None = None,
    threads: int | None = None,
    data_dir: Folder | None = None,
    dataset: LoadedDataset | None = None,
    notice: Notice = print,
    progress: ProgressBar = no_progress_bar,
) -> Run:
    """Train a network whose only weights are conductances, or go on with a run.

        run = crossbar.train(crossbar.Training(device="oxram.yaml", epochs=2))
        run.summary["test_accuracy"], run.folder

    The run is kept in a folder, whole after every epoch, so that a process may be stopped at any
    moment; `resume` then goes on to the same bits as a run that was never stopped.

    Args:
        config: Settings; by default all defaults. None for a run that is resumed.
        model: Kind of device, in place of the file that `config.device` names.
        out: Folder of the run, new or empty; by default `runs/DEVICE_EI_seedN` below the working
            folder, with a number after it if that exists.
        resume: Folder of a run to go on with.
        epochs: In place of those of the settings.
        float_baseline: Train the same on exact weights too, in a folder of the run.
        figures: Draw the run into its folder.
        board: What to train on, in place of `config.board`: `simulated`, or the address of one
            board, for example `tcp://127.0.0.1:5025` (`crossbar.boards.address`). It is closed at
            the end.
        limits: What that board may be given, in place of `config.limits`, or the file that says it;
            a board that is no emulator needs them.
        boards: Finds the boards to train on, of which nothing but reads and pulses is asked; see
            `crossbar.experiment.boards.BoardFactory`. None: those of `config.board`.
        token: What the server of a board asks for; it is not kept.
        threads: How many samples run at a time; by default one per processor.
        data_dir: Folder of the data set; by default it is looked for, then fetched.
        dataset: The data set, where it is loaded already.
        notice: Told what goes on, line by line.
        progress: Shows an epoch: it takes the batches, their number and a label, and yields the
            batches. `lambda steps, total, label: tqdm(steps, label, total)` will do.

    Returns:
        The run, finished; `trainer` is where its last epoch left it.

    Raises:
        XbarError: Something is wrong; nothing was written. Or a board failed or refused what it was
            to do: the last whole epoch is kept, and `resume` goes on from there and from the
            conductances that the board has then.
        TrainingInterrupted: Ctrl-C came, a KeyboardInterrupt; the last whole epoch is kept.
    """
    with consequence("nothing was written"):
        config = with_board(config, board, limits)
        check_kind("model", model, DeviceModel)
        check_threads(threads)
        check_callable("boards", boards, is_optional=True)
        check_callable("notice", notice)
        check_callable("progress", progress)
    with one_thread():
        session = open_session(
            config, model=model, out=path(out), resume=path(resume), epochs=epochs,
            float_baseline=float_baseline, boards=boards, token=token, threads=threads,
            data_dir=path(data_dir), dataset=dataset, notice=notice,
        )  # fmt: skip
        try:
            train_loop(session, notice=notice, progress=progress)
            run, trainer, baseline = session.run, session.trainer, session.baseline
            run.write_summary(trainer.rows, None if baseline is None else baseline.trainer.rows)
            record_activity.keep(run, trainer)
            if figures:
                from ..figures.run import draw_run

                draw_run(run, trainer, session.before)
        finally:
            session.close()
        run.trainer = trainer
    return run


def check_threads(threads: int | None) -> None:
    """Refuse a number of threads that is none.

    Raises:
        ConfigError: It is.
    """
    if threads is not None and not (type(threads) is int and threads > 0):
        raise ConfigError(f"threads must be a whole number above 0 or None, not {threads!r}")


def budget(
    config: Training | None = None,
    *,
    model: DeviceModel | None = None,
    board: str | None = None,
    limits: Limits | Folder | None = None,
    token: str | None = None,
    data_dir: Folder | None = None,
    notice: Notice = print,
    progress: ProgressBar = no_progress_bar,
) -> Budget:
    """What a training would send to a board: the dry run of `train`; nothing is sent or written.

    The board is asked what it is, and closed. Then it is trained on an emulated one of the kind of
    device, behind the limits, or those of an emulated board where none are given. Arguments as
    there.

    Raises:
        LimitError: The limits would end it.
        ShapeError: The board is too small for the network.
        XbarError: Something else is wrong.
    """
    with one_thread(), consequence("nothing was sent"):
        settings = with_board(config, board, limits) or Training()
        return dry_run(
            settings, model, path(data_dir), notice=notice, progress=progress, token=token
        )


def with_board(
    config: Training | None, board: str | None, limits: Limits | Folder | None
) -> Training | None:
    """Settings with another board and other limits, where these are given.

    Raises:
        ConfigError: These are no settings, or the file says no limits.
    """
    check_kind("config", config, Training)
    if board is None and limits is None:
        return config
    settings = config or Training()
    if limits is not None and not isinstance(limits, Limits):
        limits = load_limits(path(limits))
    return replace(settings, board=board or settings.board, limits=limits or settings.limits)


def load_run(folder: Folder) -> Run:
    """A run that was trained, finished or not.

    Raises:
        RunError: There is no run, or one of the first edition.
        ConfigError: Its settings were edited and are wrong now.
    """
    where = path(folder)
    if where is None:
        raise ConfigError("the folder of a run is named by text or a path, not None")
    return Run.open(where)
