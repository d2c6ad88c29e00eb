"""Telegraph noise and factors of devices: the law, its paths, and the fit of a population."""

import dataclasses

import numpy as np
import pytest
import torch
import xbar_synthetic as synthetic

from device_models import read_noise, telegraph
from device_models.errors import ConfigError
from device_models.fitting.estimators import device_factors, reads
from device_models.fitting.estimators import telegraph as estimator
from device_models.fitting.measurements import Measurements
from device_models.fitting.simulate import simulate
from device_models.presets import load_device

TRAPS = {
    "telegraph_traps": 1.5, "telegraph_fraction": 0.02, "telegraph_exponent": 0.5,
    "telegraph_sigma": 0.8, "telegraph_duty_sigma": 1.0, "telegraph_shortest_seconds": 0.02,
    "telegraph_longest_seconds": 2.0,
}  # fmt: skip
SLOW = {
    "slow_fraction": 0.02, "slow_exponent": 0.5, "slow_shortest_seconds": 0.02,
    "slow_longest_seconds": 2.0,
}  # fmt: skip
LEVELS = np.geomspace(2e-6, 9e-5, 8)
SHAPE = (40, 50)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def table(model, *, seed=1, each=2, count=200):
    return synthetic.repeated_reads(model, gen(seed), levels=LEVELS, each=each, reads=count)


# --- the law -------------------------------------------------------------------------------------


def test_without_traps_and_factors_nothing_is_drawn():
    plain = synthetic.truth(slow_fraction=0.01)
    generators = gen(), gen()
    state = plain.manufacture(SHAPE, generator=generators[0])
    assert not {*telegraph.TRAITS, read_noise.WHITE, read_noise.SLOW} & state.traits.keys()
    rich = dataclasses.replace(plain, **TRAPS, read_d2d_sigma=0.5, slow_d2d_sigma=0.5)
    other = rich.manufacture(SHAPE, generator=generators[1])
    assert all(torch.equal(trait, other.traits[name]) for name, trait in state.traits.items())
    assert torch.equal(state.dynamics["slow"], other.dynamics["slow"])


def test_numbers_amplitudes_times_and_duties_of_traps():
    model = synthetic.truth(**TRAPS | {"telegraph_traps": 3.0})
    traits = model.manufacture((200, 200), generator=gen()).traits
    there = traits["trap_factor"] > 0.0
    number = there.sum(0).double()
    assert float(number.mean()) == pytest.approx(3.0, rel=0.02)
    assert float(number.var()) == pytest.approx(3.0, rel=0.05)
    assert telegraph.slots(3.0) == len(there)
    factor = traits["trap_factor"][there].log()
    assert float(factor.mean()) == pytest.approx(0.0, abs=0.02)
    assert float(factor.std()) == pytest.approx(0.8, rel=0.02)
    seconds = traits["trap_seconds"].log10()
    assert float(seconds.mean()) == pytest.approx(np.log10(0.2), abs=0.02)
    assert float(seconds.max() - seconds.min()) == pytest.approx(2.0, abs=0.01)
    assert float(torch.logit(traits["trap_duty"]).std()) == pytest.approx(1.0, rel=0.02)


def test_two_intervals_are_one_and_the_correlation_is_exponential():
    shape = (1, 400, 500)
    traits = {
        "trap_factor": torch.ones(shape), "trap_seconds": torch.full(shape, 2.0),
        "trap_duty": torch.full(shape, 0.3),
    }  # fmt: skip
    first = (torch.rand(shape, generator=gen(1)) < 0.3).float()

    def later(states, seconds, seed):
        uniform = torch.rand(shape, generator=gen(seed))
        return telegraph.step(traits, states, seconds, uniform)

    def correlation(a, b):
        return float(((a - 0.3) * (b - 0.3)).mean() / 0.21)

    once, twice = later(first, 1.0, 2), later(later(first, 0.4, 3), 0.6, 4)
    for states in (once, twice):
        assert float(states.mean()) == pytest.approx(0.3, abs=0.005)
        assert correlation(first, states) == pytest.approx(np.exp(-0.5), abs=0.01)
    assert torch.equal(later(first, 0.0, 5), first)


def test_a_trap_moves_a_device_by_its_amplitude_about_its_mean():
    model = synthetic.truth(**TRAPS)
    state = model.manufacture(SHAPE, generator=gen())
    state = state._replace(g=torch.full(SHAPE, 1e-5))
    factor, duty = state.traits["trap_factor"], state.traits["trap_duty"]
    growth = 0.02 * (1e5 / model.read_knee_ohms) ** 0.5
    for value in (0.0, 1.0):
        state.dynamics["traps"] = torch.full_like(factor, value)
        wanted = 1e-5 * (1.0 + growth * (factor * (duty - value)).sum(0))
        seen = model.conductance(state)
        torch.testing.assert_close(seen, wanted.clamp(min=1e-8), rtol=1e-4, atol=1e-12)
    where = torch.tensor([7, 3, 1999])
    assert torch.equal(model.conductance(state, where), seen.flatten()[where])


