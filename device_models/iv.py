"""Current against voltage: a sweep of the same devices that pulses move."""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .errors import ConfigError, LimitError
from .model import DeviceState
from .pulse_law import PulseDrive
from .pulsed import Pulsed

Floats = NDArray[np.float64]


class Sweep(NamedTuple):
    """A current-voltage curve.

    Attributes:
        volts: Of each point, (points,).
        amperes: At its end, (points, *shape of the devices).
        state: The devices afterwards.
    """

    volts: Floats
    amperes: Floats
    state: DeviceState


def staircase(corners_volts: tuple[float, ...], step_volts: float) -> Floats:
    """Voltages of a sweep from corner to corner in equal steps.

    Args:
        corners_volts: For example (0.0, 1.2, 0.0, -1.5, 0.0).
        step_volts: Largest difference of two points.

    Returns:
        Volts, (points,), every corner among them.

    Raises:
        LimitError: There are fewer than two corners, or the step is not above 0.
    """
    if len(corners_volts) < 2 or not step_volts > 0.0:
        raise LimitError(
            f"a sweep needs two corners and a step above 0, not {corners_volts} and "
            f"{step_volts:g} V; nothing was sent"
        )
    points = [np.array(corners_volts[:1], np.float64)]
    for start, end in pairwise(corners_volts):
        count = max(1, math.ceil(abs(end - start) / step_volts - 1e-9))
        points.append(start + (end - start) * np.arange(1, count + 1) / count)
    return np.concatenate(points)


def chord(volts: float, iv_volts: float | None, reference_volts: float) -> float:
    """Conductance at some volts over that at the reference: sinh(x) / x, x = V / iv_volts."""
    if iv_volts is None:
        return 1.0

    def bent(v: float) -> float:
        x = v / iv_volts
        return math.sinh(x) / x if x else 1.0

    return bent(volts) / bent(reference_volts)


def dc_sweep(
    model: Pulsed,
    state: DeviceState,
    volts: Floats,
    *,
    dwell_seconds: float,
    generator: torch.Generator,
    compliance_amperes: float | None = None,
    iv_volts: float | None = None,
    iv_reference_volts: float = 0.2,
) -> Sweep:
    """Step a voltage over devices and record their currents, as a source meter does.

    Every point is one pulse of its voltage and of the dwell time, by the law of `pulse_law`: SET
    where it is positive, RESET where negative. The current is read at its end,

        I = g V c(V),   c = (sinh x / x) / (sinh x_ref / x_ref),   x = V / iv_volts,

    and at positive voltages at most the current limit, which also ends a SET: g is then at most
    I_cc / compliance_volts. At negative voltages nothing limits, as in a 1T1R cell whose gate is
    opened for RESET. No device time passes besides: relaxation goes on when `advance` says so.

    Args:
        model: Kind of device; it needs a law of amplitude and width.
        state: Devices of any shape (rows, columns). Not modified.
        volts: Of each point, (points,), see `staircase`.
        dwell_seconds: Time at each.
        generator: Source of the spread of the steps.
        compliance_amperes: I_cc; None: that of the device file, which may be none.
        iv_volts: Bend of the current; None: ohmic.
        iv_reference_volts: Voltage at which conductances are read.

    Raises:
        LimitError: The device file has no law, or voltage or dwell time are out of range.
        ConfigError: There is a limit, and the device file has no compliance_volts.

    Source:
        The cell as a resistor with a state, moved by a field-accelerated rate: X. Guan et al.,
        IEEE Electron Device Lett. 33, 1405, 2012. The sinh of the current: `Periphery.iv_volts`.
    """
    limit = model.compliance_amperes if compliance_amperes is None else compliance_amperes
    if limit is not None and model.compliance_volts is None:
        raise ConfigError(
            f"a current limit of {limit:g} A needs compliance_volts in the device file: it says "
            "where a SET ends; nothing was sent"
        )
    everywhere = torch.ones(state.g.shape, dtype=torch.bool)
    currents = np.empty((len(volts), *state.g.shape))
    for i, v in enumerate(np.asarray(volts, np.float64).tolist()):
        if v != 0.0:
            state = _dwell(model, state, v, dwell_seconds, limit, everywhere, generator)
        g = model.conductance(state).double().numpy()
        currents[i] = g * v * chord(v, iv_volts, iv_reference_volts)
        if limit is not None:
            currents[i] = np.minimum(currents[i], limit)
    return Sweep(np.asarray(volts, np.float64), currents, state)


def _dwell(
    model: Pulsed,
    state: DeviceState,
    volts: float,
    seconds: float,
    limit: float | None,
    everywhere: Tensor,
    generator: torch.Generator,
) -> DeviceState:
    """The devices after one point of a sweep."""
    drive = PulseDrive(abs(volts), seconds, limit)
    counts = torch.full(state.g.shape, 1 if volts > 0.0 else -1)
    return model.program(state, counts, everywhere, generator=generator, drive=drive).state
