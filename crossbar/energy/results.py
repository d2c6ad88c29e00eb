"""What an estimate consists of: items of energy and area, the constants behind them, totals."""

from dataclasses import dataclass
from typing import Any

from .chip import ChipSpec
from .counts import LayerCounts, RunCounts
from .interval import Interval, total

COMPONENT_NAMES = {
    "array": "array",
    "cells": "cells",
    "driver": "drivers",
    "dac": "DAC",
    "adc": "ADC",
    "sample_and_hold": "sample and hold",
    "shift_add": "shift and add",
    "neuron": "neurons",
    "buffer": "buffers",
    "router": "router",
    "leakage": "leakage",
    "routing": "routing",
    "write": "write pulses",
    "verify": "reads of single devices",
}
COMPONENTS = (
    "array",
    "driver",
    "dac",
    "adc",
    "sample_and_hold",
    "shift_add",
    "neuron",
    "buffer",
    "router",
    "leakage",
)
TRAINING_COMPONENTS = (*COMPONENTS, "write", "verify")
AREA_COMPONENTS = (
    "cells",
    "driver",
    "dac",
    "adc",
    "sample_and_hold",
    "shift_add",
    "neuron",
    "buffer",
    "router",
    "routing",
)


@dataclass(frozen=True)
class EnergyItem:
    """One item of energy: a count of events times the joules of one.

    Attributes:
        layer: Name of the layer; "chip" for what belongs to none.
        component: One of `COMPONENTS`, in training also "write" or "verify".
        what: The event, in words.
        count: Events, spike-gated; per inference, in training of the whole training.
        count_dense: The same if every line, column and neuron were active in every step.
        cost: Entry of the cost table that prices it.
        unit_joules: One event.
        joules: count x unit_joules. Of leakage, power x seconds, only the typical value is that
            product: its seconds are uncertain themselves.
        joules_dense: count_dense x unit_joules, likewise.
    """

    layer: str
    component: str
    what: str
    count: float
    count_dense: float
    cost: str
    unit_joules: Interval
    joules: Interval
    joules_dense: Interval


@dataclass(frozen=True)
class AreaItem:
    """One item of area.

    Attributes:
        component: One of `AREA_COMPONENTS`.
        count: Blocks on the chip.
        cost: Entry of the cost table.
        unit_m2: One block.
        m2: count x unit_m2.
    """

    component: str
    count: float
    cost: str
    unit_m2: Interval
    m2: Interval


@dataclass(frozen=True)
class UsedCost:
    """A constant as it entered an estimate.

    Attributes:
        value: At the chip's node and supply, `unit`.
        unit: Of both values.
        original: As its source gives it; equal to `value` where nothing was scaled.
        node_nm: Of the original; None if it knows no node.
        volts: Supply of the original; None if it knows none.
        law: Equation that gave the value; None for a plain number.
        source: Where it stands, word for word from the table.
        mark: S seen, S2 second-hand, D derived, M from memory, P a choice of ours.
        scaled: The value was carried over from another node.
    """

    value: Interval
    unit: str
    original: Interval
    node_nm: float | None
    volts: float | None
    law: str | None
    source: str
    mark: str
    scaled: bool


