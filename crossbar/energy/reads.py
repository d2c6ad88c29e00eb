"""How the lines that come into a layer meet the rows of its crossbar, and how often.

A dense layer reads its array once a step and drives a row for each line that spikes. A convolution
reads it at every position, and a spike drives the row of its place at each position whose kernel
covers it. Amplitudes that are held are read once per sample, whatever the steps. A bias that is a
row of devices is driven in every read; one in digital memory in none.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..snn.encodings.events import Events

if TYPE_CHECKING:
    from ..snn.plan import LayerPlan

SAMPLES_AT_A_TIME = 64


class Reads(NamedTuple):
    """Of one crossbar; the default is a dense layer without bias.

    Attributes:
        image: Channels, rows and columns that come into a convolution; empty of other layers.
        kernel: Its kernel: side, stride, rows and columns of positions.
        has_bias_row: Whether the last row is always driven.
        neurons: Behind the crossbar; 0: one for each column of weights.
        is_held: Whether amplitudes drive it, which are read once.
    """

    image: tuple[int, ...] = ()
    kernel: tuple[int, ...] = ()
    has_bias_row: bool = False
    neurons: int = 0
    is_held: bool = False

    @classmethod
    def of(cls, layer: "LayerPlan", *, is_held: bool) -> "Reads":
        """Those of a layer of a network."""
        has_row, neurons = layer.bias == "row", layer.outputs
        if layer.kind != "conv2d":
            return cls((), (), has_row, neurons, is_held)
        n = layer.settings.numbers(layer.incoming)
        image = n.channels_in, n.rows_in, n.columns_in
        kernel = n.kernel, n.stride, n.rows_out, n.columns_out
        return cls(image, kernel, has_row, neurons, is_held)

    @property
    def positions(self) -> int:
        """Reads of a step."""
        return self.kernel[2] * self.kernel[3] if self.kernel else 1

    def per_inference(self, steps: int) -> int:
        """Reads of an inference of so many steps, if none were left out."""
        return self.positions * (1 if self.is_held else steps)


PLAIN = Reads()


class Beside(NamedTuple):
    """What the inhibitory neuron of a layer did, see `topology.lateral`.

    It drives the last row of the crossbar but one, in reads of its own, before the lines of a
    step. Along the last row it is read across: a spike of the layer drives a bit line.
    """

    spikes: int
    reads: int  # of its row, by the spikes that a step comes after
    repeats: int  # reads by each of these


class Driven(NamedTuple):
    """How often each row of a crossbar was driven in all inferences, (rows,) each.

    Attributes:
        times: Activations.
        squares: The same, each weighted by the square of its share of the read voltage.
    """

    times: np.ndarray
    squares: np.ndarray


def rows_driven(
    reads: Reads, events: Events, rows: int, steps: int, amplitudes: np.ndarray | None, gain: float
) -> Driven:
    """How often each row was driven.

    Args:
        reads: How lines meet rows.
        events: That came in.
        rows: Of the crossbar.
        steps: Of an inference.
        amplitudes: (inferences, lines), shares of the read voltage, where they are held.
        gain: What the read voltage stands for there; a bias is driven by 1 / gain of it.
    """
    if amplitudes is None:
        times = np.bincount(events.rows, minlength=rows - reads.has_bias_row)
        squares = times.astype(np.float64)
    else:
        times, squares = np.count_nonzero(amplitudes, axis=0), np.square(amplitudes).sum(0)
    times, squares = _at_positions(reads, times), _at_positions(reads, squares)
    if reads.has_bias_row:
        always = len(events) * reads.per_inference(steps)
        times = np.append(times, always)
        squares = np.append(squares, always / gain**2)
    return Driven(times, squares)


def _at_positions(reads: Reads, of_lines: np.ndarray) -> np.ndarray:
    """Sums over the lines that each row of a kernel meets, at all positions."""
    if not reads.kernel:
        return of_lines
    maps = np.zeros(int(np.prod(reads.image)), of_lines.dtype)
    maps[: len(of_lines)] = of_lines
    image = maps.reshape(1, *reads.image)
    return np.array([place.sum() for place in places(reads, image)])


def places(reads: Reads, images: np.ndarray) -> Iterator[np.ndarray]:
    """What each row of a kernel meets in images (n, channels, rows, columns), (n, down, across)."""
    k, stride, down, across = reads.kernel
    for channel in range(reads.image[0]):
        for y in range(k):
            for x in range(k):
                rows = slice(y, y + down * stride, stride)
                yield images[:, channel, rows, x : x + across * stride : stride]


def active_reads(
    reads: Reads,
    events: Events,
    rows: int,
    steps: int,
    amplitudes: np.ndarray | None,
    tile_rows: int,
) -> tuple[int, ...]:
    """Of each row of tiles, reads in which one of its lines was driven.

    Arguments as `rows_driven`; `tile_rows` are the lines of a tile.
    """
    down = -(-rows // tile_rows)
    total = np.zeros(down, np.int64)
    lines = int(np.prod(reads.image)) if reads.image else rows - reads.has_bias_row
    for first in range(0, len(events), SAMPLES_AT_A_TIME):
        last = min(first + SAMPLES_AT_A_TIME, len(events))
        if amplitudes is None:
            driven = _spiking(events, first, last, lines, steps)
        else:
            driven = amplitudes[first:last] != 0.0
        total += _active(reads, driven, down, tile_rows)
    if reads.has_bias_row:  # the last row of tiles is read in any case
        total[-1] = len(events) * reads.per_inference(steps)
    return tuple(total.tolist())


def _spiking(events: Events, first: int, last: int, lines: int, steps: int) -> np.ndarray:
    """Which lines spike in each step of some samples, bool (samples x steps, lines)."""
    part = slice(events.offsets[first], events.offsets[last])
    counts = np.diff(events.offsets[first : last + 1])
    step = np.repeat(np.arange(last - first), counts) * steps + events.times[part]
    spiking = np.zeros(((last - first) * steps, lines), bool)
    spiking[step, events.rows[part]] = True
    return spiking


def _active(reads: Reads, driven: np.ndarray, down: int, tile_rows: int) -> np.ndarray:
    """Reads with a driven line in each row of tiles, of lines (n, lines) that are driven."""
    if not reads.kernel:
        firsts = range(0, driven.shape[1], tile_rows)
        counts = [int(driven[:, at : at + tile_rows].any(1).sum()) for at in firsts]
        return np.array(counts + [0] * (down - len(counts)))
    images = driven.reshape(-1, *reads.image)
    active = np.zeros((down, len(images), *reads.kernel[2:]), bool)
    for row, place in enumerate(places(reads, images)):
        active[row // tile_rows] |= place
    return np.asarray(active.sum((1, 2, 3)))
