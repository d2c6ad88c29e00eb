"""Arrays without transistors: what a pulse does to the devices that share its lines.

A transistor per device (1T1R) leaves the others alone. Without (1R), a pulse of voltage V puts a
share of it on every other device of the tile:

    scheme   on the pulsed word or bit line   on all others
    V/2      V/2                              0
    V/3      V/3                              -V/3

A device moves at such a voltage U by its own step for that polarity, which is for a pulse of
voltage W, times exp(-(W - |U|) / disturb_volts): the exponential tail of the field acceleration
sinh(V / v0) of ion hopping. All pulses of one programming operation are taken together, in
expectation: n half-selecting pulses move a device by n such fractions of a step, SET and RESET
netted at the conductance it has after the operation's own pulses. Each takes the energy U^2 g t.
Voltage lost along the lines is a matter of the pulsed device (`wires.pulse_loss`): its neighbours
have U whole here.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from device_models.errors import ConfigError
from device_models.jit import jit
from device_models.model import DeviceModel, DeviceState, Programmed
from device_models.pulse_law import gain
from device_models.pulsed import Pulsed
from device_models.record import Record, quantity

from .tile import Tiling


@dataclass(frozen=True, kw_only=True)
class HalfSelect(Record):
    """How an array without transistors is biased, and how steeply its devices switch.

    Attributes:
        scheme: Voltages of the lines that are not selected.
        disturb_volts: The v0 of the module. Derived: v0 = tox kT / (gamma a0 q) of the Stanford
            model with a0 = 0.4 nm, tox = 15 nm, gamma = 14.5 at 300 K, as fitted to N-doped AlOx;
            without the heating by the current, which would lower it at the full voltage alone.
    """

    scheme: Literal["V/2", "V/3"] = "V/2"
    disturb_volts: float = quantity("V", 1e-3, 10.0, default=0.067)

    @property
    def fraction(self) -> float:
        """Fraction of the voltage of a pulse on a half-selected device."""
        return 0.5 if self.scheme == "V/2" else 1.0 / 3.0


class Devices(NamedTuple):
    """An array as `_disturb` takes it, float32 (rows, columns) each.

    Attributes:
        g: Conductances, siemens.
        rising: Expected step of a SET there, siemens.
        falling: Likewise of a RESET.
        up_gain: Factor of each device to its SETs.
        down_gain: Likewise to its RESETs.
        low: Its bounds, siemens, as the next.
        high: See before.
        carrying: What carries the current, siemens.
    """

    g: np.ndarray
    rising: np.ndarray
    falling: np.ndarray
    up_gain: np.ndarray
    down_gain: np.ndarray
    low: np.ndarray
    high: np.ndarray
    carrying: np.ndarray


def check(model: DeviceModel) -> Pulsed:
    """The model, if it knows the voltage of its pulses.

    Raises:
        ConfigError: It does not.
    """
    if not isinstance(model, Pulsed):
        raise ConfigError(
            f"array_kind = 1R needs a device with pulse voltages; {type(model).__name__} has none; "
            "nothing was built"
        )
    return model


def disturb(
    model: Pulsed,
    state: DeviceState,
    carrying: Tensor,
    counts: Tensor,
    tiling: Tiling,
    half: HalfSelect,
) -> Programmed:
    """Move every device by what the pulses to its neighbours do; see the module.

    Args:
        model: Kind of device.
        state: After the pulses themselves. Not modified.
        carrying: Conductances that carry the current, siemens, float32 (rows, columns).
        counts: The signed pulses, int32 (rows, columns).
        tiling: How the array is cut.
        half: Scheme and steepness.

    Returns:
        The state after, and the energy of the half-selected devices, joules.
    """
    g, moved = state.g, torch.empty(state.g.shape)
    size = min(tiling.tile_rows, len(g)), min(tiling.tile_columns, g.shape[1])
    gains = (gain(model, state.traits, way) for way in (1, -1))
    bounds = state.traits["g_low"], state.traits["g_high"]
    arrays = g, *model.both_means(g), *gains, *bounds, carrying
    devices = Devices(*(array.contiguous().numpy() for array in arrays))
    pulses = counts.contiguous().numpy()
    lines = _count_lines(pulses, *size)
    squares = _disturb(devices, pulses, lines, size, _shares(model, half), moved.numpy())
    return Programmed(state._replace(g=moved), squares * half.fraction**2 * model.width_seconds)


def _shares(model: Pulsed, half: HalfSelect) -> np.ndarray:
    """What a SET and a RESET do to a device on a line of theirs, then to one on neither.

    Returns:
        Steps up of a SET and down of a RESET, down of a SET and up of a RESET, V^2 of each, and V^2
        of each where the device is on neither line: float64 (8,).
    """
    v_set, v_reset, fraction = model.set_volts, model.reset_volts, half.fraction

    def steps(own_volts: float, pulse_volts: float) -> float:
        return math.exp(-(own_volts - fraction * pulse_volts) / half.disturb_volts)

    beside, squares = (steps(v_set, v_set), steps(v_reset, v_reset)), (v_set**2, v_reset**2)
    if half.scheme == "V/2":
        return np.array((*beside, 0.0, 0.0, *squares, 0.0, 0.0))
    # The others see the opposite polarity.
    return np.array((*beside, steps(v_reset, v_set), steps(v_set, v_reset), *squares, *squares))


@jit
def _count_lines(
    counts: np.ndarray, tile_rows: int, tile_columns: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """SETs and RESETs on each word line of each tile, then on each bit line, float64."""
    rows, columns = counts.shape
    words = np.zeros((2, rows, (columns - 1) // tile_columns + 1))
    bits = np.zeros((2, (rows - 1) // tile_rows + 1, columns))
    for row in range(rows):
        for column in range(columns):
            count = counts[row, column]
            if count != 0:
                way, pulses = np.int64(count < 0), np.float64(abs(count))
                words[way, row, column // tile_columns] += pulses
                bits[way, row // tile_rows, column] += pulses
    return words[0], words[1], bits[0], bits[1]


@jit
def _disturb(
    devices: Devices,
    counts: np.ndarray,
    lines: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    tile_shape: tuple[int, int],
    shares: np.ndarray,
    moved: np.ndarray,
) -> float:
    """See `disturb`; `shares`: see `_shares`. The sum of V^2 g of the pulses.

    All pulses of a tile are on a line of a device or beyond; its own are on two of them.
    """
    g, rising, falling, up_gain, down_gain, low, high, carrying = devices
    word_sets, word_resets, bit_sets, bit_resets = lines
    set_up, reset_down, set_down, reset_up, set_near, reset_near, set_far, reset_far = shares
    total, (tall, wide) = 0.0, tile_shape
    for row in range(g.shape[0]):
        for first in range(0, g.shape[1], wide):
            here, last = first // wide, min(first + wide, g.shape[1])
            down_sets, down_resets = bit_sets[row // tall], bit_resets[row // tall]
            all_sets, all_resets = down_sets[first:last].sum(), down_resets[first:last].sum()
            on_sets, on_resets = word_sets[row, here], word_resets[row, here]
            for k in range(first, last):
                count, now = np.float64(counts[row, k]), g[row, k]
                own_sets, own_resets = max(count, 0.0), max(-count, 0.0)
                sets = on_sets + down_sets[k] - 2.0 * own_sets
                resets = on_resets + down_resets[k] - 2.0 * own_resets
                far_sets, far_resets = all_sets - sets - own_sets, all_resets - resets - own_resets
                rise = (sets * set_up + far_resets * reset_up) * rising[row, k] * up_gain[row, k]
                fall = (resets * reset_down + far_sets * set_down) * falling[row, k]
                # One that drifted beyond its bounds stays where it is, it is only led no further.
                least, most = min(low[row, k], now), max(high[row, k], now)
                change = np.float32(rise - fall * down_gain[row, k])
                moved[row, k] = min(max(now + change, least), most)
                squares = sets * set_near + resets * reset_near
                total += (squares + far_sets * set_far + far_resets * reset_far) * carrying[row, k]
    return total
