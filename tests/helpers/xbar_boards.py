"""Parts of an array read and pulsed through the members of any board."""

import numpy as np
import torch

from crossbar.boards.protocol import PulseBatch
from crossbar.boards.write_verify import program


def indices(board):
    """Flat index of every device, (word lines, bit lines)."""
    return np.arange(np.prod(board.info.shape)).reshape(board.info.shape)


def along(board, line, axis):
    """Flat indices of the devices of one word or bit line."""
    everywhere = indices(board)
    return everywhere[line] if axis == "word" else everywhere[:, line]


def read_line(board, line, axis):
    """Conductances along one line."""
    return board.read(along(board, line, axis))


def read_one(board, row, column):
    """Conductance of one device."""
    return float(board.read(np.array(row * board.info.shape[1] + column)))


def pulse_line(board, line, axis, counts):
    """Signed pulses for the devices of one line."""
    device = along(board, line, axis).astype(np.int32)
    board.pulse(PulseBatch(device, torch.as_tensor(counts).to(torch.int32).numpy()))


def pulse_one(board, row, column, count):
    """Signed pulses for one device."""
    device = np.array([row * board.info.shape[1] + column], np.int32)
    board.pulse(PulseBatch(device, np.array([count], np.int32)))


def program_all(board, sheet, targets):
    """The simple loop over all devices of a board."""
    return program(board, sheet, targets, torch.ones(board.info.shape, dtype=torch.bool))