def test_times_out_of_order_are_refused():
    with pytest.raises(ConfigError, match="telegraph_shortest_seconds must be below"):
        synthetic.truth(telegraph_shortest_seconds=2.0, telegraph_longest_seconds=1.0)


# --- its paths -----------------------------------------------------------------------------------


def test_simulated_series_switch_as_devices_do():
    model = synthetic.truth(**TRAPS, read_d2d_sigma=0.6)
    measured = synthetic.repeated_reads(model, gen(1), levels=[1e-5], each=300, reads=100)
    names = tuple(map(str, range(300)))
    again = simulate(model, Measurements(reads=(measured,), devices=names), generator=gen(2))
    sets = []
    for one in (measured, again.reads[0]):
        x = one.g_siemens.reshape(300, 100)
        x = x / x.mean(1, keepdims=True) - 1.0
        change = np.abs(x[:, 20:] - x[:, :-20])
        sets.append(np.log([x.std(1), np.abs(np.diff(x, axis=1)).mean(1), change.mean(1)]))
    for a, b in zip(*sets, strict=True):
        error = np.sqrt((a.var() + b.var()) / 300)
        assert abs(a.mean() - b.mean()) < 4.0 * error
        assert a.std() == pytest.approx(b.std(), rel=0.2)


# --- the fit -------------------------------------------------------------------------------------


def test_factors_of_devices_come_back_with_the_law_of_a_median_device():
    truth = synthetic.truth(**SLOW, read_d2d_sigma=0.6, slow_d2d_sigma=0.9)
    preset = load_device("oxram_literature")
    parameters = reads.estimate(
        table(truth, each=4), preset, generator=np.random.default_rng(0), resamples=1
    )
    for name in ("read_d2d_sigma", "slow_d2d_sigma", "slow_fraction", "slow_exponent"):
        low, high = parameters.intervals[name]
        assert low < getattr(truth, name) < high, name
        if name.endswith("d2d_sigma"):
            assert 0.0 < low < high < 4.0 * low, name
    assert "telegraph_traps" not in parameters.values


def test_devices_that_are_alike_have_no_factor_but_an_upper_end():
    parameters = reads.estimate(
        table(synthetic.truth(**SLOW)), load_device("oxram_literature"),
        generator=np.random.default_rng(0), resamples=1,
    )  # fmt: skip
    assert parameters.values["read_d2d_sigma"] == 0.0
    low, high = parameters.intervals["read_d2d_sigma"]
    assert (low, 0.01 < high < 0.4) == (0.0, True)


def test_levels_give_back_law_and_spread_where_nothing_else_scatters():
    rng = np.random.default_rng(0)
    ohms = np.geomspace(1e4, 1e6, 400)
    z = np.repeat(rng.standard_normal(100), 4)
    y = 2.0 * (np.log(0.01) + 0.5 * np.log(ohms / 1e4)) + 2.0 * 0.7 * z
    y = y + 0.2 * rng.standard_normal(400)
    levels = device_factors.Levels(y, np.full(400, 1e-3), np.repeat(np.arange(100), 4), ohms)

    def law(r, theta):
        return 2.0 * (theta[0] + theta[1] * np.log(r / 1e4))

    start = np.array([-3.0, 0.2])
    found = device_factors.fit(levels, law, start, start - 5.0, start + 5.0)
    assert found.sigma == pytest.approx(0.7, rel=0.2)
    assert found.best.at[3] == pytest.approx(0.2, rel=0.2)
    assert found.best.at[1] == pytest.approx(0.5, abs=0.1)
    assert found.gain > 50.0


@pytest.mark.parametrize(("noise", "traps"), [(TRAPS, True), (SLOW, False)])
def test_traps_are_chosen_where_there_are_some(monkeypatch, noise, traps):
    monkeypatch.setattr(estimator, "SETS", {"traps": (150, 150), "slow": (150,)})
    truth = synthetic.truth(**noise, read_floor=0.003, read_fraction=0.0)
    measured = table(truth, each=3)
    series = estimator.measured_series(
        measured, lambda ohms: np.full(len(ohms), 0.003), spans=True, exponent=0.5, cap=0.5
    )
    rng = np.random.default_rng(1)
    sets = [estimator.simulated(series, kind, generator=rng) for kind in ("traps", "slow")]
    choice = estimator.compared(series, *sets)
    assert choice.wins == traps
    assert abs(choice.difference) > choice.standard_error
    draws = estimator.posterior(series, sets[0])
    assert draws.shape[1] == len(estimator.TRAPS)
    assert ((draws >= sets[0].low) & (draws <= sets[0].high)).all()
