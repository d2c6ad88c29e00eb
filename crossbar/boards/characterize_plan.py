"""What a characterisation sends and reads: settings, amplitudes and widths, and what they cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from device_models import pulse_law
from device_models.errors import ConfigError, LimitError
from device_models.pulsed import Pulsed
from device_models.record import Record, quantity

from ..array.counters import Counters
from .budget import Meter, costs
from .protocol import BoardInfo, Indices, PulseBatch, PulseShape, refuse_compliance
from .pulse_shapes import drive_of

DIGITS = 6  # of an amplitude or a width; the files have as many


@dataclass(frozen=True, kw_only=True)
class Plan(Record):
    """What is measured, on some cells of a board.

    Amplitudes and widths are multiples of the board's own pulse. A full SET or RESET is
    `full_pulses` of the own ones.

    Attributes:
        cells: How many are pulsed one by one, evenly spread over the array.
        rest_cells: How many are read at rest, where an array has as many.
        retention_cells: How many are followed after they were pulsed, likewise.
        set_volts: Amplitude of the own SET pulse; None: what the board says.
        reset_volts: Of the own RESET pulse, positive; likewise.
        width_seconds: Width of both; likewise.
        forming_volts: Rising amplitudes of SET pulses for cells that never conducted, until each
            does; empty: the cells are formed.
        forming_seconds: Width of these pulses.
        forming_amperes: Compliance of these pulses; None: none.
        formed_siemens: Conductance from which a cell is formed.
        full_pulses: Own pulses of a full SET or RESET.
        cycles: Full SETs and RESETs; 0: none.
        cycle_reads: Reads of each level, of which the table has the mean: at low conductances the
            noise of a single one would widen the window.
        pulses: Of one ramp, each read.
        own_ramps: Ramps of the own pulse, of SET and of RESET.
        amplitudes: Of further ramps, times the own amplitude, at every width.
        widths: Of further ramps, times the own width.
        sweep_steps: Amplitudes of a rising sweep; 0: none.
        sweep_pulses: Pulses at each of them, each read.
        sweep_least: First amplitude of a sweep, times the own.
        sweep_most: Last one.
        reads: Repeated reads of cells at rest, which stand at different levels; 0: none.
        read_intervals_seconds: Between two of them, a series each: slow noise shows between the
            shortest interval and the longest series.
        settle_seconds: Between the last pulse and a series, so that relaxation is over.
        levels: Of writes with verification, evenly spread over the window; 0: none.
        write_pulses: Of a cell at one level in one pass, at most.
        retention_seconds: When cells are read again after they were pulsed; empty: never.
    """

    cells: int = quantity("cells", 1, 1_000_000, default=24)
    rest_cells: int = quantity("cells", 1, 1_000_000, default=64)
    retention_cells: int = quantity("cells", 1, 1_000_000, default=1024)
    set_volts: float | None = quantity("V", 1e-3, 20.0, default=None)
    reset_volts: float | None = quantity("V", 1e-3, 20.0, default=None)
    width_seconds: float | None = quantity("s", 1e-9, 10.0, default=None)
    forming_volts: tuple[float, ...] = quantity("V", 1e-3, 20.0, default=())
    forming_seconds: float = quantity("s", 1e-9, 10.0, default=1e-3)
    forming_amperes: float | None = quantity("A", 1e-9, 1.0, default=None)
    formed_siemens: float = quantity("S", 1e-12, 0.1, default=1e-5)
    full_pulses: int = quantity("pulses", 1, 1_000_000, default=500)
    cycles: int = quantity("cycles", 0, 100_000, default=10)
    cycle_reads: int = quantity("reads", 1, 100_000, default=16)
    pulses: int = quantity("pulses", 2, 1_000_000, default=60)
    own_ramps: int = quantity("ramps", 1, 1000, default=3)
    amplitudes: tuple[float, ...] = quantity("of the own", 0.05, 5.0, default=(0.9, 1.0, 1.1))
    widths: tuple[float, ...] = quantity("of the own", 1e-6, 1e6, default=(0.1, 1.0, 10.0))
    sweep_steps: int = quantity("amplitudes", 0, 1000, default=9)
    sweep_pulses: int = quantity("pulses", 1, 1000, default=4)
    sweep_least: float = quantity("of the own", 0.05, 5.0, default=0.8)
    sweep_most: float = quantity("of the own", 0.05, 5.0, default=1.2)
    reads: int = quantity("reads", 0, 1_000_000, default=256)
    read_intervals_seconds: tuple[float, ...] = quantity("s", 1e-9, 1e6, default=(0.1, 10.0))
    settle_seconds: float = quantity("s", 0.0, 1e9, default=10_000.0)
    levels: int = quantity("levels", 0, 1000, default=6)
    write_pulses: int = quantity("pulses", 1, 1_000_000, default=300)
    retention_seconds: tuple[float, ...] = quantity(
        "s", 1e-6, 1e12, default=(1.0, 10.0, 100.0, 1000.0)
    )

    def __post_init__(self) -> None:
        """Check the fields and the rules between them.

        Raises:
            ConfigError: As `Record`; or times or amplitudes do not rise, or reads are no series.
        """
        super().__post_init__()
        if self.reads == 1:
            raise ConfigError("reads = 1 is no series: it must be 0 (none) or at least 2")
        for name, why in (
            ("retention_seconds", "they count from the last pulse"),
            ("forming_volts", "the first that forms a cell ends its forming"),
        ):
            if any(b <= a for a, b in pairwise(getattr(self, name))):
                raise ConfigError(f"{name} must rise: {why}")

    @property
    def most_cells(self) -> int:
        """Cells that any stage is about."""
        return max(self.cells, self.rest_cells, self.retention_cells)


class Pulse(NamedTuple):
    """One kind of pulse.

    Attributes:
        sign: 1 SET, -1 RESET.
        volts: Amplitude, positive.
        seconds: Width.
    """

    sign: int
    volts: float
    seconds: float


def own_pulse(plan: Plan, info: BoardInfo, sign: int) -> Pulse:
    """The pulse that all others are multiples of, on the grid of the board.

    Raises:
        ConfigError: Neither the plan nor the board says it.
    """
    way = "set" if sign > 0 else "reset"
    volts = getattr(plan, f"{way}_volts") or getattr(info, f"{way}_volts")
    seconds = plan.width_seconds or getattr(info, f"{way}_seconds")
    if not volts or not seconds:
        key = f"{way}_volts" if not volts else "width_seconds"
        raise ConfigError(f"{info.name} does not say its own pulse: the plan needs {key}")
    return on_grid(Pulse(sign, volts, seconds), info)


def scaled(pulse: Pulse, volts: float, seconds: float, info: BoardInfo) -> Pulse:
    """A multiple of a pulse, on the grid of the board."""
    return on_grid(Pulse(pulse.sign, volts * pulse.volts, seconds * pulse.seconds), info)


def on_grid(pulse: Pulse, info: BoardInfo) -> Pulse:
    """The nearest pulse that the board can set, in `DIGITS` digits where it has no steps."""
    steps = (None, None) if info.grid is None else (info.grid.dac_volts, info.grid.time_seconds)
    volts, seconds = (
        float(f"{value:.{DIGITS}g}") if step is None else step * max(1, round(value / step))
        for value, step in zip(pulse[1:], steps, strict=True)
    )
    return Pulse(pulse.sign, volts, seconds)


def ramps(plan: Plan, info: BoardInfo) -> list[tuple[Pulse, Pulse]]:
    """SET and RESET pulse of every pair of ramps: own ones first, then the others."""
    base = own_pulse(plan, info, 1), own_pulse(plan, info, -1)
    others = [
        (scaled(base[0], a, w, info), scaled(base[1], a, w, info))
        for a, w in product(plan.amplitudes, plan.widths)
    ]
    return [base] * plan.own_ramps + [pair for pair in dict.fromkeys(others) if pair != base]


def sweep(plan: Plan, info: BoardInfo, sign: int) -> Iterator[Pulse]:
    """The pulses of a rising sweep, in their order."""
    base = own_pulse(plan, info, sign)
    for factor in np.linspace(plan.sweep_least, plan.sweep_most, plan.sweep_steps):
        yield from [scaled(base, float(factor), 1.0, info)] * plan.sweep_pulses


def forming(plan: Plan, info: BoardInfo) -> list[Pulse]:
    """The pulses of a forming, in their order."""
    return [on_grid(Pulse(1, volts, plan.forming_seconds), info) for volts in plan.forming_volts]


def check_laws(plan: Plan, info: BoardInfo, sheet: Pulsed) -> None:
    """Refuse pulses, and a compliance, of which the file of the devices does not say what they do.

    Raises:
        LimitError: The plan has such pulses or such a compliance; nothing was sent.
    """
    asked = [pulse for pair in ramps(plan, info) for pulse in pair]
    asked += [pulse for sign in (1, -1) for pulse in sweep(plan, info, sign)]
    asked += forming(plan, info)
    for pulse in asked:
        for name, standing in (
            ("volts", pulse_law.own_volts(sheet, pulse.sign)),
            ("seconds", sheet.width_seconds),
        ):
            value = getattr(pulse, name)
            if value != standing and not pulse_law.has_law(sheet, pulse.sign, name):
                raise LimitError(
                    f"the plan has pulses of {value:g} {name}, and the device file no "
                    f"{pulse_law.law_field(pulse.sign, name)}: it takes {standing:g} {name} alone "
                    "(amplitudes=1, widths=1 and sweep_steps=0); nothing was sent"
                )
    one = PulseBatch(np.zeros(1, np.int32), np.ones(1, np.int32))
    for pulse in forming(plan, info):
        drive_of(sheet, info, one, PulseShape(pulse.volts, pulse.seconds, plan.forming_amperes))


class DryBoard:
    """Answers as a board would, sends nothing, and adds up what would have been sent.

    Attributes:
        info: Of the board that it stands for.
        counters: The reads.
        waited_seconds: Device time that would have been waited.
    """

    def __init__(self, info: BoardInfo, most_siemens: float | None = None) -> None:
        """Start at nothing; see `Meter` for `most_siemens`."""
        self.info, self.counters, self.waited_seconds = info, Counters(), 0.0
        self.meter = Meter(info, most_siemens)

    def read(self, device: Indices | None = None) -> Tensor:
        """One microsiemens everywhere."""
        shape = self.info.shape if device is None else device.shape
        siemens = torch.full(shape, 1e-6, dtype=torch.float64)
        self.counters += Counters(device_reads=siemens.numel())
        return siemens

    def vmm(self, volts: Tensor) -> Tensor:
        """No current."""
        return torch.zeros((len(volts), self.info.shape[1]), dtype=torch.float64)

    def pulse(self, pulses: PulseBatch, shape: PulseShape | None = None) -> None:
        """Counted.

        Raises:
            LimitError: A compliance that a real board has not; of emulated devices their file says.
        """
        if shape is not None and not self.info.is_emulator:
            refuse_compliance(self.info, pulses, shape.compliance_amperes)
        self.meter.add(costs(self.info, pulses, shape, self.meter.most_siemens))

    def wait(self, seconds: float) -> None:
        """Counted."""
        self.waited_seconds += seconds

    def close(self) -> None:
        """Nothing to let go of."""
