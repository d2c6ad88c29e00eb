"""PROGram: cells are brought near targets by pulses and reads, on the side of the board.

A program runs to its end before the next command of anybody is looked at.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from device_models.model import DeviceModel

from ..protocol import Board, BoardInfo, Indices, PulseBatch, PulseShape
from ..write_verify import WriteVerify, program, write_open_loop, write_verify
from .bench import Context
from .command import Answer, Command, between, one_of, raw
from .errors import ScpiError
from .parser import Number, Value, Word
from .reads import floats
from .session import NOT_A_NUMBER

if TYPE_CHECKING:
    from ...array.counters import Counters


class Sending:
    """The board, with its pulses sent as every command sends them: within limits.

    Attributes:
        pulses: Of each cell so far, int64 (word lines, bit lines).
    """

    def __init__(self, context: Context) -> None:
        """On behalf of a client."""
        self._context = context
        self.pulses = np.zeros(context.bench.board.info.shape, np.int64)
        self.close = context.bench.board.close

    @property
    def info(self) -> BoardInfo:
        """See `Board`."""
        return self._context.bench.board.info

    @property
    def counters(self) -> "Counters":
        """See `Board`."""
        return self._context.bench.board.counters

    def read(self, device: Indices | None = None) -> torch.Tensor:
        """See `Board.read`."""
        return self._context.bench.board.read(device)

    def vmm(self, volts: torch.Tensor) -> torch.Tensor:
        """See `Board.vmm`."""
        return self._context.bench.board.vmm(volts)

    def pulse(self, pulses: PulseBatch, shape: PulseShape | None = None) -> None:
        """See `Board.pulse` and `Bench.send`."""
        bench = self._context.bench
        bench.send(self._context.session, pulses, shape)
        is_width = bench.sheet is not None and bench.sheet.count_is_width
        sent = np.sign(pulses.count) if is_width else pulses.count
        self.pulses.reshape(-1)[pulses.device] += np.abs(sent)

    def wait(self, seconds: float) -> None:
        """See `Board.wait`."""
        self._context.bench.board.wait(seconds)


def set_targets(c: Context, *given: Value) -> Answer:
    """Siemens for every cell, word line by word line; NAN or 9.91E37 leaves a cell alone."""
    numbers = (Number(NOT_A_NUMBER) if value == Word("NAN") else value for value in given)
    targets, shape = floats(c, tuple(numbers), "SIE"), c.bench.board.info.shape
    if targets.size != shape[0] * shape[1]:
        raise ScpiError(-222, f"{targets.size} targets for {shape[0]} x {shape[1]} cells")
    targets = np.where(np.isclose(targets, NOT_A_NUMBER, rtol=1e-6, atol=0.0), np.nan, targets)
    wrong = targets[~(np.isnan(targets) | ((targets >= 0.0) & (targets <= 1.0)))]
    if wrong.size:
        raise ScpiError(-222, f"a target of {wrong[0]:g} S is not within [0, 1] S, nor NAN")
    c.bench.programming.targets = targets.reshape(shape)
    return None


def set_tolerance(c: Context, siemens: float) -> Answer:
    """Half the band around a target."""
    c.bench.programming.tolerance_siemens = siemens
    return None


def get_tolerance(c: Context) -> Answer:
    """As set; without, one per cent of the window."""
    given, sheet = c.bench.programming.tolerance_siemens or 0.0, c.bench.sheet
    return f"{given if sheet is None else _tolerance(c, sheet):.6E}"


def set_algorithm(c: Context, algorithm: str) -> Answer:
    """How `PROGram:STARt` programs.

    ISPP: a growing number of pulses and reads until two reads in a row lie in the band. ITER: reads
    of all cells and pulses for what each is off by, until that helps no more. OPEN: pulses by the
    data sheet alone, without a read.
    """
    c.bench.programming.algorithm = algorithm
    return None


def start(c: Context) -> Answer:
    """Program the cells by `PROGram:ALGorithm`; `write_verify` says how."""
    job, sheet = c.bench.programming, c.bench.sheet
    if job.targets is None:
        raise ScpiError(-221, "PROG:TARG comes first; nothing was sent")
    if sheet is None:
        raise ScpiError(-241, "the kind of device of this board is not known; nothing was sent")
    chosen = torch.from_numpy(~np.isnan(job.targets))
    targets = torch.from_numpy(np.nan_to_num(job.targets)).float()
    board = Sending(c)
    job.accepted, job.total, job.pulses = 0, int(chosen.sum()), board.pulses
    job.accepted = WRITERS[job.algorithm](board, sheet, targets, chosen, _tolerance(c, sheet))
    return None


def _tolerance(c: Context, sheet: DeviceModel) -> float:
    """Half the band around a target, siemens."""
    tolerance = c.bench.programming.tolerance_siemens
    return 0.01 * sheet.window_siemens if tolerance is None else tolerance


def _ispp(board: Board, sheet: DeviceModel, targets: Tensor, chosen: Tensor, siemens: float) -> int:
    """`write_verify` in one pass; how many cells were accepted."""
    share = min(max(siemens / sheet.window_siemens, 1e-6), 0.5)
    loop = WriteVerify(tolerance=share, passes=1)
    return int(write_verify(board, sheet, targets, chosen, loop).accepted.sum())


def _iterate(
    board: Board, sheet: DeviceModel, targets: Tensor, chosen: Tensor, siemens: float
) -> int:
    """`program`; how many cells were last read in the band."""
    last = program(board, sheet, targets, chosen)
    return int((((last - targets).abs() <= siemens) & chosen).sum())


def _open_loop(board: Board, sheet: DeviceModel, targets: Tensor, chosen: Tensor, _: float) -> int:
    """`write_open_loop`; no cell is read, so none is accepted."""
    write_open_loop(board, sheet, targets, chosen)
    return 0


WRITERS = {"ISPP": _ispp, "ITER": _iterate, "OPEN": _open_loop}


def status(c: Context) -> Answer:
    """IDLE, then how many cells were accepted in the last program, and of how many."""
    return f"IDLE,{c.bench.programming.accepted},{c.bench.programming.total}"


def pulses(c: Context) -> Answer:
    """Pulses of each cell in the last program."""
    sent = c.bench.programming.pulses
    if sent is None:
        raise ScpiError(-221, "nothing was programmed")
    return c.session.numbers(sent.astype(np.float64))


def abort(c: Context) -> Answer:
    """Nothing runs between two commands."""
    return None


COMMANDS = [
    Command("PROGram:TARGet", set_targets, writes=True, rest=raw("siemens")),
    Command("PROGram:TOLerance", set_tolerance, (between("tolerance", "SIE", 1e-12, 1.0),),
            writes=True),
    Command("PROGram:TOLerance?", get_tolerance),
    Command("PROGram:ALGorithm", set_algorithm, (one_of("algorithm", *WRITERS),),
            writes=True),
    Command("PROGram:ALGorithm?", lambda c: c.bench.programming.algorithm),
    Command("PROGram:STARt", start, writes=True),
    Command("PROGram:STATus?", status),
    Command("PROGram:PULSes?", pulses),
    Command("ABORt", abort),
]  # fmt: skip
