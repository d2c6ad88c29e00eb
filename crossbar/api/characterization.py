"""Measure a board for `xbar fit`: one call from a plan to a folder of tables."""

from dataclasses import asdict, dataclass, field
from typing import Any

from device_models.claim import Claim
from device_models.errors import ConfigError, RunError, consequence
from device_models.model import DeviceModel
from device_models.presets import load_device
from device_models.pulsed import Pulsed
from device_models.record import Record, shown

from ..boards.address import open_board
from ..boards.characterize import Cost, choose_cells, cost
from ..boards.characterize_plan import Plan, check_laws
from ..boards.checked import CheckedBoard
from ..boards.limited import LimitedBoard
from ..boards.limits import Limits, limits_of
from ..boards.protocol import Board, BoardInfo, Emulator
from ..boards.scpi.serving import ServedBoard, emulated_board
from ..boards.simulated import SimulatedBoard
from ..experiment.characterization import (
    STAGES,
    Characterized,
    ProgressBar,
    Work,
    carry_out,
    check_new,
    check_same,
    reopen,
)
from ..experiment.train import Notice
from .folders import Folder, check_kind
from .folders import path as folder_path

SIMULATED = "simulated"
NOTHING = "nothing was sent"


@dataclass(frozen=True, kw_only=True)
class Bench(Record):
    """Which board is measured.

    Attributes:
        address: `simulated`, or what `open_board` takes.
        device: Of a simulated board, a file or a preset; of another one the data sheet that
            writes with verification go by, None: what the ramps show.
        simulated: Size and seed of a simulated board.
    """

    address: str = SIMULATED
    device: str | None = None
    simulated: ServedBoard = field(default_factory=ServedBoard)


def no_progress_bar(steps: Any, total: int, label: str) -> Any:
    """Shows nothing."""
    return steps


def open_bench(bench: Bench, token: str | None = None) -> tuple[Board, DeviceModel | None]:
    """The board of a bench, and its data sheet where one is known.

    Raises:
        ConfigError, HardwareError: See `open_board`.
        BoardError: What is there is no board.
    """
    if bench.address != SIMULATED:
        sheet = load_device(bench.device) if bench.device else None
        return _checked(open_board(bench.address, token=token), bench.address), sheet
    model = load_device(bench.device or "oxram.yaml")
    return emulated_board(model, bench.simulated), model


def limits_for(info: BoardInfo, sheet: DeviceModel | None, limits: Limits | None) -> Limits | None:
    """What is checked before anything is sent; None: the server of an emulated board does.

    Raises:
        ConfigError: A real board, and no limits.
    """
    if limits is not None:
        return limits
    if not info.is_emulator:
        raise ConfigError(f"{info.name} is a real board: it needs --limits FILE; {NOTHING}")
    return limits_of(sheet) if sheet is not None else None


def estimate_cost(
    board: Board, plan: Plan, sheet: DeviceModel | None, limits: Limits | None
) -> Cost:
    """What a plan comes to on a board, within its limits; nothing is sent. See `cost`."""
    if isinstance(board, SimulatedBoard) and isinstance(sheet, Pulsed):
        check_laws(plan, board.info, sheet)
    most = None if sheet is None else sheet.g_max_siemens
    return cost(plan, board.info, limits_for(board.info, sheet, limits), most)


def cost_table(cost: Cost, info: BoardInfo) -> str:
    """What a plan comes to on a board, with what the numbers mean there, for people."""
    lines = [cost.table()]
    if info.is_emulator:
        lines.append("times are of the emulated cells: the emulator skips them, nobody waits")
    else:
        lines.append("times are those of a clock, besides what the transfers take")
    if cost.budget.worst_joules is None:
        lines.append(
            "energy is unknown: it is V^2 t at the largest conductance of a cell, which the device "
            "file of --device says"
        )
    return "\n".join(lines)


