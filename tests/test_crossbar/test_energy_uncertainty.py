"""Monte-Carlo and tornado against the plain estimate, done one constant at a time."""

import dataclasses
import math

import numpy as np
import pytest
from xbar_energy import SILENT, TOY_PRICES, toy_activity, toy_chip, toy_cost, toy_costs, toy_run

from crossbar.energy.costs import Costs, load_costs
from crossbar.energy.estimate import estimate
from crossbar.energy.results import COMPONENTS
from crossbar.energy.uncertainty import monte_carlo, tornado
from crossbar.snn.encodings.events import Events


def sure(name, typical=None):
    """A toy constant without doubt."""
    value = TOY_PRICES[name] if typical is None else typical
    return toy_cost(name, value, low=value, high=value)


def sure_costs(**changes):
    """Toy prices without doubt, but for `changes`."""
    return toy_costs(**{name: sure(name) for name in TOY_PRICES} | changes)


def spread(costs, draws=20_000, **changes):
    run, chip = toy_run(), toy_chip(**changes)
    return monte_carlo(run, chip, costs, draws=draws, generator=np.random.default_rng(7))


def test_without_doubt_all_percentiles_are_the_estimate():
    percentiles, plain = (
        spread(sure_costs(), draws=10),
        estimate(toy_run(), toy_chip(), sure_costs()),
    )
    expected = {
        "joules": plain.joules,
        "joules_dense": plain.joules_dense,
        "training_joules": plain.training_joules,
        "seconds": plain.seconds_per_inference,
        "training_seconds": plain.training_seconds,
        "m2": plain.m2,
        "leakage_watts": plain.leakage_watts,
    } | {f"joules.{name}": plain.joules_by(name) for name in COMPONENTS}
    assert set(percentiles) == set(expected)
    for name, span in percentiles.items():
        pair = dataclasses.astuple(span), dataclasses.astuple(expected[name])
        np.testing.assert_allclose(*pair, rtol=1e-12, atol=1e-15, err_msg=name)


def test_low_and_high_of_the_only_doubtful_constant_are_5_and_95_percent():
    # 5 conversions each; the median has its own distance to either side.
    percentiles = spread(sure_costs(adc_conversion=toy_cost("adc_conversion", low=5.0, high=25.0)))
    # 20,000 draws: the standard error of a 5 % quantile is sqrt(.05 .95 / 20000) / density =
    # 1.5 % of z, so 2.1 % of 5 x 5 J and 0.3 % of 5 x 25 J; five of them.
    adc = percentiles["joules.adc"]
    assert adc.low == pytest.approx(5 * 5.0, rel=0.11, abs=0.0)
    assert adc.typical == pytest.approx(5 * 20.0, rel=0.05, abs=0.0)
    assert adc.high == pytest.approx(5 * 25.0, rel=0.015, abs=0.0)
    assert percentiles["joules"].high == pytest.approx(811 - 100 + adc.high, rel=1e-12, abs=0.0)
    assert percentiles["m2"].low == percentiles["m2"].high


def test_one_draw_per_constant_moves_all_that_uses_it_together():
    # Two items of 6 and 4 conversions: were they drawn apart, the spread would shrink.
    adc = spread(sure_costs(adc_conversion=toy_cost("adc_conversion")))["joules.adc"]
    assert adc.high / adc.low == pytest.approx(4.0, rel=0.08, abs=0.0)


def test_independent_constants_are_less_uncertain_than_all_at_their_worst():
    worst, likely = (
        estimate(toy_run(), toy_chip(), toy_costs()).joules,
        spread(toy_costs())["joules"],
    )
    assert 1.2 * worst.low < likely.low < worst.typical < likely.high < worst.high / 1.2


def test_the_same_seed_draws_the_same_numbers():
    assert spread(toy_costs(), draws=50) == spread(toy_costs(), draws=50)


def test_a_bar_of_a_constant_is_the_estimate_with_it_at_its_ends():
    run, chip, costs = toy_run(), toy_chip(), sure_costs(**{n: toy_cost(n) for n in TOY_PRICES})
    bars = {bar.name: bar for bar in tornado(run, chip, costs)}
    used = estimate(run, chip, costs).used
    compared = 0
    for name in used:
        ends = []
        for value in (used[name].value.low, used[name].value.high):
            changed = Costs(name="changed", entries=costs.entries | {name: sure(name, value)})
            ends.append(estimate(run, chip, changed).joules.typical)
        if ends[0] == ends[1]:
            assert name not in bars
            continue
        assert (bars[name].low_joules, bars[name].high_joules) == pytest.approx(
            ends, rel=1e-12, abs=0.0
        )
        compared += 1
    assert compared >= 10


