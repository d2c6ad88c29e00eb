"""A hidden layer that drives itself: all its neurons meet in every step, so steps come first.

Its own spikes drive its crossbar in the same step and by the same read as the lines that come in.
All records are borrowed ones.
"""

from device_models.jit import jit

from .backward import row_dot, through_neurons, volleys_until
from .counter_rng import BLOCK, normals_at, places
from .forward import count_reads, list_word
from .gather_scatter import scatter, with_rows
from .neurons import driven_siemens, tiles_entered, tiles_shared
from .pointers import increase
from .records import EventSlice
from .simd import LANES, bits, load, root, select, splat, store, store_panel, write


@jit
def count_own_reads(lines, own, layer, tally, place):
    """`count_reads` for the spikes by which a layer drives itself, in the same step as `lines`."""
    increase(tally.siemens, place, driven_siemens(own, layer.siemens, layer.inputs))
    increase(tally.tile_steps, place, tiles_entered(own, layer.tile_of, layer.inputs))
    increase(tally.tile_steps, place, -tiles_shared(lines, own, layer.inputs, layer.tile_of))
    increase(tally.activations, place, own.last - own.first)


@jit
def step_forward(course, c, t, count):
    """Membranes of step t + 1, currents without what step t drives, spikes; returns their number."""
    silent = splat(c.one - c.one)
    for column in range(0, course.width, LANES):
        at = t * course.width + column
        membrane, current = load(course.trace, at), load(course.work, column)
        fires = membrane > c.threshold
        count = list_word(bits(fires), t, column, course, count)
        after = select(fires, silent, c.beta * membrane + current)
        store(course.trace, at + course.width, after)
        store(course.work, column, c.alpha * current)
    return count


@jit
def drive_all(lines, first, last, course, mine, count, layer, key, t):
    """Add what some lines and own spikes drive in step t to the currents.

    Behind the currents in `work` stand, for this long, the variances.
    """
    column = 0
    while column < layer.stride:
        sums = (load(course.work, column),)
        sums = with_rows(sums, layer.matrix, layer.stride, column, lines.rows, 0, first, last)
        sums = with_rows(
            sums, layer.matrix, layer.stride, column, course.rows, layer.inputs, mine, count
        )
        store_panel(course.work, column, sums)
        column += LANES
    begin = places(key, t, 0)
    for column in range(0, layer.stride - layer.width, LANES):
        if column % BLOCK == 0:
            begin = places(key, t, column // BLOCK)
        current, variance = load(course.work, column), load(course.work, layer.width + column)
        drawn = root(variance) * normals_at(begin, column % BLOCK, current)
        store(course.work, column, current + drawn)
        store(course.work, layer.width + column, variance - variance)


@jit
def recurrent_layer(lines, volleys, layer, c, start, key, course, tally, place):
    """Such a layer through all steps; returns the number of its spikes.

    Args:
        lines, volleys, layer, c, start, key, course, tally, place: See `forward.hidden_layer`.
    """
    for j in range(course.width):
        write(course.trace, start * course.width + j, c.one - c.one)
    for j in range(2 * course.width):
        write(course.work, j, c.one - c.one)
    i, count = 0, 0
    for t in range(start, c.steps):
        mine, first, last = count, 0, 0
        count = step_forward(course, c, t, count)
        if volleys.steps[i] == t:
            first, last = volleys.ends[i], volleys.ends[i + 1]
            i += 1
        if last > first or count > mine:
            drive_all(lines, first, last, course, mine, count, layer, key, t)
    for event in range(count):
        increase(tally.spikes, place * tally.width + course.rows[event], 1)
    count_reads(lines, layer, tally, place)
    count_own_reads(lines, EventSlice(course.rows, course.times, 0, count), layer, tally, place)
    return count


@jit
def step_back(course, c, t):
    """Derivatives of step t from those of step t + 1; the trace of step t keeps the latter."""
    width = course.width
    for column in range(0, width, LANES):
        at = t * width + column
        membrane, error = load(course.trace, at), load(course.errors, at)
        g_current, g_membrane = load(course.work, column), load(course.work, width + column)
        store(course.trace, at, g_current)
        g_current, g_membrane = through_neurons(membrane, error, g_current, g_membrane, c)
        store(course.work, column, g_current)
        store(course.work, width + column, g_membrane)


@jit
def recurrent_back(lines, volleys, found, layer, back, c, start, last, course, gradient):
    """Gradient of the weights of what comes into such a layer, and the error of every own spike.

    Args:
        lines, volleys, found: What came in.
        layer: The crossbar.
        back: (rows, neurons): the weights that carry the error back.
        c: Constants.
        start, last: Steps where the sweep ends and begins.
        course: Membranes, in whose place the derivatives by the currents come; spikes; the errors
            of the steps from `start` to `last`, which are added to.
        gradient: (rows, neurons), added to.
    """
    width, inputs = course.width, layer.inputs
    for j in range(2 * width):
        write(course.work, j, c.one - c.one)
    for t in range(last, start - 1, -1):
        for j in range(layer.neurons):
            increase(course.errors, t * width + j, row_dot(back, inputs + j, course.work, 0, width))
        step_back(course, c, t)
    number = volleys_until(volleys, found, last)
    scatter(lines, volleys, number, course.trace, width, 0, gradient)
