"""What an activity file may say: everything that is computed from it believes this."""

import math
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np

from ..snn.encodings.events import Events, Held
from .activity import RunMetadata, Sizes, Snapshot
from .reads import PLAIN, Reads

MOST_LINES = 1 << 24  # of a layer, and of a crossbar
MOST_BITS = 1 << 32  # of delays: 65,535 lines and steps
RANGES = {  # of numbers of `RunMetadata` and `Sizes`, each with its ends
    "epochs": (0, 10**9), "training_images": (0, 10**18), "accuracy": (0.0, 1.0),
    "seed": (0, 2**63 - 1), "v_read_volts": (0.0, 1e3), "t_read_seconds": (0.0, 1e6),
    "pulse_seconds": (0.0, 1e6), "endurance_pulses": (0.0, 1e300), "tile_rows": (1, 65_536),
    "tile_columns": (1, 65_536), "adc_bits": (1, 64), "steps": (1, 65_535),
    "dt_seconds": (1e-15, 1e6), "inputs": (1, MOST_LINES), "top": (0, 32_767), "unit": (0.0, 1e30),
}  # fmt: skip


class Header(TypedDict):
    """What the file says beside its arrays."""

    network: Sizes
    run: RunMetadata


def check_ranges(record: Any) -> None:
    """Refuse a number of a record that is outside `RANGES`.

    Raises:
        ValueError: It names it.
    """
    for name, (low, high) in RANGES.items():
        value = getattr(record, name, None)
        if value is not None and not low <= value <= high:
            raise ValueError(f"{name} = {value:g} is outside [{low:g}, {high:g}]")


def check_sizes(network: Sizes) -> None:
    """Refuse numbers that no network has.

    Raises:
        ValueError: Why.
    """
    check_ranges(network)
    count, lines = len(network.crossbars), (network.inputs, *network.hidden)
    parts = network.names, network.sources, network.senders, network.recurrent_rows_of
    optional = network.reads, network.own_reads, network.delay_bits, network.adapting
    if not count or any(len(each) != count for each in parts) or any(
        len(each) not in (0, count) for each in optional
    ):  # fmt: skip
        raise ValueError("its parts are of different numbers of layers")
    if not all(1 <= n <= MOST_LINES for n in (*lines, *sum(network.crossbars, ()))):
        raise ValueError(f"a layer has no lines, or more than {MOST_LINES}")
    if any(not 0 <= n <= MOST_LINES for n in network.own_reads):
        raise ValueError("an inhibitory neuron is read less than never, or too often")
    for bits, source in zip(network.delay_bits, network.sources, strict=False):
        if not 0 <= bits <= MOST_BITS or (bits and source < 0):
            raise ValueError("its delays are before no layer, or of no such length")
    if any(not 0 <= n <= MOST_LINES for n in network.adapting):
        raise ValueError("no such number of neurons can adapt")
    if network.top and not network.unit > 0.0:
        raise ValueError("its amplitudes have no unit")
    passed = list(lines)  # an inhibitory neuron of a layer drives no layer after it
    for sender, own_reads in zip(network.senders, network.own_reads, strict=False):
        if own_reads and 0 <= sender < len(network.hidden):
            passed[sender + 1] -= 1
    for i in range(count):
        _check_crossbar(network, i, passed)


def _check_crossbar(network: Sizes, i: int, lines: Sequence[int]) -> None:
    """Refuse a crossbar whose rows are not what drives them.

    Args:
        network: See `check_sizes`.
        i: Its number.
        lines: That the input and each layer pass on.

    Raises:
        ValueError: Why.
    """
    (rows, outputs), source = network.crossbars[i], network.sources[i]
    sender, fed_back = network.senders[i], network.recurrent_rows_of[i]
    reads = network.reads[i] if network.reads else PLAIN
    beside = bool(network.own_reads and network.own_reads[i])
    if not -1 <= source < len(network.hidden) or sender < 0 or not 0 <= fed_back < rows:
        raise ValueError(f"{network.names[i]} is driven by no layer of the network")
    if not 0 <= reads.neurons <= MOST_LINES:
        raise ValueError(f"{network.names[i]} has no such number of neurons")
    if sender < len(network.hidden) and network.hidden[sender] not in (
        reads.neurons or outputs, outputs + 1
    ):  # fmt: skip
        raise ValueError(f"{network.names[i]} has other neurons than those that send its spikes")
    if reads.kernel or reads.image:
        fits = _fits(reads, lines[source + 1], rows)
    else:
        fits = lines[source + 1] == rows - fed_back - reads.has_bias_row
        fits = fits and (beside or fed_back in (0, outputs))
    if not fits or (reads.is_held and not (network.top and source == -1)):
        raise ValueError(f"{network.names[i]} has {rows} rows, which its lines do not drive")


def _fits(reads: Reads, lines: int, rows: int) -> bool:
    """Whether a kernel lies inside its image at all positions, and has so many rows."""
    if len(reads.kernel) != 4 or len(reads.image) != 3:
        return False
    if not all(1 <= n <= MOST_LINES for n in (*reads.kernel, *reads.image)):
        return False
    side, stride, *positions = reads.kernel
    inside = (
        (n - 1) * stride + side <= length
        for n, length in zip(positions, reads.image[1:], strict=True)
    )
    whole = (
        math.prod(reads.image) == lines and reads.image[0] * side**2 + reads.has_bias_row == rows
    )
    return whole and all(inside)


def check_held(held: Held, samples: int, inputs: int) -> None:
    """Refuse amplitudes that are not those of an input.

    Raises:
        ValueError: They are not.
    """
    codes = held.codes
    fits = codes.shape == (samples, inputs) and codes.dtype == np.int16
    if not fits or np.abs(codes.astype(np.int32)).max(initial=0) > held.top:
        raise ValueError("its amplitudes are not those of its input")


def check_layers(network: Sizes, spikes: Sequence[Events], arrays: Sequence[Snapshot]) -> None:
    """Refuse what is no activity of such a network.

    Raises:
        ValueError: Why.
    """
    if len({len(events) for events in spikes}) > 1:
        raise ValueError("its layers saw different numbers of images")
    if not len(spikes[0]):
        raise ValueError("it saw no image")
    for (rows, outputs), (g, *counted) in zip(network.crossbars, arrays, strict=True):
        fits = g.ndim == 2 and len(g) == rows and g.dtype == np.float32 and g.shape[1] >= outputs
        if not fits or any(each.shape != (rows,) or each.dtype != np.int64 for each in counted):
            raise ValueError("its conductances are not those of its network")
        if not (np.isfinite(g).all() and g.min() >= 0.0 and g.max() <= 1e3):
            raise ValueError("a conductance is negative or not finite")
        if any(each.min() < 0 or each.max() > outputs for each in counted):
            raise ValueError("it counts more weights of a line than there are")
