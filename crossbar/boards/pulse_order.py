"""The order of pulses: draws go device by device, by rising indices."""

import numpy as np
import torch

from device_models.jit import jit
from device_models.pulse_law import PulseDrive

from .protocol import PulseBatch


def ordered(sent: PulseBatch, drive: PulseDrive) -> tuple[PulseBatch, PulseDrive]:
    """The same pulses by rising indices, without the devices that get none; and what they are."""
    device, count = sent
    is_rising = not (device[1:] < device[:-1]).any()
    if drive.is_own and not is_rising and (merged := _merged(device, count)):
        return PulseBatch(*merged), drive
    if not count.all():
        some = count != 0
        device, count = device[some], count[some]
        drive = drive.at(torch.from_numpy(some))
    if not is_rising:
        order = np.argsort(device, kind="stable")
        device, count = device[order], count[order]
        drive = drive.at(torch.from_numpy(order))
    return PulseBatch(device, count), drive


@jit
def _merged(device: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """`ordered` of two rising lists that are mixed, as rows of pairs are; None of other lists."""
    number, highs, lows, top, at = device.shape[0], 0, 0, -1, 0
    high, low = np.empty((number + 1, 2), np.int32), np.empty((number + 1, 2), np.int32)
    for k in range(number):  # no branch: the place after the last one is written again
        one, pulses = device[k], count[k]
        high[highs, 0], high[highs, 1] = one, pulses
        low[lows, 0], low[lows, 1] = one, pulses
        is_given, is_high = pulses != 0, one > top
        highs += is_given & is_high
        lows += is_given & (not is_high)
        top = one if is_given & is_high else top
    rising, pulses_of = np.empty(highs + lows, np.int32), np.empty(highs + lows, np.int32)
    for k in range(lows):
        if k and low[k, 0] < low[k - 1, 0]:
            return None
        while at < highs and high[at, 0] < low[k, 0]:
            rising[at + k], pulses_of[at + k] = high[at, 0], high[at, 1]
            at += 1
        rising[at + k], pulses_of[at + k] = low[k, 0], low[k, 1]
    for k in range(at, highs):
        rising[k + lows], pulses_of[k + lows] = high[k, 0], high[k, 1]
    return rising, pulses_of
