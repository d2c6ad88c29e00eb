"""Pulses that lose amplitude on the lines of an emulated array; see `wires.pulse_loss`."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from device_models import pulse_law
from device_models.model import DeviceModel
from device_models.pulse_law import PulseDrive
from device_models.pulsed import Pulsed

from ..array.half_select import HalfSelect
from ..wires.array import WiredArray
from ..wires.wires import Floats
from .protocol import PulseBatch


class MetPulses(NamedTuple):
    """A batch of pulses as its devices meet it.

    Attributes:
        drive: Amplitude and width at the devices.
        siemens: Of the devices before it, (devices,) float64.
        line_weight: What their pulses leave on the lines, joules per siemens, (devices,).
    """

    drive: PulseDrive
    siemens: Floats
    line_weight: Floats

    def line_joules(self, after: Floats) -> float:
        """Energy that the lines take, with the conductances of the devices after the pulses."""
        return float((self.line_weight * (self.siemens + after)).sum()) / 2.0


class PulseLoss:
    """Takes from each pulse what its lines take.

    A programming operation gives one device after the other its pulses, all at the conductance that
    it had before. A polarity without an amplitude law in the device file (`scale_volts`) loses
    nothing. Of an array without transistors the lines are loaded by the other devices as they are
    before the operation, and what pulses do to these (`half_select`) is still that of the whole
    amplitude.
    """

    def __init__(self, model: Pulsed, wired: WiredArray, bias: float | None) -> None:
        """Of the devices of an array.

        Args:
            model: Their kind.
            wired: Its lines.
            bias: Fraction of the amplitude on half-selected devices; None with transistors.
        """
        self._model, self._wired, self._bias = model, wired, bias
        self._behind = wired.behind(None, 0.0) if bias is None else None

    def met(self, g: Tensor, sent: PulseBatch, drive: PulseDrive) -> MetPulses:
        """What reaches the devices of a batch.

        Args:
            g: Conductances of the array now, siemens, (word lines, bit lines).
            sent: The pulses.
            drive: What they are at the ends of the lines, in their order.
        """
        behind = self._behind or self._wired.behind(g.double().numpy(), self._bias or 0.0)
        siemens = siemens_of(g, sent)
        fraction, ohms = (part.reshape(-1)[sent.device] for part in behind)
        left = fraction / (1.0 + siemens * ohms)
        for sign in pulse_law.WAYS:
            if not pulse_law.has_law(self._model, sign, "volts"):
                left[sent.count * sign > 0] = 1.0
        asked = _each(drive.volts, sent, self._model.set_volts, self._model.reset_volts)
        width = self._model.width_seconds
        seconds = _each(drive.seconds, sent, width, width)
        weight = np.abs(sent.count) * seconds * asked**2 * left * (1.0 - left)
        volts = torch.from_numpy(asked * left)
        met = drive._replace(volts=volts, seconds=torch.from_numpy(seconds))
        return MetPulses(met, siemens, weight)


def pulse_loss(
    model: DeviceModel, wired: WiredArray | None, half: HalfSelect | None
) -> PulseLoss | None:
    """What lines take from the pulses of an array; None where that is nothing.

    Args:
        model: Kind of device.
        wired: Lines of the array; None without resistance.
        half: How it is biased; None with a transistor at each device.
    """
    if wired is None or not wired.takes_from_pulses or not isinstance(model, Pulsed):
        return None
    if not any(pulse_law.has_law(model, sign, "volts") for sign in pulse_law.WAYS):
        return None
    return PulseLoss(model, wired, None if half is None else half.fraction)


def siemens_of(g: Tensor, sent: PulseBatch) -> Floats:
    """Conductances of the devices of a batch, float64 (devices,), a copy."""
    return g.reshape(-1)[torch.from_numpy(sent.device).long()].double().numpy()


def _each(
    given: float | Tensor | None, sent: PulseBatch, set_value: float, reset_value: float
) -> Floats:
    """One value per device, float64; the device file's own where none is given."""
    if given is None:
        return np.where(sent.count > 0, set_value, reset_value)
    return np.array(np.broadcast_to(np.asarray(given, np.float64), sent.device.shape))
