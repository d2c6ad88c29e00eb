"""An estimate against hand calculations: every sum is written out as a person would."""

import dataclasses
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from xbar_energy import MS, SILENT, toy_activity, toy_chip, toy_costs, toy_run

from cli.estimate import headline
from crossbar.energy.chip import chip_names, load_chip
from crossbar.energy.costs import load_costs
from crossbar.energy.estimate import estimate
from crossbar.energy.interval import Interval
from crossbar.energy.results import AREA_COMPONENTS, COMPONENTS, TRAINING_COMPONENTS
from crossbar.reports import energy_account
from device_models.errors import ConfigError


def by_component(items, dense=False):
    """Typical joules of each component that has an item."""
    sums = {}
    for item in items:
        joules = item.joules_dense if dense else item.joules
        sums[item.component] = sums.get(item.component, 0.0) + joules.typical
    return sums


@pytest.fixture(scope="module")
def toy():
    return estimate(toy_run(), toy_chip(), toy_costs())


def test_toy_chip_of_two_tiles_by_hand(toy):
    # Lines hold 3, 7 and 11 S in the hidden tile, 2 and 4 S in the readout; all is per inference.
    assert by_component(toy.items) == {
        "array": (3 + 11 + 7 + 3) / 2 + (2 + 4 + 2) / 2,  # V^2 t = 1 J/S, line by line
        "driver": (4 + 3) / 2 * 2,  # 4 spikes in, 3 spikes on
        "adc": (3 * 2 + 2 * 2) / 2 * 20,  # 3 and 2 active steps, 2 columns each
        "sample_and_hold": (3 * 2 + 2 * 2) / 2 * 1,
        "neuron": (2 * 8 + 2 * 8) / 2 * 0.5 + 3 / 2 * 4,  # every neuron, every step; 3 spikes
        "buffer": (4 + 3) / 2 * 2,
        "router": 3 / 2 * 8,
        "leakage": 50 * 1024 * 13 * MS,  # area and time: the two tests below
    }
    assert toy.joules.typical == 16 + 7 + 100 + 5 + (8 + 6) + 7 + 12 + 650 == 811


def test_the_same_chip_without_gating_by_hand(toy):
    assert by_component(toy.items, dense=True) == {
        "array": (3 + 7 + 11) * 8 / 2 + (2 + 4) * 8 / 2,  # every line in all 2 x 4 steps
        "driver": (3 + 2) * 8 / 2 * 2,
        "adc": (2 + 2) * 8 / 2 * 20,
        "sample_and_hold": (2 + 2) * 8 / 2 * 1,
        "neuron": (2 + 2) * 8 / 2 * 0.5 + 2 * 8 / 2 * 4,
        "buffer": (3 + 2) * 8 / 2 * 2,
        "router": 2 * 8 / 2 * 8,
        "leakage": 50 * 1024 * 24 * MS,
    }
    assert toy.joules_dense.typical == 108 + 40 + 320 + 16 + (8 + 32) + 40 + 64 + 1200 == 1828


def test_area_of_the_toy_chip_by_hand(toy):
    blocks = {block.component: block.m2.typical for block in toy.area}
    assert blocks.pop("cells") == 2 * 16 * 16 * (100.0 * 1e-9) ** 2  # 2 tiles of 16 cells, 16 F2
    assert blocks.pop("routing") == pytest.approx(0.25 * 50, rel=1e-9, abs=0.0)  # of all the others
    assert blocks == {
        "driver": 2 * 4 * 1,
        "adc": 2 * 2 * 2,
        "sample_and_hold": 2 * 4 * 1,
        "neuron": 4 * 3,
        "buffer": 2 * 4 * 0.5,
        "router": 2 * 5,
    }
    assert sum(blocks.values()) == 8 + 8 + 8 + 12 + 4 + 10 == 50
    assert toy.leakage_watts.typical == 50 * 1024


def test_time_of_the_toy_chip_by_hand(toy):
    # Active step: 1 ms of read, 2 columns on 2 converters, 3 + 1 cycles of half a ms. Idle: 1 ms.
    hidden, readout = (3 * 3 + 5 * 1) / 2, (2 * 3 + 6 * 1) / 2
    assert toy.seconds_per_inference.typical == (hidden + readout) * MS == 13 * MS
    assert toy.seconds_dense.typical == (4 * 3 + 4 * 3) * MS
    assert toy.seconds_real == 4.0
    pipelined = estimate(toy_run(), toy_chip(pipelined=True), toy_costs())
    assert pipelined.seconds_per_inference.typical == (hidden + 3) * MS
    one_adc = estimate(toy_run(), toy_chip(adc_share=4), toy_costs())  # two turns of 2 ms
    assert one_adc.seconds_per_inference.typical == ((3 * 5 + 5) / 2 + (2 * 5 + 6) / 2) * MS


