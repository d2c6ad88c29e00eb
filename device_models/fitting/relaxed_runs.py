"""Simulated devices of a retention table in runs and sessions of their own; see `relaxation`."""

import numpy as np
import torch

from .. import relaxation
from ..model import DeviceModel, DeviceState
from ..pulsed import Pulsed
from .measurements import Floats, Retention
from .quantities import tenths


def in_new_runs(
    model: DeviceModel,
    state: DeviceState,
    kelvin: Floats,
    cycles: Floats,
    *,
    generator: torch.Generator,
) -> DeviceState:
    """Devices with the rates of new writes, in a run for each temperature of a file.

    Args:
        model: Their kind; one without rates by level leaves them as they are.
        state: Shape (1, devices).
        kelvin: Temperature of each, nan if unknown.
        cycles: Pulses given to each before, nan if unknown.
        generator: Source of the runs and the kicks.
    """
    if not isinstance(model, Pulsed) or not model.relax_levels_siemens or not model.relaxes:
        return state
    traits = dict(state.traits)
    if "relax_size" in traits:
        run = torch.from_numpy(np.unique(kelvin, return_inverse=True)[1])
        effects = relaxation.run_effects(model, int(run.max()) + 1, generator=generator)
        traits |= {
            name: effect[run][None]
            for name, effect in zip(("relax_size", "relax_shift"), effects, strict=True)
        }
    pulses = torch.from_numpy(np.where(np.isfinite(cycles), cycles, 0.0))[None]
    z = relaxation.draw(model, state.g.shape, generator=generator)
    rate = relaxation.rate_siemens(model, state.g, z, traits | {"pulses": pulses})
    return state._replace(traits=traits, dynamics=state.dynamics | {"kick": rate})


def in_sessions(
    model: DeviceModel, state: DeviceState, rows: Retention, *, generator: torch.Generator
) -> DeviceState:
    """Devices, one per row, whose rates look different at each time and temperature."""
    if not isinstance(model, Pulsed) or not model.relax_levels_siemens or not model.relaxes:
        return state
    kelvin = np.where(np.isfinite(rows.temperature_kelvin), rows.temperature_kelvin, 0.0)
    keys = np.stack([kelvin, tenths(rows.time_seconds)])
    session = torch.from_numpy(np.unique(keys, axis=1, return_inverse=True)[1].ravel())[None]
    rate = relaxation.session_rates(
        model, state.g, state.dynamics["kick"], session, generator=generator
    )
    return state._replace(dynamics=state.dynamics | {"kick": rate})
