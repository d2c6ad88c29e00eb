"""Step law, cycle-to-cycle and device-to-device spread, and read noise, from single pulses.

A pulse n of device d moves it by a_d s(g_n) (1 + c z_n), with the gain a_d, log-normal around 1 with
spread d2d_step_sigma; the law s; c = c2c_sigma. Two consecutive pulses share a reading, whose error
makes one step too large and the next too small; a cycle-to-cycle draw stays. The likelihood of the
trains (`pulse_likelihood`) tells the two apart, and knows how each bends the law.
"""

from dataclasses import replace

import numpy as np

from ...pulsed import Pulsed
from ..measurements import Pulses
from . import bootstrap
from .parameters import Part
from .pulse_fit import ROUNDS, Work, solve
from .pulse_summary import add_c2c, add_d2d, add_law, add_read, warnings_of


def estimate(
    pulses: Pulses,
    model: Pulsed,
    *,
    generator: np.random.Generator,
    resamples: int,
    read_measured: bool = False,
    rounds: int = ROUNDS,
) -> Part:
    """Fit everything that single pulses tell.

    Args:
        pulses: At least one row.
        model: Device with the law to fit; keeps what pulses do not tell.
        generator: Not used: the intervals come from the scores of devices, not from resamples.
        resamples: 0: no intervals.
        read_measured: The model's read noise was measured: where pulses share no readings it is
            taken off the spread; an assumed one is not.
        rounds: See `work.solve`.
    """
    work = solve(pulses, model, read_measured=read_measured, rounds=rounds)
    found = part_of(pulses, work)
    for add in (add_law, add_c2c, add_d2d, add_read):
        found = add(found, work)
    if not resamples:
        found = replace(found, intervals={n: (v, v) for n, v in found.values.items()})
    return found


def part_of(pulses: Pulses, work: Work) -> Part:
    """What a fit says of itself, before its parameters."""
    return Part(
        devices=work.devices,
        rows=work.rows,
        files=(pulses.source,),
        warnings=(*_few(work), *warnings_of(work)),
    )


def _few(work: Work) -> tuple[str, ...]:
    """What the intervals of few devices are worth."""
    if 1 < work.devices < work.units:
        words = "their ramps are resampled: the intervals hold for them, not for the type"
        return (f"pulses: {work.devices} devices only; {words}",)
    return bootstrap.few(work.devices, "pulses")