@dataclass(frozen=True, eq=False)
class ChipEstimate:
    """Energy, time and area of a run on a chip; every number is a count times a constant.

    Attributes:
        chip: The chip.
        run: The run.
        counts: Events of each layer on the tiles of the chip, over all inferences.
        items: Energy of one inference.
        area: Of the whole chip.
        seconds_per_inference: At the speed of the circuits.
        seconds_dense: The same if every step were active.
        seconds_real: Time steps x their duration in the network.
        leakage_watts: Power that flows whether anything happens or not.
        training: Energy of the whole training; `count_dense` equals `count` there.
        training_seconds: Of the whole training.
        lifetime_days: Until the most-pulsed device reaches its endurance; None without training.
        undisturbed_days: Until reads may have moved the devices of the busiest word line; None
            where no line is driven.
        used: Every constant that entered, by the name of its entry.
    """

    chip: ChipSpec
    run: RunCounts
    counts: tuple[LayerCounts, ...]
    items: tuple[EnergyItem, ...]
    area: tuple[AreaItem, ...]
    seconds_per_inference: Interval
    seconds_dense: Interval
    seconds_real: float
    leakage_watts: Interval
    training: tuple[EnergyItem, ...]
    training_seconds: Interval
    lifetime_days: Interval | None
    undisturbed_days: Interval | None
    used: dict[str, UsedCost]

    def __str__(self) -> str:
        """Energy, time and area: typical, low to high."""
        rows = (
            ("energy of an inference", self.joules, "J"),
            ("  every line driven", self.joules_dense, "J"),
            ("time of an inference", self.seconds_per_inference, "s"),
            ("area", self.m2 * 1e6, "mm2"),
        )
        return "\n".join(
            f"{what:24}{each.typical:.3g} {unit}, {each.low:.3g} to {each.high:.3g}"
            for what, each, unit in rows
        )

    @property
    def joules(self) -> Interval:
        """Energy of one inference, spike-gated."""
        return total([item.joules for item in self.items])

    @property
    def joules_dense(self) -> Interval:
        """Energy of one inference if everything were active in every step."""
        return total([item.joules_dense for item in self.items])

    @property
    def training_joules(self) -> Interval:
        """Energy of the whole training."""
        return total([item.joules for item in self.training])

    @property
    def m2(self) -> Interval:
        """Area of the chip."""
        return total([item.m2 for item in self.area])

    def joules_by(self, component: str) -> Interval:
        """Energy of one inference in one component."""
        return total([item.joules for item in self.items if item.component == component])

    def headline(self) -> dict[str, Any]:
        """The numbers that a proposal states, SI units; spans where constants enter.

        A synaptic operation is a spike at a connected synapse, whose devices count once. Operations
        of TOPS are two per multiply-accumulate: `effective` counts those that a spike made, over
        the spike-gated energy; `dense` all that the arrays could make in every step, over the dense
        energy. None where nothing happened.
        """
        activity, joules, dense = self.run.activity, self.joules, self.joules_dense
        inferences = activity.inferences
        spiking = self.counts[:-1]  # the readout does not spike
        spikes = {c.name: c.spikes / inferences for c in spiking}
        fired = sum(spikes.values())
        operations = sum(c.synaptic_operations for c in self.counts) / inferences
        operations_dense = sum(c.synaptic_operations_dense for c in self.counts) / inferences
        devices = [(c.tiles_down * c.tiles_across, c.utilisation) for c in self.counts]
        tiles = sum(n for n, _ in devices)
        neurons = sum(c.neurons for c in spiking)
        return {
            "accuracy": self.run.accuracy,
            "accuracy_interval": self.run.accuracy_interval,
            "accuracy_adc_bits": self.run.adc_bits,  # None: read exactly, whatever the chip has
            "assumed": activity.assumed,
            "joules_per_inference": joules,
            "joules_per_inference_dense": dense,
            "seconds_per_inference": self.seconds_per_inference,
            "seconds_per_inference_real": self.seconds_real,
            "spikes_per_inference": fired,
            "spikes_per_neuron": fired / neurons if neurons else 0.0,
            "spikes_by_layer": spikes,
            "output_spikes_per_inference": self.counts[-1].spikes / inferences,
            "input_spikes_per_inference": activity.layers[0].spikes_in / inferences,
            "synaptic_operations_per_inference": operations,
            "synaptic_operations_per_inference_dense": operations_dense,
            "joules_per_synaptic_operation": joules * (1 / operations) if operations else None,
            "joules_per_synaptic_operation_dense": dense * (1 / operations_dense),
            "tops_per_watt": _tera_per_joule(2.0 * operations, joules),
            "tops_per_watt_dense": _tera_per_joule(2.0 * operations_dense, dense),
            "precision": self._precision(),
            "utilisation": sum(n * fraction for n, fraction in devices) / tiles,
            "tiles": tiles,
            "m2": self.m2,
            "leakage_watts": self.leakage_watts,
            "training_joules": self.training_joules,
            "training_seconds": self.training_seconds,
            "lifetime_days": self.lifetime_days,
            "undisturbed_days": self.undisturbed_days,
            "joules_per_day": joules * self.chip.inferences_per_day,
        }

    def _precision(self) -> str:
        """What an operation is: its inputs, weights and outputs."""
        analog = self.chip.adc_kind == "none"
        out = "analog outputs" if analog else f"{self.chip.adc_bits} b outputs"
        bits = self.counts[0].dac_bits
        amplitudes = f", {bits} b amplitudes into {self.counts[0].name}" if bits else ""
        return f"1 b inputs x analog weights, {out}{amplitudes}"


def _tera_per_joule(operations: float, joules: Interval) -> Interval | None:
    """10^12 operations per joule, the same as TOPS/W; little energy is the high end."""
    if not operations or not joules.low:
        return None
    tera = operations * 1e-12
    return Interval(tera / joules.high, tera / joules.typical, tera / joules.low)
