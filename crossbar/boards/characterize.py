"""A measurement plan for `xbar fit`, carried out by the members of any `Board` alone.

A characterisation is a list of stages. Each brings its cells into a known state first, so that a
stage that was cut short can be done again, and yields after every step, for a progress bar.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from device_models.errors import HardwareError
from device_models.model import DeviceModel
from device_models.presets import load_device
from device_models.pulsed import Pulsed

from .budget import Budget
from .characterize_plan import DryBoard, Plan, Pulse, forming, own_pulse, ramps, sweep
from .characterize_probe import Probe
from .characterize_tables import (
    READ,
    RELAX,
    RESET,
    SET,
    Events,
    cycle_levels,
)
from .limited import LimitedBoard
from .limits import Limits
from .protocol import Board, BoardInfo
from .write_verify import WriteVerify

Floats = NDArray[np.float64]
FORMING = "forming"  # the stage after which cells may be left out
LEAST_PULSES = 0.25  # where levels are spread: about one cell in four stays below one pulse
EDGE = 0.1  # of the window, between its ends and the first and last level that is written


class Stage(NamedTuple):
    """One part of a characterisation.

    Attributes:
        name: Of its file.
        table: Which table its rows belong to; "": none that a fit reads.
        steps: How often `run` yields.
        cells: How many it is about; fewer where the array has fewer.
        run: Measures; takes the probe and what earlier stages saw, by name.
        worst: Sends the most that `run` may send; None: `run` does.
    """

    name: str
    table: str
    steps: int
    cells: int
    run: Callable[[Probe, dict[str, Events]], Iterator[None]]
    worst: Callable[[Probe], None] | None = None


def stages(plan: Plan, info: BoardInfo, sheet: DeviceModel | None = None) -> list[Stage]:
    """The stages of a plan, in their order.

    Args:
        plan: What is measured.
        info: Of the board.
        sheet: Window and expected steps, for the writes; None: what the ramps show.
    """
    up, down = own_pulse(plan, info, 1), own_pulse(plan, info, -1)
    work = _Work(plan, info, up, down, sheet)
    result, few = list[Stage](), plan.cells
    if plan.forming_volts:
        steps = len(plan.forming_volts)
        cells = plan.most_cells
        result.append(Stage(FORMING, "", steps, cells, work.forming, work.most_forming))
    if plan.cycles:
        result.append(Stage("cycles", "cycles", 2 * plan.cycles, few, work.cycles))
    for number, pair in enumerate(ramps(plan, info), 1):
        name, steps = f"ramp_{number:02d}", 2 * plan.pulses
        result.append(Stage(name, "pulses", steps, few, _ramp(work, pair)))
    if plan.sweep_steps:
        steps = 2 * plan.sweep_steps * plan.sweep_pulses
        result.append(Stage("sweep", "pulses", steps, few, work.sweep))
    for number, seconds in enumerate(plan.read_intervals_seconds if plan.reads else (), 1):
        name = f"reads_{number}"
        result.append(Stage(name, "reads", plan.reads, plan.rest_cells, _reads(work, seconds)))
    if plan.levels:
        result.append(Stage("writes", "writes", plan.levels, few, work.writes, work.most_writes))
    if plan.retention_seconds:
        steps, cells = len(plan.retention_seconds), plan.retention_cells
        result.append(Stage("retention", "retention", steps, cells, work.retention))
    return result


class _Work(NamedTuple):
    """What the stages of one plan do."""

    plan: Plan
    info: BoardInfo
    up: Pulse
    down: Pulse
    sheet: DeviceModel | None

    def forming(self, probe: Probe, _: dict[str, Events]) -> Iterator[None]:
        """Rising SET pulses for the cells that do not conduct yet, each read."""
        g = probe.read()
        for pulse in forming(self.plan, self.info):
            pristine = ~(g >= self.plan.formed_siemens)
            if pristine.any():
                probe.train(pulse, pristine.astype(np.int64), self.plan.forming_amperes)
                g = probe.read()
            yield

    def most_forming(self, probe: Probe) -> None:
        """Every pulse for every cell."""
        everywhere = np.ones(len(probe.cells), np.int64)
        for pulse in forming(self.plan, self.info):
            probe.train(pulse, everywhere, self.plan.forming_amperes)

    def cycles(self, probe: Probe, _: dict[str, Events]) -> Iterator[None]:
        """Full SET and RESET, and reads."""
        for _number in range(self.plan.cycles):
            for pulse in (self.up, self.down):
                probe.full(pulse, self.plan.full_pulses)
                for _read in range(self.plan.cycle_reads):
                    probe.read()
                yield

    def train_of(self, probe: Probe, pulses: list[Pulse]) -> Iterator[None]:
        """Single pulses of one polarity, each read, from the other end of the window."""
        start = self.down if pulses[0].sign > 0 else self.up
        probe.full(start, self.plan.full_pulses)
        probe.read()
        for pulse in pulses:
            probe.pulse(pulse)
            yield

    def sweep(self, probe: Probe, _: dict[str, Events]) -> Iterator[None]:
        """Rising amplitudes."""
        for sign in (1, -1):
            yield from self.train_of(probe, list(sweep(self.plan, self.info, sign)))

    def spread(self, probe: Probe) -> None:
        """Bring the cells to levels that lie evenly in the logarithm: no SET pulse to many."""
        probe.full(self.down, self.plan.full_pulses)
        counts = np.geomspace(LEAST_PULSES, self.plan.pulses, len(probe.cells))
        probe.train(self.up, np.round(counts).astype(np.int64))

    def writes(self, probe: Probe, history: dict[str, Events]) -> Iterator[None]:
        """All cells to one level after the other."""
        sheet = self.sheet or rough_sheet(self.plan, self.info, history)
        for share in np.linspace(EDGE, 1.0 - EDGE, self.plan.levels).tolist():
            siemens = sheet.g_min_siemens + share * sheet.window_siemens
            probe.write(sheet, siemens, self.plan.write_pulses)
            yield

    def most_writes(self, probe: Probe) -> None:
        """As many pulses as the writes may take; of the stronger kind."""
        pulse = max(self.up, self.down, key=lambda p: p.volts**2 * p.seconds)
        probe.full(pulse, self.plan.levels * self.plan.write_pulses * WriteVerify().passes)

    def retention(self, probe: Probe, _: dict[str, Events]) -> Iterator[None]:
        """Cells some times after they were pulsed."""
        self.spread(probe)
        probe.read()
        now = 0.0
        for seconds in self.plan.retention_seconds:
            probe.wait(seconds - now)
            probe.read(RELAX)
            now = seconds
            yield


def _reads(
    work: _Work, interval_seconds: float
) -> Callable[[Probe, dict[str, Events]], Iterator[None]]:
    """Cells at rest."""

    def run(probe: Probe, _: dict[str, Events]) -> Iterator[None]:
        work.spread(probe)
        probe.wait(work.plan.settle_seconds)
        for _number in range(work.plan.reads):
            probe.read()
            probe.wait(interval_seconds)
            yield

    return run


def _ramp(
    work: _Work, pair: tuple[Pulse, Pulse]
) -> Callable[[Probe, dict[str, Events]], Iterator[None]]:
    """A ramp of SETs and one of RESETs."""

    def run(probe: Probe, _: dict[str, Events]) -> Iterator[None]:
        for pulse in pair:
            yield from work.train_of(probe, [pulse] * work.plan.pulses)

    return run


def formed_cells(plan: Plan, info: BoardInfo, events: Events) -> NDArray[np.int64]:
    """Flat indices of the cells that conduct in their last reading of a forming, rising.

    Raises:
        HardwareError: None does.
    """
    backwards = events.take(np.flatnonzero(events.op == READ)[::-1])
    cells, last = np.unique(backwards.device, return_index=True)
    formed = cells[backwards.g_siemens[last] >= plan.formed_siemens]
    if not len(formed):
        raise HardwareError(
            f"{info.name}: no cell is at {plan.formed_siemens:g} S after forming at "
            f"{max(plan.forming_volts):g} V; nothing else was sent"
        )
    return formed


def rough_sheet(plan: Plan, info: BoardInfo, history: dict[str, Events]) -> Pulsed:
    """Window and steps for writes with verification, as the cycles and the first ramp show them.

    The window is that of the median full SET and RESET, else of the ramp; a step at its near end
    is the mean first step of the ramp. What a cell does not show is that of `oxram`.

    Raises:
        HardwareError: The pulses move nothing.
    """
    ramp, base = history["ramp_01"], load_device("oxram")
    if not isinstance(base, Pulsed):
        raise TypeError("oxram is no pulsed device")
    if "cycles" in history:
        levels = np.concatenate(list(cycle_levels(history["cycles"]).values()))
        high, low = np.nanmedian(levels, axis=0).tolist()
    else:
        low, high = np.nanquantile(ramp.g_siemens, (0.02, 0.98)).tolist()
    if not 0.0 < low < high:
        raise HardwareError(
            f"{info.name}: full SETs end at {high:.3g} S and full RESETs at {low:.3g} S: "
            "there is no window to write in"
        )
    steps = dict[str, Any]()
    for way, op in (("set", SET), ("reset", RESET)):
        first = _first_steps(ramp, op, max(1, plan.pulses // 10))
        steps[f"{way}_fraction"] = float(np.clip(abs(first) / (high - low), 1e-5, 0.5))
    # Without its tables: they are of other devices.
    return replace(
        base, g_min_siemens=low, g_max_siemens=high, full_levels=(), full_set_siemens=None,
        full_set_quantiles_siemens=(), full_reset_siemens=None, full_reset_quantiles_siemens=(),
        set_volts=own_pulse(plan, info, 1).volts, reset_volts=own_pulse(plan, info, -1).volts,
        width_seconds=own_pulse(plan, info, 1).seconds, **steps,
    )  # fmt: skip


def _first_steps(ramp: Events, op: int, count: int) -> float:
    """Mean step of the first pulses of a ramp, over its cells, siemens."""
    steps = []
    for device in np.unique(ramp.device):
        of_device = ramp.take(ramp.device == device)
        at = np.flatnonzero(of_device.op == op)
        steps.append((of_device.g_siemens[at[count - 1]] - of_device.g_siemens[at[0] - 1]) / count)
    return float(np.nanmean(steps))


def choose_cells(board: Board, count: int) -> NDArray[np.int32]:
    """Flat indices of cells that can be read, evenly spread over the array.

    Raises:
        HardwareError: No cell can be read.
    """
    there = np.flatnonzero(np.isfinite(board.read().double().numpy().ravel()))
    if not len(there):
        raise HardwareError(f"{board.info.name}: no cell can be read; nothing was sent")
    return evenly(there, count)


def evenly(cells: NDArray[np.intp], count: int) -> NDArray[np.int32]:
    """At most `count` of some cells, evenly spaced."""
    wanted = min(count, len(cells))
    return cells[(np.arange(wanted) * len(cells)) // wanted].astype(np.int32)


class Cost(NamedTuple):
    """What a plan comes to.

    Attributes:
        budget: Pulses, time and energy; of the writes the most that they may take.
        waited_seconds: Device time that is waited besides.
        reads: Single reads of cells, those of verification not counted.
    """

    budget: Budget
    waited_seconds: float
    reads: int

    def table(self) -> str:
        """As text, one line for each number, with its unit."""
        more = {"reads": f"{self.reads}", "waiting": f"{self.waited_seconds:.4g} s"}
        return "\n".join(
            [self.budget.table(), *(f"{name:<18}{text}" for name, text in more.items())]
        )


def cost(
    plan: Plan,
    info: BoardInfo,
    limits: Limits | None = None,
    most_siemens: float | None = None,
) -> Cost:
    """What a plan comes to on a board; nothing is sent.

    Args:
        plan: What would be measured.
        info: Of the board.
        limits: What must hold; None: nothing.
        most_siemens: Largest conductance of a cell; None: unknown.

    Raises:
        ConfigError: See `own_pulse`; or the board cannot hold the limits.
        LimitError: The plan is beyond the limits; nothing was sent.
    """
    dry = DryBoard(info, most_siemens)
    board: Board = dry
    if limits is not None:
        board = LimitedBoard(dry, limits, most_siemens=most_siemens)
    for stage in stages(plan, info):
        probe = Probe(board, evenly(np.arange(info.shape[0] * info.shape[1]), stage.cells))
        if stage.worst is not None:
            stage.worst(probe)
        else:
            for _ in stage.run(probe, {}):
                pass
    reads = dry.counters.device_reads
    return Cost(dry.meter.budget(reads), dry.waited_seconds, reads)
