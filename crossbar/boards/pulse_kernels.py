"""Pulses as a board gives them: only to the devices that get some, in arrays that it owns.

The slow references are `Ideal.program` and `Pulsed.program`, which leave their arguments alone.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from device_models import physics, read_noise, telegraph
from device_models.jit import jit
from device_models.linear import Ideal
from device_models.model import DeviceModel, DeviceState
from device_models.pulse_law import (
    OWN,
    PulseDrive,
    ceiling_siemens,
    relative_spread,
    square_seconds,
    step_factor,
)
from device_models.pulsed import Pulsed

from . import relaxation_kernel
from .device_kernels import (
    ONE,
    PIECE,
    ZERO,
    Cubics,
    DeviceArrays,
    Laws,
    cubics_of,
    fluctuate,
    gather,
    laws_of,
    refresh_reads,
    relax,
    scatter,
    step,
)
from .protocol import PulseBatch
from .pulse_order import ordered
from .relaxation_kernel import Rates, rates_of
from .table_kernels import StepTables, drawn_step, step_tables_of

INFINITE = np.float32(np.inf)


class InPlace(NamedTuple):
    """A model that `pulse` serves, and its laws as kernels take them."""

    model: Pulsed
    laws: Laws
    cubics: Cubics | None
    tables: StepTables | None
    rates: Rates | None


class Pulses(NamedTuple):
    """Pulses of some devices, with all that was drawn for them.

    Attributes:
        device: Flat indices of the devices, rising.
        count: Their signed pulses.
        factors: Of every pulse to its step, in the order of the devices; with tables, uniform
            numbers in 0..1 that they turn into steps.
        kick: Relaxation of every device from now on; empty without.
        since: Likewise, see `relaxation_kernel.drawn`.
        strength: Factor of the pulses of every device, 0 where they do not move it; empty: 1.
        weight: V^2 t of the pulses of every device; empty: 1.
    """

    device: np.ndarray
    count: np.ndarray  # type: ignore[assignment]  # hides tuple.count, which means nothing here
    factors: np.ndarray
    kick: np.ndarray
    since: np.ndarray
    strength: np.ndarray
    weight: np.ndarray


class PulseCounts(NamedTuple):
    """What a programming operation sends: SET and RESET pulses, and to how many devices."""

    sets: int
    resets: int
    devices: int


def count_pulses(model: DeviceModel, sent: PulseBatch) -> PulseCounts:
    """Count pulses; see `DeviceModel.count_is_width`."""
    rising, falling = _count_signs(sent.count)
    if model.count_is_width:
        return PulseCounts(rising, falling, rising + falling)
    sets, resets = _sums(sent.count)
    return PulseCounts(sets, resets, rising + falling)


def pulses_of_each(model: DeviceModel, counts: Tensor) -> Tensor:
    """Pulses of each device, int32, from signed counts; see `count_pulses`."""
    return counts.abs().clamp_(max=1) if model.count_is_width else counts.abs()


@jit
def _count_signs(counts: np.ndarray) -> tuple[int, int]:
    """How many counts are above 0, and below it; in 32 bits, four times as fast as in 64."""
    rising, falling = np.int32(0), np.int32(0)
    for count in counts:
        rising = np.int32(rising + np.int32(count > 0))
        falling = np.int32(falling + np.int32(count < 0))
    return int(rising), int(falling)


@jit
def _sums(counts: np.ndarray) -> tuple[int, int]:
    """The sums of the counts above 0, and of those below it, both positive."""
    sets, resets = 0, 0
    for count in counts:
        sets += max(count, 0)
        resets += max(-count, 0)
    return sets, resets


def in_place(model: DeviceModel) -> InPlace | Ideal | None:
    """What serves a model whose every pulse moves the device by its law or tables; None: another.

    `move` serves `Ideal`, `pulse` the others.
    """
    if isinstance(model, Pulsed):
        laws = laws_of(model)
        steps = cubics_of(model), step_tables_of(model)
        return None if laws is None else InPlace(model, laws, *steps, rates_of(model))
    return model if isinstance(model, Ideal) else None


def pulse(
    kind: InPlace,
    arrays: DeviceArrays,
    sent: PulseBatch,
    pulsed: Tensor,
    generator: torch.Generator,
    drive: PulseDrive = OWN,
    traits: Mapping[str, Tensor] = MappingProxyType({}),
    has_drifted: bool = True,
) -> float:
    """`Pulsed.program` in place, and what reads then see of these devices; the energy in joules.

    Draws go device by device, by rising indices: those of single pulses are the draws of the
    reference.

    Args:
        kind: Of the devices.
        arrays: Of all devices. They change.
        sent: Which get how many pulses.
        pulsed: Pulses of every device so far, int32. Changed in place.
        generator: Source of the spread of the pulses and of the relaxation.
        drive: What the pulses are, in their order; by default the device file's own.
        traits: Of all devices, beside those in `arrays`: their tables.
        has_drifted: Whether time has passed since the last pulse of any device.
    """
    model, laws, cubics, tables, _ = kind
    (device, count), drive = ordered(sent, drive)
    if drive.compliance_amperes is not None:
        laws = laws._replace(ceiling=np.float32(ceiling_siemens(model, drive.compliance_amperes)))
    pulses, beside = _drawn(kind, device, count, drive, generator)
    before, relaxing = arrays, (arrays.kick, arrays.since)
    if tables is not None:
        tables = tables.of_devices(traits)
    if not has_drifted:
        before = arrays._replace(kick=arrays.kick[:0], since=arrays.since[:0])
    steps = laws, cubics, tables
    sets, resets = _pulse(before, relaxing, pulsed.view(-1).numpy(), pulses, beside, *steps)
    if not drive.is_own:
        return float((sets + resets) / 2)
    squares = sets * model.set_volts**2 + resets * model.reset_volts**2
    return float(squares * model.width_seconds / 2)


def _drawn(
    kind: InPlace,
    device: np.ndarray,
    count: np.ndarray,
    drive: PulseDrive,
    generator: torch.Generator,
) -> tuple[Pulses, np.ndarray | None]:
    """Pulses with what is drawn for them, and what each adds to its step; see `pulse`."""
    model = kind.model
    factors = torch.empty(int(np.abs(count).sum()))
    if kind.tables is not None:
        factors.uniform_(generator=generator)
    elif model.c2c_sigma > 0.0:
        factors.normal_(1.0, model.c2c_sigma, generator=generator)
    else:
        factors.fill_(1.0)
    beside = None
    if model.c2c_quantum_siemens > 0.0 or model.c2c_additive_siemens > 0.0:
        spread = 1.0 if model.c2c_quantum_siemens > 0.0 else model.c2c_additive_siemens
        beside = torch.empty_like(factors).normal_(0.0, spread, generator=generator).numpy()
    kick, since = relaxation_kernel.drawn(model, kind.rates, len(device), generator)
    strength, weight = _strengths(model, count, drive)
    if not drive.is_own and model.c2c_sigma > 0.0:
        each = torch.from_numpy(np.repeat(strength, np.abs(count)))
        factors = (factors - 1.0) * relative_spread(each) + 1.0
    return Pulses(device, count, factors.numpy(), kick, since, strength, weight), beside


def _strengths(
    model: Pulsed, count: np.ndarray, drive: PulseDrive
) -> tuple[np.ndarray, np.ndarray]:
    """Factor of every device to its step, float32, and V^2 t, float64; empty for own pulses."""
    if drive.is_own:
        return np.empty(0, np.float32), np.empty(0)
    signs = torch.from_numpy(count)
    factor = step_factor(model, signs, drive)
    return factor.float().numpy(), square_seconds(model, signs, drive).numpy()


@jit
def _pulse(
    devices: DeviceArrays,
    relaxing: tuple[np.ndarray, np.ndarray],
    pulsed: np.ndarray,
    pulses: Pulses,
    beside: np.ndarray | None,
    laws: Laws,
    cubics: Cubics | None,
    tables: StepTables | None,
) -> tuple[float, float]:
    """Give some devices their pulses, piece by piece in the nearest cache.

    Args:
        devices: All of them; `kick` and `since` are empty where no time has passed.
        relaxing: `kick` and `since` of all in any case.
        pulsed: Pulses of every device so far.
        pulses: Which.
        beside: What every pulse adds to its step, siemens, see `step_spread`; with a quantum, in
            units of its spread; None: nothing.
        laws: Of the devices.
        cubics: Of their steps, see `cubics_of`.
        tables: Likewise, see `step_tables_of`.

    Returns:
        Conductances before and after each pulse, weighted and summed over the SETs and the RESETs.
    """
    sums, drawn = np.zeros(2), 0
    device, count, factors, kick, since, strength, weight = pulses
    for first in range(0, device.shape[0], PIECE):
        last = min(first + PIECE, device.shape[0])
        some = Pulses(
            device[first:last],
            count[first:last],
            factors[drawn:],
            kick[first:last],
            since[first:last],
            strength[first:last],
            weight[first:last],
        )
        added = None if beside is None else beside[drawn:]
        drawn += _pulse_piece(devices, relaxing, pulsed, some, added, laws, cubics, tables, sums)
    return sums[0], sums[1]


@jit
def _pulse_piece(
    devices: DeviceArrays,
    relaxing: tuple[np.ndarray, np.ndarray],
    pulsed: np.ndarray,
    pulses: Pulses,
    beside: np.ndarray | None,
    laws: Laws,
    cubics: Cubics | None,
    tables: StepTables | None,
    sums: np.ndarray,
) -> int:
    """See `_pulse`: one device after the other. The sums are added to; how many factors were used.

    Arrays are taken out of their tuples before the loop, or each is counted in every turn.
    """
    device, count, factors, kick, since, strength, weight = pulses
    gathered, drawn = gather(devices, device), 0
    g, traits, old_kick, old_since, _, read, _, _, _ = gathered
    relax(g, old_kick, old_since, read, laws)
    all_kick, all_since = relaxing
    for k in range(device.shape[0]):
        now, is_down, number = read[k], count[k] < 0, abs(count[k])
        low, high = traits[k, 0], traits[k, 1]
        gain, total = -traits[k, 3] if is_down else traits[k, 2], 0.0
        ceiling, i = INFINITE if is_down else laws.ceiling, np.uint32(device[k])
        if strength.shape[0]:
            gain *= strength[k]
        if gain != 0.0:
            for draw in range(drawn, drawn + number):
                if tables is not None:
                    mean = ZERO
                    share = drawn_step(tables, device[k], is_down, now, low, high, factors[draw])
                else:
                    mean = step(laws, cubics, is_down, now)
                    share = mean * factors[draw]
                moved = now + share * gain
                if beside is not None:
                    spread = ONE
                    if laws.quantum > ZERO:
                        spread = np.sqrt(laws.quantum * abs(mean * gain) + laws.beside)
                    moved += beside[draw] * spread
                after = min(max(moved, low), high, max(now, ceiling))
                total += np.float64(now) + np.float64(after)
                now = after
            g[k] = now
            if kick.shape[0]:
                all_kick[i], all_since[i] = kick[k], since[k]
            if old_since.shape[0]:
                old_since[k] = 0.0
        else:
            total = 2.0 * np.float64(now) * number
        drawn += number
        sums[np.int64(is_down)] += total * weight[k] if weight.shape[0] else total
        pulsed[i] += number
    refresh_reads(gathered, laws)
    scatter(devices, device, gathered)
    return drawn


def settle(kind: InPlace, arrays: DeviceArrays, traits: Mapping[str, Tensor]) -> None:
    """Make rates of relaxation of what pulses left for them; see `relaxation_kernel`."""
    relaxation_kernel.settle(kind.model, kind.rates, arrays.g, arrays.kick, arrays.since, traits)


def advance(
    kind: InPlace,
    arrays: DeviceArrays,
    state: DeviceState,
    seconds: float,
    generator: torch.Generator,
    temperature_kelvin: float | None,
    speed: Tensor | None = None,
) -> None:
    """`Pulsed.advance` in place, and what reads then see of all devices.

    Args:
        kind: Of the devices.
        arrays: Of all devices. They change.
        state: Theirs. Slow fluctuation and traps change in place.
        seconds: How long.
        generator: Source of the slow fluctuation and of the traps.
        temperature_kelvin: As in `Pulsed.advance`.
        speed: Trait of all devices, by which their relaxation is faster; None: 1.
    """
    model, laws, since = kind.model, kind.laws, arrays.since
    settle(kind, arrays, state.traits)
    passed, speed = model.elapsed(seconds, temperature_kelvin), state.traits.get("relax_speed")
    since += passed if speed is None else passed * speed.numpy().reshape(-1)
    slow = state.dynamics.get("slow")
    if slow is not None:
        noise = torch.randn(slow.shape, generator=generator).flatten(1)
        memory, fresh = physics.memory(seconds, model.slow_times)
        parts = (a.float().numpy() for a in (slow.flatten(1), noise, memory, fresh))
        fluctuate(arrays.slow, *parts)
        if read_noise.SLOW in state.traits:
            factor = state.traits[read_noise.SLOW]
            np.multiply(arrays.slow, factor.numpy().reshape(-1), out=arrays.slow)
    if telegraph.STATES in state.dynamics:
        states = telegraph.advance(state, seconds, generator=generator)
        state.dynamics[telegraph.STATES].copy_(states)
        arrays.traps[:] = telegraph.deviation(state).numpy().reshape(-1)
    refresh_reads(arrays, laws)


def move(model: Ideal, g: Tensor, sent: PulseBatch, pulsed: Tensor) -> None:
    """`Ideal.program` in place: `g` changes, and `pulsed`, the pulses of every device so far."""
    numbers = model.window_siemens / model.states, model.g_min_siemens, model.g_max_siemens
    _move(*(a.view(-1).numpy() for a in (g, pulsed)), *sent, np.array(numbers, np.float32))


@jit
def _move(
    g: np.ndarray, pulsed: np.ndarray, device: np.ndarray, count: np.ndarray, numbers: np.ndarray
) -> None:
    """See `move`; `numbers`: the step, the floor and the top of the window, all siemens."""
    step, low, high = numbers
    for k in range(device.shape[0]):
        i = np.uint32(device[k])
        g[i] = min(max(g[i] + np.float32(count[k]) * step, low), high)
        pulsed[i] += count[k] != 0
