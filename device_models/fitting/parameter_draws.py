"""Devices drawn from the uncertainty of a fit, one per repetition of an experiment."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..model import DeviceModel
from ..streams import stream
from .estimators import copula
from .predictive_checks import SIMULATIONS, checked_model
from .result import Fit

TRIES = 20  # draws of one device; the point estimates are used after that


def drawn_models(fit: Fit, *, seed: int, count: int = SIMULATIONS) -> list[DeviceModel]:
    """The device of `checked_model` with parameters drawn from their uncertainty.

    Where an estimator returns joint draws (`ParameterSet.draws`: cycles, repeated reads,
    relaxation), a device takes one of them for all its parameters. The other measured numbers are
    drawn by `copula.drawn`, each alone: leaving their correlations out makes the bands wider,
    rarely narrower. Numbers without an interval, and tables without draws, are not varied. A
    combination that the model refuses is drawn again.

    Args:
        fit: Values, intervals and draws.
        seed: Of the draws.
        count: Devices, each from its own stream.
    """
    model, _ = checked_model(fit)
    models = []
    for i in range(count):
        generator = stream("parameters of a predictive check", seed, i)
        models.append(_drawn_model(fit, model, generator))
    return models


def _drawn_model(fit: Fit, model: DeviceModel, generator: np.random.Generator) -> DeviceModel:
    """One device; the model itself where every draw is refused."""
    for _ in range(TRIES):
        try:
            return replace(model, **_numbers(fit, generator))
        except ConfigError:
            continue
    return model


def _numbers(fit: Fit, generator: np.random.Generator) -> dict[str, Any]:
    """Fields and their drawn values."""
    fields, changes = fit.model.__dataclass_fields__, dict[str, Any]()
    for e in fit.estimates:
        if e.status == "measured" and e.low < e.high:
            allowed = fields[e.name].metadata["range"]
            z = np.asarray(generator.standard_normal())
            changes[e.name] = float(copula.drawn(z, e.value, (e.low, e.high), allowed))
    for draws in fit.draws:
        row = int(generator.integers(len(next(iter(draws.values())))))
        for name, numbers in draws.items():
            allowed = fields[name].metadata["range"]
            clipped = np.clip(numbers[row], allowed.low, allowed.high)
            changes[name] = tuple(clipped.tolist()) if clipped.ndim else float(clipped)
    return changes