def test_bars_are_sorted_by_reach_and_do_something():
    bars = tornado(toy_run(), toy_chip(), toy_costs())
    reaches = [bar.reach for bar in bars]
    assert reaches == sorted(reaches, reverse=True)
    assert min(reaches) > 0
    assert {"read voltage", "read time", "spike rate", "mean conductance"} <= {b.name for b in bars}


def test_bars_of_settings_by_hand():
    bars = {bar.name: bar for bar in tornado(toy_run(), toy_chip(), toy_costs())}
    volts, siemens = bars["read voltage"], bars["mean conductance"]
    assert volts.low_joules == pytest.approx(811 - 16 + 16 / 1.25**2, rel=1e-12, abs=0.0)
    assert volts.high_joules == pytest.approx(811 - 16 + 16 * 1.25**2, rel=1e-12, abs=0.0)
    assert (volts.low, volts.high) == ("25.6 V", "40 V")
    assert siemens.low_joules == pytest.approx(811 - 16 + 16 / 1.5, rel=1e-12, abs=0.0)
    # Twice the read time: each of the 5 active steps takes 1 ms more, which leaks 50 J per ms.
    assert bars["read time"].high_joules == pytest.approx(811 + 16 + 50 * 5 / 2, rel=1e-12, abs=0.0)


def test_one_bit_more_matters_where_the_converter_follows_a_law():
    law = load_costs(["default"]).entries["adc_conversion"]
    chip = toy_chip(node_nm=32.0, adc_bits=6)
    run = toy_run(v_read_volts=0.2, t_read_seconds=1e-7)
    # All else costs nothing: against whole joules picojoules would be lost.
    free = {name: sure(name, 0.0) for name in TOY_PRICES if name != "adc_cycle"}
    costs = toy_costs(**free | {"adc_conversion": law})
    bar = next(bar for bar in tornado(run, chip, costs) if bar.name == "ADC bits")
    assert (bar.low, bar.high) == ("5 bit", "7 bit")
    # 5 conversions at ISAAC's 0.99 and 1.42 pJ.
    assert bar.high_joules - bar.low_joules == pytest.approx(5 * 0.43e-12, rel=0.01, abs=0.0)


def test_more_spikes_fill_steps_that_were_idle():
    run, chip = toy_run(), toy_chip()
    bar = next(b for b in tornado(run, chip, toy_costs()) if b.name == "spike rate")
    quiet = estimate(toy_run(toy_activity(SILENT, SILENT)), chip, toy_costs())
    assert quiet.joules.typical < bar.low_joules < 811 < bar.high_joules
    assert bar.high_joules < estimate(run, chip, toy_costs()).joules_dense.typical
    assert math.isfinite(bar.reach)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("neuron_spike_digital", 2 / 2 * 4, 4 / 2 * 4),  # 3 spikes / 1.5, and x 1.5 to the even one
        ("router_hop", 2 / 2 * 8, 4 / 2 * 8),
        ("driver_row", (3 + 2) / 2 * 2, (6 + 4) / 2 * 2),  # 4 and 3 drives
        ("device_factor", 16 / 1.5, 16 * 1.5),
        ("buffer_word", (3 + 2) / 2 * 2, (6 + 4) / 2 * 2),
        # Active steps: 8 (1 - (1 - 3/8)^f) = 2.15 and 4.05, 8 (1 - (1 - 2/8)^f) = 1.39 and 2.80.
        ("adc_conversion", (2 + 1) * 2 / 2 * 20, (4 + 3) * 2 / 2 * 20),
    ],
)
def test_spike_rate_by_hand_where_only_one_thing_costs(name, low, high):
    free = {each: sure(each, 0.0) for each in TOY_PRICES if each != "adc_cycle"}
    bars = tornado(toy_run(), toy_chip(), toy_costs(**free | {name: sure(name)}))
    bar = next(bar for bar in bars if bar.name == "spike rate")
    assert (bar.low_joules, bar.high_joules) == pytest.approx((low, high), rel=1e-12, abs=0.0)


def test_no_line_is_driven_twice_in_a_step():
    steps = np.tile(np.repeat(np.arange(4), 3), 2).astype(np.uint8)
    full = Events(np.tile(np.arange(3), 8).astype(np.uint16), steps, np.array([0, 12, 24]))
    run = toy_run(toy_activity(full, SILENT))
    free = {each: sure(each, 0.0) for each in TOY_PRICES if each != "adc_cycle"}
    bars = tornado(run, toy_chip(), toy_costs(**free | {"driver_row": sure("driver_row")}))
    bar = next(bar for bar in bars if bar.name == "spike rate")
    assert (bar.low_joules, bar.high_joules) == (16 / 2 * 2, 24 / 2 * 2)


def test_a_silent_network_has_no_bar_for_its_rate():
    run = toy_run(toy_activity(SILENT, SILENT))
    assert "spike rate" not in {bar.name for bar in tornado(run, toy_chip(), toy_costs())}
