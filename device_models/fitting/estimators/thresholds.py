"""SET and RESET voltages, and what limits a SET, from current-voltage sweeps."""

from dataclasses import replace

import numpy as np

from ...pulsed import Pulsed
from ..measurements import Floats, Ints, Sweeps
from ..sweep_cycles import cycles_of
from . import bootstrap
from .copula import UNKNOWN
from .parameters import ParameterSet

WAYS = {1: "set", -1: "reset"}
STATES = (("full_set", "lrs_siemens"), ("full_reset", "hrs_siemens"))
FEWEST = 4  # events of which an interval is resampled
FACTOR = 2.0  # within which a voltage of fewer events is known


def estimate(
    sweeps: Sweeps,
    model: Pulsed,
    *,
    generator: np.random.Generator,
    resamples: int,
    with_levels: bool = False,
) -> ParameterSet:
    """`set_volts`, `reset_volts` and `compliance_volts`: medians over the switching events.

    `compliance_volts` is I_limit / G_after, what a limited SET leaves behind (`pulse_law`); the
    limit itself belongs to the experiment and is no property of the device. Voltages are those of
    slow sweeps: pulses need more (`pulse_law`).

    Args:
        sweeps: At least one event.
        model: Gives the levels around which one cycle alone is scaled.
        generator: Of the resamples.
        resamples: Behind each interval; 0: no intervals.
        with_levels: Whether the levels of a single cycle count, too: no other table tells them.
    """
    parameters = ParameterSet(
        devices=len(np.unique(sweeps.device)),
        rows=len(sweeps),
        files=(sweeps.source,),
    )
    for sign, way in WAYS.items():
        rows = sweeps.take(sweeps.polarity == sign)
        words = f"median of {len(rows)} {way.upper()}s in slow sweeps"
        parameters = _with_median(
            parameters, f"{way}_volts", np.abs(rows.volts), rows, FACTOR, generator, resamples,
            words,
        )  # fmt: skip
    rows = sweeps.take(np.isfinite(sweeps.limit_amperes) & np.isfinite(sweeps.g_after_siemens))
    amperes = f"{float(np.median(rows.limit_amperes)):.3g} A" if len(rows) else ""
    parameters = _with_median(
        parameters, "compliance_volts", rows.limit_amperes / rows.g_after_siemens, rows, FACTOR,
        generator, resamples, f"current limit {amperes} times the LRS it leaves",
    )  # fmt: skip
    return _with_levels(parameters, sweeps, model) if with_levels else parameters


def _with_median(
    parameters: ParameterSet,
    name: str,
    values: Floats,
    rows: Sweeps,
    factor: float,
    generator: np.random.Generator,
    resamples: int,
    words: str,
) -> ParameterSet:
    """The set with the median of some values, if there are any."""
    if not len(values):
        return parameters
    middle = float(np.median(values))
    ends, draws = (middle / factor, middle * factor), np.empty(0)
    if len(values) >= FEWEST and resamples:
        repeats, units = _medians(values, rows.device, rows.half_loop, generator, resamples)
        ends = bootstrap.interval(repeats, units)
        draws = repeats[1:]
    parameters = parameters.extended({name: middle}, {name: ends}, words)
    more = {name: draws} if len(draws) else {}
    return replace(parameters, draws=parameters.draws | more)


def _medians(
    values: Floats, device: Ints, half_loop: Ints, generator: np.random.Generator, resamples: int
) -> tuple[Floats, int]:
    """The median of the values and of resamples, and how many units were resampled.

    Of one device each event is a unit: that holds for this device, and for no memory of its cycles.
    """
    unit, devices_of = bootstrap.units(device, half_loop)
    if len(np.unique(device)) == 1:
        unit = devices_of = np.arange(len(device))
    drawn = bootstrap.weights(len(devices_of), resamples, generator)
    repeats = bootstrap.quantiles(values, unit, drawn, np.array([0.5]))[:, 0]
    repeats[0] = float(np.median(values))
    return repeats, len(devices_of)


def _with_levels(parameters: ParameterSet, sweeps: Sweeps, model: Pulsed) -> ParameterSet:
    """The set with the levels of one cycle; tables keep their shape around them."""
    cycles = cycles_of(sweeps)
    if not len(cycles):
        return parameters
    for name, column in STATES:
        g = float(np.median(getattr(cycles, column)))
        ends = {f"{name}_siemens": (g / UNKNOWN, g * UNKNOWN)}
        former = getattr(model, f"{name}_siemens")
        table = np.array(getattr(model, f"{name}_quantiles_siemens"))
        parameters = parameters.extended({f"{name}_siemens": g}, ends, "of one cycle")
        if former and len(table):
            scaled = {f"{name}_quantiles_siemens": tuple((table * g / former).tolist())}
            words = parameters.remarks | dict.fromkeys(scaled, "the preset's around one cycle")
            parameters = replace(parameters, tables=parameters.tables | scaled, remarks=words)
    text = "one cycle only: it tells both levels, but not how they spread; that is the preset's"
    return replace(parameters, warnings=(*parameters.warnings, text))
