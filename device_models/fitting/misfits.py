"""What a fitted device does not predict, one sentence for every kind of measurement."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..errors import XbarError
from ..units import format_si
from .measurements import Measurements
from .parameter_draws import drawn_models
from .predictive_checks import (
    MOST_ROWS,
    SIMULATIONS,
    Check,
    checked_model,
    checks,
    excerpt,
    predictions,
)
from .result import Fit

SHARE = 0.15  # of the checked numbers outside their bands, above which a part misfits
FEWEST = 2  # numbers outside; chance alone puts 5 % there
FEW_ROWS = 20_000  # of a table, where nobody asked for a report
KINDS = {"pulses": "pulses", "cycles": "cycles", "reads": "reads", "retention": "retention",
         "written": "verified writes"}  # fmt: skip


class Prediction(NamedTuple):
    """Experiments repeated on simulated devices.

    Attributes:
        measured: The measurements that were repeated, perhaps an excerpt.
        simulated: The repetitions.
        checks: The comparison.
        silent: Spreads that are switched off in it.
    """

    measured: Measurements
    simulated: list[Measurements]
    checks: list[Check]
    silent: tuple[str, ...]


class Misfit(NamedTuple):
    """A kind of measurement that the device does not predict.

    Attributes:
        kind: Field of `Measurements`.
        outside: How many checked numbers lie outside their 95 % bands.
        total: How many were checked.
        worst: The quantity and number that is furthest off, as measured and as predicted.
    """

    kind: str
    outside: int
    total: int
    worst: str

    def __str__(self) -> str:
        """The misfit in one line."""
        share = f"{self.outside} of {self.total} checked numbers ({self.outside / self.total:.0%})"
        return f"{KINDS[self.kind]} misfit: {share} outside their 95 % bands; worst: {self.worst}"


def predict(
    fit: Fit, *, seed: int, simulations: int = SIMULATIONS, most_rows: int = MOST_ROWS
) -> Prediction:
    """Repeat the experiments of a fit, parameters drawn from their uncertainty.

    Args:
        fit: What is checked.
        seed: Of devices, pulses, reads and parameters.
        simulations: Repetitions, at least 2.
        most_rows: About as many of each table are repeated.
    """
    measured = excerpt(fit.measurements, most_rows)
    models = drawn_models(fit, seed=seed, count=simulations)
    simulated = predictions(models, measured, seed=seed)
    return Prediction(measured, simulated, checks(measured, simulated), checked_model(fit)[1])


def misfits(checked: Sequence[Check]) -> list[Misfit]:
    """The kinds of measurement of which too many numbers lie outside their bands."""
    result = []
    for kind in KINDS:
        of_kind = [check for check in checked if check.kind == kind]
        total = sum(len(check.labels) for check in of_kind)
        outside = sum(int((~check.inside).sum()) for check in of_kind)
        if outside >= FEWEST and outside > SHARE * total:
            result.append(Misfit(kind, outside, total, _worst(of_kind)))
    return result


def _worst(checked: Sequence[Check]) -> str:
    """The number that is furthest outside, in words."""
    off = [(float(np.nan_to_num(abs(c.effect[i]), nan=np.inf)), k, i) for k, c in enumerate(checked)
           for i in range(len(c.labels)) if not c.inside[i]]  # fmt: skip
    _, k, i = max(off)
    check = checked[k]
    measured, low, high = (
        format_si(float(x[i]), check.unit) for x in (check.measured, check.low, check.high)
    )
    return f"{check.name}, {check.labels[i]}: {measured}, predicted {low} to {high}"


def _verdict(fit: Fit, refit: Callable[[Measurements, str], Fit], seed: int) -> str:
    """The misfit of the pulses by the recommended model; "" if there is none."""
    pulses = dataclasses.replace(
        excerpt(fit.measurements, FEW_ROWS), cycles=(), retention=(), written=()
    )
    try:
        rival = refit(pulses, fit.recommended)
    except XbarError:  # an excerpt may not do for another law
        return ""
    checked = predict(rival, seed=seed, most_rows=FEW_ROWS).checks
    return next((str(m) for m in misfits(checked) if m.kind == "pulses"), "")


def judged(
    fit: Fit, refit: Callable[[Measurements, str], Fit], *, seed: int, most_rows: int = FEW_ROWS
) -> tuple[Fit, Prediction]:
    """The fit with a warning for every misfit, and what the warnings are made of.

    Where another step law is recommended, that one is fitted to the pulses and checked, too.

    Args:
        fit: What is judged.
        refit: Fits the model of a name to measurements.
        seed: See `predict`.
        most_rows: See `predict`.
    """
    prediction = predict(fit, seed=seed, most_rows=most_rows)
    warnings = [*fit.warnings, *map(str, misfits(prediction.checks))]
    if fit.recommended and (verdict := _verdict(fit, refit, seed)):
        at = next(i for i, text in enumerate(warnings) if f"--model {fit.recommended}" in text)
        warnings[at] += f"; {fit.recommended} fails, too: {verdict}"
    return dataclasses.replace(fit, warnings=tuple(warnings)), prediction
