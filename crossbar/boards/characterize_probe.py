"""Cells of a board that are pulsed and read, with a record of what was done to them."""

import time

import numpy as np
import torch
from numpy.typing import NDArray

from device_models.model import DeviceModel

from .characterize_plan import Pulse
from .characterize_tables import READ, RESET, SET, TRAIN, WRITE, Events
from .protocol import Board, PulseBatch, PulseShape
from .write_verify import WriteVerify, write_verify

Floats = NDArray[np.float64]
TOLERANCE = 0.02  # of the window, in writes with verification


class Probe:
    """Some cells of a board, and a record of what was done to them.

    Attributes:
        board: The array.
        cells: Flat indices of the cells, int32, rising.
        seconds: Device time of an emulator, clock of a real board, from 0.
    """

    def __init__(self, board: Board, cells: NDArray[np.int32], seconds: float = 0.0) -> None:
        """Begin a record at some time."""
        self.board, self.cells, self._parts = board, cells, list[Events]()
        self._device_seconds, self._began = seconds, time.monotonic()

    @property
    def seconds(self) -> float:
        """See the class; every board is given at least the device time of its operations."""
        if self.board.info.is_emulator:
            return self._device_seconds
        return self._device_seconds + time.monotonic() - self._began

    def events(self) -> Events:
        """What was done so far."""
        return Events.join(self._parts)

    def read(self, op: int = READ, target: float = np.nan) -> Floats:
        """Read every cell once."""
        g = self.board.read(self.cells).detach().double().numpy()
        self._pass(self.board.info.read_seconds)
        self._add(op, g, target=target)
        return g

    def pulse(self, pulse: Pulse) -> None:
        """One pulse for every cell, and a read."""
        self._send(pulse, np.full(len(self.cells), pulse.sign))
        g = self.board.read(self.cells).detach().double().numpy()
        self._pass(self.board.info.read_seconds)
        self._add(SET if pulse.sign > 0 else RESET, g, pulse)

    def train(
        self, pulse: Pulse, counts: NDArray[np.int64], compliance_amperes: float | None = None
    ) -> None:
        """So many pulses for each cell, without a read; a cell that gets none has no row."""
        self._send(pulse, counts * pulse.sign, compliance_amperes)
        self._add(TRAIN, np.full(len(self.cells), np.nan), pulse)
        self._parts[-1] = self._parts[-1].take(counts != 0)

    def full(self, pulse: Pulse, count: int) -> None:
        """A full SET or RESET."""
        self.train(pulse, np.full(len(self.cells), count))

    def wait(self, seconds: float) -> None:
        """Let device time pass."""
        self.board.wait(seconds)
        self._pass(seconds)

    def write(self, sheet: DeviceModel, siemens: float, most: int) -> None:
        """Write all cells to one level with verification, and read them once more."""
        shape = self.board.info.shape
        chosen = torch.zeros(shape, dtype=torch.bool)
        chosen.view(-1)[torch.from_numpy(self.cells).long()] = True
        targets = torch.full(shape, siemens, dtype=torch.float32)
        settings = WriteVerify(tolerance=TOLERANCE, max_pulses=most)
        done = write_verify(self.board, sheet, targets, chosen, settings)
        self._pass(done.parallel_seconds + done.waited_seconds)
        self.read(WRITE, siemens)

    def _send(
        self, pulse: Pulse, counts: NDArray[np.int64], compliance_amperes: float | None = None
    ) -> None:
        """Signed pulses for the cells; nothing where all are 0."""
        if counts.any():
            batch = PulseBatch(self.cells, counts.astype(np.int32))
            self.board.pulse(batch, PulseShape(pulse.volts, pulse.seconds, compliance_amperes))
        self._pass(float(np.abs(counts).max(initial=0)) * pulse.seconds)

    def _pass(self, seconds: float) -> None:
        """Count device time, that of an emulator only: a real board has a clock."""
        if self.board.info.is_emulator:
            self._device_seconds += seconds

    def _add(self, op: int, g: Floats, pulse: Pulse | None = None, target: float = np.nan) -> None:
        """One row per cell."""
        n = len(self.cells)
        volts, seconds = (np.nan, np.nan) if pulse is None else pulse[1:]
        sign = 1 if pulse is None else pulse.sign
        self._parts.append(
            Events(
                op=np.full(n, op),
                device=self.cells.astype(np.int64),
                t_seconds=np.full(n, self.seconds),
                v_volts=np.full(n, sign * volts),
                width_seconds=np.full(n, seconds),
                g_siemens=g,
                target_siemens=np.full(n, target),
            )
        )
