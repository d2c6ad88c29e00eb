"""Published arithmetic of other tools, redone with our tables, laws and sums."""

import math

import numpy as np
import pytest
from xbar_energy import toy_chip, toy_run

from crossbar.energy.activity import Activity, LayerActivity
from crossbar.energy.adc_models import neurosim_sar_joules
from crossbar.energy.chip import load_chip
from crossbar.energy.costs import load_costs
from crossbar.energy.estimate import estimate
from crossbar.energy.scaling import at_chip
from crossbar.snn.encodings.events import Events

# NeuroSim's SAR converter, fJ per conversion at a column of 10 kohm: (bits, node in nm) -> energy.
NEUROSIM = {
    (4, 130): 580, (5, 130): 746, (6, 130): 930, (8, 130): 1348,
    (4, 65): 265, (5, 65): 340, (6, 65): 423, (8, 65): 612,
    (4, 45): 177, (5, 45): 225, (6, 45): 278, (8, 45): 397,
    (4, 32): 108, (5, 32): 136, (6, 32): 167, (8, 32): 235,
    (4, 22): 69, (5, 22): 86, (6, 22): 104, (8, 22): 143,
}  # fmt: skip

# SpikeSim's example: VGG9 on CIFAR-10, five time steps, arrays of 64 x 64, kernels of 3 x 3.
VGG9_IN = (3, 64, 64, 128, 128, 256, 256)
VGG9_OUT = (64, 64, 128, 128, 256, 256, 256)
VGG9_SIDE = (32, 16, 16, 8, 8, 8, 4)  # of the image that leaves the layer
XBAR, KERNEL, STEPS = 64, 3, 5


@pytest.mark.parametrize(("bits", "node_nm"), NEUROSIM)
def test_neurosims_sar_converter(bits, node_nm):
    published = NEUROSIM[bits, node_nm] * 1e-15
    assert neurosim_sar_joules(bits, float(node_nm)) == pytest.approx(published, rel=0.01, abs=0.0)


def test_neurosims_converter_as_the_low_end_of_the_default_table():
    chip = toy_chip(node_nm=65.0, adc_bits=8)
    used = at_chip(load_costs(["default"]), "adc_conversion", chip)
    assert used.value.low == pytest.approx(612e-15, rel=0.01, abs=0.0)


def test_a_dac_of_8_bits_is_that_of_the_paper():
    """0.291 pJ and 438 um2 at 40 nm; ZigZag's 50 fF x 8 x (0.9 V)^2 lies within."""
    table, chip = load_costs(["default"]), toy_chip(node_nm=40.0)
    joules, m2 = (at_chip(table, name, chip).value for name in ("dac_bit", "dac_level_area"))
    assert 8 * joules.typical == pytest.approx(0.291e-12, rel=0.01, abs=0.0)
    assert joules.low < 50e-15 * 0.9**2 < joules.high
    assert 2**8 * m2.typical == pytest.approx(438e-12, rel=0.01, abs=0.0)
    assert 2**8 * m2.low == pytest.approx(21.248e-12 * 40 / 32, rel=0.01, abs=0.0)


def spikesim(name):
    """One constant of SpikeSim at its own node, picojoules."""
    chip = load_chip("spikesim_65nm")
    used = at_chip(load_costs(["spikesim"]), f"spikesim.{name}", chip)
    assert not used.scaled
    return used.value.typical * 1e12


def pe_cycle(converters):
    """SpikeSim's picojoules of one cycle of a processing element, for some converted columns."""
    slots = XBAR / 8  # an 8:1 multiplexer: columns are read in eighths
    arrays = slots * KERNEL**2 * spikesim("array_slice")
    columns = converters * (spikesim("adc") + spikesim("mux"))
    subtract = slots * (16 * spikesim("subtractor") + spikesim("temporary_buffer"))
    fixed = ("htree", "memory_fetch", "neuron_update", "tile_buffer")
    return arrays + columns + subtract + sum(map(spikesim_or_ours, fixed))


def spikesim_or_ours(name):
    """As `spikesim`; the neuron is an entry of ours."""
    if name != "neuron_update":
        return spikesim(name)
    chip = load_chip("spikesim_65nm")
    used = at_chip(load_costs(["spikesim"]), "neuron_update_digital", chip)
    return used.value.typical * 1e12


def test_spikesims_cycle_and_vgg9():
    """SpikeSim publishes 828 pJ per PE cycle and 15.9 uJ for its VGG9.

    Differences to an estimate of ours:
    - Its script charges (X/8) (ADC + MUX) inside a term that it multiplies by X/8 once more, so the
      converters grow with (X/8)^2. At its X = 64 that is 64 conversions per cycle, one per column;
      at 128 it would be 256 for 128 columns. We count columns.
    - No spike enters: a cycle costs the same whether anything happens or not. That is our dense
      count; ours is gated beside it.
    - H-tree and tile buffer are charged per cycle, two thirds of the energy; we charge words and
      links.
    """
    slots = XBAR / 8
    cycle = pe_cycle(converters=slots * slots)
    assert cycle == pytest.approx(828, abs=0.5)
    assert (spikesim("htree") + spikesim("tile_buffer")) / cycle == pytest.approx(0.67, abs=0.005)
    cycles = sum(
        math.ceil(out / XBAR) * math.ceil(into / XBAR) * side**2
        for into, out, side in zip(VGG9_IN, VGG9_OUT, VGG9_SIDE, strict=True)
    )
    assert cycles * cycle * STEPS * 1e-6 == pytest.approx(15.9, abs=0.05)


