"""The result of a fit: a device, and the interval and source of each of its numbers."""

from dataclasses import dataclass, field
from typing import Literal

from ..model import DeviceModel
from .measurements import Floats, Measurements

Status = Literal["measured", "literature", "assumed"]


@dataclass(frozen=True, kw_only=True)
class ParameterEstimate:
    """One parameter of the device.

    Attributes:
        name: The field of the device model.
        value: In the unit of that field.
        low: Lower end of the 95 % interval; the value itself where nothing was measured.
        high: Upper end.
        unit: SI unit, or '' for a plain number.
        status: Whether files informed it, or the preset's value was used and why.
        source: One line for the device file: files, rows and devices used, or the preset's source.
        devices: How many devices informed it.
        rows: How many observations.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str
    status: Status
    source: str
    devices: int = 0
    rows: int = 0


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One step model in the comparison by held-out likelihood.

    Attributes:
        name: Registered model.
        log_likelihood: Of the held-out devices, natural logarithm per pulse.
        difference: To the best candidate, with its standard error over devices.
        standard_error: Of `difference`.
    """

    name: str
    log_likelihood: float
    difference: float
    standard_error: float


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The result of `xbar fit`.

    Attributes:
        model: The device, ready for `xbar train`; its `sources` carry status and source.
        estimates: One per number of the model, in the order of its fields.
        candidates: Step models tried, best first; empty without pulse data.
        measurements: What was fitted.
        warnings: What the user must know: not identifiable, preset kept, model fails where.
        draws: Joint draws of the parameters, one dictionary per estimator, as `ParameterSet.draws`.
        recommended: Step model that predicts held-out pulses clearly better; "" if none does.
    """

    model: DeviceModel
    estimates: tuple[ParameterEstimate, ...]
    candidates: tuple[Candidate, ...]
    measurements: Measurements
    warnings: tuple[str, ...]
    draws: tuple[dict[str, Floats], ...] = field(default=(), compare=False, repr=False)
    recommended: str = ""
