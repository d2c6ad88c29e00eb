"""A layer behind its periphery, as the kernels read it, and the range of its converters."""

from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array, hstack
from torch import Tensor

from device_models.errors import ConfigError

from ...array.periphery import FrontEnd
from ...boards.protocol import EffectiveArray
from ...mappings.dale import Dale
from ...mappings.mapping import Mapping
from .. import kernels
from ..encodings.events import Events

CALIBRATION_IMAGES = 64  # of a batch; some 10^6 column currents


class Combination(NamedTuple):
    """How the digital side makes outputs of columns: term k adds factors[k] x column to output."""

    columns: np.ndarray  # (terms,) int64
    outputs: np.ndarray  # (terms,) int64
    factors: np.ndarray  # (terms,)


def combination(mapping: Mapping) -> Combination:
    """The terms of a mapping, found by asking it what each column alone is worth.

    Raises:
        ConfigError: Its columns are not combined alike in every row.
    """
    if isinstance(mapping, Dale):
        raise ConfigError(
            "the dale mapping reads the rows of either sign with integrators of their own, which "
            "no periphery has yet; choose another mapping or periphery.kind = ideal"
        )
    alone = torch.eye(mapping.columns, dtype=torch.float64)
    worth = mapping.weights(alone).numpy() * mapping.g_unit_siemens
    columns, outputs = np.nonzero(worth)
    return Combination(columns, outputs, worth[columns, outputs])


def runs_of(terms: Combination) -> tuple[np.ndarray, np.ndarray]:
    """The terms as runs of neighbours, (runs, 4) int64 and their factors; see `kernels.Columns`."""
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


def behind(
    mapping: Mapping, array: EffectiveArray, front: FrontEnd, dtype: type[np.floating] = np.float32
) -> kernels.Columns:
    """The columns of an array as they are now, behind a front end.

    Raises:
        ConfigError: It converts and has no range.
    """
    unit = mapping.g_unit_siemens
    p, made, neurons = front.periphery, front.converters, front.neurons
    runs, factors = runs_of(combination(mapping))
    converts = p.kind == "adc"
    # One LSB in weight units: a weight of one carries g_unit x V_read.
    lsb = front.full_scale() / p.top / (unit * front.v_read_volts) if converts else 1.0
    sigma = array.read_sigma
    quiet = np.zeros((0, 0), dtype)
    return kernels.Columns(
        np.ascontiguousarray(array.siemens.numpy(), dtype) * dtype(front.factor / unit),
        quiet
        if sigma is None
        else (np.ascontiguousarray(sigma.numpy(), dtype) * dtype(front.factor / unit)) ** 2,
        # One memory layout for all layers: to the compiler they are of one type then.
        np.ascontiguousarray(made.gain / lsb, dtype),
        np.ascontiguousarray(made.offset, dtype),
        np.ascontiguousarray(made.parabola, dtype),
        np.ascontiguousarray(made.cubic, dtype),
        np.ascontiguousarray(made.stuck, dtype),
        dtype(lsb),
        dtype(p.top),
        dtype(p.adc_noise_lsb),
        runs,
        factors.astype(dtype),
        neurons.gain.astype(dtype),
        neurons.offset.astype(dtype),
        dtype(neurons.keep),
        dtype(neurons.ceiling),
        converts,
    )


def measured_range(siemens: Tensor, front: FrontEnd, lines: csr_array, tile_rows: int) -> float:
    """Range that leaves `adc_clip_share` of the column currents of driven tiles above itself.

    Read noise and errors of converters are left out. A layer that no event reaches gets the largest
    current that a column of a tile can carry.

    Args:
        siemens: Conductances of the array, (rows, columns).
        front: Its drivers; its range is not looked at.
        lines: How often each line is driven in a step, (sample and step, rows).
        tile_rows: Word lines of a tile.

    Returns:
        Amperes.
    """
    amperes = siemens.numpy() * np.float32(front.factor * front.v_read_volts)
    found = []
    for first in range(0, len(amperes), tile_rows):
        of_tile = lines[:, first : first + tile_rows]
        driven = np.diff(of_tile.indptr) > 0
        found.append((of_tile[driven] @ amperes[first : first + tile_rows]).ravel())
    currents = np.concatenate(found)
    if not currents.size:
        sums = np.add.reduceat(amperes, np.arange(0, len(amperes), tile_rows), axis=0)
        return float(sums.max())
    share = 1.0 - front.periphery.adc_clip_share
    return float(np.quantile(currents, share, method="higher"))


def lines_of_events(events: Events, chosen: np.ndarray, steps: int, rows: int) -> csr_array:
    """Events of some samples as (sample and step, rows) counts."""
    own = [slice(events.offsets[sample], events.offsets[sample + 1]) for sample in chosen]
    step = [i * steps + events.times[part].astype(np.int64) for i, part in enumerate(own)]
    row = [events.rows[part].astype(np.int64) for part in own]
    at = (np.concatenate(step), np.concatenate(row)) if len(own) else (np.zeros(0, int),) * 2
    return csr_array((np.ones(len(at[0]), np.float32), at), shape=(len(chosen) * steps, rows))


def driven_lines(into: csr_array, own: csr_array | None) -> csr_array:
    """EventSlice of a crossbar: those that come in and, of a recurrent layer, its own neurons."""
    return into if own is None else csr_array(hstack([into, own]))
