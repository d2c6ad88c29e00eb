"""A network of two crossbars whose every event is known by heart, and prices in whole joules."""

import dataclasses

import numpy as np

from crossbar.energy.activity import Activity, LayerActivity
from crossbar.energy.chip import ChipSpec
from crossbar.energy.costs import ENTRIES, Cost, Costs
from crossbar.energy.counts import RunCounts, WriteCounts
from crossbar.snn.encodings.events import Events

MS = 2.0**-10  # seconds: a thousandth that is exact in binary

# Inference 0: lines 0 and 2 in step 0, line 1 in step 1. Inference 1: line 0 in step 3.
INPUT = Events(
    np.array([0, 2, 1, 0], np.uint16), np.array([0, 0, 1, 3], np.uint8), np.array([0, 3, 4])
)
# The three spikes of the hidden neurons: both in step 1, then neuron 0 in step 2.
HIDDEN = Events(np.array([0, 1, 0], np.uint16), np.array([1, 1, 2], np.uint8), np.array([0, 3, 3]))
SILENT = Events(np.array([], np.uint16), np.array([], np.uint8), np.array([0, 0, 0]))


def toy_activity(inputs=INPUT, hidden=HIDDEN):
    """Two inferences of four steps: 3 lines -> 2 neurons -> 2 readouts."""
    hidden_siemens = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    readout_siemens = np.array([[1, 1], [2, 2]], np.float32)
    full = np.array([2, 2, 2])
    return Activity(
        layers=(
            LayerActivity("hidden 1", inputs, 2, 2, hidden_siemens, full, len(hidden.rows)),
            LayerActivity("readout", hidden, 2, 2, readout_siemens, full[:2], 0),
        ),
        inferences=2,
        steps=4,
        dt_seconds=1.0,
        assumed=False,
    )


def toy_run(activity=None, **changes):
    """A run of the toy network: V^2 t = 32^2 / 1024 = 1 J per siemens."""
    writes = WriteCounts(
        name="hidden 1",
        set_pulses=6,
        reset_pulses=2,
        device_reads=5,
        programming_operations=4,
        programmed_devices=8,
        write_joules=80.0,
        read_joules=7.0,
        row_activations=9,
        column_conversions=12,
        pulses_per_device_mean=2.0,
        pulses_per_device_max=4.0,
        endurance_pulses=None,
    )
    run = RunCounts(
        folder="toy",
        activity=activity or toy_activity(),
        training=(writes,),
        epochs=1,
        training_images=10,
        accuracy=0.5,
        accuracy_interval=(0.4, 0.6),
        ei="80:20",
        mapping="one_sided",
        device="toy.yaml",
        seed=0,
        v_read_volts=32.0,
        t_read_seconds=MS,
        pulse_seconds=MS,
        endurance_pulses=None,
        tile_rows=4,
        tile_columns=4,
        adc_bits=None,
    )
    return dataclasses.replace(run, **changes)


def toy_chip(**changes):
    """Tiles of 4 x 4 with two converters of 3 bits; a clock period is as long as a read."""
    plain = {
        "name": "toy",
        "sources": {},
        "node_nm": 100.0,
        "supply_volts": 1.0,
        "tile_rows": 4,
        "tile_columns": 4,
        "adc_bits": 3,
        "adc_share": 2,
        "clock_hz": 1024.0,
        "pipelined": False,
        "buffer_bytes": 4,
        "write_volts": 2.0,
    }
    return ChipSpec(**plain | changes)


TOY_PRICES = {
    "device_factor": 1.0,
    "synaptic_operation": 0.0,
    "driver_row": 2.0,
    "dac_bit": 7.0,
    "adc_conversion": 20.0,
    "sample_and_hold": 1.0,
    "shift_add": 3.0,
    "neuron_update_digital": 0.5,
    "neuron_update_analog": 0.25,
    "neuron_spike_digital": 4.0,
    "neuron_spike_analog": 8.0,
    "buffer_word": 2.0,
    "router_hop": 8.0,
    "line_capacitance": 0.125,
    "leakage_density": 1024.0,
    "adc_cycle": MS / 2,
    "cell_area_1t1r": 16.0,
    "cell_area_1r": 4.0,
    "driver_area": 1.0,
    "dac_level_area": 6.0,
    "adc_area": 2.0,
    "sample_and_hold_area": 1.0,
    "shift_add_area": 1.0,
    "neuron_area_digital": 3.0,
    "neuron_area_analog": 1.0,
    "buffer_area": 0.5,
    "router_area": 5.0,
    "routing_share": 0.25,
    "endurance_pulses": 4000.0,
    "undisturbed_reads": 64.0,
    "disturb_volts": 0.5,
}


def toy_cost(name, typical=None, **changes):
    """A constant whose low is half and whose high is double the typical value."""
    value = TOY_PRICES[name] if typical is None else typical
    span = {"low": value / 2, "typical": value, "high": value * 2}
    return Cost(**span | {"unit": ENTRIES[name], "source": "toy", "mark": "P"} | changes)


def toy_costs(**changes):
    """The toy prices; `changes` are entries to put in, or None to leave out."""
    entries = {name: toy_cost(name) for name in TOY_PRICES} | changes
    return Costs(name="toy", entries={k: v for k, v in entries.items() if v is not None})
