"""The fit of the spectra of all series by one law: what `reads` makes and others refine."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ...pulsed import Pulsed
from ..measurements import Floats
from . import copula, likelihood, whittle
from .likelihood import Box, Minimum, Value
from .spectra import Spectra, pooled
from .whittle import NAMES

SLOW, SLOW_EXPONENT, SHORTEST, LONGEST, CAP = range(3, 8)
WHITE = (0, 1, 2)  # indices into `NAMES`
LEAST_GAIN = 5.0  # log-likelihood that slow noise, a cap of it or factors of devices must gain
NOTHING = 1e-12  # relative spread that stands for none


@dataclass(frozen=True, eq=False)
class SpectralFit:
    """The minimum of some spectra in a box."""

    spectra: Spectra
    model: Pulsed
    box: Box
    best: Minimum

    @property
    def laws(self) -> tuple[float, float]:
        """What is not fitted: knee and cap of the white noise."""
        return self.model.read_knee_ohms, self.model.read_cap

    @property
    def free(self) -> NDArray[np.bool_]:
        """Which parameters are fitted."""
        return self.box.high > self.box.low

    @property
    def stretch(self) -> float:
        """Student's quantile for the devices, over the normal one."""
        units = int(self.spectra.unit.max()) + 1
        return float(stats.t.ppf(0.975, units - 1)) / copula.Z if units > 1 else 1.0

    def loss(self) -> likelihood.Loss:
        """Negative log-likelihood of the pooled spectra."""
        pooled_spectra = pooled(self.spectra)

        def of(theta: Floats) -> Value:
            return whittle.value(pooled_spectra, theta, *self.laws)

        return of

    def ends(self, k: int, interval: tuple[float, float]) -> tuple[float, float]:
        """An interval of parameter k of the search as one of the model.

        An end at the border of the search is that of the field.
        """
        low, high = interval
        allowed = self.model.__dataclass_fields__[NAMES[k]].metadata["range"]
        return (
            allowed.low if low <= self.box.low[k] else number(k, low),
            allowed.high if high >= self.box.high[k] else number(k, high),
        )


def number(k: int, theta: float) -> float:
    """A parameter of the model from one of the search."""
    if k == 0:
        return float(np.sqrt(max(theta, 0.0)))
    return float(theta) if k in (2, SLOW_EXPONENT) else float(np.exp(theta))
