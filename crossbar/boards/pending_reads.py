"""Reads of an emulated array that have yet to move its devices; see `device_models.read_disturb`.

No read costs anything: they are counted by word line, and taken together when the devices are
pulsed, their time passes or an epoch begins, of the lines where they have come to `LEAST_STEPS`.
Fewer would be lost to rounding: conductances are 32-bit numbers. Those that wait are part of a
saved state.
"""

import numpy as np
import torch

from device_models.model import DeviceModel, DeviceState
from device_models.pulsed import Pulsed
from device_models.read_disturb import after_reads

from .protocol import Indices, ReadCounts

LEAST_STEPS = 1e-3  # of the devices of a line: 100 times what 32 bits resolve


class PendingReads:
    """Counts of one array.

    Attributes:
        lines: Reads of each word line that have moved nothing yet, float64 (word lines,).
    """

    def __init__(self, model: Pulsed, shape: tuple[int, int], volts: float) -> None:
        """None so far."""
        self._model, self._shape, self._volts = model, shape, volts
        self.lines = torch.zeros(shape[0], dtype=torch.float64)

    def add_products(self, counts: ReadCounts) -> None:
        """Vector-matrix products of an engine; where it names no lines, all are read as often."""
        if counts.lines is None:
            self.lines += counts.activations / self._shape[0]
        else:
            self.lines += torch.from_numpy(np.asarray(counts.lines, np.float64))

    def add_devices(self, device: Indices | None) -> None:
        """Reads of single devices (flat indices; None: all): a line of n devices is read 1/n."""
        if device is None:
            self.lines += 1.0
            return
        rows = np.asarray(device).reshape(-1) // self._shape[1]
        each = np.bincount(rows, minlength=self._shape[0]) / self._shape[1]
        self.lines += torch.from_numpy(each)

    @property
    def is_due(self) -> bool:
        """Whether the reads of any line have come to `LEAST_STEPS`."""
        return bool(self._due().any())

    def moved(self, state: DeviceState) -> DeviceState:
        """The devices after the reads that are due, which are then none."""
        lines = torch.where(self._due(), self.lines, 0.0)
        self.lines = self.lines - lines
        return after_reads(self._model, state, lines, self._volts)

    def _due(self) -> torch.Tensor:
        """Lines whose reads have come to `LEAST_STEPS`, bool (word lines,)."""
        return self.lines * abs(self._model.steps_per_read(self._volts)) >= LEAST_STEPS


def pending_reads(model: DeviceModel, shape: tuple[int, int], volts: float) -> PendingReads | None:
    """The counts of an array whose devices reads move; None for any other."""
    if not isinstance(model, Pulsed) or model.disturb_per_read == 0.0:
        return None
    return PendingReads(model, shape, volts)
