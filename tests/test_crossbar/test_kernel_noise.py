"""Read noise of the kernels: its distribution, its independence, its place in a run.

The pools that draws are made of have `test_kernel_pools.py`. Every statistical limit is 5 sigma,
two-sided (false alarm 6e-7 a number), on fixed keys; beside each stands a twin which shows that an
error of 5 % of the spread would be noticed.
"""

import functools
import itertools
from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats
from xbar_kernels import empty_run, lane_squares, run_samples, runner
from xbar_training import plan_of

from crossbar.snn.kernels.counter_rng import draw_normals, sample_key
from crossbar.snn.kernels.records import Samples

FALSE_ALARM = 6e-7  # that of 5 sigma, for the tests that give a probability
SEED = 0x1234_5678_9ABC


def key(number, *, layer=0, seed=SEED):
    return np.uint64(sample_key(seed, number, layer))


def draws(keys, steps, lanes):
    """Normals (keys, steps, lanes)."""
    out = np.full((len(keys), steps, lanes), np.nan, np.float32)
    for row, one in zip(out, keys, strict=True):
        for step in range(steps):
            draw_normals(one, step, row[step])
    return out.astype(float)


@pytest.fixture(scope="module")
def million():
    """100 samples, 100 steps, 100 lanes."""
    return draws([key(number) for number in range(100)], 100, 100)


# The distribution of one draw


def z_of_mean(x):
    return float(x.mean() * np.sqrt(x.size))


def z_of_variance(x):
    """Distance of the variance of normals from 1, in standard errors."""
    return float((x.var() - 1.0) * np.sqrt(x.size / 2))


def test_draws_are_standard_normal(million):
    assert abs(z_of_mean(million)) < 5
    assert abs(z_of_variance(million)) < 5
    assert stats.kstest(million.ravel(), "norm").pvalue > FALSE_ALARM


def test_the_test_above_would_notice_5_percent(million):
    assert abs(z_of_mean(million + 0.05)) > 5
    assert abs(z_of_variance(million * 1.05)) > 5
    assert abs(z_of_variance(million / 1.05)) > 5
    assert stats.kstest(million.ravel() * 1.05, "norm").pvalue < FALSE_ALARM


def test_tails_reach_beyond_4_sigma_as_often_as_they_should(million):
    beyond = int((np.abs(million) > 4).sum())
    assert stats.binomtest(beyond, million.size, 2 * stats.norm.sf(4)).pvalue > FALSE_ALARM


# Independence


def z_of_correlation(x, y):
    """Correlation of two equally large sets of normals, and of their squares, in sigma."""
    squares = stats.zscore(x, None) ** 2 - 1.0, stats.zscore(y, None) ** 2 - 1.0
    plain = float((x * y).mean() / (x.std() * y.std()))
    return np.array([plain, float((squares[0] * squares[1]).mean()) / 2.0]) * np.sqrt(x.size)


def neighbours(million):
    """Pairs of draws that differ in one coordinate: lane, step, sample, layer, seed, key bit."""
    for lag in (1, 2, 16, 50):
        yield f"lane + {lag}", million[..., :-lag], million[..., lag:]
        yield f"step + {lag}", million[:, :-lag], million[:, lag:]
        yield f"sample + {lag}", million[:-lag], million[lag:]
    yield "step and lane", million[:, :-1, 1:], million[:, 1:, :-1]
    first = million[:20]
    yield "layer", first, draws([key(number, layer=1) for number in range(20)], 100, 100)
    for seed in (SEED + 1, SEED + 2**32):
        yield "seed", first, draws([key(number, seed=seed) for number in range(20)], 100, 100)
    flipped = [key(number) ^ np.uint64(1 << 31) for number in range(20)]
    yield "key bit", first, draws(flipped, 100, 100)


def test_draws_of_other_lanes_steps_samples_layers_and_seeds_are_uncorrelated(million):
    """34 numbers: a false alarm of 2e-5 in all, had the keys not been fixed.

    Squares of two lanes are as correlated as those of the pools; `test_kernel_pools.py` has a limit
    for that.
    """
    found = {name: z_of_correlation(x, y) for name, x, y in neighbours(million)}
    shared = lane_squares()
    for lag in (1, 2, 16, 50):
        found[f"lane + {lag}"][1] -= shared[lag] * np.sqrt(million[..., :-lag].size)
    assert all((np.abs(z) < 5).all() for z in found.values()), found


def test_the_test_above_would_notice_5_percent_of_the_neighbour(million):
    for _, x, y in neighbours(million):
        assert z_of_correlation(x, y + 0.05 * x)[0] > 5


def test_all_pairs_of_lanes_are_uncorrelated(million):
    """4950 pairs of 10 000 draws: a false alarm of 3e-3, had the keys not been fixed."""
    lanes = million.reshape(-1, 100)
    pairs = np.triu_indices(100, 1)
    for values in (lanes, lanes**2):
        assert np.abs(np.corrcoef(values.T)[pairs]).max() * np.sqrt(len(lanes)) < 5


# Through the network: every device its own noise

LINES, HIDDEN, CLASSES = 12, 8, 6


