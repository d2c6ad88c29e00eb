"""What a board may be given at most, from the block `limits:` of a file."""

from dataclasses import dataclass
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from device_models.errors import ConfigError, LimitError, consequence
from device_models.model import DeviceModel
from device_models.pulsed import Pulsed
from device_models.schema import Record, load_part, quantity

from .budget import PulseCosts, Values
from .protocol import BoardInfo, PulseShape

# Of an emulated board, beyond the pulses of its device file; ours: room for the sweeps of a
# characterisation, and nothing that a device file says of amplitudes and widths goes further.
VOLTS_OVER_PULSE, SECONDS_OVER_PULSE = 2.0, 1e4
MOST_VOLTS, MOST_SECONDS = 20.0, 10.0
MOST_PULSES = 10_000_000  # of all devices in one command of a client


@dataclass(frozen=True, kw_only=True)
class Limits(Record):
    """What is checked before anything is sent. Every key must be given; null: not limited.

    Attributes:
        volts: Largest amplitude of a pulse, and largest voltage of a product.
        seconds: Longest pulse.
        compliance_amperes: Largest current that a SET pulse may draw, and largest compliance that
            may be asked for.
        pulses_per_cell: Pulses that a device may get, all in all.
        joules: Energy of all pulses, each at the largest conductance that a device may have.
    """

    volts: float = quantity("V", 1e-3, MOST_VOLTS, why="the widest range of an ArC TWO")
    seconds: float = quantity("s", 1e-9, MOST_SECONDS)
    compliance_amperes: float | None = quantity("A", 1e-9, 1.0)
    pulses_per_cell: int | None = quantity("pulses", 1, 10**12)
    joules: float | None = quantity("J", 1e-15, 1e6)


@dataclass(frozen=True, kw_only=True)
class _LimitsFile(Record):
    """The part of a file that holds limits."""

    limits: Limits


def load_limits(path: str | PathLike[str]) -> Limits:
    """The block `limits:` of a YAML file; what else it holds is not looked at.

    Raises:
        ConfigError: There is none, or it does not say every limit; nothing was sent.
    """
    with consequence("nothing was sent"):
        return load_part(path, _LimitsFile).limits


def limits_of(sheet: DeviceModel) -> Limits:
    """Limits of an emulated board of some devices, whose file says their pulses and endurance.

    Amplitudes up to `VOLTS_OVER_PULSE` times the larger pulse, widths up to `SECONDS_OVER_PULSE`
    times the pulse, no more pulses than the median device lasts, any energy. A real board has no
    such defaults.
    """
    if not isinstance(sheet, Pulsed):
        return Limits(
            volts=MOST_VOLTS, seconds=MOST_SECONDS, compliance_amperes=None, pulses_per_cell=None,
            joules=None,
        )  # fmt: skip
    largest = max(sheet.set_volts, sheet.reset_volts)
    return Limits(
        volts=min(VOLTS_OVER_PULSE * largest, MOST_VOLTS),
        seconds=min(SECONDS_OVER_PULSE * sheet.width_seconds, MOST_SECONDS),
        compliance_amperes=None,
        pulses_per_cell=min(int(sheet.endurance_pulses), 10**12) or None,
        joules=None,
    )


def check_fits(limits: Limits, info: BoardInfo, most_siemens: float | None) -> None:
    """Refuse limits that a board cannot hold, or that are wider than its own.

    Args:
        limits: The limits.
        info: Of the board.
        most_siemens: Largest conductance that a device may have; None where unknown.

    Raises:
        ConfigError: They are; nothing was sent.
    """
    grid = info.grid
    for name, unit in (("volts", "V"), ("seconds", "s")):
        most, limit = grid and getattr(grid, f"most_{name}"), getattr(limits, name)
        if most is not None and limit > most:
            raise ConfigError(
                f"limits.{name} = {limit:g} {unit} is wider than the {most:g} {unit} of "
                f"{info.name}; nothing was sent"
            )
    if most_siemens is not None:
        return
    if limits.joules is not None:
        raise ConfigError(
            f"limits.joules = {limits.joules:g} J needs the largest conductance of a device of "
            f"{info.name}, from its device file; nothing was sent"
        )
    own_amperes = info.compliance_amperes
    if limits.compliance_amperes is not None and own_amperes is None:
        raise ConfigError(
            f"limits.compliance_amperes = {limits.compliance_amperes:g} A cannot be held: "
            f"{info.name} has no compliance, and no device file says its largest conductance; "
            "nothing was sent"
        )


def check_pulses(
    limits: Limits, info: BoardInfo, each: PulseCosts, shape: PulseShape | None
) -> None:
    """Refuse amplitudes, widths and currents of pulses beyond limits; counts are not looked at.

    Args:
        limits: What holds.
        info: Of the board.
        each: The pulses, see `budget.costs`.
        shape: As it was asked for.

    Raises:
        LimitError: Nothing was sent.
    """
    given = PulseShape() if shape is None else shape
    # An emulated device may have no volts at all; a real one that does not say them is refused.
    no_volts, no_seconds = (
        info.is_emulator and value is None and np.isnan(standing)
        for value, standing in ((given.volts, each.volts), (given.seconds, each.seconds))
    )
    refuse_beyond(limits, info, each, "volts", each.volts, "V", (each.volts > 0.0) | no_volts)
    refuse_beyond(
        limits, info, each, "seconds", each.seconds, "s", (each.seconds > 0.0) | no_seconds
    )
    asked, most = given.compliance_amperes, limits.compliance_amperes
    if asked is not None and not 0.0 < asked <= (np.inf if most is None else most):
        bound = "it must be above 0" if most is None else f"limits.compliance_amperes = {most:g} A"
        raise LimitError(f"a compliance of {asked:g} A: {bound}; nothing was sent")
    if most is not None:
        refuse_beyond(limits, info, each, "compliance_amperes", each.amperes, "A")


def refuse_beyond(
    limits: Limits,
    info: BoardInfo,
    each: PulseCosts,
    name: str,
    values: Values | NDArray[np.int64],
    unit: str,
    allowed: NDArray[np.bool_] | bool = True,
) -> None:
    """Refuse a batch of which one entry is beyond the limit `name`, or not `allowed` at all.

    Raises:
        LimitError: Nothing was sent.
    """
    limit: float = getattr(limits, name)
    refused = (values > limit) | ~np.asarray(allowed) | (np.isnan(values) & (allowed is True))
    if not refused.any():
        return
    first = int(np.flatnonzero(refused)[0])
    word, bit = divmod(int(each.device[first]), info.shape[1])
    raise LimitError(
        f"{values[first]:g} {unit} for word line {word}, bit line {bit}: limits.{name} = "
        f"{limit:g} {unit}; nothing was sent"
    )
