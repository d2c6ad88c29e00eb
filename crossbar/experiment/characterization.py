"""The folder of a characterisation: one file per finished stage, and the tables for `xbar fit`.

plan.yaml  about.json  stages/NAME.csv          what was asked, of which board, what was seen
pulses.csv  cycles.csv  reads.csv  writes.csv  retention.csv      what `xbar fit` reads
arc_one.csv                                     the pulses again, as ArC ONE writes them
README.txt                                      how to go on
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from device_models import atomic, npz
from device_models.claim import Claim, is_free
from device_models.errors import RunError, XbarError
from device_models.model import DeviceModel
from device_models.npz import UNREADABLE, reason
from device_models.schema import dump, load

from ..boards.characterize import FORMING, Stage, evenly, formed_cells, stages
from ..boards.characterize_plan import Plan
from ..boards.characterize_probe import Probe
from ..boards.characterize_tables import Events, arc_one_csv, as_csv, cycles_csv, from_csv
from ..boards.protocol import Board, BoardInfo, Emulator
from .train import Notice

ProgressBar = Callable[[Iterator[None], int, str], Iterable[None]]
PULSES, CYCLES = "pulses", "cycles"  # tables
STAGES = "characterisation"  # what its folder is claimed for
ABOUT = {"board": dict, "info": dict, "cells": list, "plan_sha256": str}  # of about.json
DATE = "Thu Jan  1 00:00:00 1970"  # of ArC ONE files: the same measurement is the same file


class CharacterizationInterrupted(XbarError):
    """Ctrl-C came; what is finished is kept.

    Attributes:
        folder: Where.
        stages: How many stages are finished.
    """

    def __init__(self, folder: Path, stages: int) -> None:
        """Say where it goes on."""
        super().__init__(f"{folder}: {stages} stages are kept")
        self.folder, self.stages = folder, stages


@dataclass(frozen=True)
class Characterized:
    """A finished characterisation.

    Attributes:
        folder: Where it is.
        files: What `xbar fit` reads.
        rows: Rows of all stages.
        arc_one: The pulses as ArC ONE writes them.
        negative: Readings below 0, which noise can bring about; a fit drops them.
    """

    folder: Path
    files: tuple[Path, ...]
    rows: int
    arc_one: Path
    negative: int = 0

    @property
    def fit_command(self) -> str:
        """What to run next."""
        names = " ".join(str(path) for path in self.files)
        flags = "--same-devices --drop-negative" if self.negative else "--same-devices"
        return f"xbar fit {names} {flags} -o {self.folder / 'device.yaml'}"


@dataclass(frozen=True)
class Work:
    """One characterisation in its folder.

    Attributes:
        folder: Where its files are.
        plan: What is measured.
        cells: Flat indices of the cells; a stage takes its share of them.
        about: Address and settings of the board, kept for a later call.
    """

    folder: Path
    plan: Plan
    cells: tuple[int, ...]
    about: dict[str, Any]

    def begin(self, info: BoardInfo) -> None:
        """Make the folder.

        Raises:
            RunError: As for `check_new`, or it cannot be made.
        """
        check_new(self.folder)
        plan = dump(self.plan).encode()
        values = (self.about, asdict(info), self.cells, sha256(plan).hexdigest())
        content = dict(zip(ABOUT, values, strict=True))
        with Claim(self.folder, STAGES):
            try:
                (self.folder / "stages").mkdir(exist_ok=True)
                atomic.write(self.folder / "plan.yaml", plan)
                text = json.dumps(content, indent=2) + "\n"
                atomic.write(self.folder / "about.json", text.encode())
            except OSError as e:
                raise RunError(f"{self.folder} cannot be made: {e.strerror or e}") from e


def check_new(folder: Path) -> None:
    """Refuse a folder in which no characterisation can begin; nothing is made.

    Raises:
        RunError: It exists and is not empty, or cannot be written.
    """
    try:
        is_begun = (folder / "about.json").exists()
        if folder.exists() and (is_begun or not is_free(folder, STAGES)):
            raise RunError(f"{folder} exists; choose another folder, or --resume it")
    except OSError as e:
        raise RunError(f"{folder}: {e.strerror or e}") from e
    if not atomic.can_be_written(folder):
        raise RunError(f"{folder} cannot be written")


def reopen(folder: Path) -> tuple[Work, dict[str, Any]]:
    """A characterisation that was begun, and what its board was.

    Raises:
        RunError: There is none, or its plan or about.json was edited.
    """
    path = folder / "about.json"
    if folder.is_dir() and not path.exists():
        raise RunError(f"{folder} is no characterisation: it has no {path.name}")
    try:
        about = json.loads(path.read_text("utf-8"))
        plan = (folder / "plan.yaml").read_bytes()
    except (OSError, ValueError, RecursionError) as e:
        raise RunError(f"{folder} is no characterisation: {e}") from e
    for name, kind in ABOUT.items():
        if not isinstance(about, dict) or not isinstance(about.get(name), kind):
            raise RunError(f"{path} is not of a characterisation: {name} must be a {kind.__name__}")
    cells = tuple(about["cells"])
    whole = all(type(cell) is int for cell in cells)
    if not whole or any(b <= a for a, b in pairwise((-1, *cells))):
        raise RunError(f"{path}: cells must be whole numbers from 0 that rise")
    if about["plan_sha256"] != sha256(plan).hexdigest():
        raise RunError(
            f"{folder / 'plan.yaml'} was edited after the measurement began; "
            "put it back, or begin with the new plan in another folder"
        )
    work = Work(folder, load(folder / "plan.yaml", Plan), cells, about["board"])
    return work, about["info"]


def check_same(work: Work, before: dict[str, Any], info: BoardInfo) -> None:
    """Raise RunError where another board answers than the one that was begun with."""
    now = json.loads(json.dumps(asdict(info)))
    for name in now | before:
        if now.get(name) != before.get(name):
            raise RunError(
                f"{work.folder} was begun on a board with {name} = {before.get(name)}, this one "
                f"has {now.get(name)}; nothing was sent"
            )
    if not work.cells or work.cells[-1] >= info.shape[0] * info.shape[1]:
        path = work.folder / "about.json"
        raise RunError(f"{path}: cells must be of the board; nothing was sent")


def carry_out(
    work: Work,
    board: Board,
    sheet: DeviceModel | None,
    emulator: Emulator | None,
    progress: ProgressBar,
    notice: Notice,
) -> Characterized:
    """Measure every stage that is not there yet, and write the tables.

    Each finished stage is a file, whole or absent, so this can be killed and called again. Of an
    emulator in this process the devices are kept too, and each stage has random streams of its
    own: a resumed characterisation is the same as one in a single piece, to the last bit.

    Args:
        work: What and where.
        board: The array.
        sheet: See `stages`.
        emulator: The same array, where it is emulated in this process.
        progress: Shows the steps of each stage.
        notice: Told how many cells did not form.

    Raises:
        CharacterizationInterrupted: Ctrl-C came.
        HardwareError: No cell formed; the readings are kept.
        RunError: A stage that is there is damaged; nothing was sent.
    """
    todo = stages(work.plan, board.info, sheet)
    history, start = _finished(work, todo, board.info), 0.0
    for number, stage in enumerate(todo):
        if stage.name not in history:
            if emulator is not None:
                _restore(emulator, work.folder, todo[:number])
                emulator.begin_epoch(number)
            probe = Probe(board, evenly(np.array(work.cells, np.intp), stage.cells), start)
            try:
                for _ in progress(stage.run(probe, history), stage.steps, stage.name):
                    pass
            except KeyboardInterrupt:
                raise CharacterizationInterrupted(work.folder, number) from None
            history[stage.name] = probe.events()
            if emulator is not None:
                _save(emulator, work.folder, stage)
            atomic.write(_stage_file(work.folder, stage), as_csv(history[stage.name], board.info))
        start = float(history[stage.name].t_seconds[-1])
        if stage.name == FORMING:
            work = _formed(work, board.info, history[FORMING], notice)
    return _finish(work, todo, history, board.info)


def _finished(work: Work, todo: list[Stage], info: BoardInfo) -> dict[str, Events]:
    """The stages that are there, by name; what a kill left half written is removed.

    Raises:
        RunError: One is damaged, or of other cells; nothing was sent.
    """
    for partial in (work.folder / "stages").glob(".*.part"):
        partial.unlink(missing_ok=True)
    history = dict[str, Events]()
    for stage in todo:
        path = _stage_file(work.folder, stage)
        if path.exists():
            events = history[stage.name] = from_csv(path, info)
            if not np.isin(events.device, work.cells).all() or np.isnan(events.t_seconds).any():
                raise RunError(f"{path} has other cells, or rows without a time; nothing was sent")
    return history


def _formed(work: Work, info: BoardInfo, events: Events, notice: Notice) -> Work:
    """The rest of a characterisation: of the cells that a forming has formed.

    Raises:
        HardwareError: There are none.
    """
    formed, n = formed_cells(work.plan, info, events), len(work.cells)
    if len(formed) < n:
        notice(f"{n - len(formed)} of {n} cells did not form; later stages leave them out")
    return replace(work, cells=tuple(formed.tolist()))


def _finish(
    work: Work, todo: list[Stage], history: dict[str, Events], info: BoardInfo
) -> Characterized:
    """Write the tables."""
    files = []
    for table in dict.fromkeys(stage.table for stage in todo if stage.table):
        events = Events.join([history[s.name] for s in todo if s.table == table])
        path = work.folder / f"{table}.csv"
        atomic.write(path, (cycles_csv if table == CYCLES else as_csv)(events, info))
        files.append(path)
    pulses = Events.join([history[s.name] for s in todo if s.table == PULSES])
    arc_one = work.folder / "arc_one.csv"
    atomic.write(arc_one, arc_one_csv(pulses, info, work.folder.name, DATE))
    files.sort(key=lambda path: path.stem != PULSES)
    rows = sum(map(len, history.values()))
    negative = sum(int((events.g_siemens < 0.0).sum()) for events in history.values())
    result = Characterized(work.folder, tuple(files), rows, arc_one, negative)
    text = (
        f"{len(work.cells)} cells of {info.name}, {rows} rows, {len(todo)} stages.\n"
        f"Next: {result.fit_command}\n"
        "arc_one.csv holds the pulses once more, as ArC ONE writes them.\n"
    )
    atomic.write(work.folder / "README.txt", text.encode())
    for path in work.folder.glob("state_*.npz"):
        path.unlink()
    return result


def _stage_file(folder: Path, stage: Stage) -> Path:
    """Where the rows of a finished stage are."""
    return folder / "stages" / f"{stage.name}.csv"


def _state_file(folder: Path, stage: Stage) -> Path:
    """Where the devices are kept as they are after a stage."""
    return folder / f"state_{stage.name}.npz"


def _save(emulator: Emulator, folder: Path, stage: Stage) -> None:
    """Keep the devices of an emulator, before the stage counts as finished."""
    import io

    stream = io.BytesIO()
    np.savez(stream, **{n: t.numpy() for n, t in emulator.state_dict().items()})  # type: ignore[arg-type]
    atomic.write(_state_file(folder, stage), stream.getvalue())


def _restore(emulator: Emulator, folder: Path, finished: list[Stage]) -> None:
    """Bring the devices of an emulator to where the last finished stage left them.

    Raises:
        RunError: They were not kept.
    """
    if not finished:
        return
    path = _state_file(folder, finished[-1])
    try:
        emulator.load_state_dict({n: torch.from_numpy(a) for n, a in npz.read(path).items()})
    except UNREADABLE as e:
        raise RunError(f"{path} cannot be read ({reason(e)}); nothing was sent") from e
    for other in folder.glob("state_*.npz"):
        if other != path:
            other.unlink()