def test_low_and_high_of_the_toy_chip_by_hand(toy):
    # All constants halve or double; time has a part that does not: the read and the idle steps.
    low_ms, high_ms = (3 * 2 + 5) / 2 + (2 * 2 + 6) / 2, (3 * 5 + 5) / 2 + (2 * 5 + 6) / 2
    assert toy.seconds_per_inference == Interval(low_ms * MS, 13 * MS, high_ms * MS)
    assert toy.joules.low == 161 / 2 + 25 * 512 * low_ms * MS
    assert toy.joules.high == 161 * 2 + 100 * 2048 * high_ms * MS


def test_a_layer_on_two_rows_of_tiles_adds_partial_sums_by_hand():
    split = estimate(toy_run(), toy_chip(tile_rows=2), toy_costs())
    hidden = by_component([item for item in split.items if item.layer == "hidden 1"])
    # Tiles of lines 0 and 1 are active in 3 steps, that of line 2 in one.
    assert hidden["adc"] == (3 + 1) * 2 / 2 * 20
    assert hidden["shift_add"] == (3 + 1) * 2 / 2 * 3
    assert hidden["buffer"] == ((3 + 1) * 2 + 4) / 2 * 2  # partial sums and events
    assert hidden["driver"] == 4 / 2 * 2
    assert split.seconds_per_inference.typical == 13 * MS  # tiles work at the same time
    dense = by_component([item for item in split.items if item.layer == "hidden 1"], dense=True)
    assert dense["buffer"] == (2 * 2 * 8 + 3 * 8) / 2 * 2
    readout = by_component([item for item in split.items if item.layer == "readout"])
    assert "shift_add" not in readout
    adders = next(block for block in split.area if block.component == "shift_add")
    assert adders.m2.typical == 2 * 2 * 1  # one per converter of the two hidden tiles


def test_a_line_across_two_tiles_has_two_drivers_by_hand():
    across = estimate(toy_run(), toy_chip(tile_columns=1), toy_costs())
    assert by_component(across.items)["driver"] == (4 + 3) * 2 / 2 * 2
    assert by_component(across.items, dense=True)["driver"] == (3 + 2) * 2 * 8 / 2 * 2
    assert by_component(across.items)["router"] == 3 * 2 / 2 * 8  # both tiles of the readout hear
    assert by_component(across.items, dense=True)["router"] == 2 * 8 * 2 / 2 * 8
    assert by_component(across.items)["adc"] == 100
    silent = toy_run(toy_activity(SILENT, SILENT))
    quiet = estimate(silent, toy_chip(tile_columns=1), toy_costs())
    assert by_component(quiet.items, dense=True)["router"] == 2 * 8 * 2 / 2 * 8


def test_a_longer_way_through_the_router_costs_each_link():
    far = estimate(toy_run(), toy_chip(hops=3), toy_costs())
    assert by_component(far.items)["router"] == 3 * 3 / 2 * 8
    assert by_component(far.items, dense=True)["router"] == 3 * 2 * 8 / 2 * 8


def test_more_converters_than_columns_take_one_turn():
    result = estimate(toy_run(), toy_chip(tile_columns=8, adc_share=3), toy_costs())
    assert result.seconds_per_inference.typical == 13 * MS


def test_a_sliced_mapping_adds_conversions_even_on_one_tile():
    sliced = estimate(toy_run(is_sliced=True), toy_chip(), toy_costs())
    assert by_component(sliced.items)["shift_add"] == (3 * 2 + 2 * 2) / 2 * 3


def test_analog_neurons_need_no_converter_by_hand():
    chip = toy_chip(tile_rows=2, adc_kind="none", neuron="analog")
    analog = estimate(toy_run(), chip, toy_costs(adc_cycle=None, adc_conversion=None))
    joules = by_component(analog.items)
    assert not {"adc", "sample_and_hold", "shift_add"} & set(joules)
    assert joules["neuron"] == 32 / 2 * 0.25 + 3 / 2 * 8
    assert joules["buffer"] == (4 + 3) / 2 * 2  # no partial sums wait
    # An active step is a read and a clock period.
    assert analog.seconds_per_inference.typical == ((3 * 2 + 5) / 2 + (2 * 2 + 6) / 2) * MS


def test_without_event_gating_columns_are_always_converted():
    always = estimate(toy_run(), toy_chip(adc_gated=False), toy_costs())
    gated, dense = by_component(always.items), by_component(always.items, dense=True)
    assert gated["adc"] == dense["adc"] == 320
    assert gated["driver"] < dense["driver"]


