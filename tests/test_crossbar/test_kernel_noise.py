"""Read noise of the kernels: its distribution, its independence, its place in a run.

Every statistical limit is 5 sigma, two-sided (false alarm 6e-7 a number), on fixed keys; beside
each stands a twin which shows that an error of 5 % of the spread would be noticed.
"""

import itertools

import numpy as np
import pytest
from scipy import stats

from crossbar.snn import kernels

FALSE_ALARM = 6e-7  # that of 5 sigma, for the tests that give a probability
SEED = 0x1234_5678_9ABC


def key(number, *, layer=0, seed=SEED):
    return np.uint64(kernels.sample_key(seed, number, layer))


def draws(keys, steps, lanes):
    """Normals (keys, steps, lanes)."""
    out = np.full((len(keys), steps, lanes), np.nan, np.float32)
    for row, one in zip(out, keys, strict=True):
        for step in range(steps):
            kernels.draw_normals(one, step, row[step])
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


def test_every_random_word_gives_a_finite_radius():
    """The words 0 and 2^32 - 1 are the ends of the logarithm."""
    words = np.r_[:512, 2**31 - 256 : 2**31 + 256, 2**32 - 512 : 2**32].astype(np.uint32)
    found = np.array([kernels.exponential(word) for word in words], float)
    uniform = ((words >> 8).astype(np.float32) + np.float32(0.5)).astype(float) * 2.0**-24
    np.testing.assert_allclose(found, -np.log(uniform), rtol=3e-7, atol=1e-12)
    assert (found >= 0.0).all()


# Independence


def z_of_correlation(x, y):
    """Correlation of two equally large sets of normals, and of their squares, in sigma."""
    squares = stats.zscore(x, None) ** 2 - 1.0, stats.zscore(y, None) ** 2 - 1.0
    plain = float((x * y).mean() / (x.std() * y.std()))
    return np.array([plain, float((squares[0] * squares[1]).mean()) / 2.0]) * np.sqrt(x.size)


def neighbours(million):
    """Pairs of draws that differ in one coordinate: lane, step, sample, layer, seed, key bit."""
    for lag in (1, 2, 16, 50):  # 50: the two numbers of one Box-Muller pair
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
    """34 numbers: a false alarm of 2e-5 in all, had the keys not been fixed."""
    found = {name: z_of_correlation(x, y) for name, x, y in neighbours(million)}
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


# Noise of a column

COLUMN_VARIANCES = np.array([1e-6, 1e-3, 0.04, 0.25, 1.0, 4.0, 100.0], np.float32)


def test_add_noise_gives_each_column_its_variance_and_clears_the_sum():
    """20 000 draws a column: 1 % standard error, so 5 % of sigma is 10 standard errors."""
    normals = np.zeros(8, np.float32)
    found = np.zeros((20_000, 7), np.float32)
    for number, current in enumerate(found):
        variance = COLUMN_VARIANCES.copy()
        kernels.add_noise(current, variance, normals, key(number), 3)
        assert not variance.any()
    for scaled in (found / np.sqrt(COLUMN_VARIANCES)).T.astype(float):
        assert abs(z_of_mean(scaled)) < 5
        assert abs(z_of_variance(scaled)) < 5
        assert abs(z_of_variance(scaled * 1.05)) > 5
        assert abs(z_of_variance(scaled / 1.05)) > 5


def test_add_noise_adds_to_the_current():
    """Normal number j goes to column j, times the root of the variance."""
    current, normals = np.arange(7, dtype=np.float32), np.zeros(8, np.float32)
    kernels.add_noise(current, COLUMN_VARIANCES.copy(), normals, key(5), 3)
    expected = np.arange(7) + np.sqrt(COLUMN_VARIANCES) * draws([key(5)], 4, 8)[0, 3, :7]
    np.testing.assert_allclose(current, expected, rtol=1e-6, atol=1e-6)


# Through the network: every device its own noise

