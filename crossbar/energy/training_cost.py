"""What training costs: its pulses, the reads that check them, and the forward passes.

Pulses, their energy and the reads are those of the run, on the tiles that it was trained on. The
forward pass of a training image is taken to be like that of a test image where the run keeps no
count of its own: neurons, buffers, router. The backward pass happens off the chip.
"""

import numpy as np

from .chip import Chip
from .counts import LayerCounts, RunCounts, WriteCounts
from .inference_cost import Floats, Line, Price, Reading

COUNTED = ("array", "driver", "adc", "sample_and_hold", "leakage")  # by the run, not per image


def training_lines(
    run: RunCounts,
    inference: list[Line],
    chip: Chip,
    reading: Reading,
    price: Price,
) -> list[Line]:
    """Every line of the account of the whole training save leakage.

    Args:
        run: Its events.
        inference: Lines of one inference.
        chip: The chip.
        reading: Read voltage and time on the chip.
        price: Prices at the chip.
    """
    lines = [line for done in run.training for line in _written(run, done, chip, reading, price)]
    for line in inference:
        if line.component not in COUNTED:
            count = line.count * run.training_images
            what = f"{line.what}, as in a test"
            lines.append(
                Line(line.layer, line.component, what, count, count, line.cost, line.unit_joules)
            )
    return lines


def training_seconds(
    run: RunCounts,
    counts: tuple[LayerCounts, ...],
    chip: Chip,
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
    for done in run.training:
        pulses = done.set_pulses + done.reset_pulses
        at_once = tiles.get(done.name.removesuffix(", fast array"), 1)
        total = total + pulses * run.pulse_seconds / (chip.writes_at_once * at_once)
        total = total + done.device_reads * read / (max(1, chip.adcs_per_tile) * at_once)
    return np.asarray(total)


def _written(
    run: RunCounts, done: WriteCounts, chip: Chip, reading: Reading, price: Price
) -> list[Line]:
    """Lines of one array: writing it, checking it, reading it."""
    pulses = done.set_pulses + done.reset_pulses
    read_siemens = done.read_joules / (run.v_read_volts**2 * run.t_read_seconds)
    charge = (run.tile_rows + run.tile_columns) * chip.write_volts**2
    pulse = done.write_joules / pulses if pulses else 0.0
    found = [
        ("write", "pulses, energy in the device", "device_factor", pulses, pulse),
        ("write", "pulses, charge of their lines", "line_capacitance", pulses, charge),
        (
            "array",
            "siemens read, V^2 t each",
            "device_factor",
            read_siemens,
            reading.joules_per_siemens,
        ),
        ("driver", "word lines driven", "driver_row", done.row_activations, 1.0),
        ("verify", "devices read, driver", "driver_row", done.device_reads, 1.0),
    ]
    if chip.adc_kind == "none":
        sense = "neuron_update_analog"
        found.append(("verify", "devices read, by a neuron", sense, done.device_reads, 1.0))
    else:
        for cost, component in (("adc_conversion", "adc"), ("sample_and_hold", "sample_and_hold")):
            found.append((component, "columns read", cost, done.column_conversions, 1.0))
            found.append(("verify", f"devices read, {component}", cost, done.device_reads, 1.0))
    return [
        Line(done.name, component, what, count, count, cost, unit * price(cost))
        for component, what, cost, count, unit in found
        if count
    ]
