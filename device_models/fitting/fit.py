"""From measurements of several kinds to one device with its uncertainties."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CalibrationError
from ..model import DeviceModel
from ..pulsed import Pulsed
from ..record import Range, declared, without_none
from ..registry import name_of
from ..tabulated import Tabulated
from ..threads import one_blas_thread
from .estimators import (
    copula,
    cycles,
    endurance,
    model_selection,
    pulse_shapes,
    reads,
    retention,
    steps,
    tables,
    thresholds,
    wear,
    window,
    window_error,
    write_verify,
)
from .estimators.laws import LAWS, as_model, check_keep
from .estimators.parameters import ParameterSet
from .estimators.pulse_train import from_quantiles
from .fit_warnings import better_model, of_measurements
from .measurements import (
    Cycles,
    Lifetimes,
    Measurements,
    Pulses,
    Reads,
    Retention,
    Sweeps,
    Written,
)
from .result import Candidate, Fit, ParameterEstimate, Status

TRAINS = {  # what training takes from a device, beside its step law
    "g_min_siemens", "g_max_siemens", "d2d_bound_sigma", "d2d_step_sigma", "c2c_sigma",
    "c2c_additive_siemens", "c2c_quantum_siemens", "read_floor", "read_fraction",
}  # fmt: skip
READ = ("read_floor", "read_fraction", "read_exponent")
PREFIXES = ("measured:", "literature:", "assumed:")
UNSOURCED = "assumed: the preset's value, no source"


@one_blas_thread()
def fit(
    measurements: Measurements,
    preset: DeviceModel,
    *,
    generator: np.random.Generator,
    bootstrap: int = 200,
    model: str | None = None,
    keep: tuple[str, ...] = (),
) -> Fit:
    """Fit one device to everything that was measured.

    Read noise comes first, then the window (cycles, else the range of the pulses), steps,
    relaxation and writing, each with what is known by then. Of pulses of several amplitudes or
    widths the steps are those of the most frequent one, and the others say how steps depend on
    both. What no table informs has the preset's value and is marked so.

    Args:
        measurements: At least one row of one table.
        preset: Source of the parameters that were not measured.
        generator: Of the resamples and the folds.
        bootstrap: Resamples behind each interval; 0: no intervals.
        model: Registered model whose step law is fitted; by default the preset's.
        keep: Fields that have the preset's value, whatever the tables hold.

    Raises:
        CalibrationError: The measurements hold no rows.
        ConfigError: The model or the preset has no step that can be fitted, or `keep` names a field
            that the model does not have.
    """
    start = as_model(preset, model or name_of(preset))
    check_keep(start, keep)
    pulses = Pulses.join([*measurements.pulses, from_quantiles(measurements.steps)])
    device, parameter_sets, warned = _run_all(
        measurements, pulses, start, generator, bootstrap, keep
    )
    if not any(parameters.values or parameters.tables for parameters in parameter_sets):
        raise CalibrationError("the files hold no rows that inform a parameter; nothing was fitted")
    candidates: tuple[Candidate, ...] = ()
    if _moves(pulses):
        alike = pulses.take(pulse_shapes.own_pulse(pulses, start).rows)
        candidates = model_selection.candidates(alike, device, generator=generator)
    estimates = _estimates(device, start, parameter_sets, with_intervals=bootstrap > 0)
    warnings = [*measurements.warnings]
    warnings += [w for parameters in parameter_sets for w in parameters.warnings] + warned
    warnings += of_measurements(measurements, pulses, device, parameter_sets)
    better = better_model(candidates, name_of(device))
    warnings += better
    return Fit(
        model=_labelled(device, start, estimates, parameter_sets),
        estimates=estimates,
        candidates=candidates,
        measurements=measurements,
        warnings=tuple(dict.fromkeys(warnings)),
        draws=_draws(device, parameter_sets),
        recommended=candidates[0].name if better else "",
    )


def _labelled(
    device: Pulsed,
    start: Pulsed,
    estimates: tuple[ParameterEstimate, ...],
    parameter_sets: list[ParameterSet],
) -> Pulsed:
    """The device with its status and a source for every number."""
    return dataclasses.replace(
        device,
        status="measured" if _is_measured(device, estimates, parameter_sets) else "mixed",
        sources=_not_measured(device, start)
        | {e.name: e.source for e in estimates}
        | _of_tables(device, parameter_sets),
    )


def _is_measured(
    device: Pulsed, estimates: tuple[ParameterEstimate, ...], parameter_sets: list[ParameterSet]
) -> bool:
    """Whether all that training takes from the device was measured; what is zero is not used."""
    laws = LAWS.get(name_of(device), ())
    used = TRAINS | {name for law in laws for name in law.fields}
    tables = {name for parameters in parameter_sets for name in parameters.tables}
    if isinstance(device, Tabulated) and not {"set_steps", "reset_steps"} <= tables:
        return False
    return all(e.status == "measured" for e in estimates if e.name in used and e.value != 0.0)


def _run_all(
    measurements: Measurements,
    pulses: Pulses,
    start: Pulsed,
    generator: np.random.Generator,
    resamples: int,
    keep: tuple[str, ...],
) -> tuple[Pulsed, list[ParameterSet], list[str]]:
    """Run every estimator that has rows, each on the device as known by then."""
    device, parameter_sets, warned = start, list[ParameterSet](), list[str]()

    def run(
        estimate: Callable[..., ParameterSet], table: object, without: tuple[str, ...] = ()
    ) -> None:
        nonlocal device
        parameters = estimate(table, device, generator=generator, resamples=resamples)
        parameters = _without(_told(parameters), (*without, *keep))
        device, border_warnings = applied(device, parameters)
        parameter_sets.append(parameters)
        warned.extend(border_warnings)

    swings, series = Cycles.join(measurements.cycles), Reads.join(measurements.reads)
    read_known: tuple[str, ...] = ()
    if len(series):
        run(functools.partial(reads.estimate, keep=keep), series)
        read_known = READ
    if len(loops := Sweeps.join(measurements.sweeps)):
        run(functools.partial(thresholds.estimate, with_levels=len(swings) == 1), loops)
    if len(swings) > 1:  # one cycle has no spread
        run(functools.partial(cycles.estimate, read_measured=bool(len(series))), swings)
    if len(lives := Lifetimes.join(measurements.lifetimes)):
        run(endurance.estimate, lives)
    if len(swings) > 1 and wear.tells(swings, device):
        run(wear.estimate, swings)
    if len(pulses) and not any("g_min_siemens" in p.values for p in parameter_sets):
        run(window.estimate, pulses)
    if len(pulses) and not _moves(pulses):
        warned.append("the pulses do not move the devices: no step law is fitted")
    if _moves(pulses):
        pulse = pulse_shapes.own_pulse(pulses, device)
        if pulse.values:
            run(lambda *_, **__: pulse_shapes.own_set(pulse, pulses), pulses)
        alike = pulses.take(pulse.rows)
        run(_step_estimator(device, measurements, bool(read_known), pulse), alike, read_known)
        window_known = [p for p in parameter_sets if "g_max_siemens" in p.values]
        if resamples and window_known:
            last = parameter_sets[-1]
            parameter_sets[-1] = window_error.widened(last, device, window_known[0], generator)
        if pulse.varies:
            run(pulse_shapes.estimate, pulses)
    relaxing = Retention.join(measurements.retention)
    read_measured = bool(np.isin(relaxing.device, series.device).any())
    sizes = [len(table) for table in measurements.retention]
    files = np.repeat(np.arange(len(sizes)), sizes)
    relaxation = functools.partial(retention.estimate, read_measured=read_measured, files=files)
    for estimate, table in (
        (relaxation, relaxing),
        (write_verify.estimate, Written.join(measurements.written)),
    ):
        if len(table):
            fitted = {name for parameters in parameter_sets for name in parameters.values}
            run(estimate, table, tuple(fitted.intersection(READ)))
    return device, parameter_sets, warned


def _step_estimator(
    device: Pulsed,
    measurements: Measurements,
    read_measured: bool,
    pulse: pulse_shapes.OwnPulse,
) -> Callable[..., ParameterSet]:
    """The estimator of single pulses for the step law of a device."""
    if not isinstance(device, Tabulated):
        return functools.partial(steps.estimate, read_measured=read_measured)
    quantiles = () if measurements.pulses or pulse.varies else measurements.steps
    return functools.partial(tables.estimate, read_measured=read_measured, quantiles=quantiles)


def _moves(pulses: Pulses) -> bool:
    """Whether any pulse moved its device: only then there is a step law to fit."""
    return bool((pulses.g_after_siemens != pulses.g_before_siemens).any())


def _told(parameters: ParameterSet) -> ParameterSet:
    """The set without numbers that the rows do not tell, and a warning for each."""
    untold = [
        name
        for name, value in parameters.values.items()
        if not np.isfinite((value, *parameters.intervals.get(name, ()))).all()
    ]
    words = tuple(f"{name} is not told by these rows: the preset's is kept" for name in untold)
    informed = _without(parameters, tuple(untold))
    return dataclasses.replace(informed, warnings=(*informed.warnings, *words))


def _without(parameters: ParameterSet, names: tuple[str, ...]) -> ParameterSet:
    """The set without some parameters: another table determines them better, or they are kept."""
    values = {name: value for name, value in parameters.values.items() if name not in names}
    tables = {name: table for name, table in parameters.tables.items() if name not in names}
    draws = {n: draw for n, draw in parameters.draws.items() if n in values or n in tables}
    choices = {name: word for name, word in parameters.choices.items() if name not in names}
    return dataclasses.replace(
        parameters, values=values, tables=tables, draws=draws, choices=choices
    )


def applied(device: Pulsed, parameters: ParameterSet) -> tuple[Pulsed, list[str]]:
    """The device with the values of a set, and a warning for each at the border of its range."""
    values, warned = dict[str, Any](), list[str]()
    for name, value in parameters.values.items():
        allowed = device.__dataclass_fields__[name].metadata["range"]
        values[name] = float(np.clip(value, allowed.low, allowed.high))
        if is_pinned(device, name, value):
            warned.append(f"{name} = {values[name]:.4g} is at the border of its range {allowed}")
    for name, table in parameters.tables.items():
        allowed = device.__dataclass_fields__[name].metadata["range"]
        values[name] = tuple(np.clip(table, allowed.low, allowed.high).tolist())
    values |= parameters.choices
    return dataclasses.replace(device, **values), warned


def is_pinned(device: Pulsed, name: str, value: float) -> bool:
    """Whether a fitted number stands at the border of its range, or of what its law is tried for.

    A lower border of 0 is none: there what the parameter describes is absent.
    """
    allowed = device.__dataclass_fields__[name].metadata["range"]
    law = next((law for law in LAWS.get(name_of(device), ()) if law.shape == name), None)
    if law is not None:
        return bool(value >= 0.999 * law.high or value <= law.low + 1e-9)
    low, high = allowed.low, allowed.high
    return bool(value > 0.999 * high or value < low or (value <= low and low > 0.0))


def _draws(device: Pulsed, parameter_sets: list[ParameterSet]) -> tuple[dict[str, Any], ...]:
    """The joint draws, without those of pinned numbers, which would all be the border."""
    draws_of = [
        {n: d for n, d in parameters.draws.items()
         if n not in parameters.values or not is_pinned(device, n, parameters.values[n])}
        for parameters in parameter_sets
    ]  # fmt: skip
    return tuple(draws for draws in draws_of if draws)


def _estimates(
    device: Pulsed,
    preset: Pulsed,
    parameter_sets: list[ParameterSet],
    *,
    with_intervals: bool,
) -> tuple[ParameterEstimate, ...]:
    """One row per number of the model."""
    by_name = {name: parameters for parameters in parameter_sets for name in parameters.values}
    estimates = []
    for name, (field, hint) in declared(type(device)).items():
        value = getattr(device, name)
        allowed: Range | None = field.metadata.get("range")
        if without_none(hint)[0] is not float or value is None or allowed is None:
            continue
        unit = allowed.unit
        parameters = by_name.get(name)
        if parameters is None:
            status, source = preset_source(preset.sources.get(name, ""))
            ends: dict[str, Any] = {"value": value, "low": value, "high": value}
            estimates.append(
                ParameterEstimate(name=name, unit=unit, status=status, source=source, **ends)
            )
        else:
            pinned = with_intervals and is_pinned(device, name, parameters.values[name])
            estimates.append(_measured_estimate(parameters, name, value, allowed, pinned=pinned))
    return tuple(estimates)


def _measured_estimate(
    parameters: ParameterSet, name: str, value: float, allowed: Range, *, pinned: bool
) -> ParameterEstimate:
    """One parameter with its interval, clipped to the range of its field.

    A pinned one is a bound: repeats that all end at the same border tell no interval, so that its
    outer end is that of the field and its inner one at least a factor away.
    """
    low, high = (float(np.clip(x, allowed.low, allowed.high)) for x in parameters.intervals[name])
    low, high = min(low, value), max(high, value)
    interval = f"95 % interval {low:.4g} to {high:.4g} {allowed.unit}".rstrip()
    if pinned:
        is_top = value > 0.5 * (allowed.low + allowed.high) or value > 0.0 > allowed.low
        ends = sorted((value / copula.UNKNOWN, value * copula.UNKNOWN))
        low = allowed.low if not is_top else max(allowed.low, min(low, ends[0]))
        high = allowed.high if is_top else min(allowed.high, max(high, ends[1]))
        way = "lower" if is_top else "upper"
        interval = f"{way} bound only, at the border of its range; taken as {low:.4g} to {high:.4g}"
        interval = f"{interval} {allowed.unit}".rstrip()
    return ParameterEstimate(
        name=name,
        value=value,
        low=low,
        high=high,
        unit=allowed.unit,
        status="measured",
        source=_measured(parameters, name, interval),
        devices=parameters.devices,
        rows=parameters.rows,
    )


def _of_tables(device: Pulsed, parameter_sets: list[ParameterSet]) -> dict[str, str]:
    """Sources of the measured fields that hold many numbers."""
    return {
        name: _measured(parameters, name)
        for parameters in parameter_sets
        for name in parameters.tables
        if getattr(device, name)
    }


def _not_measured(device: Pulsed, preset: Pulsed) -> dict[str, str]:
    """Sources of all fields, of whatever type, as if none were measured; what is empty has none."""
    return {
        name: preset_source(preset.sources.get(name, ""))[1]
        for name in declared(type(device))
        if name not in ("status", "sources") and getattr(device, name) not in (None, ())
    }


def _measured(parameters: ParameterSet, name: str, interval: str = "") -> str:
    """One line: how, the interval, how many, which files."""
    size = f"{parameters.devices} devices, {parameters.rows} rows"
    words = [
        parameters.remarks.get(name, ""),
        interval.rstrip(),
        size,
        " + ".join(named(parameters.files)),
    ]
    return "measured: " + "; ".join(filter(None, words))


def named(files: tuple[str, ...]) -> list[str]:
    """Names of source files without their folders: a device file travels."""
    return [Path(name).name for joined in files for name in joined.split(" + ")]


def preset_source(source: str) -> tuple[Status, str]:
    """Status and text of a value that nothing was measured for: the preset's, and its source."""
    status: Status = "assumed"
    if source.startswith("literature:"):
        status = "literature"
    elif source and not source.startswith(("measured:", "assumed")):
        status, source = "literature", f"literature: {source}"
    if source.startswith("measured:"):
        return status, f"{status}: as the preset ({source})"
    return status, source or UNSOURCED
