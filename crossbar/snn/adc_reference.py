"""The network behind its periphery in dense torch: slow, obvious, the measure of the kernels.

Equations: `crossbar.snn.reference` for the network, `crossbar.array.periphery` for what a step
draws and how a neuron takes it in. Every column of every tile is computed in amperes in every step,
and converted where a line of the tile is driven. No noise. The gradient is that of the ideal
network at the membranes and spikes of this one: conversion and integrators count as the identity.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..array.periphery import FrontEnd, convert
from .engines.adc import ColumnCombination
from .neurons.stepping import Drive, TakeIn, integrating
from .plan import Plan
from .reference import Outcome, run_layers


class ConvertedArray(NamedTuple):
    """One crossbar as the reference takes it."""

    siemens: Tensor  # (rows, columns) float64
    g_unit_siemens: float  # conductance of a weight of one
    terms: ColumnCombination
    front_end: FrontEnd
    tile_rows: int


def simulate_converted(
    network: Plan,
    arrays: Sequence[ConvertedArray],
    weights: Sequence[Tensor],
    x: Tensor,
    labels: Tensor,
) -> tuple[Outcome, list[int]]:
    """Run a batch; see `reference.simulate`.

    Args:
        network: Layers and loss.
        arrays: Conductances and periphery of every crossbar.
        weights: Those of the ideal network, which carry the gradient, float64.
        x: Input counts, (B, T, inputs) float64.
        labels: (B,) int64.

    Returns:
        The outcome, and how many conversions were above the range, per crossbar.
    """
    clipped = [0] * len(arrays)

    def drive_of(index: int) -> Drive:
        def drive(lines: Tensor) -> Tensor:
            drawn, above = _drawn(arrays[index], lines, weights[index])
            clipped[index] += above
            return drawn

        return drive

    def take_in_of(index: int) -> TakeIn:
        neurons = arrays[index].front_end.neurons
        return integrating(neurons.keep, neurons.ceiling)

    return run_layers(network, drive_of, x, labels, take_in_of), clipped


def _drawn(array: ConvertedArray, lines: Tensor, weights: Tensor) -> tuple[Tensor, int]:
    """What each step draws, weight units (B, T, outputs), and how many conversions were clipped."""
    front, neurons = array.front_end, array.front_end.neurons
    tiles = lines.detach().split(array.tile_rows, dim=2)  # type: ignore[no-untyped-call]  # torch's
    amperes = array.siemens * (front.factor * front.v_read_volts)
    parts = amperes.split(array.tile_rows)  # type: ignore[no-untyped-call]  # torch's gap
    currents = torch.stack([x @ part for x, part in zip(tiles, parts, strict=True)], 2).numpy()
    driven = torch.stack([(x != 0).any(2) for x in tiles], 2).numpy()[..., None]
    above, lsb = np.zeros(currents.shape, bool), 1.0
    if front.periphery.kind == "adc":
        quiet = np.zeros(currents.shape)
        p = front.periphery
        currents, above = convert(p, front.converters, currents, front.full_scale(), quiet)
        lsb = front.full_scale() / p.top  # from here on, currents are codes
    total = (currents * driven).sum(2)
    combine = np.zeros((total.shape[2], weights.shape[1]))
    combine[array.terms.columns, array.terms.outputs] = array.terms.factors
    drawn = total @ combine * (lsb / (array.g_unit_siemens * front.v_read_volts))
    drawn = neurons.gain * drawn + neurons.offset * driven.any(2)
    ideal = lines @ weights
    return ideal + (torch.from_numpy(drawn) - ideal).detach(), int((above & driven).sum())
