"""Reads of a toy convolution, counted by hand: 3 x 3 lines, kernel 2, two channels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from xbar_energy import MS, toy_chip, toy_costs, toy_run

from crossbar.energy.activity import Activity, LayerActivity
from crossbar.energy.counts import count
from crossbar.energy.estimate import estimate
from crossbar.energy.reads import Reads
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
    codes = np.zeros((1, 9), np.int16)
    codes[0, 4] = 1
    held = Held(codes, 0.5, 2)
    layer, _ = count(activity(KERNEL._replace(is_held=True), held=held), 4, 4)
    assert (layer.row_activations, layer.active_steps, layer.reads) == (4, (4,), 4)
    assert layer.siemens_activations == 0.25 * 36


@pytest.mark.parametrize(("copies", "reads"), [(1, 1.0), (2, 0.5), (100, 0.25)])
def test_copies_of_an_array_share_its_positions(copies, reads):
    """Five active reads of 1 + 4 / 2 = 3 clocks, three idle ones; and then the readout."""
    run = toy_run(activity())
    chip = estimate(run, toy_chip(position_copies=copies, tile_rows=8), toy_costs())
    convolution, readout = 5 * 3 * MS + 3 * MS, 2 * 3 * MS
    assert_allclose(chip.seconds_per_inference.typical, convolution * reads + readout, rtol=1e-12)
    [cells] = [block.count for block in chip.area if block.component == "cells"]
    assert cells == (min(copies, 4) + 1) * 8 * 4
