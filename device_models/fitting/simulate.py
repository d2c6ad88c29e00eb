"""The same experiments as those measured, on simulated devices: what a fitted model predicts.

Every simulated table has the rows of a measured one: the same devices (newly made), runs of pulses,
starting conductances, intervals of reads and times of retention. What a file does not state is
assumed: no device time passes between a pulse and its readings, and reads without a time are one
second apart.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .. import open_loop, physics, read_noise, telegraph, wear
from ..model import DeviceModel, DeviceState
from ..pulse_law import PulseDrive, has_law
from ..pulsed import Pulsed
from . import cycle_series, read_paths
from .measurements import (
    KINDS,
    Cycles,
    Floats,
    Ints,
    Measurements,
    Pulses,
    Reads,
    Retention,
    StepTable,
    Written,
)
from .read_paths import Index, by_index, groups
from .relaxed_runs import in_new_runs, in_sessions

LONGEST_RUN = 250  # pulses; a longer ramp restarts at its measured conductance
UNKNOWN_INTERVAL_SECONDS = 1.0  # between reads of a file without times
TABLE_DRAWS = 2000  # pulses per table of step quantiles, at least 20 per conductance


def simulate(
    model: DeviceModel, measurements: Measurements, *, generator: torch.Generator
) -> Measurements:
    """Repeat every experiment on new devices of a model.

    Args:
        model: The device.
        measurements: What was done; only its numbers of rows, starting conductances, polarities,
            amplitudes, widths, times, targets and temperatures are used. Not modified.
        generator: Source of devices, pulses and reads.

    Returns:
        Tables of the same kinds and lengths, rows in the same order, without file notes. A write
        without a target keeps its measured conductance, unless the simulated device is stuck.
    """
    tables = [table for kind in KINDS for table in getattr(measurements, kind)]
    last = max((int(np.max(table.device, initial=0)) for table in tables), default=0)
    count = max(last + 1, len(measurements.devices))
    devices = model.manufacture((1, count), generator=generator)
    bench = _Bench(model, devices, model.draw_stuck((1, count), generator=generator), generator)
    return Measurements(
        pulses=tuple(_pulses(bench, table) for table in measurements.pulses),
        cycles=tuple(_cycles(bench, table) for table in measurements.cycles),
        reads=tuple(_reads(bench, table) for table in measurements.reads),
        retention=tuple(_retention(bench, table) for table in measurements.retention),
        written=tuple(_written(bench, table) for table in measurements.written),
        steps=tuple(_step_table(bench, table) for table in measurements.steps),
        devices=measurements.devices,
    )


@dataclass(frozen=True, eq=False)
class _Bench:
    """Simulated devices, shape (1, devices), and what reads them."""

    model: DeviceModel
    devices: DeviceState
    stuck_siemens: Tensor | None  # see `DeviceModel.draw_stuck`
    generator: torch.Generator

    @property
    def slow_times(self) -> list[float]:
        """Time constants of the slow fluctuation, seconds; only a `Pulsed` device has it."""
        if not isinstance(self.model, Pulsed):
            return []
        return physics.relaxation_times(
            self.model.slow_shortest_seconds, self.model.slow_longest_seconds
        )

    def runs(self, device: Ints, g_siemens: Floats) -> DeviceState:
        """Devices that move, one per run, at a conductance and long after their last pulse.

        A device that is measured in several runs has the same traits in each.
        """
        fresh = self.model.manufacture((1, len(device)), generator=self.generator)
        where = torch.from_numpy(device)
        traits = {name: trait[..., where] for name, trait in self.devices.traits.items()}
        g = torch.from_numpy(g_siemens).to(fresh.g.dtype)[None]
        return DeviceState(g, traits, fresh.dynamics)

    def compensated(self, state: DeviceState) -> DeviceState:
        """The state whose conductance now, with its slow parts, is `state.g`."""
        wanted, now = state.g, state
        for _ in range(5):
            g = now.g + wanted - self.model.conductance(now)
            least = 0.01 * float(wanted.min())
            now = now._replace(g=g.clamp(min=least).to(wanted.dtype))
        return now

    def pulsed(
        self,
        state: DeviceState,
        counts: Tensor,
        selected: Tensor,
        volts: Floats,
        seconds: Floats,
    ) -> DeviceState:
        """The devices after one pulse each; what is nan, or has no law, is the model's own.

        Args:
            state, counts, selected: See `DeviceModel.program`, of shape (1, devices).
            volts: Amplitude for each device, of any sign.
            seconds: Width for each.
        """
        model, generator = self.model, self.generator
        if not isinstance(model, Pulsed) or not (np.isfinite(volts) | np.isfinite(seconds)).any():
            return model.program(state, counts, selected, generator=generator).state
        sets = (counts > 0).numpy()[0]
        amplitudes = np.where(sets, model.set_volts, model.reset_volts)
        asked = []
        for name, given, standing in (
            ("volts", np.abs(volts), amplitudes), ("seconds", seconds, model.width_seconds)
        ):  # fmt: skip
            laws = np.where(sets, has_law(model, 1, name), has_law(model, -1, name))
            is_given = np.isfinite(given) & laws
            asked.append(torch.from_numpy(np.where(is_given, given, standing))[None])
        drive = PulseDrive(asked[0], asked[1])
        return model.program(state, counts, selected, generator=generator, drive=drive).state

    def read(self, g: Tensor, device: Ints) -> Floats:
        """One noisy read of each of some devices, siemens, shape (n,); above 0 as in the tables."""
        sigma = self.model.read_sigma_siemens(g)
        sigma = read_noise.of_devices(sigma, self.devices, torch.from_numpy(device))
        if sigma is not None:
            g = g + sigma * torch.randn(g.shape, generator=self.generator, dtype=g.dtype)
        least = max(0.01 * self.model.g_min_siemens, 1e-15)
        return g.clamp(min=least).flatten().double().numpy()


def _pulses(bench: _Bench, table: Pulses) -> Pulses:
    """Runs of pulses, free-running from their first measured conductance."""
    order = np.lexsort((table.index, table.ramp, table.device))
    sorted_table = table.take(order)
    run, start, index = _runs_of(sorted_table)
    state = bench.runs(sorted_table.device[start], sorted_table.g_before_siemens[start])
    if "g_low" in state.traits:  # or the first pulse would carry it there
        low, high = state.traits["g_low"], state.traits["g_high"]
        state = state._replace(g=torch.minimum(torch.maximum(state.g, low), high))
    state = bench.compensated(state)
    polarity = torch.from_numpy(sorted_table.polarity[start])[None]
    last = np.append(start[1:], len(run)) - 1
    length = torch.from_numpy(index[last] + 1)[None]
    everywhere = torch.ones_like(polarity, dtype=torch.bool)
    before, after = (torch.empty(len(table), dtype=state.g.dtype) for _ in range(2))
    shapes = np.full((2, len(start)), np.nan)  # a pulse that was dropped repeats the last one
    for k, rows in enumerate(by_index(index)):
        where = torch.from_numpy(run[rows])
        before[rows] = bench.model.conductance(state)[0, where].to(before.dtype)
        counts = torch.where(length > k, polarity, 0)
        shapes[:, run[rows]] = sorted_table.v_volts[rows], sorted_table.width_seconds[rows]
        state = bench.pulsed(state, counts, everywhere, *shapes)
        after[rows] = bench.model.conductance(state)[0, where].to(after.dtype)
    g_before, g_after = (bench.read(g, sorted_table.device) for g in (before, after))
    same = np.flatnonzero(_shares_reading(sorted_table, run))
    g_before[same] = g_after[same - 1]
    back = np.argsort(order)
    return replace(table, g_before_siemens=g_before[back], g_after_siemens=g_after[back])


def _runs_of(table: Pulses) -> tuple[Ints, Index, Ints]:
    """Run of each row, first row of each run, and index of each row in its run, from 0."""
    _, ramp_start, ramp = groups(table.device, table.ramp)
    part = (table.index - table.index[ramp_start][ramp]) // LONGEST_RUN
    _, start, run = groups(ramp, part)
    return run, start, table.index - table.index[start][run]


def _shares_reading(table: Pulses, run: Ints) -> NDArray[np.bool_]:
    """Where one reading is both after a pulse and before the next one."""
    same = np.zeros(len(table), bool)
    same[1:] = (np.diff(run) == 0) & (np.diff(table.index) == 1)
    same[1:] &= table.g_before_siemens[1:] == table.g_after_siemens[:-1]
    return same


def _step_table(bench: _Bench, table: StepTable) -> StepTable:
    """Quantiles of the step, from pulses of one device at each conductance.

    A device with the tables of a measured one is pulsed at the same positions in its own range,
    and not read: its steps were differences of readings and contain their noise.
    """
    bins = len(table.g_siemens)
    draws = max(20, TABLE_DRAWS // bins)
    g, traits = table.g_siemens, bench.devices.traits
    if measured := "table" in traits:
        low, high = (traits[n][0, table.device].item() for n in ("g_low", "g_high"))
        g = low + (high - low) * (g - g[0]) / (g[-1] - g[0])
    start = np.repeat(g, draws)
    state = bench.runs(np.full(len(start), table.device), start)
    first = bench.model.conductance(state)
    counts = torch.full_like(state.g, table.polarity, dtype=torch.int64)
    everywhere = torch.ones_like(counts, dtype=torch.bool)
    shape = (np.full(len(start), x) for x in (table.v_volts, table.width_seconds))
    state = bench.pulsed(state, counts, everywhere, *shape)
    last = bench.model.conductance(state)
    of = np.full(len(start), table.device)
    before, after = (x.flatten().numpy() if measured else bench.read(x, of) for x in (first, last))
    step = (after - before).reshape(bins, draws)
    return replace(table, g_siemens=g, dg_siemens=np.quantile(step, table.levels, axis=1))


def _cycles(bench: _Bench, table: Cycles) -> Cycles:
    """Open-loop levels after a full SET and a full RESET, of devices that keep their traits.

    A level is a reading already: it was fitted to readings and contains their noise.
    """
    shape, order = (1, len(table)), cycle_series.ordered(table.device, table.cycle)
    model, levels = bench.model, list[Floats]()
    where = torch.from_numpy(table.device)
    traits = {name: trait[:, where] for name, trait in bench.devices.traits.items()}
    for sign in (1, -1):
        if isinstance(model, Pulsed):
            law, generator = open_loop.levels(model, sign).cycles, bench.generator
            memory = cycle_series.memories(order, law, generator=generator)
            g = open_loop.full_level(model, sign, shape, traits, memory, generator=generator)
            g = g * wear.after_cycles(model, sign, traits, torch.from_numpy(table.cycle))
        else:
            g = torch.full(shape, model.g_max_siemens if sign > 0 else model.g_min_siemens)
        levels.append(_or_stuck(bench, where, g).flatten().double().numpy())
    measured = (table.lrs_siemens, table.hrs_siemens)  # a state that was not stays unknown
    lrs, hrs = (g + 0.0 * seen for g, seen in zip(levels, measured, strict=True))
    return replace(table, lrs_siemens=lrs, hrs_siemens=hrs)


def _or_stuck(bench: _Bench, where: Tensor, g: Tensor) -> Tensor:
    """Conductances of some devices, with that of the stuck ones."""
    if bench.stuck_siemens is None:
        return g
    stuck = bench.stuck_siemens[:, where]
    return torch.where(stuck.isnan(), g, stuck.to(g.dtype))


def _written(bench: _Bench, table: Written) -> Written:
    """Writes with verification that leave the model's spread; stuck devices do not move."""
    has_target = np.isfinite(table.target_siemens)
    g = torch.from_numpy(np.where(has_target, table.target_siemens, table.g_siemens)).float()[None]
    if isinstance(bench.model, Pulsed):
        sigma = bench.model.verified_sigma_siemens(g)
        z = torch.randn(g.shape, generator=bench.generator)
        g = torch.where(torch.from_numpy(has_target), g + sigma * z, g)
    where = torch.from_numpy(table.device)
    g = _or_stuck(bench, where, g.clamp(min=0.01 * bench.model.g_min_siemens + 1e-15))
    stuck = np.zeros(len(table), np.int64)
    if bench.stuck_siemens is not None and isinstance(bench.model, Pulsed):
        level = bench.stuck_siemens[0, where].numpy()
        middle = (bench.model.stuck_high_siemens + bench.model.stuck_low_siemens) / 2
        stuck = np.where(np.isnan(level), 0, np.where(level > middle, 1, -1))
    read = np.where(has_target | (stuck != 0), bench.read(g, table.device), table.g_siemens)
    return replace(table, g_siemens=read, stuck=stuck)


