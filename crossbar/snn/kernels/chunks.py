"""The chunks of a batch, one after the other in one call: beginning one takes 15 us."""

from device_models.jit import jit

from .bptt import run_chunk
from .pointers import BY_TRAINED, GRADIENT
from .records import BatchStats, Samples


@jit
def run_chunks(
    first, last, bounds, samples, kinds, others, table, output, loss, injected, c, seed, low, stats,
    targets, learn,
):  # fmt: skip
    """`run_chunk` of the chunks from `first` on, before `last`.

    Args:
        first, last: Which chunks.
        bounds: (chunks + 1,): chunk i is the samples `bounds[i]:bounds[i + 1]` of the chosen ones.
        samples: Those of all chunks; `first_key` is that of the first chosen one.
        kinds, others, table, output, loss, injected, c, seed, low, learn: See `run_chunk`.
        stats: Of all chunks, see `engines.buffers.empty_stats`.
        targets: (chunks, crossbars, 3) int64: number of the layer, address of the gradient, of that
            of what its neurons have of their own; of no crossbar without `learn`.
    """
    for chunk in range(first, last):
        for target in targets[chunk]:
            for slot in range(table.shape[0]):
                table[slot, target[0], GRADIENT] = target[1]
                table[slot, target[0], BY_TRAINED] = target[2]
        begin, end = bounds[chunk], bounds[chunk + 1]
        of_chunk = Samples(
            samples.rows, samples.times, samples.offsets, samples.labels,
            samples.chosen[begin:end], samples.first_key + begin, samples.held, samples.unit,
        )  # fmt: skip
        run_chunk(
            of_chunk, kinds, others, table, output, loss, injected, c, seed, low,
            stats_of(stats, chunk, begin - bounds[0], end - bounds[0]), learn,
        )  # fmt: skip


@jit
def stats_of(stats, chunk, begin, end):
    """The part of a chunk in the statistics of all."""
    return BatchStats(
        stats.spikes[chunk], stats.predictions[begin:end], stats.losses[begin:end],
        stats.activations[chunk], stats.tile_steps[chunk], stats.siemens[chunk],
        stats.clipped[chunk], stats.recorded_rows, stats.recorded_times, stats.recorded_ends,
        stats.width,
    )  # fmt: skip