class Noisy(NamedTuple):
    """Weights of both crossbars and the variances of their reads; None without noise."""

    weights: tuple
    variances: tuple


def network_of(steps, recurrent):
    return plan_of(
        inputs=LINES, hidden=HIDDEN, classes=CLASSES, steps=steps, ei="none", recurrent=recurrent
    )


def noisy_weights(*, hidden=None, readout=None, recurrent=False):
    """Weights that make some neurons fire, with given spreads of the devices' noise."""
    generator = np.random.default_rng(17)
    w1 = generator.uniform(0.05, 0.3, (LINES, HIDDEN))
    w2 = 0.2 * generator.standard_normal((HIDDEN, CLASSES))
    if recurrent:
        w1 = np.concatenate([w1, generator.uniform(-0.2, 0.3, (HIDDEN, HIDDEN))])
    return Noisy((w1, w2), tuple(s if s is None else np.square(s) for s in (hidden, readout)))


def samples_of(*events, first_key=0):
    """Samples, each a list of (step, line) in order."""
    flat = np.array(list(itertools.chain(*events))).reshape(-1, 2)
    offsets = np.cumsum([0] + [len(sample) for sample in events])
    chosen = np.arange(len(events))
    labels = (first_key + chosen) % CLASSES
    rows, times = flat[:, 1].astype(np.uint16), flat[:, 0].astype(np.uint8)
    return Samples(rows, times, offsets, labels, chosen, first_key)


def traces_of(noisy, events, numbers, steps):
    """Membranes and readout traces of one sample under the noise of many sample numbers."""
    weights, variances = noisy
    network, samples = network_of(steps, len(weights[0]) > LINES), samples_of(events)
    run = empty_run(network, 1, np.float32)
    add = runner(network, weights, np.float32, run, seed=SEED, learn=False, variances=variances)
    membranes, readouts = [], []
    for number in numbers:
        run = add(samples._replace(first_key=number))
        membranes.append(run.traces[0].membranes[:, :HIDDEN].copy())
        readouts.append(run.traces[-1].membranes[:, :CLASSES].copy())
    return np.array(membranes), np.array(readouts)


READS = 20_000


def spread_of(sigma, active):
    """The spread of each column's sum over the devices that are read, each by itself."""
    return np.sqrt(np.square(sigma[active]).sum(0))


EVENTS = [(0, line) for line in (1, 2, 2, 5, 7, 11)]  # line 2 is read twice


@functools.cache
def noise_of_layer(layer, scale=1.0, reads=READS):
    """Noise that the kernel adds to one step's currents, in units of the spread that is due.

    An input of step 0 is the whole membrane of step 2; the spikes of step 2 are the whole readout
    of step 4.
    """
    generator = np.random.default_rng([23, layer])
    sigma = generator.uniform(0.01, 0.3, ((LINES, HIDDEN), (HIDDEN, CLASSES))[layer])
    steps = 2 + 2 * layer
    noisy = noisy_weights(**{("hidden", "readout")[layer]: scale * sigma})
    silent = traces_of(noisy_weights(), EVENTS, [0], steps)
    noise = traces_of(noisy, EVENTS, range(reads), steps)[layer][:, -1] - silent[layer][:, -1]
    fired = np.flatnonzero(silent[0][0, 2] > 1.0)
    active = [line for _, line in EVENTS] if layer == 0 else fired
    assert 3 <= len(active) < len(sigma)
    return noise / spread_of(sigma, active)


@functools.cache
def noise_of_own_rows(scale=1.0, reads=READS):
    """The same for a recurrent layer: lines come in at step 2, together with its own spikes.

    Noise is on the rows of its own neurons and on lines 3 and 4 alone, which step 0 does not drive.
    """
    generator = np.random.default_rng([23, 7])
    sigma = generator.uniform(0.01, 0.3, (LINES + HIDDEN, HIDDEN))
    sigma[[line for line in range(LINES) if line not in (3, 4)]] = 0.0
    events = [*EVENTS, (2, 3), (2, 4), (2, 4)]
    noisy = noisy_weights(hidden=scale * sigma, recurrent=True)
    quiet, _ = traces_of(noisy_weights(recurrent=True), events, [0], 4)
    noise = traces_of(noisy, events, range(reads), 4)[0][:, -1] - quiet[:, -1]
    fired = np.flatnonzero(quiet[0, 2] > 1.0)
    assert 3 <= len(fired) < HIDDEN
    seen = quiet[0, 3] <= 1.0  # the others fire at step 3, and their reset swallows step 4
    assert seen.sum() >= 3
    return (noise / spread_of(sigma, [3, 4, 4, *(LINES + fired)]))[:, seen]


SUMS = {
    "hidden": functools.partial(noise_of_layer, 0),
    "readout": functools.partial(noise_of_layer, 1),
    "recurrent": noise_of_own_rows,
}
each_sum = pytest.mark.parametrize("sums", SUMS.values(), ids=SUMS)


def z_of_columns(noise):
    """Distance of the means from 0 and of the variances from 1, in sigma; KS of all columns.

    Returns:
        (per column, per column, probability).
    """
    mean = noise.mean(0) * np.sqrt(len(noise))
    variance = (noise.var(0) - 1.0) * np.sqrt(len(noise) / 2)
    return mean, variance, stats.kstest(noise.ravel(), "norm").pvalue