def _reads(bench: _Bench, table: Reads) -> Reads:
    """Reads of devices whose mean is the measured median of the series."""
    count, start, series = groups(table.series)
    parts = np.split(table.g_siemens, start[1:])
    level = np.array([np.median(part) for part in parts[:count]])
    dt = table.dt_seconds
    dt = np.where(np.isfinite(dt) & (dt > 0.0), dt, UNKNOWN_INTERVAL_SECONDS)
    state = bench.runs(table.device, level[series])
    if "slow" in state.dynamics:
        index = np.arange(len(table)) - start[series]
        state.dynamics["slow"] = read_paths.slow(
            bench.slow_times, series, index, dt, even=True, generator=bench.generator
        )
    if telegraph.STATES in state.dynamics:
        state.dynamics[telegraph.STATES] = read_paths.switching(
            state, start, dt, generator=bench.generator
        )
    return replace(table, g_siemens=bench.read(bench.model.conductance(state), table.device))


def _retention(bench: _Bench, table: Retention) -> Retention:
    """Writes left alone, read at the same times; the first reading is the starting point."""
    order = np.lexsort((table.time_seconds, table.initial_siemens, table.device))
    rows = table.take(order)
    _, start, write = groups(rows.device, rows.initial_siemens.view(np.int64))
    # The first row is the starting point itself where it repeats its reading.
    first = rows.g_siemens[start] == rows.initial_siemens[start]
    began = np.where(first, rows.time_seconds[start], 0.0)
    kelvin = rows.temperature_kelvin[start]
    state = bench.runs(rows.device[start], rows.initial_siemens[start])
    state = in_new_runs(bench.model, state, kelvin, rows.cycles[start], generator=bench.generator)
    state = bench.compensated(_aged(bench, state, began, kelvin))
    initial = bench.read(bench.model.conductance(state), rows.device[start])
    many = torch.from_numpy(write)
    later = DeviceState(
        state.g[:, many],
        {name: trait[..., many] for name, trait in state.traits.items()},
        {name: part[..., many] for name, part in state.dynamics.items()},
    )
    later = in_sessions(bench.model, later, rows, generator=bench.generator)
    later = _aged(bench, later, rows.time_seconds, rows.temperature_kelvin)
    dt = np.diff(rows.time_seconds, prepend=0.0)
    dt[start] = rows.time_seconds[start] - began
    index = np.arange(len(rows)) - start[write]
    if telegraph.STATES in later.dynamics:
        read_paths.switch(later, index, dt, generator=bench.generator)
    if "slow" in later.dynamics:
        first_slow = state.dynamics["slow"][:, 0]
        slow = read_paths.slow(
            bench.slow_times, write, index, dt, first=first_slow, generator=bench.generator
        )
        later.dynamics["slow"] = slow
    g = bench.read(bench.model.conductance(later), rows.device)
    g[start[first]] = initial[first]
    back = np.argsort(order)
    return replace(table, g_siemens=g[back], initial_siemens=initial[write][back])


def _aged(bench: _Bench, state: DeviceState, seconds: Floats, kelvin: Floats) -> DeviceState:
    """Devices some time after their write, each at its temperature, slow parts untouched."""
    model = bench.model
    if "since_seconds" not in state.dynamics or not isinstance(model, Pulsed):
        return state
    kelvin = np.where(np.isfinite(kelvin), kelvin, model.reference_kelvin)
    levels, which = np.unique(kelvin, return_inverse=True)
    speed = [
        physics.acceleration(t, model.reference_kelvin, model.relax_activation_ev) for t in levels
    ]
    since = torch.from_numpy(seconds * np.array(speed)[which])[None]
    since = since.to(state.dynamics["since_seconds"].dtype) * state.traits.get("relax_speed", 1.0)
    kick = state.dynamics["kick"]
    if not model.relax_levels_siemens and not kick.any():  # every write draws its own
        tail = model.relax_tail_sigma
        kick = physics.draw_relaxation(kick.shape, tail, generator=bench.generator)
    return state._replace(dynamics=state.dynamics | {"since_seconds": since, "kick": kick})
