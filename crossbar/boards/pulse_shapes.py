"""Pulses of another shape than the board's own, as an emulated board takes them."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from device_models import pulse_law
from device_models.errors import LimitError, ShapeError
from device_models.model import DeviceModel
from device_models.pulse_law import OWN, PulseDrive
from device_models.pulsed import Pulsed

from ..array.faults import Broken
from .protocol import BoardInfo, PulseBatch, PulseShape, refuse_compliance, refuse_other_shape

Value = float | NDArray[np.float64] | None


def drive_of(
    model: DeviceModel, info: BoardInfo, sent: PulseBatch, shape: PulseShape | None
) -> PulseDrive:
    """What every pulse of a batch is, in the order of the batch; `OWN` if all are the board's own.

    Args:
        model: Kind of device.
        info: Of the board.
        sent: The pulses.
        shape: What is asked for.

    Raises:
        LimitError: The device file has no law for it, or it is no amplitude, width or compliance.
        ShapeError: Values are no real numbers; or one per device is given, but not as many as there
            are devices.
    """
    if shape is None:
        return OWN
    for name, value in (("volts", shape.volts), ("seconds", shape.seconds)):
        if value is not None and np.asarray(value).dtype.kind not in "fiu":
            raise ShapeError(f"{name} of the pulses: {value!r} is no real number; nothing was sent")
        if value is not None and np.shape(value) not in {(), sent.device.shape}:
            raise ShapeError(
                f"{name} of the pulses has shape {np.shape(value)}, the batch "
                f"{sent.device.shape}; nothing was sent"
            )
        _refuse_without_law(model, info, sent, name, value)
    if not isinstance(model, Pulsed):
        refuse_compliance(info, sent, shape.compliance_amperes)
        return OWN
    drive = _drive(model, sent, shape)
    drive = drive._replace(compliance_amperes=_compliance(model, sent, drive, shape))
    pulse_law.check_drive(model, torch.from_numpy(sent.count), drive)
    return drive


def spread(drive: PulseDrive, shape: tuple[int, int], device: np.ndarray) -> PulseDrive:
    """The drive of a batch by its devices in an array (word lines, bit lines); 1 elsewhere."""
    if drive.is_own:
        return drive
    full = []
    for value in (drive.volts, drive.seconds):
        array = torch.ones(shape, dtype=torch.float64)
        array.view(-1)[torch.from_numpy(device).long()] = torch.as_tensor(value)
        full.append(array)
    return drive._replace(volts=full[0], seconds=full[1])


def reaching_of(
    broken: Broken, sent: PulseBatch, drive: PulseDrive
) -> tuple[PulseBatch, PulseDrive]:
    """The pulses of a batch that meet a healthy device, and what they are."""
    if drive.is_own:
        rows, columns = broken.dead.shape
        return PulseBatch.of(broken.reaching(sent.array((rows, columns)))), drive
    alive = ~broken.dead.view(-1).numpy()[sent.device]
    reaching = PulseBatch(sent.device[alive], sent.count[alive])
    return reaching, drive.at(torch.from_numpy(alive))


def _drive(model: Pulsed, sent: PulseBatch, shape: PulseShape) -> PulseDrive:
    """Amplitude and width of every pulse, float64 (devices,); None where all are the own ones."""
    is_set = sent.count > 0
    plain = (
        np.where(is_set, model.set_volts, model.reset_volts),
        np.full(len(is_set), model.width_seconds),
    )
    asked = [
        standing if value is None else np.broadcast_to(np.float64(value), standing.shape).copy()
        for standing, value in zip(plain, (shape.volts, shape.seconds), strict=True)
    ]
    pulses = sent.count != 0
    if all((a[pulses] == b[pulses]).all() for a, b in zip(asked, plain, strict=True)):
        return OWN
    volts, seconds = map(torch.from_numpy, asked)
    return PulseDrive(volts, seconds)


def _compliance(
    model: Pulsed, sent: PulseBatch, drive: PulseDrive, shape: PulseShape
) -> float | None:
    """The current limit of a batch; None where no device that can be made could meet it."""
    amperes, is_set = shape.compliance_amperes, sent.count > 0
    if amperes is None or model.compliance_volts is not None or not is_set.any():
        return amperes if is_set.any() else None
    volts: float | Tensor = model.set_volts if drive.volts is None else drive.volts
    most = torch.as_tensor(volts).expand(len(is_set))[torch.from_numpy(is_set)].max()
    return None if float(most) * model.g_max_siemens <= amperes else amperes


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