LINES, HIDDEN, CLASSES = 12, 8, 6
CONSTANTS = [np.float32(x) for x in (np.exp(-1 / 5), np.exp(-1 / 10), 1.0, 100.0, 1.0)]


def network(*, sigma1=None, sigma2=None, w1=None):
    """Weights that make some neurons fire, with given spreads of the devices' noise."""
    generator = np.random.default_rng(17)
    if w1 is None:
        w1 = generator.uniform(0.05, 0.3, (LINES, HIDDEN))
    w2 = 0.2 * generator.standard_normal((HIDDEN, CLASSES))
    squares = [
        np.zeros((0, 0)) if sigma is None else np.square(sigma) for sigma in (sigma1, sigma2)
    ]
    parts = (part.astype(np.float32) for part in (w1, w2, *squares))
    return kernels.Weights(*parts, np.ones(LINES), np.ones(HIDDEN))


def samples_of(*events, first_key=0):
    """Samples, each a list of (step, line) in order."""
    flat = np.array(list(itertools.chain(*events))).reshape(-1, 2)
    offsets = np.cumsum([0] + [len(sample) for sample in events])
    chosen = np.arange(len(events))
    labels = (first_key + chosen) % CLASSES
    rows, times = flat[:, 1].astype(np.uint16), flat[:, 0].astype(np.uint8)
    return kernels.Samples(rows, times, offsets, labels, chosen, first_key)


def empty_tally(samples):
    counts = [np.zeros(2, np.int64), np.zeros(2, np.int64), np.zeros(2)]
    spikes = np.zeros(HIDDEN, np.int64)
    return kernels.Tally(spikes, np.zeros(samples, np.int64), np.zeros(samples), *counts)


def traces_of(weights, events, numbers, steps):
    """Membranes and readout traces of one sample under the noise of many sample numbers."""
    samples, tally = samples_of(events), empty_tally(1)
    constants = kernels.Constants(*CONSTANTS, steps, 64)
    work = tuple(np.zeros(n, np.float32) for n in [HIDDEN] * 3 + [CLASSES] * 3)
    membranes = np.zeros((len(numbers), steps + 1, HIDDEN), np.float32)
    readouts = np.zeros((len(numbers), steps + 1, CLASSES), np.float32)
    for membrane, readout, number in zip(membranes, readouts, numbers, strict=True):
        keys = np.array([key(number, layer=layer) for layer in range(2)], np.uint64)
        kernels.forward(samples, 0, weights, constants, keys, (membrane, readout), work, tally)
    return membranes, readouts


READS = 40_000


def noise_of_layer(layer, scale=1.0):
    """Noise that the kernel adds to one step's currents, and the same summed device by device.

    An input of step 0 is the whole membrane of step 2; the spikes of step 2 are the whole readout
    of step 4. Both come in units of the spread that they should have.
    """
    generator = np.random.default_rng([23, layer])
    sigma = generator.uniform(0.01, 0.3, ((LINES, HIDDEN), (HIDDEN, CLASSES))[layer])
    events = [(0, line) for line in (1, 2, 2, 5, 7, 11)]  # line 2 is read twice
    steps, quiet = 2 + 2 * layer, network()
    noisy = network(**{f"sigma{layer + 1}": scale * sigma})
    silent = traces_of(quiet, events, [0], steps)
    found = traces_of(noisy, events, range(READS), steps)[layer][:, -1] - silent[layer][:, -1]
    fired = np.flatnonzero(silent[0][0, 2] > 1.0)
    active = [line for _, line in events] if layer == 0 else fired
    assert 3 <= len(active) < len(sigma)
    by_device = generator.standard_normal((READS, len(active), sigma.shape[1]))
    spread = np.sqrt(np.square(sigma[active]).sum(0))
    return found / spread, (by_device * sigma[active]).sum(1) / spread


