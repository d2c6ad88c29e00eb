"""Relaxation by level: rates, tails, onsets and runs of the law, and its limits."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy import stats
from xbar_devices import LEVELS, everywhere, gen

from crossbar.experiment.relaxation_limit import unmeasured_relaxation
from device_models import relaxation
from device_models.errors import ConfigError
from device_models.presets import load_device

OXRAM = load_device("oxram_literature")
PLAIN = {"relax_onset_decades": 0.0, "relax_run_sigma": 0.0, "relax_run_shift": 0.0}
BY_LEVEL = dataclasses.replace(OXRAM, **LEVELS)
ALIKE = dataclasses.replace(BY_LEVEL, **PLAIN)
SHAPE = (60, 70)


def pulsed(model, seed=0, pulses=1):
    state = model.manufacture(SHAPE, generator=gen(seed))
    state = state._replace(g=torch.full(SHAPE, 2e-4))
    counts = torch.full(SHAPE, pulses)
    return model.program(state, counts, everywhere(counts), generator=gen(seed + 1)).state


def test_rates_are_straight_between_levels_and_constant_above_the_last():
    g = torch.tensor([1e-6, 1e-4, 3.5e-4, 6e-4, 2e-3], dtype=torch.float64)
    above, below = (
        relaxation.rate_siemens(ALIKE, g, torch.full_like(g, z), {}).numpy() for z in (2.0, -1.0)
    )
    np.testing.assert_allclose(above, [5e-8, 5e-6, 2e-6, -1e-6, -1e-6])
    np.testing.assert_allclose(below, [0.0, 0.0, -3.5e-6, -7e-6, -7e-6], atol=1e-20)


def test_kicks_are_those_of_student():
    z = relaxation.draw(ALIKE, torch.Size((400, 400)), generator=gen()).double().numpy().ravel()
    for p in (0.001, 0.05, 0.25, 0.5, 0.9, 0.999):
        below = np.mean(z < stats.t.ppf(p, 3.0))
        assert abs(below - p) < 5.0 * math.sqrt(p * (1.0 - p) / z.size)


def test_a_device_drifts_by_its_rate_and_temperature_only_speeds_it_up():
    state = pulsed(ALIKE)
    rate = state.dynamics["kick"]
    assert torch.equal(ALIKE.conductance(state), state.g)
    seconds = 1e3
    speed = math.exp(1.0 / 8.617333e-5 * (1.0 / 300.0 - 1.0 / 330.0))
    for kelvin, factor in ((None, 1.0), (330.0, speed)):
        later = ALIKE.advance(state, seconds, generator=gen(), temperature_kelvin=kelvin)
        late = math.log10(1.0 + factor * seconds / ALIKE.relax_onset_seconds)
        moved = (state.g + rate * late).clamp(min=ALIKE.g_min_siemens / 100)
        torch.testing.assert_close(ALIKE.conductance(later), moved, rtol=1e-5, atol=0.0)


def test_onsets_differ_by_device_and_sizes_by_chip():
    state = pulsed(BY_LEVEL)
    decades = torch.log10(state.traits["relax_speed"])
    assert decades.std() == pytest.approx(1.0, rel=0.05)
    later = BY_LEVEL.advance(state, 10.0, generator=gen())
    expected = 10.0 * state.traits["relax_speed"].double()
    torch.testing.assert_close(later.dynamics["since_seconds"], expected)
    chips = [BY_LEVEL.manufacture((1, 2), generator=gen(s)).traits for s in range(200)]
    sizes = np.array([chip["relax_size"].numpy().ravel() for chip in chips])
    assert np.ptp(sizes, 1).max() == 0.0
    assert np.log(sizes[:, 0]).std() == pytest.approx(0.2, rel=0.25)


def test_cycled_devices_relax_by_a_power_of_their_pulses():
    cycled = dataclasses.replace(ALIKE, relax_cycle_exponent=0.5, relax_cycle_pulses=3.0)
    once, fresh = pulsed(cycled, pulses=9), pulsed(ALIKE, pulses=9)
    torch.testing.assert_close(once.dynamics["kick"], 2.0 * fresh.dynamics["kick"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"relax_ups_siemens": (1e-6,)}, "has 1 numbers, relax_levels_siemens 2: one for each"),
        ({"relax_levels_siemens": (6e-4, 1e-4)}, "must rise"),
    ],
)
def test_tables_that_do_not_fit_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        dataclasses.replace(ALIKE, **changes)


def test_devices_above_what_was_measured_are_said_in_one_line():
    limited = dataclasses.replace(ALIKE, relax_measured_to_siemens=1e-4)
    g = [torch.tensor([5e-5, 9e-5]), torch.tensor([2e-4, 1e-5])]
    line = unmeasured_relaxation(limited, g)
    assert "25.0% of the devices are above 100" in line
    assert "\n" not in line
    assert unmeasured_relaxation(limited, g[:1]) == ""
    assert unmeasured_relaxation(ALIKE, g) == ""
