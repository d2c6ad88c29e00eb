"""The account of one inference: each event of each layer, its count and its price.

Prices are vectors: low, typical and high for an estimate, many draws for a Monte-Carlo; the sums
are the same code.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .chip import ChipSpec
from .counts import LayerCounts

Floats = NDArray[np.float64]
Price = Callable[[str], Floats]  # entry of the cost table -> its values at the chip, (k,)


@dataclass(frozen=True)
class Reading:
    """How devices are read, and what the counts of events are of.

    Attributes:
        volts: Read voltage.
        seconds: Duration of a read.
        inferences: That the counts are of.
        steps: Time steps of each.
        sliced: The mapping spreads a weight over columns of unequal worth.
    """

    volts: float
    seconds: float
    inferences: int
    steps: int
    sliced: bool

    @property
    def joules_per_siemens(self) -> float:
        """V^2 t: energy of one read of one siemens."""
        return self.volts**2 * self.seconds


@dataclass(frozen=True, eq=False)
class PricedItem:
    """As `results.EnergyItem`, with a vector of prices; `unit_joules` is (k,)."""

    layer: str
    component: str
    what: str
    count: float
    count_dense: float
    cost: str
    unit_joules: Floats


@dataclass(frozen=True)
class _Event:
    """One kind of event of one layer, over all inferences."""

    component: str
    what: str
    cost: str
    count: float
    dense: float
    unit: float = 1.0  # units of the cost in one event


def inference_items(
    counts: tuple[LayerCounts, ...], chip: ChipSpec, reading: Reading, price: Price
) -> list[PricedItem]:
    """Every item of energy save leakage, per inference; events that nobody has are left out.

    Args:
        counts: Events of the layers, the readout last.
        chip: The chip.
        reading: Read voltage and time, and what the counts are of.
        price: Prices at the chip.
    """
    items = []
    for i, layer in enumerate(counts):
        heard_by = counts[i + 1].tiles_across if i + 1 < len(counts) else 0
        for e in _events(layer, heard_by, chip, reading):
            if e.dense == 0 and e.count == 0:
                continue
            count, dense = e.count / reading.inferences, e.dense / reading.inferences
            unit = e.unit * price(e.cost)
            items.append(PricedItem(layer.name, e.component, e.what, count, dense, e.cost, unit))
    return items


def adds_digitally(layer: LayerCounts, *, sliced: bool) -> bool:
    """Whether conversions of a layer are shifted or added to others before a neuron gets them."""
    return sliced or layer.tiles_down > 1


def _events(layer: LayerCounts, heard_by: int, chip: ChipSpec, reading: Reading) -> list[_Event]:
    """The events of one layer, array first; `heard_by` are the tiles across the next one."""
    slots = layer.reads - layer.own_reads
    fired_dense = layer.neurons * reading.steps * reading.inferences if heard_by else 0
    hops_dense = fired_dense * (layer.hops / layer.spikes if layer.spikes else heard_by)
    drives_dense = layer.rows * layer.tiles_across * slots
    read, read_dense = layer.siemens_activations, layer.siemens_dense
    operations, operations_dense = layer.synaptic_operations, layer.synaptic_operations_dense
    update, spike = f"neuron_update_{chip.neuron}", f"neuron_spike_{chip.neuron}"
    updates, hops = layer.neuron_updates, layer.hops * chip.hops
    adaptations = layer.adapting * reading.steps * reading.inferences
    v2t = reading.joules_per_siemens
    return [
        _Event("array", "siemens read, V^2 t each", "device_factor", read, read_dense, v2t),
        _Event("array", "synaptic operations", "synaptic_operation", operations, operations_dense),
        _Event("driver", "word lines driven", "driver_row", layer.drives, drives_dense),
        *_amplitude_events(layer, drives_dense),
        *_column_events(layer, chip, reading),
        _Event("neuron", "neuron updates", update, updates, updates),
        _Event("neuron", "thresholds adapted", update, adaptations, adaptations),
        _Event("neuron", "spikes sent", spike, layer.spikes, fired_dense),
        _buffer_event(layer, chip, slots),
        _Event("router", "links crossed by spikes", "router_hop", hops, hops_dense * chip.hops),
    ]


def _amplitude_events(layer: LayerCounts, drives_dense: int) -> list[_Event]:
    """Amplitudes set for the lines of a layer; none where spikes drive it.

    A driven line is one conversion in each read, that is one per position of a sample: what a row
    of a kernel carries differs from position to position, and is held from step to step.
    """
    if not layer.dac_bits:
        return []
    what = f"amplitudes set, {layer.dac_bits} bits"
    return [_Event("dac", what, "dac_bit", layer.drives, drives_dense, layer.dac_bits)]


def _column_events(layer: LayerCounts, chip: ChipSpec, reading: Reading) -> list[_Event]:
    """Sampling, conversion and digital sum of the columns; nothing where neurons are analog."""
    if chip.adc_kind == "none":
        return []
    dense = layer.conversions_dense
    gated = layer.conversions if chip.adc_gated else dense
    events = [
        _Event("adc", "conversions", "adc_conversion", gated, dense),
        _Event("sample_and_hold", "columns sampled", "sample_and_hold", gated, dense),
    ]
    if adds_digitally(layer, sliced=reading.sliced):
        events.append(_Event("shift_add", "conversions added up", "shift_add", gated, dense))
    return events


def _buffer_event(layer: LayerCounts, chip: ChipSpec, slots: int) -> _Event:
    """Words through the buffer: input events, delayed spikes, partial sums of a converter.

    Delays are a ring of bits that a spike is written into and each of its copies is read from.
    """
    partial, partial_dense = 0, 0
    if layer.tiles_down > 1:
        partial, partial_dense = layer.conversions, layer.conversions_dense
    words = float(layer.buffer_words - partial)
    dense = float(layer.rows * slots)
    if layer.delay_bits:  # as many lines more as spikes that come in for each copy
        dense *= 1.0 + layer.delayed / max(1, layer.row_activations)
    if chip.adc_kind != "none":
        words += partial if chip.adc_gated else partial_dense
        dense += partial_dense
    return _Event("buffer", "words through the buffer", "buffer_word", words, dense)
