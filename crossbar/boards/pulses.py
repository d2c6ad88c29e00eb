"""Pulses as a board gives them: only to the devices that get some, in arrays that it owns.

The slow reference is `Pulsed.program`, which leaves its arguments alone.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from device_models import physics
from device_models.linear import FineSteps
from device_models.model import DeviceModel, DeviceState, StepLaw
from device_models.pulsed import Pulsed

from ..jit import jit


class Tally(NamedTuple):
    """What a programming operation sends.

    Attributes:
        sets: SET pulses.
        resets: RESET pulses.
        devices: Devices that they are sent to.
        where: Flat indices of those that they reach, int64, rising; none of `FineSteps`.
    """

    sets: int
    resets: int
    devices: int
    where: Tensor


def tally(model: DeviceModel, counts: Tensor, reaching: Tensor, pulsed: Tensor) -> Tally:
    """Count pulses, and add those of each device to `pulsed`.

    Args:
        model: Of `FineSteps` a count is the width of one pulse.
        counts: Signed pulses that are sent, int32, contiguous.
        reaching: Those of them that reach a device; shape of `counts`.
        pulsed: Pulses of every device so far, int32. Changed in place.
    """
    sent, reached_by, worn = (a.view(-1).numpy() for a in (counts, reaching, pulsed))
    if isinstance(model, FineSteps):
        sets, resets = _tally_widths(sent, reached_by, worn)
        return Tally(sets, resets, sets + resets, torch.empty(0, dtype=torch.int64))
    some = np.flatnonzero(sent != 0)
    sets, resets, found = _tally_some(sent, reached_by, worn, some)
    return Tally(sets, resets, len(some), torch.from_numpy(some[:found]))


@jit
def _tally_widths(counts: np.ndarray, reaching: np.ndarray, pulsed: np.ndarray) -> tuple[int, int]:
    """See `tally`: one pulse per count."""
    sets, resets = 0, 0
    for i in range(counts.shape[0]):
        sets += counts[i] > 0
        resets += counts[i] < 0
        pulsed[i] += reaching[i] != 0
    return sets, resets


@jit
def _tally_some(
    counts: np.ndarray, reaching: np.ndarray, pulsed: np.ndarray, where: np.ndarray
) -> tuple[int, int, int]:
    """See `tally`; `where`, the counts that are not 0, is cut down to those that reach something."""
    sets, resets, found = 0, 0, 0
    for k in range(where.shape[0]):
        i = where[k]
        sets += max(counts[i], 0)
        resets += max(-counts[i], 0)
        if reaching[i] != 0:
            pulsed[i] += abs(reaching[i])
            where[found] = i
            found += 1
    return sets, resets, found


def copy(array: Tensor) -> Tensor:
    """A contiguous copy."""
    return array.clone(memory_format=torch.contiguous_format)


def owned(state: DeviceState) -> DeviceState:
    """A state of which pulses may change all but the traits in place."""
    dynamics = {name: copy(array) for name, array in state.dynamics.items()}
    return DeviceState(copy(state.g), state.traits, dynamics)


class InPlace(NamedTuple):
    """A model that `pulse` serves, and the laws of its SET and RESET steps."""

    model: Pulsed
    up: StepLaw
    down: StepLaw


def in_place(model: DeviceModel) -> InPlace | None:
    """A model of which every pulse moves the device by its step law; None for any other."""
    if not isinstance(model, Pulsed) or model.set_kind == "abrupt" or model.may_stand_still:
        return None
    up, down = model.step_law(1), model.step_law(-1)
    if up is None or down is None or model.stuck_high_share + model.stuck_low_share > 0.0:
        return None
    return InPlace(model, up, down)


def pulse(
    kind: InPlace, state: DeviceState, counts: Tensor, where: Tensor, generator: torch.Generator
) -> float:
    """`Pulsed.program` in place; the energy in joules.

    Draws go device by device: those of single pulses are the draws of the reference.

    Args:
        kind: Of the devices.
        state: Its `g` and dynamics change.
        counts: Signed pulses, int32, shape of `g`.
        where: Flat indices of those that are not 0, rising.
        generator: Source of the spread of the pulses and of the relaxation.
    """
    model, wanted = kind.model, counts.view(-1).index_select(0, where)
    factors = torch.ones(int(wanted.abs().sum()), dtype=state.g.dtype)
    if model.c2c_sigma > 0.0:
        factors.normal_(1.0, model.c2c_sigma, generator=generator)
    arrays = state.g, *(state.traits[n] for n in ("g_low", "g_high", "set_gain", "reset_gain"))
    window = model.g_min_siemens, model.window_siemens
    numbers = np.array((*kind.up, *kind.down, *window, physics.LEAST_STEP_SIEMENS))
    sets, resets = _move(
        tuple(array.numpy().ravel() for array in arrays),
        *(array.numpy() for array in (where, wanted, model.relaxed(state, where), factors)),
        numbers.astype(state.g.numpy().dtype),
    )
    if model.relaxes:
        z = physics.draw_kicks(where.shape, model.relax_tail_sigma, generator=generator)
        state.dynamics["kick"].view(-1).index_copy_(0, where, z)
        state.dynamics["since_seconds"].view(-1).index_fill_(0, where, 0.0)
    squares = sets * model.set_volts**2 + resets * model.reset_volts**2
    return float(squares * model.width_seconds / 2)


@jit
def _move(
    arrays: tuple[np.ndarray, ...],
    where: np.ndarray,
    wanted: np.ndarray,
    start: np.ndarray,
    factors: np.ndarray,
    numbers: np.ndarray,
) -> tuple[float, float]:
    """Give some devices their pulses, one device after the other.

    Args:
        arrays: Of all devices: conductance, which changes; lowest and highest; gains of SET and
            RESET.
        where: The places of the devices.
        wanted: Their signed counts.
        start: Their conductances now.
        factors: Of every pulse to its step, in the order of the devices.
        numbers: `StepLaw` of SET and of RESET; floor and width of the window, and the least step.

    Returns:
        Conductances before and after each pulse, summed over the SETs and over the RESETs.
    """
    g, low, high, set_gain, reset_gain = arrays
    floor, width, least = numbers[8], numbers[9], numbers[10]
    sums, drawn = np.zeros(2), 0
    for k in range(where.shape[0]):
        i, now, is_down = where[k], start[k], wanted[k] < 0
        level, slope, scale, rate = numbers[4:8] if is_down else numbers[0:4]
        gain = -reset_gain[i] if is_down else set_gain[i]
        for factor in factors[drawn : drawn + abs(wanted[k])]:
            x = (now - floor) / width
            step = max((level + slope * x + scale * np.exp(rate * x)) * width, least)
            after = min(max(now + step * factor * gain, low[i]), high[i])
            sums[np.int64(is_down)] += np.float64(now) + np.float64(after)
            now = after
        drawn += abs(wanted[k])
        g[i] = now
    return sums[0], sums[1]
