"""The records of `records`, their arrays borrowed: what the kernels pass on."""

from device_models.jit import inlined, jit

from .records import Course, Scores, Synapses, Tally, Volleys
from .simd import borrowed, write


@inlined
def increase(numbers, at, amount):
    """Add to one of some borrowed numbers."""
    write(numbers, at, numbers[at] + amount)


@jit
def borrow_synapses(layer):
    """`Synapses`; rows of `stride` numbers."""
    return Synapses(
        borrowed(layer.matrix), borrowed(layer.siemens), layer.inputs, borrowed(layer.tile_of),
        layer.neurons, layer.width, layer.stride,
    )  # fmt: skip


@jit
def borrow_course(course):
    """`Course`; rows of `width` numbers."""
    return Course(
        borrowed(course.drive), borrowed(course.trace), borrowed(course.errors),
        borrowed(course.fired), borrowed(course.rows), borrowed(course.times),
        borrowed(course.work), course.width, course.words,
    )  # fmt: skip


@jit
def borrow_scores(scores):
    """`Scores`; rows of `width` numbers."""
    return Scores(
        borrowed(scores.drive), borrowed(scores.trace), borrowed(scores.best),
        borrowed(scores.when), borrowed(scores.error), borrowed(scores.told),
        borrowed(scores.told_slots), scores.width,
    )  # fmt: skip


@jit
def borrow_volleys(volleys):
    """`Volleys`."""
    return Volleys(borrowed(volleys.steps), borrowed(volleys.ends), borrowed(volleys.slots))


@jit
def borrow_tally(tally):
    """`Tally`; rows of `width` numbers, those of kept spikes and their ends as they are wide."""
    return Tally(
        borrowed(tally.spikes), borrowed(tally.predictions), borrowed(tally.losses),
        borrowed(tally.activations), borrowed(tally.tile_steps), borrowed(tally.siemens),
        borrowed(tally.clipped), borrowed(tally.kept_rows), borrowed(tally.kept_times),
        borrowed(tally.kept_ends), tally.width,
    )  # fmt: skip
