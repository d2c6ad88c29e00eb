"""What training costs: its pulses, the reads that check them, and the forward passes.

Pulses, their energy and the reads are those of the run, on the tiles that it was trained on. The
forward pass of a training image is taken to be like that of a test image where the run keeps no
count of its own: neurons, buffers, router. The backward pass happens off the chip.
"""

from dataclasses import replace

import numpy as np

from .chip import ChipSpec
from .counts import LayerCounts, RunCounts, WriteCounts
from .inference_cost import Floats, Price, PricedItem, Reading

# By the run, not per image.
COUNTED = ("array", "driver", "dac", "adc", "sample_and_hold", "leakage")


def training_items(
    run: RunCounts,
    inference: list[PricedItem],
    chip: ChipSpec,
    reading: Reading,
    price: Price,
) -> list[PricedItem]:
    """Every item of energy of the whole training save leakage.

    Args:
        run: Its events.
        inference: Items of one inference.
        chip: The chip.
        reading: Read voltage and time on the chip.
        price: Prices at the chip.
    """
    items = [
        item for array in run.training for item in _array_items(run, array, chip, reading, price)
    ]
    for item in inference:
        if item.component not in COUNTED:
            count, what = item.count * run.training_images, f"{item.what}, as in a test"
            items.append(replace(item, what=what, count=count, count_dense=count))
    return items


def training_seconds(
    run: RunCounts,
    counts: tuple[LayerCounts, ...],
    chip: ChipSpec,
    reading: Reading,
    price: Price,
    per_image: Floats,
) -> Floats:
    """Duration of the whole training, seconds, (k,).

    Forward passes at `per_image` each; then, layer after layer, the pulses, `writes_at_once` in
    every tile, and the reads of single devices, one per converter or, without, one per tile. What
    the host computes meanwhile takes no time here.
    """
    total = run.training_images * per_image
    tiles = {layer.name: layer.tiles_down * layer.tiles_across for layer in counts}
    read = np.full_like(per_image, reading.seconds)
    if chip.adc_kind != "none":
        read += (chip.adc_bits + 1) * price("adc_cycle")
    for array in run.training:
        pulses = array.set_pulses + array.reset_pulses
        at_once = tiles.get(array.name.removesuffix(", fast array"), 1)
        total = total + pulses * run.pulse_seconds / (chip.writes_at_once * at_once)
        total = total + array.device_reads * read / (max(1, chip.adcs_per_tile) * at_once)
    return np.asarray(total)


def _array_items(
    run: RunCounts, array: WriteCounts, chip: ChipSpec, reading: Reading, price: Price
) -> list[PricedItem]:
    """Items of one array: writing it, checking it, reading it."""
    pulses = array.set_pulses + array.reset_pulses
    read_siemens = array.read_joules / (run.v_read_volts**2 * run.t_read_seconds)
    charge = (run.tile_rows + run.tile_columns) * chip.write_volts**2
    pulse = array.write_joules / pulses if pulses else 0.0
    of_layer = {layer.name: layer.dac_bits for layer in run.activity.layers}
    bits = of_layer.get(array.name, 0)
    amplitudes = array.row_activations if bits else 0
    events = [
        ("write", "pulses, energy in the device", "device_factor", pulses, pulse),
        ("write", "pulses, charge of their lines", "line_capacitance", pulses, charge),
        (
            "array",
            "siemens read, V^2 t each",
            "device_factor",
            read_siemens,
            reading.joules_per_siemens,
        ),
        ("driver", "word lines driven", "driver_row", array.row_activations, 1.0),
        ("dac", f"amplitudes set, {bits} bits", "dac_bit", amplitudes, bits),
        ("verify", "devices read, driver", "driver_row", array.device_reads, 1.0),
    ]
    if chip.adc_kind == "none":
        sense = "neuron_update_analog"
        events.append(("verify", "devices read, by a neuron", sense, array.device_reads, 1.0))
    else:
        for cost, component in (("adc_conversion", "adc"), ("sample_and_hold", "sample_and_hold")):
            events.append((component, "columns read", cost, array.column_conversions, 1.0))
            events.append(("verify", f"devices read, {component}", cost, array.device_reads, 1.0))
    return [
        PricedItem(array.name, component, what, count, count, cost, unit * price(cost))
        for component, what, cost, count, unit in events
        if count
    ]
