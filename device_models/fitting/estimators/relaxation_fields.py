"""From the maximum of `relaxation_likelihood` to fields of the model, with intervals and draws."""

import numpy as np
from scipy import stats

from ...pulsed import Pulsed
from ..measurements import Floats
from .changes import Changes
from .parameters import ParameterSet
from .relaxation_maximum import RelaxationFit
from .run_effects import SPREADS, Spread

REPLACED = "relax_sigma_siemens", "relax_drift_siemens"  # of the law without levels
MOST_ERROR = 3.0  # standard error of a logarithm or a number of order 1 that is drawn


def parameter_set(
    fit: RelaxationFit,
    changes: Changes,
    model: Pulsed,
    *,
    levels: Floats,
    spreads: dict[str, Spread],
    remark: str,
    highest: float,
    generator: np.random.Generator,
    draws: int,
) -> ParameterSet:
    """The fields of a fit.

    Args:
        fit: The maximum.
        changes: Of what.
        model: Its knee of the read noise.
        levels: Where the rates are, in the unit of `changes`.
        spreads: Of the effects of runs and sessions; empty without.
        remark: How the relaxation was estimated.
        highest: Largest first reading, in the unit of `changes`.
        generator: Of the draws.
        draws: How many; 0: no intervals.
    """
    middle = _fields(fit.vector[None], fit, changes, model)
    drawn = _fields(_vectors(fit, changes, generator, max(draws, 1)), fit, changes, model)
    for name, spread in spreads.items():
        middle[SPREADS[name]] = np.array([spread.value])
        drawn[SPREADS[name]] = spread.draws(max(draws, 1), generator)
    unit = changes.unit_siemens
    values = {n: float(v[0]) for n, v in middle.items() if v.ndim == 1}
    tables = {"relax_levels_siemens": tuple((levels * unit).tolist())}
    tables |= {n: tuple(v[0].tolist()) for n, v in middle.items() if v.ndim == 2}
    ends = {name: (value, value) for name, value in values.items()}
    for name, value in values.items() if draws else ():
        low, high = np.quantile(drawn[name], (0.025, 0.975))
        ends[name] = min(float(low), value), max(float(high), value)
    if "read_fraction" in values:
        values["read_floor"] = 0.0
        ends["read_floor"] = 0.0, _unnoticed(fit, changes) if draws else 0.0
    values["relax_measured_to_siemens"] = highest * unit
    ends["relax_measured_to_siemens"] = highest * unit, highest * unit
    return ParameterSet(
        values=values,
        intervals=ends,
        tables=tables,
        choices=dict.fromkeys(REPLACED, 0.0),
        remarks=dict.fromkeys((*values, *tables), remark) | _remarks(values),
        draws=drawn if draws else {},
    )


def _remarks(values: dict[str, float]) -> dict[str, str]:
    """How fields were estimated that are not from the changes."""
    words = {n: "error of the readings after a write" for n in values if n.startswith("read_")}
    return words | {"relax_measured_to_siemens": "largest first reading"}


def _vectors(
    fit: RelaxationFit, changes: Changes, generator: np.random.Generator, count: int
) -> Floats:
    """Draws of the fitted numbers, heavier tailed where devices, or runs, are few."""
    covariance = fit.covariance
    sigma = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    shrink = np.minimum(sigma, MOST_ERROR) / sigma
    size, axes = np.linalg.eigh(covariance * np.outer(shrink, shrink))
    half = axes * np.sqrt(np.maximum(size, 0.0))
    ratio = stats.t.ppf(0.975, max(changes.count - 1, 2)) / stats.norm.ppf(0.975)
    vectors: Floats = fit.vector + ratio * generator.standard_normal((count, len(size))) @ half.T
    return vectors


def _fields(x: Floats, fit: RelaxationFit, changes: Changes, model: Pulsed) -> dict[str, Floats]:
    """Fields of some vectors, shape (vectors,) or (vectors, levels); what is fixed has none."""
    part = {name: x[:, rows] for name, rows in fit.at.items()}
    unit, amount = changes.unit_siemens, changes.motion * changes.unit_siemens
    fields = {
        "relax_drifts_siemens": amount * part["drift"],
        "relax_ups_siemens": amount * np.exp(part["spread"] + part["skew"]),
        "relax_downs_siemens": amount * np.exp(part["spread"] - part["skew"]),
    }
    for name, field in (
        ("dof", "relax_tail_dof"), ("onset", "relax_onset_seconds"),
        ("decades", "relax_onset_decades"), ("activation", "relax_activation_ev"),
        ("exponent", "relax_cycle_exponent"),
    ):  # fmt: skip
        if name in part:
            value = part[name][:, 0]
            if name in ("dof", "onset"):
                value = np.exp(value)
            elif name != "exponent":
                value = np.maximum(value, 0.0)
            fields[field] = value
    if "error" in part:
        knee = np.log(unit * model.read_knee_ohms)
        error, power = part["error"][:, 0], part["power"][:, 0]
        fields["read_fraction"] = np.exp(error + (1.0 - power) * knee)
        fields["read_exponent"] = 1.0 - power
    return fields


def _unnoticed(fit: RelaxationFit, changes: Changes) -> float:
    """A floor below the smallest relative error would not be noticed."""
    error, power = (float(fit.values[name][0]) for name in ("error", "power"))
    return float(np.exp(error - (1.0 - power) * np.log(changes.first.max())))
