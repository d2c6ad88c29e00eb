"""What a fit says of the measurements as a whole."""

import numpy as np
from scipy import stats

from ..pulsed import Pulsed
from .estimators.parameters import ParameterSet
from .measurements import Cycles, Floats, Ints, Measurements, Pulses
from .result import Candidate

FEWEST_RAMPS = 3  # of one polarity on every device
CLEAR = 4.0  # standard errors
LEAST_CHANGE = 0.1
FEWEST_CYCLES = 10  # of a device
FEWEST_DEVICES = 4  # that must move alike
LEAST_DECADES = 0.02
CHANCE = 0.001  # of a trend where there is none


def of_measurements(
    measurements: Measurements, pulses: Pulses, device: Pulsed, parameter_sets: list[ParameterSet]
) -> list[str]:
    """All warnings that need no ranking of models.

    Args:
        measurements: Of all files.
        pulses: Those of them, and those that stand for tables of quantiles.
        device: As fitted.
        parameter_sets: What was estimated.
    """
    return [
        *missing_spread(pulses, device, parameter_sets),
        *mixed_voltages(measurements),
        *closing_window(pulses),
        *wearing_levels(Cycles.join(measurements.cycles), device),
    ]


def missing_spread(pulses: Pulses, device: Pulsed, parameter_sets: list[ParameterSet]) -> list[str]:
    """A warning of what the pulses do not identify."""
    estimated = {name for parameters in parameter_sets for name in parameters.values}
    if len(pulses) and "d2d_step_sigma" not in estimated:
        why = "one device only" if len(np.unique(pulses.device)) == 1 else "too few devices"
        words = f"the preset's {device.d2d_step_sigma:g} is kept"
        return [f"{why}: d2d_step_sigma is not identifiable; {words}"]
    return []


def mixed_voltages(measurements: Measurements) -> list[str]:
    """Read voltages that differ between files."""
    volts = {n.v_read_volts for n in measurements.notes if np.isfinite(n.v_read_volts)}
    if len(volts) < 2:
        return []
    mixed = f"mixed read voltages ({', '.join(f'{v:g}' for v in sorted(volts))} V)"
    return [f"{mixed}: conductances of one device may differ between them"]


def better_model(candidates: tuple[Candidate, ...], name: str) -> list[str]:
    """A model that predicts held-out devices clearly better than the fitted one."""
    fitted = next((c for c in candidates if c.name == name), None)
    if fitted is None or -fitted.difference <= 2.0 * fitted.standard_error:
        return []
    return [
        f"{candidates[0].name} predicts held-out pulses better than {name} "
        f"(by {-fitted.difference:.3g} +/- {fitted.standard_error:.2g} per pulse); "
        f"--model {candidates[0].name} fits it"
    ]


def closing_window(pulses: Pulses) -> list[str]:
    """A window that closes while trains go up and down: no law of single pulses has that.

    Levels after SET ramps fall, and those after RESET ramps rise. (Trains that are too short to
    reach the ends of the window make both move the same way for a while.)
    """
    falls, rises = (_trend(pulses, polarity) for polarity in (1, -1))
    if falls > -LEAST_CHANGE or rises < LEAST_CHANGE:
        return []
    return [
        f"the window closes: over the ramps of a device the levels after SET change by {falls:+.0%}"
        f" and those after RESET by {rises:+.0%}, and no step law has that"
    ]


def _trend(pulses: Pulses, polarity: int) -> float:
    """Relative change of the level after ramps from the first to the last; 0 where not clear.

    The logarithms of the levels, less the mean of their device, are fitted by a line over the
    number of the ramp.
    """
    ends = np.flatnonzero(np.diff(pulses.device, append=-1) | np.diff(pulses.ramp, append=-1))
    last = ends[(pulses.polarity[ends] == polarity) & (pulses.g_after_siemens[ends] > 0.0)]
    _, device = np.unique(pulses.device[last], return_inverse=True)
    count = np.bincount(device, minlength=1)
    if count.min() < FEWEST_RAMPS:
        return 0.0
    ramp, level = pulses.ramp[last].astype(np.float64), np.log(pulses.g_after_siemens[last])
    x, y = (v - (np.bincount(device, v) / count)[device] for v in (ramp, level))
    slope = (x @ y) / (x @ x)
    error = np.sqrt(((y - slope * x) ** 2).sum() / (len(y) - len(count) - 1) / (x @ x))
    return float(np.expm1(slope * np.ptp(ramp))) if abs(slope) > CLEAR * error else 0.0


def wearing_levels(swings: Cycles, device: Pulsed) -> list[str]:
    """Levels of cycles that move alike in all devices, where the file has no life to wear in.

    A line through the logarithms of the level of each device, over its cycles; their mean slope
    against its error over devices. (Memory of cycles moves each device its own way.)
    """
    if device.endurance_pulses > 0.0 or not len(swings):
        return []
    moved = []
    for way, g in (("LRS", swings.lrs_siemens), ("HRS", swings.hrs_siemens)):
        known = np.isfinite(g) & (g > 0.0)
        slopes = _slopes(swings.device[known], swings.cycle[known], np.log10(g[known]))
        if len(slopes) < FEWEST_DEVICES:
            continue
        change = float(slopes.mean())
        error = float(slopes.std(ddof=1)) / np.sqrt(len(slopes))
        sure = abs(change) > stats.t.isf(CHANCE / 2.0, len(slopes) - 1) * error
        if sure and abs(change) > LEAST_DECADES:
            moved.append(f"{way} by {change:+.2g} decades")
    if not moved:
        return []
    return [
        f"the conductances wear: {' and '.join(moved)} over {int(np.ptp(swings.cycle)):,} cycles, "
        "alike in all devices; the device file has no endurance_pulses that this could be a part "
        "of, so that devices stay as new (a --preset with a number for it has wear fitted)"
    ]


def _slopes(device: Ints, cycle: Ints, logs: Floats) -> Floats:
    """Change of each device over the cycles of all, (devices,); of those that have enough."""
    _, of, count = np.unique(device, return_inverse=True, return_counts=True)
    if not len(of):
        return np.empty(0)
    x, y = (
        v - (np.bincount(of, v) / count)[of] for v in (cycle / max(int(np.ptp(cycle)), 1), logs)
    )
    squares = np.bincount(of, x * x)
    enough = (count >= FEWEST_CYCLES) & (squares > 0.0)
    return np.asarray(np.bincount(of, x * y)[enough] / squares[enough])
