"""The bias of a dense layer: one more row of its crossbar, behind the lines, driven in every step.

Of devices or digital: the kernels tell them apart by what they count alone, since a digital one has
no variance and conducts nothing. All records hold pointers.
"""

from device_models.jit import jit

from .forward import add_read_noise
from .gather_scatter import gather
from .pointers import increase
from .simd import LANES, load, splat, store, write


@jit
def drive_biased(lines, count, layer, c, start, keys):
    """What every step drives, by events and bias; a step without events becomes a bin of its own.

    Those bins stand behind the others, which alone are looked at on the way back.
    """
    crossbar, bins, drive = layer.crossbar, layer.bins, layer.trace.drive
    stride = crossbar.stride
    gather(lines, bins, count, crossbar, drive)
    for t in range(start, c.steps):
        if bins.slots[t] == 0:
            write(bins.steps, count, t)
            count += 1
            write(bins.slots, t, count)
            for column in range(0, stride, LANES):
                store(drive, count * stride + column, splat(c.one - c.one))
    for i in range(1, count + 1):
        for column in range(0, stride, LANES):
            at = i * stride + column
            bias = load(crossbar.matrix, crossbar.inputs * stride + column)
            store(drive, at, load(drive, at) + bias)
    if stride > crossbar.width:
        add_read_noise(bins, count, keys[0], crossbar, drive)


@jit
def count_bias_reads(lines, count, layer, c, start, stats):
    """Add what the row of a bias is read for in one sample to the counters."""
    crossbar, bins, steps = layer.crossbar, layer.bins, c.steps - start
    own = steps  # steps in which no line drives its row of tiles
    for i in range(count):
        last = int(lines.rows[bins.ends[i + 1] - 1])
        own -= crossbar.tile_of[last] == crossbar.tile_of[crossbar.inputs]
    increase(stats.siemens, layer.place, steps * crossbar.siemens[crossbar.inputs])
    increase(stats.tile_steps, layer.place, own)
    increase(stats.activations, layer.place, steps)


@jit
def scatter_bias(trace, start, last, layer):
    """Add the derivatives by the drive of every step to the gradient of the bias."""
    width, row = trace.width, layer.crossbar.inputs * trace.width
    for column in range(0, width, LANES):
        total = load(layer.gradient, row + column)
        for t in range(start, last + 1):
            total += load(trace.membranes, t * width + column)
        store(layer.gradient, row + column, total)