def characterize(
    board: Board | str,
    plan: Plan | None = None,
    *,
    out: Folder,
    bench: Bench | None = None,
    limits: Limits | None = None,
    token: str | None = None,
    progress: ProgressBar = no_progress_bar,
    notice: Notice = print,
) -> Characterized:
    """Measure what `xbar fit` needs, on any board.

    Args:
        board: A board, or an address: `simulated`, `tcp://HOST:PORT`.
        plan: What is measured; by default 24 cells at nine amplitudes and widths, and more
            at rest.
        out: New folder, or an empty one.
        bench: Of an address: device, size and seed. A board that is handed over has none.
        limits: What is checked before anything is sent; a real board needs them.
        token: What the server asks for.
        progress: Shows the steps of each stage.
        notice: Told what the plan comes to, and how many cells did not form.

    Returns:
        The files, and the command to run next.

    Raises:
        ConfigError, LimitError: The board, the plan or the limits are wrong; nothing was sent.
        CharacterizationInterrupted: Ctrl-C; `resume` goes on.
    """
    plan = plan or Plan()
    with consequence(NOTHING):
        check_kind("plan", plan, Plan)
        check_kind("bench", bench, Bench)
        check_kind("limits", limits, Limits)
        check_new(folder_path(out))
        if isinstance(board, str):
            bench = _with_address(bench or Bench(), board)
            opened, sheet = open_bench(bench, token)
        else:
            if not hasattr(board, "info"):
                raise ConfigError(f"board must be a board or an address, not {shown(board)}")
            opened = _checked(board, "board")
            sheet = load_device(bench.device) if bench and bench.device else None
        notice(cost_table(estimate_cost(opened, plan, sheet, limits), opened.info))
        about = {} if bench is None else asdict(bench)
        cells = tuple(choose_cells(opened, plan.most_cells).tolist())
        work = Work(folder_path(out), plan, cells, about)
        work.begin(opened.info)
    return _run(work, opened, sheet, limits, progress, notice, is_ours=isinstance(board, str))


def resume(
    folder: Folder,
    board: Board | None = None,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    progress: ProgressBar = no_progress_bar,
    notice: Notice = print,
) -> Characterized:
    """Go on with a characterisation; the stage that was cut short is done again.

    Args:
        folder: Of it.
        board: The board; None: that of the address it was begun with.
        limits, token, progress, notice: See `characterize`.

    Raises:
        RunError: It is none, it was edited, or its board is another one; nothing was sent.
    """
    with consequence(NOTHING):
        work, before = reopen(folder_path(folder))
        sheet = None
        if board is None:
            if not work.about:
                raise ConfigError(f"{work.folder} does not say where its board is; hand it over")
            opened, sheet = open_bench(_bench_of(work), token)
        else:
            opened = _checked(board, "board")
        check_same(work, before, opened.info)
        estimate_cost(opened, work.plan, sheet, limits)
        finished = len(list((work.folder / "stages").glob("*.csv")))
        notice(f"{work.folder}: {finished} stages are there")
    return _run(work, opened, sheet, limits, progress, notice, is_ours=board is None)


def _run(
    work: Work,
    board: Board,
    sheet: DeviceModel | None,
    limits: Limits | None,
    progress: ProgressBar,
    notice: Notice,
    *,
    is_ours: bool,
) -> Characterized:
    """Measure within the limits, and close a board that was opened here."""
    guarded, held = board, limits_for(board.info, sheet, limits)
    if held is not None:
        most = None if sheet is None else sheet.g_max_siemens
        guarded = LimitedBoard(board, held, most_siemens=most)
    emulator: Emulator | None = board if isinstance(board, SimulatedBoard) else None
    try:
        with Claim(work.folder, STAGES):
            return carry_out(work, guarded, sheet, emulator, progress, notice)
    finally:
        if is_ours:
            board.close()


def _checked(board: Board, source: str) -> Board:
    """A board whose driver fails in one line; an emulated one is ours."""
    if isinstance(board, SimulatedBoard):
        return board
    return CheckedBoard(board, source=source, any_siemens=True)


def _with_address(bench: Bench, address: str) -> Bench:
    """The bench at an address."""
    return Bench(address=address, device=bench.device, simulated=bench.simulated)


def _bench_of(work: Work) -> Bench:
    """The bench that a characterisation was begun at.

    Raises:
        RunError: about.json does not say all of it, or something else.
    """
    about, path = work.about, work.folder / "about.json"
    try:
        bench = Bench(**about | {"simulated": ServedBoard(**about.get("simulated", {}))})
    except (TypeError, ConfigError) as e:
        raise RunError(f"{path}: board was edited: {'; '.join(str(e).splitlines())}") from e
    if asdict(bench) != about:
        raise RunError(f"{path}: board was edited: it must be like {asdict(bench)}")
    return bench
