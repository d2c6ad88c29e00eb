"""PROGram: cells are brought near targets by pulses and reads, on the side of the board.

A program runs to its end before the next command of anybody is looked at.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch

from ..protocol import Board, BoardInfo, Indices, PulseBatch, PulseShape
from ..write_verify import WriteVerify, write_verify
from .bench import Context
from .command import Answer, Command, between, one_of, raw
from .errors import ScpiError
from .parser import Value
from .reads import floats

if TYPE_CHECKING:
    from ...array.counters import Counters


class Sending:
    """The board, with its pulses sent as every command sends them: within limits."""

    def __init__(self, context: Context) -> None:
        """On behalf of a client."""
        self._context = context
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
        self._context.bench.send(self._context.session, pulses, shape)

    def wait(self, seconds: float) -> None:
        """See `Board.wait`."""
        self._context.bench.board.wait(seconds)


def set_targets(c: Context, *given: Value) -> Answer:
    """Siemens for every cell, word line by word line; not a number leaves a cell alone."""
    targets, shape = floats(c, given, "SIE"), c.bench.board.info.shape
    if targets.size != shape[0] * shape[1]:
        raise ScpiError(-222, f"{targets.size} targets for {shape[0]} x {shape[1]} cells")
    if not (np.isnan(targets) | ((targets >= 0.0) & (targets <= 1.0))).all():
        raise ScpiError(-222, "a target is not within [0, 1] S")
    c.bench.programming.targets = targets.reshape(shape)
    return None


def set_tolerance(c: Context, siemens: float) -> Answer:
    """Half the band around a target."""
    c.bench.programming.tolerance_siemens = siemens
    return None


def get_tolerance(c: Context) -> Answer:
    """As set; without, one per cent of the window."""
    tolerance = c.bench.programming.tolerance_siemens
    window = c.bench.sheet.window_siemens if c.bench.sheet else 0.0
    return f"{0.01 * window if tolerance is None else tolerance:.6E}"


def set_algorithm(c: Context, algorithm: str) -> Answer:
    """ISPP: pulses and reads until two reads in a row lie in the band."""
    if algorithm != "ISPP":
        raise ScpiError(-224, f"{algorithm} is not here; ISPP is")
    return None


def start(c: Context) -> Answer:
    """Program the cells; `write_verify` says how."""
    job, sheet = c.bench.programming, c.bench.sheet
    if job.targets is None:
        raise ScpiError(-221, "PROG:TARG comes first; nothing was sent")
    if sheet is None:
        raise ScpiError(-241, "the kind of device of this board is not known; nothing was sent")
    chosen = torch.from_numpy(~np.isnan(job.targets))
    targets = torch.from_numpy(np.nan_to_num(job.targets)).float()
    tolerance = job.tolerance_siemens
    share = 0.01 if tolerance is None else tolerance / sheet.window_siemens
    loop = WriteVerify(tolerance=min(max(share, 1e-6), 0.5), passes=1)
    board: Board = Sending(c)
    result = write_verify(board, sheet, targets, chosen, loop)
    job.accepted, job.total = int(result.accepted.sum()), int(chosen.sum())
    job.pulses = result.pulses.numpy()
    return None


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
    Command("PROGram:ALGorithm", set_algorithm, (one_of("algorithm", "ISPP", "ITER", "OPEN"),),
            writes=True),
    Command("PROGram:ALGorithm?", lambda c: c.bench.programming.algorithm),
    Command("PROGram:STARt", start, writes=True),
    Command("PROGram:STATus?", status),
    Command("PROGram:PULSes?", pulses),
    Command("ABORt", abort),
]  # fmt: skip
