"""Experiments simulated with the device models themselves: what `xbar fit` must take apart again.

Every function takes a model and a torch generator, and returns a table of
`device_models.fitting.measurements`.
"""

import dataclasses

import numpy as np
import torch

from device_models import read_noise, relaxation
from device_models.fitting.cycle_series import memories, ordered
from device_models.fitting.events import reads_table
from device_models.fitting.measurements import Cycles, Measurements, Pulses, Retention, Written
from device_models.model import DeviceState
from device_models.open_loop import full_level, levels
from device_models.presets import load_device

COLD = {"read_floor": 0.0, "read_fraction": 0.0}


def truth(**changes):
    """The shipped oxide with a gap to the bounds that pulses do not often reach."""
    return dataclasses.replace(
        load_device("oxram_literature"),
        **{"d2d_bound_sigma": 0.0, "g_max_siemens": 1e-4, "g_min_siemens": 1e-6} | changes,
    )


def read(model, state, generator):
    """One noisy read of every device, siemens, float64."""
    g = model.conductance(state)
    sigma = read_noise.of_devices(model.read_sigma_siemens(g), state)
    if sigma is not None:
        g = g + sigma * torch.randn(g.shape, generator=generator)
    return g.clamp(min=1e-9).numpy().astype(np.float64).ravel()


def trains(model, generator, *, devices=20, pulses=60, ramps=2):
    """Ramps of SET, RESET, SET, ... pulses, one read before the first and after each."""
    shape = (1, devices)
    state = model.manufacture(shape, generator=generator)
    everything = torch.ones(shape, dtype=torch.bool)
    readings, signs = [read(model, state, generator)], []
    for ramp in range(ramps):
        for _ in range(pulses):
            sign = 1 if ramp % 2 == 0 else -1
            counts = torch.full(shape, sign)
            state = model.program(state, counts, everything, generator=generator).state
            readings.append(read(model, state, generator))
            signs.append((sign, ramp))
    g, (sign, ramp) = np.stack(readings, 1), np.array(signs).T
    n = len(sign)
    return Pulses(
        device=np.repeat(np.arange(devices), n),
        ramp=np.tile(ramp, devices),
        index=np.tile(np.arange(n) % pulses, devices),
        polarity=np.tile(sign, devices),
        g_before_siemens=g[:, :-1].ravel(),
        g_after_siemens=g[:, 1:].ravel(),
        v_volts=np.full(devices * n, np.nan),
        width_seconds=np.full(devices * n, np.nan),
        source="synthetic trains",
    )


def placed(model, generator, levels, each):
    """`each` devices at every one of some conductances, just pulsed: (1, levels x each)."""
    g = torch.tensor(np.repeat(levels, each), dtype=torch.float32)[None, :]
    devices = model.manufacture(tuple(g.shape), generator=generator)
    dynamics = dict(devices.dynamics)
    if "kick" in dynamics:
        z = relaxation.draw(model, g.shape, generator=generator)
        moves = bool(model.relax_levels_siemens)
        rate = relaxation.rate_siemens(model, g, z, devices.traits) if moves else z
        dynamics["kick"] = rate
    return DeviceState(g, devices.traits, dynamics)


def repeated_reads(model, generator, *, levels, each=4, reads=400, dt_seconds=0.01):
    """Series of reads of devices at some conductances, device time passing in between."""
    state = placed(model, generator, levels, each)
    rows = []
    for _ in range(reads):
        rows.append(read(model, state, generator))
        state = model.advance(state, dt_seconds, generator=generator)
    g = np.stack(rows, 1)
    series = np.repeat(np.arange(len(g)), reads)
    time = np.tile(np.arange(reads) * dt_seconds, len(g))
    return reads_table(series, series, time, g.ravel(), "synthetic reads")


def retention(model, generator, *, levels, each=200, seconds=(1e-2, 1.0, 1e2, 1e4)):
    """Readings some times after writing; the first one is the initial one."""
    state = placed(model, generator, levels, each)
    rows, now = [], 0.0
    for time in seconds:
        state = model.advance(state, time - now, generator=generator)
        rows.append(read(model, state, generator))
        now = time
    g = np.stack(rows, 1)
    n = g.size
    return Retention(
        device=np.repeat(np.arange(len(g)), len(seconds)),
        time_seconds=np.tile(seconds, len(g)),
        g_siemens=g.ravel(),
        initial_siemens=np.repeat(g[:, 0], len(seconds)),
        target_siemens=np.full(n, np.nan),
        temperature_kelvin=np.full(n, np.nan),
        source="synthetic retention",
    )


def bakes(model, generator, *, levels, kelvins, each=60, seconds=5e3):
    """Two readings of devices, the later one after some time at one of some temperatures.

    Every temperature is a run of its own, with its own devices.
    """
    tables = []
    for number, kelvin in enumerate(kelvins):
        state = placed(model, generator, levels, each)
        before = read(model, state, generator)
        later = model.advance(state, seconds, generator=generator, temperature_kelvin=kelvin)
        n = len(before)
        tables.append(
            Retention(
                device=np.arange(n) + number * n,
                time_seconds=np.full(n, seconds),
                g_siemens=read(model, later, generator),
                initial_siemens=before,
                target_siemens=np.full(n, np.nan),
                temperature_kelvin=np.full(n, kelvin),
                source=f"synthetic bake at {kelvin} K",
            )
        )
    return Retention.join(tables)


def cycles(model, generator, *, devices=50, each=10, every=1):
    """Full SET and RESET of every device, open loop, read noise left out; `every` n-th is read."""
    traits = model.manufacture((devices, 1), generator=generator).traits
    device, cycle = np.repeat(np.arange(devices), each), np.tile(np.arange(each) * every, devices)
    order, levels_siemens = ordered(device, cycle), []
    for sign in (1, -1):
        memory = memories(order, levels(model, sign).cycles, generator=generator)
        memory = memory if memory is None else memory.view(devices, each)
        g = full_level(model, sign, (devices, each), traits, memory, generator=generator)
        levels_siemens.append(g.numpy().ravel())
    up, down = levels_siemens
    return Cycles(
        device=device,
        cycle=cycle,
        lrs_siemens=up,
        hrs_siemens=down,
        source="synthetic cycles",
    )


def written(model, generator, *, targets, each=200, high_share=0.0, high_siemens=0.0):
    """Devices after a write with verification; a fraction of them is stuck high."""
    target = torch.tensor(np.repeat(targets, each), dtype=torch.float64)
    sigma = model.verified_sigma_siemens(target)
    g = target + sigma * torch.randn(target.shape, generator=generator)
    stuck = torch.rand(g.shape, generator=generator) < high_share
    g = torch.where(stuck, torch.full_like(g, high_siemens), g).clamp(min=1e-9)
    return Written(
        device=np.arange(len(g)),
        target_siemens=target.numpy(),
        g_siemens=g.numpy(),
        stuck=np.zeros(len(g), np.int64),
        reached=np.full(len(g), -1),
        source="synthetic writes",
    )


def measured(names, **tables):
    """`Measurements` of some tables with `names` devices."""
    return Measurements(devices=tuple(f"d{i}" for i in range(names)), **tables)
