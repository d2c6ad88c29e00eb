"""What a fit says of the measurements as a whole."""

import numpy as np

from ..pulsed import Pulsed
from .estimators.parameters import ParameterSet
from .measurements import Measurements, Pulses
from .result import Candidate


def missing_spread(pulses: Pulses, device: Pulsed, parameter_sets: list[ParameterSet]) -> list[str]:
    """A warning of what the pulses do not identify."""
    estimated = {name for parameters in parameter_sets for name in parameters.values}
    if len(pulses) and "d2d_step_sigma" not in estimated:
        why = "one device only" if len(np.unique(pulses.device)) == 1 else "too few devices"
        kept = f"the preset's {device.d2d_step_sigma:g} is kept"
        return [f"{why}: d2d_step_sigma is not identifiable; {kept}"]
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
