"""Limits that clients may narrow, checked before anything is sent.

Those of the board itself (`LimitedBoard`) hold whatever clients set.
"""

from dataclasses import dataclass

import numpy as np

from device_models.errors import LimitError
from device_models.model import DeviceModel
from device_models.record import Record, quantity

from ..limits import MOST_SECONDS, MOST_VOLTS, Limits
from ..protocol import BoardInfo, PulseBatch, PulseShape

MOST_AMPERES = 1.0


@dataclass(frozen=True, kw_only=True)
class PulseLimits(Record):
    """What an instrument sends at most.

    Attributes:
        volts: Amplitude of a pulse.
        seconds: Its width.
        compliance_amperes: Current of a pulse.
        read_volts: Of a read; a level above it is a pulse.
        pulses: Of all devices in one command.
    """

    volts: float = quantity("V", 1e-3, MOST_VOLTS)
    seconds: float = quantity("s", 1e-12, MOST_SECONDS)
    compliance_amperes: float = quantity("A", 1e-12, MOST_AMPERES)
    read_volts: float = quantity("V", 1e-3, MOST_VOLTS)
    pulses: int = quantity("pulses", 1, 100_000_000, default=10_000_000)


def instrument_limits(limits: Limits, info: BoardInfo, sheet: DeviceModel) -> PulseLimits:
    """The widest limits that clients may set on an instrument.

    Those of the board, and where they leave the current open that of the highest conductance at the
    largest amplitude. Reads go up to half the smaller amplitude of its pulses; ours.
    """
    volts = [v for v in (info.set_volts, info.reset_volts) if v is not None]
    amperes = limits.compliance_amperes or limits.volts * sheet.g_max_siemens
    return PulseLimits(
        volts=limits.volts,
        seconds=limits.seconds,
        compliance_amperes=min(max(amperes, 1e-12), MOST_AMPERES),
        read_volts=min(max(info.read_volts, 0.5 * min(volts) if volts else 0.5), limits.volts),
    )


def check_pulses(
    limits: PulseLimits,
    info: BoardInfo,
    pulses: PulseBatch,
    shape: PulseShape | None,
    *,
    count_is_width: bool = False,
) -> None:
    """Refuse pulses beyond limits; what a board does not say of its own pulses is not checked.

    Args:
        limits: The limits.
        info: Of the board.
        pulses: The pulses.
        shape: Their amplitude and width; None: the board's own.
        count_is_width: See `DeviceModel.count_is_width`: each device gets one pulse.

    Raises:
        LimitError: Nothing was sent.
    """
    counts = np.abs(pulses.count.astype(np.int64))
    total = int(np.count_nonzero(counts) if count_is_width else counts.sum())
    if total > limits.pulses:
        raise LimitError(
            f"{total} pulses in one command exceed the {limits.pulses} that are allowed; "
            "nothing was sent"
        )
    own_volts = (info.set_volts, info.reset_volts)
    own_seconds = (info.set_seconds, info.reset_seconds)
    given = PulseShape() if shape is None else shape
    _check("amplitude", "V", own_volts, given.volts, pulses, limits.volts)
    _check("width", "s", own_seconds, given.seconds, pulses, limits.seconds)


def _check(
    name: str,
    unit: str,
    own: tuple[float | None, float | None],
    given: object,
    pulses: PulseBatch,
    most: float,
) -> None:
    """Refuse pulses of which one is not within (0, most]; nan is not."""
    if given is not None:
        value = np.asarray(given, np.float64)
    else:
        signs = [value for value, sign in zip(own, (1, -1), strict=True)
                 if value is not None and (np.sign(pulses.count) == sign).any()]  # fmt: skip
        value = np.array(signs, np.float64)
    within = (value > 0.0) & (value <= most)
    if not within.all():
        wrong = value[~within].flat[0]
        raise LimitError(
            f"{name} {wrong:g} {unit} is outside (0, {most:g}] {unit}; nothing was sent"
        )
