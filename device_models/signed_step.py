"""Devices whose mean step may lead the wrong way in a part of their window."""

from dataclasses import dataclass

from torch import Tensor

from . import physics
from .errors import ConfigError
from .log_step import DEGREE, LogStep
from .record import quantity

LEAST_SHARE = 0.05  # of the greatest fraction of a polarity; ours


@dataclass(frozen=True, kw_only=True)
class SignedStep(LogStep):
    """A device whose mean step is a cubic in ln G that may change sign, per polarity.

    The law is that of `LogStep`, with fractions that may be negative: where the sum over k is, the
    mean SET lowers the conductance, and the mean RESET raises it. Such pulses are seen where a
    device settles at a balance inside its window, from either side. Amplitude and width scale the
    mean step, so that its zero stays where it is; steps scatter there, and so they do at amplitudes
    whose mean step is 0 (`pulse_law`).

    Data sheet. What divides by a step (training, writes) goes by `step_siemens`, never below
    `LEAST_SHARE` of the greatest fraction of the polarity: a weight is not sent millions of pulses
    where these lead nowhere.

    Source:
        As `LogStep`; the sign, and what the data sheet says, are ours.
    """

    set_fraction_0: float = quantity("", -1.0, 1.0)
    set_fraction_1: float = quantity("", -1.0, 1.0)
    set_fraction_2: float = quantity("", -1.0, 1.0)
    set_fraction_3: float = quantity("", -1.0, 1.0)
    reset_fraction_0: float = quantity("", -1.0, 1.0)
    reset_fraction_1: float = quantity("", -1.0, 1.0)
    reset_fraction_2: float = quantity("", -1.0, 1.0)
    reset_fraction_3: float = quantity("", -1.0, 1.0)

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            ConfigError: As `Pulsed`; or no fraction of a polarity leads its way.
        """
        super().__post_init__()
        for way, sign in (("set", 1), ("reset", -1)):
            if self._greatest(sign) <= 0.0:
                names = f"{way}_fraction_0 to {way}_fraction_{DEGREE}"
                raise ConfigError(f"none of {names} is above 0: no {way.upper()} leads its way")

    def _greatest(self, polarity: int) -> float:
        """The greatest fraction of SET (polarity > 0) or RESET: the law is never above it."""
        way = "set" if polarity > 0 else "reset"
        return max(float(getattr(self, f"{way}_fraction_{k}")) for k in range(DEGREE + 1))

    @property
    def scatters_at_zero(self) -> bool:
        """See `Pulsed.scatters_at_zero`: a mean of 0 is no pulse that was not sent."""
        return True

    def mean_siemens(self, g: Tensor, counts: Tensor) -> Tensor:
        """See `DeviceModel.mean_siemens`; negative where the mean pulse leads the wrong way."""
        return self.cubic_siemens(g, counts)

    def step_siemens(self, g: Tensor, counts: Tensor) -> Tensor:
        """See `DeviceModel.step_siemens`, and the docstring of the class."""
        up, down = (LEAST_SHARE * self.window_siemens * self._greatest(way) for way in (1, -1))
        step = self.cubic_siemens(g, counts)
        return step.maximum(physics.by_sign(counts, up, down, step.dtype))
