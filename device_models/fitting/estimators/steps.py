"""Step law, cycle-to-cycle and device-to-device spread, and read noise, from single pulses.

A pulse n of device d moves it by a_d s(g_n) (1 + c z_n) + b z'_n: the gain a_d, log-normal around 1
with spread d2d_step_sigma; the law s; c = c2c_sigma; b = c2c_additive_siemens, of a law that may
change its sign also the spread of a sum of events (`device_models.step_spread`). Two consecutive
pulses share a reading, whose error makes one step too large and the next too small; a
cycle-to-cycle draw persists. The likelihood of the trains (`pulse_likelihood`) distinguishes the
two, and their bias of the law.
"""

from dataclasses import replace

import numpy as np

from ...pulsed import Pulsed
from ..measurements import Pulses
from . import bootstrap
from .parameters import ParameterSet
from .pulse_fit import ROUNDS, PulseFit, solve
from .pulse_summary import BESIDE, add_c2c, add_d2d, add_draws, add_law, add_read, warnings_of


def estimate(
    pulses: Pulses,
    model: Pulsed,
    *,
    generator: np.random.Generator,
    resamples: int,
    read_measured: bool = False,
    rounds: int = ROUNDS,
) -> ParameterSet:
    """Fit everything that single pulses identify.

    Args:
        pulses: At least one row.
        model: Device with the law to fit; the source of what pulses do not identify.
        generator: Of the joint draws; the intervals come from the scores of devices.
        resamples: Joint draws; 0: no intervals either.
        read_measured: The model's read noise was measured: where pulses share no readings it is
            taken off the spread; an assumed one is not.
        rounds: See `pulse_fit.solve`.
    """
    fit = solve(pulses, model, read_measured=read_measured, rounds=rounds)
    parameters = new_set(pulses, fit)
    for add in (add_law, add_c2c, add_d2d, add_read):
        parameters = add(parameters, fit)
    words = "not told from the spread of the steps, which holds it"
    for beside in BESIDE:
        if getattr(model, beside) and beside not in parameters.values:
            parameters = parameters.extended({beside: 0.0}, {beside: (0.0, 0.0)}, words)
    if not resamples:
        parameters = replace(
            parameters, intervals={n: (v, v) for n, v in parameters.values.items()}
        )
    return add_draws(parameters, fit, resamples, generator)


def new_set(pulses: Pulses, fit: PulseFit) -> ParameterSet:
    """A set without parameters yet: counts, files and warnings of a fit."""
    return ParameterSet(
        devices=fit.devices,
        rows=fit.rows,
        files=(pulses.source,),
        warnings=(*_few_devices_warnings(fit), *warnings_of(fit)),
    )


def _few_devices_warnings(fit: PulseFit) -> tuple[str, ...]:
    """The warnings that the intervals rest on few devices."""
    if 1 < fit.devices < fit.units:
        words = "their ramps are resampled: the intervals hold for them, not for the type"
        return (f"pulses: {fit.devices} devices only; {words}",)
    return bootstrap.few_devices_warnings(fit.devices, "pulses")