def z_between(one, other):
    """Distance of the means and of the variances of two equally large sets, in sigma; pooled KS.

    Returns:
        (per column, per column, probability).
    """
    mean = (one.mean(0) - other.mean(0)) / other.std(0) * np.sqrt(len(one) / 2)
    variance = (one.var(0) / other.var(0) - 1.0) * np.sqrt(len(one) / 4)
    return mean, variance, stats.ks_2samp(one.ravel(), other.ravel(), method="asymp").pvalue


@pytest.mark.parametrize("layer", [0, 1])
def test_column_noise_is_that_of_its_devices_added_one_by_one(layer):
    mean, variance, probability = z_between(*noise_of_layer(layer))
    assert (np.abs(mean) < 5).all()
    assert (np.abs(variance) < 5).all()
    assert probability > FALSE_ALARM


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("scale", [1.05, 1 / 1.05])
def test_the_sum_over_devices_would_notice_5_percent(layer, scale):
    _, variance, probability = z_between(*noise_of_layer(layer, scale))
    assert (np.abs(variance) > 5).all()
    assert probability < FALSE_ALARM


@pytest.mark.parametrize("layer", [0, 1])
def test_each_layer_draws_from_its_own_key_at_its_own_step(layer):
    found = noise_of_layer(layer)[0][:50]
    step, columns = 2 * layer, found.shape[1]  # an even number of columns, as the draws need
    expected = draws([key(number, layer=layer) for number in range(50)], step + 1, columns)
    # The noise was found as a difference of currents of order 1, over spreads of order 0.1.
    np.testing.assert_allclose(found, expected[:, step], rtol=1e-5, atol=1e-5)


# What the noise of a sample depends on

STEPS = 20


def run(weights, samples, *, seed=SEED):
    """Losses, spikes and gradients of a chunk."""
    tally = empty_tally(len(samples.chosen))
    shapes = (LINES, HIDDEN), (HIDDEN, CLASSES)
    gradient = kernels.Gradient(*(np.zeros(shape, np.float32) for shape in shapes))
    constants = kernels.Constants(*CONSTANTS, STEPS, 4)
    kernels.run_chunk(samples, weights, weights.w2, constants, seed, tally, gradient, True)
    return tally, gradient


@pytest.fixture
def events():
    """30 samples of some 15 events."""
    generator = np.random.default_rng(29)
    return [
        list(map(tuple, np.argwhere(generator.random((STEPS, LINES)) < 0.06))) for _ in range(30)
    ]


@pytest.fixture
def noisy():
    spreads = {"sigma1": np.full((LINES, HIDDEN), 0.1), "sigma2": np.full((HIDDEN, CLASSES), 0.1)}
    return network(**spreads)


def test_noise_of_a_sample_does_not_depend_on_its_chunk(noisy, events):
    whole, _ = run(noisy, samples_of(*events))
    for first, last in [(0, 11), (11, 12), (12, 30)]:
        part, _ = run(noisy, samples_of(*events[first:last], first_key=first))
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
    silenced = noisy._replace(variance2=np.zeros((0, 0), np.float32))
    both, first = (run(weights, samples_of(*events))[0] for weights in (noisy, silenced))
    assert both.spikes.tolist() == first.spikes.tolist()
    assert (both.losses != first.losses).any()


def test_noise_of_a_step_does_not_depend_on_earlier_reads(noisy):
    w1 = noisy.w1.copy()
    variance1 = noisy.variance1.copy()
    w1[3], variance1[3] = 0.0, 0.0  # line 3 is read without effect
    weights = noisy._replace(w1=w1, variance1=variance1)
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
    zero = network(sigma1=np.zeros((LINES, HIDDEN)), sigma2=np.zeros((HIDDEN, CLASSES)))
    quiet, silenced = (run(weights, samples_of(*events)) for weights in (network(), zero))
    for with_zero, without in zip(
        (*silenced[0], *silenced[1]), (*quiet[0], *quiet[1]), strict=True
    ):
        assert with_zero.tobytes() == without.tobytes()
    assert quiet[0].spikes.any()
