"""The part of `xbar doctor` that looks at a board: the conformance suite as a table."""

import dataclasses
import json as json_text
import re
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from device_models.errors import ConfigError

from .text import echo

if TYPE_CHECKING:
    from crossbar.boards.conformance import CheckResult
    from crossbar.boards.protocol import Board, BoardInfo

FAILED = 1  # exit code
SPAN = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
PULSES = "it sends pulses; --allow-pulses runs it, --cells chooses the devices"


def check_board(
    address: str,
    *,
    token: str | None,
    allow_pulses: bool,
    limits: str | None,
    cells: str | None,
    as_json: bool,
) -> None:
    """Run the suite on a board and print a line for each check.

    Pulses go to an emulator, which may be worn; to any other board only where they are allowed and
    limits are given.

    Raises:
        ConfigError: The address, the limits or the cells are wrong; nothing was sent.
        BoardError: What is there is no board.
        HardwareError: Nobody answers there.
        Exit: A check failed.
    """
    from crossbar.boards.conformance import run_checks

    wanted = cells_of(cells)
    board = _opened(address, token)
    info = board.info
    try:
        _check_cells(wanted, info.shape)
        board = guarded(board, limits, allow_pulses=allow_pulses)
    except ConfigError:
        with suppress(Exception):  # the first error is the one to tell
            board.close()
        raise
    if not as_json:
        kind = "an emulator" if info.is_emulator else "no emulator"
        echo(f"{info.name}, {info.shape[0]} x {info.shape[1]}, {kind}, at {address}")
    results = run_checks(
        board, allow_pulses=allow_pulses or None, cells=wanted,
        report=(lambda _: None) if as_json else show,
    )  # fmt: skip
    echo(as_json_text(address, info, results) if as_json else total(results))
    if any(result.problem for result in results):
        raise click.exceptions.Exit(FAILED)


def as_json_text(address: str, info: "BoardInfo", results: list["CheckResult"]) -> str:
    """A board and what came of its checks, as JSON."""
    about = {"address": address, **dataclasses.asdict(info)}
    rows = [{"check": r.check.name, "outcome": outcome(r), "why": why(r)} for r in results]
    return json_text.dumps({"board": about, "checks": rows}, indent=2, allow_nan=False)


def total(results: list["CheckResult"]) -> str:
    """How many checks came out how."""
    counts = [sum(outcome(r) == name for r in results) for name in ("pass", "FAIL", "skipped")]
    return "{} passed, {} failed, {} skipped".format(*counts)


def _opened(address: str, token: str | None) -> "Board":
    """The board at an address as it is: what it answers is for the checks to find.

    Raises:
        XbarError: There is none, or it cannot be tested; nothing was sent.
    """
    from crossbar.boards.address import open_board
    from crossbar.boards.checked import CheckedBoard

    if address.startswith("recorded:"):
        raise ConfigError(
            f"--board {address}: a recording cannot be tested, it only answers what was recorded; "
            "nothing was checked"
        )
    board = open_board(address, token=token)
    CheckedBoard(board, source=address)  # refuses what is no board
    return board


def show(result: "CheckResult") -> None:
    """Print what came of a check."""
    reason = f"\n         {why(result)}" if why(result) else ""
    echo(f"{outcome(result):<8} {result.check.name}{reason}")


def outcome(result: "CheckResult") -> str:
    """What came of a check, in one word."""
    if not result.was_run:
        return "skipped"
    return "FAIL" if result.problem else "pass"


def why(result: "CheckResult") -> str | None:
    """Why a check failed or was not run; None where it passed."""
    return result.problem if result.was_run else PULSES


def guarded(board: "Board", limits: str | None, *, allow_pulses: bool) -> "Board":
    """The board within limits; one that is no emulator gets no pulse without.

    Raises:
        ConfigError: There are none, or they do not fit the board.
    """
    from crossbar.boards.limited import LimitedBoard
    from crossbar.boards.limits import load_limits

    if limits is not None:
        return LimitedBoard(board, load_limits(limits))
    if allow_pulses and not board.info.is_emulator:
        raise ConfigError(
            f"{board.info.name} is no emulator: --allow-pulses needs --limits FILE; "
            "nothing was sent"
        )
    return board


def cells_of(text: str | None) -> list[int] | None:
    """Flat indices of `0-63,100`; None of None.

    Raises:
        ConfigError: It is no such list.
    """
    if text is None:
        return None
    cells: list[int] = []
    for part in text.split(","):
        match = SPAN.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first or last - first > 1 << 24:
            raise ConfigError(f"--cells {text}: {part!r} is no span as 0-63; nothing was sent")
        cells += range(first, last + 1)
    return cells


def _check_cells(cells: list[int] | None, shape: tuple[int, int]) -> None:
    """Refuse cells that the array does not have."""
    size = shape[0] * shape[1]
    if cells and max(cells) >= size:
        raise ConfigError(
            f"--cells: there is no device {max(cells)}, the last is {size - 1}; nothing was sent"
        )
