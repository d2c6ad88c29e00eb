"""Reads of a toy convolution, counted by hand: 3 x 3 lines, kernel 2, two channels."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose
from xbar_energy import MS, toy_activity, toy_chip, toy_costs, toy_run

from crossbar.energy.activity import Activity, LayerActivity
from crossbar.energy.counts import count
from crossbar.energy.estimate import estimate
from crossbar.energy.metrics import metrics
from crossbar.energy.reads import Reads
from crossbar.energy.study import RunEstimate, Study
from crossbar.energy.uncertainty import monte_carlo, tornado
from crossbar.reports.energy import items_csv
from crossbar.reports.energy_sections import sections
from crossbar.reports.page import html, markdown
from crossbar.snn.encodings.events import Events, Held

KERNEL = Reads((1, 3, 3), (2, 1, 2, 2), neurons=8)  # side, stride, positions down and across
SIEMENS = np.array([[1, 2], [3, 4], [5, 6], [7, 8]], np.float32)


def activity(reads=KERNEL, siemens=SIEMENS, held=None):
    """One inference of two steps: the middle line spikes, then the first one."""
    times, rows = np.array([0, 1], np.uint8), np.array([4, 0], np.uint16)
    if held is not None:
        times, rows = times[:0], rows[:0]
    lines = Events(rows, times, np.array([0, len(rows)]), held)
    fan_out = np.full(len(siemens), 2)
    layer = LayerActivity("hidden 1", lines, 2, 2, siemens, fan_out, 3, reads=reads, held=held)
    spikes = Events(np.zeros(3, np.uint16), np.array([0, 0, 1], np.uint8), np.array([0, 3]))
    readout = LayerActivity("readout", spikes, 2, 2, np.ones((8, 2), np.float32), np.full(8, 2), 0)
    return Activity((layer, readout), 1, 2, 1.0, assumed=False)


def held_activity(middle=1, top=2):
    """One inference whose middle line carries an amplitude; none of the others does."""
    codes = np.zeros((1, 9), np.int16)
    codes[0, 4] = middle
    return activity(KERNEL._replace(is_held=True), held=Held(codes, 0.5, top))


CHIP = toy_chip(tile_rows=8)


def typical(items, of="joules", layer=None):
    """Typical joules of each component."""
    sums = {}
    for item in items:
        if layer in (None, item.layer):
            sums[item.component] = sums.get(item.component, 0.0) + getattr(item, of).typical
    return sums


def test_a_spike_is_a_read_at_every_position_whose_kernel_covers_it():
    """The middle line is in all four kernels, at a place of its own; the first one in one."""
    layer, _ = count(activity(), 4, 4)
    assert (layer.row_activations, layer.active_steps, layer.conversions) == (5, (5,), 10)
    assert (layer.reads, layer.conversions_dense) == (8, 16)
    assert layer.siemens_activations == 2 * 3 + 7 + 11 + 15
    assert layer.siemens_dense == 8 * 36
    assert (layer.synaptic_operations, layer.synaptic_operations_dense) == (10, 4 * 2 * 8)
    assert (layer.neurons, layer.neuron_updates) == (8, 16)
    cut, _ = count(activity(), 2, 4)
    assert (cut.active_steps, cut.tiles_down) == ((3, 2), 2)


def test_a_row_of_a_bias_is_driven_in_every_read():
    siemens = np.concatenate([SIEMENS, [[9, 10]]]).astype(np.float32)
    layer, _ = count(activity(KERNEL._replace(has_bias_row=True), siemens), 4, 4)
    assert (layer.row_activations, layer.active_steps) == (5 + 8, (5, 8))
    assert layer.siemens_activations == 39 + 8 * 19


def test_held_amplitudes_are_read_once_and_dissipate_as_their_square():
    layer, _ = count(held_activity(), 4, 4)
    assert (layer.row_activations, layer.active_steps, layer.reads) == (4, (4,), 4)
    assert layer.siemens_activations == 0.25 * 36


def test_a_convolution_of_amplitudes_by_hand():
    """Middle line: one row at each of four positions, half the read voltage, converters of 2 bits.

    The amplitude is set at each position once, and held for both steps; so the current is.
    """
    toy = estimate(toy_run(held_activity()), CHIP, toy_costs())
    assert typical(toy.items, layer="hidden 1") == {
        "array": 0.25 * (3 + 7 + 11 + 15),  # V^2 t = 1 J/S at the full voltage
        "driver": 4 * 2,
        "dac": 4 * 2 * 7,  # amplitudes, bits, a bit
        "adc": 4 * 2 * 20,  # reads, columns
        "sample_and_hold": 4 * 2 * 1,
        "neuron": 8 * 2 * 0.5 + 3 * 4,  # neurons, steps; spikes
        "buffer": 4 * 2,
        "router": 3 * 8,
    }
    assert typical(toy.items, "joules_dense", "hidden 1") == {
        "array": 4 * 36,
        "driver": 4 * 4 * 2,  # rows, reads
        "dac": 4 * 4 * 2 * 7,
        "adc": 4 * 2 * 20,
        "sample_and_hold": 4 * 2 * 1,
        "neuron": 8 * 2 * 0.5 + 8 * 2 * 4,
        "buffer": 4 * 4 * 2,
        "router": 8 * 2 * 8,
    }
    assert "dac" not in typical(toy.items, layer="readout")
    area = {block.component: block.m2.typical for block in toy.area}
    assert area["dac"] == 8 * 2**2 * 6  # rows of the one tile of the convolution, levels, a level
    assert area["driver"] == 2 * 8 * 1
    # Four reads of 3 ms, and then the readout: 2 of 3 ms. Setting an amplitude takes no time.
    assert toy.seconds_per_inference.typical == (4 * 3 + 2 * 3) * MS
    assert typical(toy.training)["dac"] == 9 * 2 * 7  # lines that were driven in training


@pytest.mark.parametrize(
    ("middle", "top", "changes", "joules", "m2"),
    [
        (1, 7, {}, 4 * 3 * 7, 8 * 2**3 * 6),
        (-1, 7, {}, 4 * 4 * 7, 8 * 2**4 * 6),  # the sign is a bit
        (0, 7, {}, 0.0, 8 * 2**3 * 6),  # a line without amplitude is not driven
        (1, 7, {"tile_columns": 1}, 2 * 4 * 3 * 7, 2 * 8 * 2**3 * 6),  # a converter in each tile
        (1, 7, {"position_copies": 4}, 4 * 3 * 7, 4 * 8 * 2**3 * 6),
    ],
)
def test_amplitudes_cost_their_bits_and_converters_their_levels(middle, top, changes, joules, m2):
    run, chip = toy_run(held_activity(middle, top)), toy_chip(**{"tile_rows": 8} | changes)
    toy = estimate(run, chip, toy_costs())
    assert typical(toy.items)["dac"] == joules
    assert sum(block.m2.typical for block in toy.area if block.component == "dac") == m2


def test_without_amplitudes_no_converter_is_priced_or_drawn():
    """Not an entry is asked for, so sums, areas and random draws are those of before."""
    without = toy_costs(dac_bit=None, dac_level_area=None)
    for acts in (toy_activity(), activity()):
        run = toy_run(acts)
        toy, plain = (estimate(run, CHIP, costs) for costs in (toy_costs(), without))
        assert (toy.items, toy.area, toy.used) == (plain.items, plain.area, plain.used)
        assert "dac" not in typical([*toy.items, *toy.training])
        drawn, before = (
            monte_carlo(run, CHIP, costs, draws=20, generator=np.random.default_rng(0))
            for costs in (toy_costs(), without)
        )
        assert drawn == before
        assert drawn["joules.dac"].high == 0.0


def test_amplitudes_are_no_spikes_of_which_there_could_be_more():
    """At 1.5 times the spikes the convolution reads as before; it sends more, the readout hears."""
    acts = held_activity()
    silent = Events(np.zeros(0, np.uint16), np.zeros(0, np.uint8), np.array([0, 0]))
    quiet = dataclasses.replace(acts.layers[0], fired=0)
    readout = dataclasses.replace(acts.layers[1], inputs=silent)
    still = dataclasses.replace(acts, layers=(quiet, readout))
    names = {bar.name for bar in tornado(toy_run(still), CHIP, toy_costs())}
    assert "dac_bit" in names
    assert "spike rate" not in names
    assert "spike rate" in {bar.name for bar in tornado(toy_run(acts), CHIP, toy_costs())}


def test_every_page_of_a_report_shows_the_converters():
    run, costs = toy_run(held_activity()), toy_costs()
    percentiles = monte_carlo(run, CHIP, costs, draws=10, generator=np.random.default_rng(1))
    each = RunEstimate("toy", estimate(run, CHIP, costs), percentiles)
    bars = tuple(tornado(run, CHIP, costs))
    study = Study((each,), ("toy",), 10, 1, bars, (metrics(run),))
    row = 'toy,inference,hidden 1,dac,"amplitudes set, 2 bits",4.0,16.0,dac_bit,7.0,14.0,28.0,28.0'
    assert row in items_csv(study)
    parts = sections(study)
    for page in (html("toy", parts, {}), markdown("toy", parts, {})):
        for text in (
            "DAC",
            "amplitudes set, 2 bits",
            "dac_level_area",
            "2 b amplitudes into hidden 1",
        ):
            assert text in page
    assert {"dac_bit", "dac_level_area"} <= {bar.name for bar in bars}


@pytest.mark.parametrize(("copies", "reads"), [(1, 1.0), (2, 0.5), (100, 0.25)])
def test_copies_of_an_array_share_its_positions(copies, reads):
    """Five active reads of 1 + 4 / 2 = 3 clocks, three idle ones; and then the readout."""
    run = toy_run(activity())
    chip = estimate(run, toy_chip(position_copies=copies, tile_rows=8), toy_costs())
    convolution, readout = 5 * 3 * MS + 3 * MS, 2 * 3 * MS
    assert_allclose(chip.seconds_per_inference.typical, convolution * reads + readout, rtol=1e-12)
    [cells] = [block.count for block in chip.area if block.component == "cells"]
    assert cells == (min(copies, 4) + 1) * 8 * 4