@each_sum
def test_column_noise_is_that_of_its_devices_added_one_by_one(sums):
    mean, variance, probability = z_of_columns(sums())
    assert (np.abs(mean) < 5).all()
    assert (np.abs(variance) < 5).all()
    assert probability > FALSE_ALARM


@each_sum
@pytest.mark.parametrize("scale", [1.05, 1 / 1.05])
def test_the_sum_over_devices_would_notice_5_percent(sums, scale):
    """Noise of other devices is the same noise in other units: 50 reads of them say so."""
    noise = sums()
    np.testing.assert_allclose(sums(scale, 50), scale * noise[:50], rtol=1e-4, atol=1e-5)
    _, variance, probability = z_of_columns(scale * noise)
    assert (np.abs(variance) > 5).all()
    assert probability < FALSE_ALARM


@pytest.mark.parametrize("layer", [0, 1])
def test_each_layer_draws_from_its_own_key_at_its_own_step(layer):
    noise = noise_of_layer(layer)[:50]
    step, columns = 2 * layer, noise.shape[1]
    expected = draws([key(number, layer=layer) for number in range(50)], step + 1, columns)
    # The noise was found as a difference of currents of order 1, over spreads of order 0.1.
    np.testing.assert_allclose(noise, expected[:, step], rtol=1e-5, atol=1e-5)


# What the noise of a sample depends on

STEPS = 20


def run(noisy, samples, *, seed=SEED):
    """Statistics and gradients of a chunk."""
    weights, variances = noisy
    network = network_of(STEPS, len(weights[0]) > LINES)
    return run_samples(
        network, weights, samples, np.float32, seed=seed, tile_rows=4, variances=variances
    )


@pytest.fixture
def events():
    """30 samples of some 15 events."""
    generator = np.random.default_rng(29)
    return [
        list(map(tuple, np.argwhere(generator.random((STEPS, LINES)) < 0.06))) for _ in range(30)
    ]


@pytest.fixture(params=[False, True], ids=["forward", "recurrent"])
def noisy(request):
    rows = LINES + HIDDEN * request.param
    spreads = {"hidden": np.full((rows, HIDDEN), 0.1), "readout": np.full((HIDDEN, CLASSES), 0.1)}
    return noisy_weights(recurrent=request.param, **spreads)


def test_noise_of_a_sample_does_not_depend_on_its_chunk(noisy, events):
    whole = run(noisy, samples_of(*events)).tally
    for first, last in [(0, 11), (11, 12), (12, 30)]:
        part = run(noisy, samples_of(*events[first:last], first_key=first)).tally
        assert part.losses.tolist() == whole.losses[first:last].tolist()


def test_noise_differs_between_samples_and_between_seeds(noisy, events):
    same = [events[0]] * 30
    losses = run(noisy, samples_of(*same))[0].losses
    assert len(set(losses)) == 30
    for seed in (SEED + 1, SEED + 2**40):
        assert not set(losses) & set(run(noisy, samples_of(*same), seed=seed)[0].losses)
    shifted = run(noisy, samples_of(*same[1:], first_key=1))[0].losses
    assert shifted.tolist() == losses[1:].tolist()


def test_noise_of_one_layer_does_not_move_that_of_the_other(noisy, events):
    silenced = noisy._replace(variances=(noisy.variances[0], None))
    both, first = (run(weights, samples_of(*events))[0] for weights in (noisy, silenced))
    assert both.spikes.tolist() == first.spikes.tolist()
    assert (both.losses != first.losses).any()


def test_noise_of_a_step_does_not_depend_on_earlier_reads(noisy):
    weights = [np.array(w) for w in noisy.weights]
    variances = [np.array(variance) for variance in noisy.variances]
    weights[0][3], variances[0][3] = 0.0, 0.0  # line 3 is read without effect
    weights = Noisy(weights, variances)
    late = [(4, 1), (4, 2), (6, 8)]
    alone, _ = traces_of(weights, late, range(10), 8)
    after_others, _ = traces_of(weights, [(0, 3), (1, 3), *late], range(10), 8)
    np.testing.assert_array_equal(alone, after_others)
    assert len(np.unique(alone[:, -1], axis=0)) == 10


def test_no_event_draws_no_noise(noisy):
    membranes, readouts = traces_of(noisy, [], range(3), 8)
    assert not membranes.any()
    assert not readouts.any()


def test_noise_of_variance_zero_gives_the_bits_of_a_run_without(events):
    zero = noisy_weights(hidden=np.zeros((LINES, HIDDEN)), readout=np.zeros((HIDDEN, CLASSES)))
    quiet, silenced = (run(weights, samples_of(*events)) for weights in (noisy_weights(), zero))
    for with_zero, without in zip(
        (*silenced[0], *silenced[1]), (*quiet[0], *quiet[1]), strict=True
    ):
        assert np.asarray(with_zero).tobytes() == np.asarray(without).tobytes()
    assert quiet[0].spikes.any()
