"""All pictures of the report of a fit."""

from collections.abc import Sequence

from device_models.fitting.measurements import Measurements
from device_models.fitting.result import Fit

from . import fit as drawn
from . import fit_noise, style


def draw(fit: Fit, measured: Measurements, simulated: Sequence[Measurements]) -> dict[str, bytes]:
    """PNG files of the pictures of which there are data, in the order of the page."""
    pictures = {
        "steps": drawn.steps(fit.model, measured, simulated),
        "residuals": drawn.residuals(fit.model, measured, simulated),
        "traces": drawn.traces(measured, simulated),
        "cycles": drawn.cycles(measured, simulated),
        "quantiles": drawn.quantiles(measured, simulated),
        "read_noise": fit_noise.read_noise(measured, simulated),
        "relaxation": fit_noise.relaxation(measured, simulated),
    }
    return {name: style.png(figure) for name, figure in pictures.items() if figure is not None}
