"""Pulses of another amplitude or width than the board's own, as an emulated board takes them."""

from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from device_models import pulse_law
from device_models.errors import LimitError, ShapeError
from device_models.model import DeviceModel
from device_models.pulse_law import PulseDrive
from device_models.pulsed import Pulsed

from .protocol import BoardInfo, PulseBatch, PulseShape, refuse_other_shape

Value = float | NDArray[np.float64] | None


class BatchShape(NamedTuple):
    """Amplitude and width of every pulse of a batch, in its order, float64 (devices,)."""

    volts: NDArray[np.float64]
    seconds: NDArray[np.float64]

    def take(self, which: np.ndarray) -> Self:
        """Those of some devices: a mask, or indices into the batch."""
        return type(self)(self.volts[which], self.seconds[which])

    @property
    def drive(self) -> PulseDrive:
        """As a device model takes them, in the order of the batch."""
        return PulseDrive(torch.from_numpy(self.volts), torch.from_numpy(self.seconds))

    def array(self, shape: tuple[int, int], device: np.ndarray) -> PulseDrive:
        """As a device model takes them, (word lines, bit lines); 1 where nothing is sent."""
        volts, seconds = (torch.ones(shape, dtype=torch.float64) for _ in self)
        for full, value in ((volts, self.volts), (seconds, self.seconds)):
            full.view(-1).numpy()[device] = value
        return PulseDrive(volts, seconds)


def batch_shape(
    model: DeviceModel, info: BoardInfo, sent: PulseBatch, shape: PulseShape | None
) -> BatchShape | None:
    """The shape of every pulse of a batch; None if all are the board's own.

    Args:
        model: Kind of device.
        info: Of the board.
        sent: The pulses.
        shape: What is asked for.

    Raises:
        LimitError: The device file has no law for it, or it is no amplitude or width.
        ShapeError: One value per device is given, but not as many as there are devices.
    """
    if shape is None or (shape.volts is None and shape.seconds is None):
        return None
    for name, value in shape._asdict().items():
        if value is not None and np.shape(value) not in {(), sent.device.shape}:
            raise ShapeError(
                f"{name} of the pulses has shape {np.shape(value)}, the batch "
                f"{sent.device.shape}; nothing was sent"
            )
        _refuse_without_law(model, info, sent, name, value)
    if not isinstance(model, Pulsed):
        return None
    is_set = sent.count > 0
    own = BatchShape(
        np.where(is_set, model.set_volts, model.reset_volts),
        np.full(len(is_set), model.width_seconds),
    )
    asked = BatchShape(
        *(
            standing if value is None else np.broadcast_to(np.float64(value), standing.shape).copy()
            for standing, value in zip(own, shape, strict=True)
        )
    )
    pulses = sent.count != 0
    if all((a[pulses] == b[pulses]).all() for a, b in zip(asked, own, strict=True)):
        return None
    pulse_law.check_drive(model, torch.from_numpy(sent.count), asked.drive)
    return asked


def _refuse_without_law(
    model: DeviceModel, info: BoardInfo, sent: PulseBatch, name: str, value: Value
) -> None:
    """Raise LimitError for pulses that differ from the own ones where no law says what they do."""
    for sign in (1, -1):
        if value is None or (isinstance(model, Pulsed) and pulse_law.has_law(model, sign, name)):
            continue
        count = np.where(sent.count * sign > 0, sent.count, 0)
        alone = PulseShape(volts=value) if name == "volts" else PulseShape(seconds=value)
        refuse_other_shape(info, PulseBatch(sent.device, count), alone)


def refuse_half_selected(info: BoardInfo) -> None:
    """Raise LimitError: what other pulses do to the neighbours of a device is not modelled."""
    raise LimitError(
        f"{info.name} has no transistors (array_kind 1R): only its own pulses are modelled there, "
        f"SET {info.set_volts} V, RESET {info.reset_volts} V, {info.set_seconds} s; "
        "nothing was sent"
    )
