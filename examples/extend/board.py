"""A board of one's own: 16-bit digital potentiometers in the place of memristors, no noise. Ours.

A pulse turns a device by one of LEVELS equal steps. What the trainer may ask is `Board`: these six.
"""

from dataclasses import replace

import numpy as np
import torch

from crossbar.array.counters import Counters
from crossbar.boards.protocol import BoardInfo, check_devices, refuse_other_shape
from device_models.errors import ShapeError

LOW, HIGH, LEVELS = 1e-6, 1e-4, 1000  # siemens


class Potentiometers:
    def __init__(self, shape):
        self.info = BoardInfo(
            name="potentiometers", shape=shape, tile_shape=shape, read_volts=0.2, read_seconds=1e-6,
            set_volts=1.0, set_seconds=1e-7, reset_volts=1.0, reset_seconds=1e-7, is_emulator=False,
        )  # fmt: skip
        self.counters, self.level = Counters(), np.zeros(shape, np.int64)

    def siemens(self):
        return torch.from_numpy(LOW + (HIGH - LOW) / LEVELS * self.level).float()

    def read(self, device=None):
        if device is not None:
            check_devices(self.info, device)
        g = self.siemens() if device is None else self.siemens().flatten()[torch.as_tensor(device)]
        self.counters += Counters(device_reads=g.numel())
        return g

    def vmm(self, volts):
        if volts.shape[1] != self.info.shape[0]:
            raise ShapeError(f"{volts.shape[1]} voltages for {self.info.shape[0]} word lines")
        self.counters += Counters(row_activations=int(torch.count_nonzero(volts)))
        return volts @ self.siemens().to(volts.dtype)

    def pulse(self, pulses, shape=None):
        check_devices(self.info, pulses.device)
        refuse_other_shape(self.info, pulses, shape)
        level = self.level.reshape(-1)  # a view
        level[pulses.device] = (level[pulses.device] + pulses.count).clip(0, LEVELS)
        up, down = int(pulses.count.clip(min=0).sum()), int(-pulses.count.clip(max=0).sum())
        self.counters += Counters(set_pulses=up, reset_pulses=down)

    wait = close = lambda *_: None


def open_board():
    """For `--board python:board.open_board`; of the lines that the default network needs.

    Its pulses are of one amplitude: `xbar characterize` ends at the first of another one.
    """
    return Potentiometers((884, 200))


if __name__ == "__main__":
    from dataset import train

    import crossbar as xb

    sheet = replace(  # what is known of the devices: their window and their steps
        xb.load_device("ideal"), g_min_siemens=LOW, g_max_siemens=HIGH, states=LEVELS
    )
    boards = {}  # one for each array: its number and (word lines, bit lines) -> the board
    train(model=sheet, boards=lambda n, shape: boards.setdefault(n, Potentiometers(shape)))