def test_silence_halves_nothing_but_what_depends_on_spikes(toy):
    silent = estimate(toy_run(toy_activity(SILENT, SILENT)), toy_chip(), toy_costs())
    joules = {k: v for k, v in by_component(silent.items).items() if v}
    idle = 50 * 1024 * (4 + 4) * MS  # every step is idle, and still leaks
    assert joules == {"neuron": (2 * 8 + 2 * 8) / 2 * 0.5, "leakage": idle}
    assert silent.joules_dense == toy.joules_dense
    assert silent.m2 == toy.m2
    assert silent.leakage_watts == toy.leakage_watts
    assert silent.headline()["joules_per_synaptic_operation"] is None
    assert silent.headline()["tops_per_watt"] is None


def test_at_the_pace_of_the_network_leakage_is_charged_for_its_time():
    real = estimate(toy_run(), toy_chip(timing="real"), toy_costs())
    assert by_component(real.items)["leakage"] == 50 * 1024 * 4.0
    assert real.seconds_per_inference.typical == 13 * MS


def test_training_of_the_toy_chip_by_hand(toy):
    assert by_component(toy.training) == {
        # 80 J in the devices; 8 pulses charge a row and a column of 4 cells to 2 V.
        "write": 80 + 8 * (4 + 4) * 0.125 * 2**2,
        "array": 7,
        "driver": 9 * 2,
        "adc": 12 * 20,
        "sample_and_hold": 12 * 1,
        "verify": 5 * (2 + 20 + 1),
        "neuron": 10 * (8 + 6),  # 10 images as in the test
        "buffer": 10 * 7,
        "router": 10 * 12,
        "leakage": 50 * 1024 * (10 * 13 + 8 + 5 * 3 / 2) * MS,
    }
    # Images; pulses one by one; single reads of 3 ms on 2 converters.
    assert toy.training_seconds.typical == (10 * 13 + 8 + 5 * 3 / 2) * MS
    words = estimate(toy_run(), toy_chip(writes_at_once=4), toy_costs())
    assert words.training_seconds.typical == (10 * 13 + 8 / 4 + 5 * 3 / 2) * MS


def test_a_network_that_was_never_trained_has_no_training():
    never = estimate(toy_run(training=(), training_images=0), toy_chip(), toy_costs())
    assert never.training_joules == Interval(0, 0, 0)
    assert never.training_seconds == Interval(0, 0, 0)
    assert never.lifetime_days is None
    assert never.joules.typical == 811


def test_read_voltage_and_time_of_the_chip_replace_those_of_the_run():
    chip = toy_chip(v_read_volts=4.0, t_read_seconds=MS / 2)  # 1/64 and 1/2
    result = estimate(toy_run(), chip, toy_costs())
    assert by_component(result.items)["array"] == 16 / 128
    assert by_component(result.training)["array"] == 7 / 128


def test_lifetime_is_endurance_over_the_pulses_a_day_of_the_device_that_gets_most(toy):
    # No endurance in the device file: that of the table, half and double of 4000.
    assert toy.lifetime_days == Interval(2000 / 4, 4000 / 4, 8000 / 4)
    assert toy.used["endurance_pulses"].value == Interval(2000, 4000, 8000)
    worn = (dataclasses.replace(toy_run().training[0], endurance_pulses=1000.0),)
    lasting = estimate(toy_run(training=worn), toy_chip(trainings_per_day=5.0), toy_costs())
    assert lasting.lifetime_days == Interval(50, 50, 50)  # 1000 / 4 / 5
    assert "endurance_pulses" not in lasting.used
    never = estimate(toy_run(training=worn), toy_chip(trainings_per_day=0.0), toy_costs())
    assert never.lifetime_days is None


def test_reads_disturb_the_busiest_line_sooner_at_a_higher_voltage():
    """Line 0 comes in once an inference; half, once and double of 64 reads and of 0.5 V."""
    chip = toy_chip(inferences_per_day=4.0, v_read_volts=0.2)
    at_reference = estimate(toy_run(), chip, toy_costs()).undisturbed_days
    assert at_reference == Interval(32 / 4, 64 / 4, 128 / 4)
    higher = estimate(toy_run(), dataclasses.replace(chip, v_read_volts=0.7), toy_costs())
    expected = 8 * math.exp(-2.0), 16 * math.exp(-1.0), 32 * math.exp(-0.5)
    assert_allclose(list(vars(higher.undisturbed_days).values()), expected, rtol=1e-12, atol=0.0)
    silent = toy_run(toy_activity(SILENT, SILENT))
    assert estimate(silent, chip, toy_costs()).undisturbed_days is None


