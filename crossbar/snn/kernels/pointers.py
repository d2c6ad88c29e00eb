"""The records of `records`, their arrays borrowed: what the kernels pass on."""

from device_models.jit import inlined, jit

from .records import BatchStats, CrossbarRows, LayerTrace, OutputTrace, TimeBins
from .simd import borrowed, write


@inlined
def increase(numbers, at, amount):
    """Add to one of some borrowed numbers."""
    write(numbers, at, numbers[at] + amount)


@jit
def borrow_synapses(layer):
    """`CrossbarRows`; rows of `stride` numbers."""
    return CrossbarRows(
        borrowed(layer.matrix), borrowed(layer.siemens), layer.inputs, borrowed(layer.tile_of),
        layer.neurons, layer.width, layer.stride,
    )  # fmt: skip


@jit
def borrow_course(course):
    """`LayerTrace`; rows of `width` numbers."""
    return LayerTrace(
        borrowed(course.drive), borrowed(course.trace), borrowed(course.errors),
        borrowed(course.fired), borrowed(course.rows), borrowed(course.times),
        borrowed(course.work), course.width, course.words,
    )  # fmt: skip


@jit
def borrow_scores(scores):
    """`OutputTrace`; rows of `width` numbers."""
    return OutputTrace(
        borrowed(scores.drive), borrowed(scores.trace), borrowed(scores.best),
        borrowed(scores.when), borrowed(scores.error), borrowed(scores.class_error),
        borrowed(scores.class_error_slots), scores.width,
    )  # fmt: skip


@jit
def borrow_volleys(volleys):
    """`TimeBins`."""
    return TimeBins(borrowed(volleys.steps), borrowed(volleys.ends), borrowed(volleys.slots))


@jit
def borrow_tally(tally):
    """`BatchStats`; rows of `width` numbers, those of kept spikes and their ends as they are wide."""
    return BatchStats(
        borrowed(tally.spikes), borrowed(tally.predictions), borrowed(tally.losses),
        borrowed(tally.activations), borrowed(tally.tile_steps), borrowed(tally.siemens),
        borrowed(tally.clipped), borrowed(tally.kept_rows), borrowed(tally.kept_times),
        borrowed(tally.kept_ends), tally.width,
    )  # fmt: skip