def test_spikesims_converter_term_read_as_its_eight_converters():
    once = pe_cycle(converters=XBAR / 8)
    assert once == pytest.approx(828.49 - 56 * (2.03084 + 0.094245), abs=0.01)


def test_spikesims_constants_override_ours_in_an_estimate():
    chip = load_chip("spikesim_65nm")
    run = toy_run(v_read_volts=0.2, t_read_seconds=1e-7)
    ours = estimate(run, chip, load_costs(["default"]))
    theirs = estimate(run, chip, load_costs(["default", "spikesim"]))
    # Two layers of two columns, always converted; four neurons; each of four steps.
    adc = 4 * 4 * (2.03084e-12 + 0.094245e-12)
    assert theirs.joules_by("adc").typical == pytest.approx(adc, rel=1e-12, abs=0.0)
    updates = sum(i.joules.typical for i in theirs.items if i.cost == "neuron_update_digital")
    assert updates == pytest.approx(4 * 4 * 5.096e-12, rel=1e-12, abs=0.0)
    assert theirs.joules_by("driver") == ours.joules_by("driver")
    low, high = ours.used["adc_conversion"].value.low, ours.used["adc_conversion"].value.high
    assert low < 2.125085e-12 < high  # its converter lies within what our sources span


def test_sana_fes_loihi_events_sum_identically_on_the_same_counts():
    """Sum of events x constants of SANA-FE's loihi.yaml; ours counts the same events.

    SANA-FE prices a message at its sender, once per destination core, and a hop by its direction;
    here a spike is one message and every hop goes north or south.
    """
    chip = toy_chip(node_nm=14.0, supply_volts=0.75)
    result = estimate(toy_run(), chip, load_costs(["default", "loihi_sanafe"]))
    synapses = (4 * 2 + 3 * 2) / 2  # 7 input and hidden spikes at 2 synapses, 2 inferences
    updates, spikes, hops = 4 * 4, 3 / 2, 3 / 2
    expected = math.fsum(
        [
            synapses * 35.5e-12,  # dense synapse
            updates * (51.2e-12 + 21.6e-12),  # access and update of a soma
            spikes * 69.3e-12,
            spikes * 111.0e-12,  # message out; in: 0
            hops * 4.2e-12,
        ]
    )
    priced_items = [item for item in result.items if item.component != "leakage"]
    assert math.fsum(i.joules.typical for i in priced_items) == pytest.approx(
        expected, rel=1e-12, abs=0.0
    )
    priced = {item.component for item in priced_items if item.joules_dense.typical}
    assert priced == {"array", "neuron", "router"}
    reads = [item for item in priced_items if item.cost == "device_factor"]
    assert not any(item.joules.high for item in reads)  # no memristors


def events(rows, spikes, steps):
    """So many spikes of one sample, spread over lines and steps."""
    slot = np.sort(np.linspace(0, rows * steps - 1, spikes).astype(int))
    times, lines = slot // rows, slot % rows
    return Events(lines.astype(np.uint16), times.astype(np.uint8), np.array([0, spikes]))


def test_a_run_of_sana_fe_itself():
    """What SANA-FE 2.2.9 reports for 20 inputs, 10 neurons and 5 readouts in 50 steps of Loihi.

    Its run had 211 input and 237 hidden spikes, 448 messages and as many hops; of 750 accesses to a
    soma 730 were updates. Differences to ours: we update every neuron in every step (20 x 21.6 pJ),
    and our input spikes come from off the chip, so that they send no message and cross no link.
    """
    activity = Activity(
        layers=(
            LayerActivity("hidden 1", events(20, 211, 50), 10, 10, np.ones((20, 10), np.float32),
                          np.full(20, 10), 237),
            LayerActivity("readout", events(10, 237, 50), 5, 5, np.ones((10, 5), np.float32),
                          np.full(10, 5), 0),
        ),
        inferences=1, steps=50, dt_seconds=1e-3, assumed=False,
    )  # fmt: skip
    chip = toy_chip(node_nm=14.0, supply_volts=0.75, tile_rows=64, tile_columns=64)
    result = estimate(toy_run(activity), chip, load_costs(["default", "loihi_sanafe"]))
    synapse, soma, network = 1.169725e-07, 7.059209999999999e-08, 5.16096e-08  # its report, joules
    assert result.joules_by("array").typical == pytest.approx(synapse, rel=1e-12, abs=0.0)
    ours = result.joules_by("neuron").typical - 237 * 111e-12  # a message is part of our spike
    assert ours == pytest.approx(soma + 20 * 21.6e-12, rel=1e-12, abs=0.0)
    sent = 237 * 111e-12 + result.joules_by("router").typical
    assert sent == pytest.approx(network - 211 * (111e-12 + 4.2e-12), rel=1e-12, abs=0.0)
