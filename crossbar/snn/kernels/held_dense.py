"""A dense layer that held amplitudes drive; see `held`. All records hold pointers."""

from device_models.jit import jit

from .counter_rng import BLOCK, normals_at, places
from .pointers import increase
from .simd import LANES, load, root, splat, store


@jit
def drive_all(bias, layer, c, keys, stats):
    """See `held.drive_held`; `bias` is that of `DenseNumbers`."""
    crossbar, trace, to = layer.crossbar, layer.trace, 2 * layer.trace.width
    stride, width = crossbar.stride, crossbar.width
    for column in range(0, stride, LANES):
        lanes = splat(c.one - c.one)
        if bias != 0:
            lanes = load(crossbar.matrix, crossbar.inputs * stride + column)
        store(trace.drive, to + column, lanes)
    count_amplitudes(bias, layer, c, stats)
    for line in range(crossbar.inputs):
        value = trace.values[line]
        for column in range(0, stride, LANES):
            amount = splat(value if column < width else value * value)
            row = amount * load(crossbar.matrix, line * stride + column)
            store(trace.drive, to + column, load(trace.drive, to + column) + row)
    at_pools = places(keys[0], 0, 0)
    for column in range(0, stride - width, LANES):
        if column % BLOCK == 0:
            at_pools = places(keys[0], 0, column // BLOCK)
        current, variance = load(trace.drive, to + column), load(trace.drive, to + width + column)
        noise = root(variance) * normals_at(at_pools, column % BLOCK, current)
        store(trace.drive, to + column, current + noise)


@jit
def count_amplitudes(bias, layer, c, stats):
    """Add the one read of a sample to the counters."""
    crossbar, silent = layer.crossbar, c.one - c.one
    activations, tiles, tile, siemens = 0, 0, -1, 0.0
    for line in range(crossbar.inputs):
        value = layer.trace.values[line]
        if value != silent:
            activations += 1
            siemens += value * value * crossbar.siemens[line]
            tiles += crossbar.tile_of[line] != tile
            tile = crossbar.tile_of[line]
    if bias == 1:
        activations += 1
        siemens += crossbar.siemens[crossbar.inputs]
        tiles += crossbar.tile_of[crossbar.inputs] != tile
    increase(stats.activations, layer.place, activations)
    increase(stats.tile_steps, layer.place, tiles)
    increase(stats.siemens, layer.place, siemens)


@jit
def gradient_of_all(bias, layer):
    """See `held.gradient_held`."""
    trace, width = layer.trace, layer.trace.width
    for line in range(layer.crossbar.inputs):
        for column in range(0, width, LANES):
            at = line * width + column
            error = splat(trace.values[line]) * load(trace.errors, column)
            store(layer.gradient, at, load(layer.gradient, at) + error)
    if bias != 0:
        for column in range(0, width, LANES):
            at = layer.crossbar.inputs * width + column
            store(layer.gradient, at, load(layer.gradient, at) + load(trace.errors, column))
