"""A layer behind its periphery, as the kernels read it, and the range of its converters."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array, hstack
from torch import Tensor

from device_models.errors import ConfigError
from device_models.record import Tagged

from ...array.periphery import FrontEnd
from ...boards.protocol import EffectiveArray
from ...mappings import MAPPINGS, Mapping
from ..encodings.events import Events
from ..kernels import records
from ..plan import LayerPlan, Plan
from .buffers import padded

CALIBRATION_IMAGES = 64  # of a batch; some 10^6 column currents
LEAST_IMAGES = 8  # of them that a convolution is measured on, which reads each at many positions


class ColumnCombination(NamedTuple):
    """How the digital side makes outputs of columns: term k adds factors[k] x column to output."""

    columns: np.ndarray  # (terms,) int64
    outputs: np.ndarray  # (terms,) int64
    factors: np.ndarray  # (terms,)


def combination(mapping: Mapping) -> ColumnCombination:
    """The terms of a mapping, found by asking it what each column alone is worth.

    Raises:
        ConfigError: Its columns are not combined alike in every row.
    """
    if not mapping.treats_rows_alike:
        name = Tagged(MAPPINGS).name_of(mapping.options)
        raise ConfigError(
            f"the {name} mapping reads the rows of either sign with integrators of their own, "
            "which no periphery has yet; choose another mapping or periphery.kind = ideal"
        )
    alone = torch.eye(mapping.columns, dtype=torch.float64)
    worth = mapping.weights(alone).numpy() * mapping.g_unit_siemens
    columns, outputs = np.nonzero(worth)
    return ColumnCombination(columns, outputs, worth[columns, outputs])


def contiguous_runs(terms: ColumnCombination) -> tuple[np.ndarray, np.ndarray]:
    """Terms as runs of neighbours, (runs, 4) int64, and factors; see `kernels.records.Columns`."""
    runs: list[list[int]] = []
    factors: list[float] = []
    for column, output, factor in zip(*(part.tolist() for part in terms), strict=True):
        if runs and factor == factors[-1] and output == runs[-1][2] + runs[-1][3]:
            first, step, _, length = runs[-1]
            if length == 1 and column - first in (0, 1):
                runs[-1][1:] = column - first, runs[-1][2], 2
                continue
            if column == first + step * length:
                runs[-1][3] += 1
                continue
        runs.append([column, 1, output, 1])
        factors.append(factor)
    return np.array(runs, np.int64).reshape(-1, 4), np.array(factors)


class FrontRecords(NamedTuple):
    """What stands behind the columns of one layer, as the kernels take it."""

    columns: records.Columns
    integrator: records.Integrator | None


def column_records(
    mapping: Mapping,
    array: EffectiveArray,
    front: FrontEnd,
    dtype: type[np.floating] = np.float32,
) -> FrontRecords:
    """The columns of an array as they are now, behind a front end.

    Raises:
        ConfigError: It converts and has no range.
    """
    unit = mapping.g_unit_siemens
    p, neurons = front.periphery, front.neurons
    runs, factors = contiguous_runs(combination(mapping))
    # One LSB in weight units: a weight of one carries g_unit x V_read.
    converts = p.kind == "adc"
    lsb = front.full_scale() / p.top / (unit * front.v_read_volts) if converts else 1.0
    sigma = array.read_sigma
    parts = [array.siemens.numpy().astype(dtype) * dtype(front.factor / unit)]
    if sigma is not None:
        parts.append((sigma.numpy().astype(dtype) * dtype(front.factor / unit)) ** 2)
    width = padded(parts[0].shape[1])
    columns = records.Columns(
        np.concatenate([_wider(part, width, dtype) for part in parts], axis=1),
        width,
        width * len(parts),
        converter_records(front, lsb, width, dtype) if converts else None,
        dtype(lsb),
        runs,
        factors.astype(dtype),
        _wider(neurons.gain[None], padded(len(neurons.gain)), dtype)[0],
        _wider(neurons.offset[None], padded(len(neurons.offset)), dtype)[0],
        np.zeros(2 * width, dtype),
    )
    if p.kind != "analog":
        return FrontRecords(columns, None)
    return FrontRecords(columns, records.Integrator(dtype(neurons.keep), dtype(neurons.ceiling)))


def converter_records(
    front: FrontEnd, lsb: float, width: int, dtype: type[np.floating]
) -> records.Converters:
    """The converters of a layer; `lsb` is in weight units, `width` counts padded columns."""
    p, converters = front.periphery, front.converters
    errors = None
    if p.adc_offset_lsb or p.adc_inl_lsb or p.adc_stuck_share:
        errors = records.ConverterErrors(
            _wider(converters.offset, width, dtype),
            _wider(converters.parabola, width, dtype),
            _wider(converters.cubic, width, dtype),
            _wider(converters.stuck + 1.0, width, dtype) - dtype(1.0),  # -1 in the padding
        )
    scale = _wider(converters.gain / lsb, width, dtype)
    return records.Converters(scale, errors, dtype(p.top), dtype(p.adc_noise_lsb))


def _wider(array: np.ndarray, width: int, dtype: type[np.floating]) -> np.ndarray:
    """(rows, columns) with zeros behind each row."""
    wide = np.zeros((len(array), width), dtype)
    wide[:, : array.shape[1]] = array
    return wide


def measured_range(siemens: Tensor, front: FrontEnd, lines: csr_array, tile_rows: int) -> float:
    """Range that leaves `adc_clip_share` of the column currents of driven tiles above itself.

    Read noise and errors of converters are left out; of negative currents the size counts. A layer
    that no event reaches gets the largest current that a column of a tile can carry.

    Args:
        siemens: Conductances of the array, (rows, columns).
        front: Its drivers; its range is not looked at.
        lines: Read voltages on each line, (reads, rows): how often it is driven in a step.
        tile_rows: Word lines of a tile.

    Returns:
        Amperes.
    """
    amperes = siemens.numpy() * np.float32(front.factor * front.v_read_volts)
    of_tiles = []
    for first in range(0, len(amperes), tile_rows):
        of_tile = lines[:, first : first + tile_rows]
        driven = np.diff(of_tile.indptr) > 0
        of_tiles.append(np.abs(of_tile[driven] @ amperes[first : first + tile_rows]).ravel())
    currents = np.concatenate(of_tiles)
    if not currents.size:
        sums = np.add.reduceat(amperes, np.arange(0, len(amperes), tile_rows), axis=0)
        return float(sums.max())
    share = 1.0 - front.periphery.adc_clip_share
    return float(np.quantile(currents, share, method="higher"))


def lines_of_events(events: Events, chosen: np.ndarray, steps: int, rows: int) -> csr_array:
    """Events of some samples as (sample and step, rows) counts."""
    parts = [slice(events.offsets[sample], events.offsets[sample + 1]) for sample in chosen]
    step = [i * steps + events.times[part].astype(np.int64) for i, part in enumerate(parts)]
    row = [events.rows[part].astype(np.int64) for part in parts]
    at = (np.concatenate(step), np.concatenate(row)) if len(parts) else (np.zeros(0, int),) * 2
    return csr_array((np.ones(len(at[0]), np.float32), at), shape=(len(chosen) * steps, rows))


def lines_of_crossbars(
    network: Plan, events: Events, chosen: np.ndarray, recorded: Sequence[Events]
) -> list[csr_array]:
    """What drives the rows of every crossbar, (reads, rows) counts each, or parts of `V_read`.

    A read is a step of a sample, or a position in it; of a convolution some samples are enough.

    Args:
        network: Its layers.
        events: Of the input, all samples.
        chosen: The samples that were run.
        recorded: Spikes of its `senders` in these samples.
    """
    every, steps = np.arange(len(chosen)), network.steps
    lines = []
    for layer, source in zip(network.synaptic, network.sources, strict=True):
        sent, samples = (events, chosen) if source < 0 else (recorded[source], every)
        samples = samples[: max(LEAST_IMAGES, CALIBRATION_IMAGES // layer.array.positions)]
        if sent.held is None:
            into = lines_of_events(sent, samples, steps, layer.lines)
        else:
            into = csr_array(sent.held.codes[samples] * np.float32(sent.held.unit))
        if layer.array.positions > 1 or layer.bias != "none":
            into = _reads(layer, into, len(samples))
        if sent.held is not None:
            into /= sent.held.gain
        if layer.recurrent_rows:
            fed_back = lines_of_events(recorded[layer.index], every, steps, layer.recurrent_rows)
            into = csr_array(hstack([into, fed_back]))
        lines.append(into)
    return lines


def _reads(layer: LayerPlan, lines: csr_array, samples: int) -> csr_array:
    """Lines of (sample and step, lines) as what drives the rows of a layer's crossbar."""
    steps = torch.from_numpy(lines.toarray()).view(samples, -1, layer.lines)
    rows = layer.settings.reads(layer.incoming, steps)[:, :, : layer.array.rows]
    return csr_array(rows.flatten(0, 1).numpy())