def test_spikes_of_an_output_that_sends_some_stand_apart():
    first, last = toy_activity().layers
    fires = dataclasses.replace(toy_activity(), layers=(first, dataclasses.replace(last, fired=5)))
    e = estimate(toy_run(fires), toy_chip(), toy_costs())
    head = e.headline()
    assert (head["spikes_per_inference"], head["output_spikes_per_inference"]) == (1.5, 2.5)
    line = next(line for line in headline(e) if line.startswith("spikes of an inference"))
    assert line.endswith("1.5 sent (0.750 a neuron), 2.5 by the output, 2.0 come in")
    _, table, *_ = energy_account.spikes(e, {})
    assert [row[2:4] for row in table.rows] == [["1.5", "0.75"], ["2.5", "1.25"]]


def test_headline_of_the_toy_chip_by_hand(toy):
    head = toy.headline()
    assert head["joules_per_inference"].typical == 811
    assert head["spikes_per_inference"] == 1.5
    assert head["spikes_per_neuron"] == 0.75
    assert head["spikes_by_layer"] == {"hidden 1": 1.5}
    assert head["output_spikes_per_inference"] == 0
    assert head["input_spikes_per_inference"] == 2
    assert head["synaptic_operations_per_inference"] == (4 * 2 + 3 * 2) / 2 == 7
    assert head["synaptic_operations_per_inference_dense"] == (3 * 2 + 2 * 2) * 4 == 40
    assert head["joules_per_synaptic_operation"].typical == pytest.approx(
        811 / 7, rel=1e-12, abs=0.0
    )
    assert head["joules_per_synaptic_operation_dense"].typical == pytest.approx(
        1828 / 40, rel=1e-12, abs=0.0
    )
    assert head["tops_per_watt"].typical == pytest.approx(2 * 7 / 811 * 1e-12, rel=1e-12, abs=0.0)
    assert head["tops_per_watt"].low == pytest.approx(14e-12 / toy.joules.high, rel=1e-12, abs=0.0)
    assert head["tops_per_watt_dense"].typical == pytest.approx(80e-12 / 1828, rel=1e-12, abs=0.0)
    assert head["precision"] == "1 b inputs x analog weights, 3 b outputs"
    assert head["utilisation"] == (3 * 2 + 2 * 2) / 32
    assert head["tiles"] == 2


def test_items_are_counts_times_unit_costs_and_constants_are_all_listed(toy):
    for item in (*toy.items, *toy.training):
        assert item.joules.typical == item.count * item.unit_joules.typical
        assert item.joules_dense.typical == item.count_dense * item.unit_joules.typical
        assert item.cost in toy.used
        assert item.component in TRAINING_COMPONENTS
    assert {item.component for item in toy.items} <= set(COMPONENTS)
    assert {block.component for block in toy.area} <= set(AREA_COMPONENTS)
    assert all(block.cost in toy.used for block in toy.area)
    assert "neuron_update_analog" not in toy.used


def test_a_chip_too_small_says_what_the_network_needs():
    with pytest.raises(ConfigError) as caught:
        estimate(toy_run(), toy_chip(tile_rows=2, tiles=2), toy_costs())
    assert str(caught.value) == (
        "chip 'toy' has 2 tiles of 2 x 4; the network needs 3 (rows x columns of tiles: "
        "hidden 1 2 x 1, readout 1 x 1)"
    )


def test_unused_tiles_of_a_fixed_chip_take_area_and_leak(toy):
    large = estimate(toy_run(), toy_chip(tiles=4), toy_costs())
    assert large.leakage_watts.typical == (2 * (50 - 12) + 12) * 1024  # neurons as before
    assert large.headline()["tiles"] == 2


def test_a_missing_constant_is_named():
    with pytest.raises(ConfigError, match=r"^cost table 'toy' has no entry 'router_hop', which"):
        estimate(toy_run(), toy_chip(), toy_costs(router_hop=None))


@pytest.mark.parametrize("name", chip_names())
def test_every_shipped_chip_estimates_with_the_shipped_constants(name):
    chip = load_chip(name)
    run = toy_run(v_read_volts=0.2, t_read_seconds=1e-7)
    result = estimate(run, chip, load_costs(["default"]))
    assert 0 < result.joules.low < result.joules.typical < result.joules.high
    assert result.joules.typical < result.joules_dense.typical
    assert 0 < result.m2.low < result.m2.typical < result.m2.high
    values = np.array([result.seconds_per_inference.typical, result.training_joules.typical])
    assert np.isfinite(values).all()
    assert (values > 0).all()
