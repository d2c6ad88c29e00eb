"""The section of sweeps in the report of a fit: where devices switch, file by file."""

import numpy as np

from device_models.fitting.measurements import Floats, Measurements, Sweeps
from device_models.fitting.sweep_cycles import cycles_of
from device_models.units import format_si

from .page import Cell, ReportTable, Section, Text

TEXT = (
    "Switching in current-voltage sweeps: medians, and below them 5 and 95 % where there are "
    "several. A voltage is that at which the branch on the way up joins the one on the way back; "
    "levels are at the read voltage; the compliance is the current at which SETs were limited."
)
HEAD = ["file", ">SETs", ">at", ">RESETs", ">at", ">LRS", ">HRS", ">compliance"]


def sweep_section(measurements: Measurements) -> list[Section]:
    """The section; none without sweeps."""
    if not measurements.sweeps:
        return []
    rows = [_row(sweeps) for sweeps in measurements.sweeps]
    return [Section("sweeps", "Sweeps", [Text(TEXT), ReportTable(HEAD, rows)])]


def _row(sweeps: Sweeps) -> list[str | Cell]:
    """One file."""
    sets, resets = (sweeps.volts[sweeps.polarity == sign] for sign in (1, -1))
    cycles = cycles_of(sweeps)
    limit = sweeps.limit_amperes[np.isfinite(sweeps.limit_amperes)]
    return [
        Cell(sweeps.source, "code"), str(len(sets)), _spread(sets, "V"), str(len(resets)),
        _spread(resets, "V"), _spread(1.0 / cycles.lrs_siemens, "ohm"),
        _spread(1.0 / cycles.hrs_siemens, "ohm"), _spread(limit, "A"),
    ]  # fmt: skip


def _spread(values: Floats, unit: str) -> str:
    """Median, and the range of most of several; nothing of none."""
    if not len(values):
        return ""
    low, middle, high = (format_si(float(q), unit, digits=3)
                         for q in np.quantile(values, (0.05, 0.5, 0.95)))  # fmt: skip
    return middle if low == high else f"{middle} ({low} to {high})"
