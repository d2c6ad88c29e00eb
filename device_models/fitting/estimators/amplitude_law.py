"""Curves through the factors of pulses: amplitude and width, see `device_models.pulse_law`."""

from collections.abc import Sequence
from typing import get_args, get_type_hints

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize

from ...pulse_law import log_amplitude, log_width
from ...pulsed import Pulsed
from ..measurements import Floats

LEAST_SCALE, MOST_SCALE = 2e-3, 100.0  # volts per e-fold that are tried
MOST_EXPONENT = 10.0
LEAST_LOG = -50.0  # of a factor: nothing moves
LEAST_GAIN = 1.0  # of the squares, by which another form than the preset's is believed
FORMS: tuple[str, ...] = get_args(get_type_hints(Pulsed)["voltage_law"])


class AmplitudeLaw:
    """The curve through the factors of one polarity.

    Attributes:
        way: "set" or "reset".
        names: What is fitted: scale, exponent.
        voltage_law: Its form.
    """

    def __init__(self, model: Pulsed, way: str, volts: Floats, seconds: Floats) -> None:
        """Volts and seconds are those of every group, (groups,)."""
        self.way, self.voltage_law = way, str(model.voltage_law)
        self._model, self._volts, self._seconds = model, volts, seconds
        self._own = float(getattr(model, f"{way}_volts"))
        names = {f"{way}_scale_volts": volts, f"{way}_width_exponent": seconds}
        self.names = [name for name, values in names.items() if len(np.unique(values)) > 1]
        self._has_volts = f"{way}_scale_volts" in self.names

    def solve(self, logs: Floats, errors: Floats) -> Floats:
        """Scale and exponent, of those that are fitted, by least squares; nan if they cannot be.

        Args:
            logs: ln f of every group, of each resample, (resamples, groups); the first row is the
                sample itself. Nearby ones are one step of Gauss and Newton away from it.
            errors: Standard error of every group.
        """
        good = np.isfinite(logs) & np.isfinite(errors) & (errors > 0.0)
        solved = np.full((len(logs), len(self.names)), np.nan)
        x, jacobian = self._best(logs[0], errors, good[0])
        if jacobian is None:
            return solved
        solved[0] = self._values(x)
        inverse = np.linalg.pinv(jacobian)
        for i in range(1, len(logs)):
            if (good[i] == good[0]).all():
                off = (logs[i] - x[0] - self._curve(x[1:]))[good[0]] / errors[good[0]]
                solved[i] = self._values(x + inverse @ off)
            elif (other := self._best(logs[i], errors, good[i]))[1] is not None:
                solved[i] = self._values(other[0])
        return solved

    def _best(
        self, logs: Floats, errors: Floats, good: NDArray[np.bool_]
    ) -> tuple[Floats, Floats | None]:
        """Constant, ln scale, exponent of one sample and the slopes of its weighted residuals."""
        if good.sum() < len(self.names) + 1:
            return np.empty(0), None
        weight = 1.0 / errors[good]

        def off(x: Floats) -> Floats:
            return np.asarray((self._curve(x[1:])[good] + x[0] - logs[good]) * weight)

        limits = [(-np.inf, 0.0, np.inf)]
        if self._has_volts:
            limits.append((np.log(LEAST_SCALE), self._start, np.log(MOST_SCALE)))
        if len(self.names) > len(limits) - 1:
            limits.append((0.0, 0.5, MOST_EXPONENT))
        low, start, high = np.array(limits).T
        best = optimize.least_squares(off, start, bounds=(low, high))
        return np.asarray(best.x), np.asarray(best.jac)

    @property
    def _start(self) -> float:
        """ln scale to begin with; that of the linear form leaves no group without a step."""
        if self.voltage_law != "linear":
            return float(np.log(0.1))
        return float(np.log(np.clip(2.0 * np.abs(self._volts - self._own).max(), 1e-2, 50.0)))

    def misfit(self, logs: Floats, errors: Floats) -> float:
        """Weighted sum of the squares that the best curve leaves; infinite without one."""
        good = np.isfinite(logs) & np.isfinite(errors) & (errors > 0.0)
        x, jacobian = self._best(logs, errors, good)
        if jacobian is None:
            return np.inf
        return float((((self._curve(x[1:]) + x[0] - logs) / errors)[good] ** 2).sum())

    def _values(self, x: Floats) -> Floats:
        """The parameters at some coordinates."""
        values = x[1:].copy()
        if self._has_volts:
            values[0] = np.exp(np.clip(values[0], np.log(LEAST_SCALE), np.log(MOST_SCALE)))
        if len(self.names) > int(self._has_volts):
            values[-1] = np.clip(values[-1], 0.0, MOST_EXPONENT)
        return np.asarray(values)

    def _curve(self, x: Floats) -> Floats:
        """ln(a w) of every group, at ln scale and exponent."""
        total, rest = np.zeros(len(self._volts)), list(x)
        if self._has_volts:
            scale, law = float(np.exp(rest.pop(0))), self.voltage_law
            each = log_amplitude(torch.from_numpy(self._volts), self._own, scale, law)
            total += np.maximum(each.numpy(), LEAST_LOG)
        if rest:
            width, form = self._model.width_seconds, self._model.width_law
            late = log_width(torch.from_numpy(self._seconds), width, float(rest[0]), form)
            total += np.maximum(late.numpy(), LEAST_LOG)
        return total


def best_form(fitted: Sequence[tuple[AmplitudeLaw, Floats, Floats]]) -> str:
    """The voltage law that leaves the least squares over all polarities; the preset's if as good.

    Args:
        fitted: Law of each polarity, ln f of its groups and their errors. Not modified.
    """
    if not fitted:
        return FORMS[0]
    present, left = fitted[0][0].voltage_law, dict[str, float]()
    for form in FORMS:
        left[form] = 0.0
        for law, logs, errors in fitted:
            before, law.voltage_law = law.voltage_law, form
            left[form] += law.misfit(logs, errors)
            law.voltage_law = before
    best = min(left, key=lambda form: left[form])
    return best if left[best] < left[present] - LEAST_GAIN else present
