"""The inner ear: tables, filters and kernels against the published equations, spelled out."""

import math

import numpy as np
import pytest
from scipy import fft

from crossbar.datasets.cochlea import kernels, membrane
from crossbar.datasets.cochlea.model import prepared, spikes_of, velocities
from device_models.errors import DataError

SAMPLES = 12_000  # a quarter of a second
CHANNELS = 24  # of the 700 positions, spread over all of them


def sound(seed=0, samples=SAMPLES):
    """A chord in noise, at 48 kHz."""
    generator, t = np.random.default_rng(seed), np.arange(samples) / 48_000
    tones = sum(np.sin(2 * np.pi * hertz * t) for hertz in (180, 700, 2400, 5100))
    return prepared(tones + 0.3 * generator.standard_normal(samples), 48_000)


def published_velocity(x, position):
    """The membrane as published: v at every frequency of the clip, no table, no padding."""
    points = len(x) // 2 + 1
    v = membrane.response(np.linspace(1.0, 24_000.0, points), np.array([position]))[0]
    return np.real(np.fft.ifft(v * np.fft.fft(x)[:points]))


def published_release(velocity):
    """The hair cell in plain Python: probability of a spike in every sample."""
    a, b, g, y, l, r, x, h = 5.0, 300.0, 2000.0, 5.05, 2500.0, 6580.0, 66.3, 50_000.0  # noqa: E741
    dt, k = 1.0 / 24_000.0, g * a / (a + b)
    c = y * k / (l * k + y * (l + r))
    q, w, result = c * (l + r) / k, c * r / x, []
    for s in velocity:
        k = g * dt * (s + a) / (s + a + b) if s + a > 0 else 0.0
        q_new = q + max(y * dt * (1.0 - q), 0.0) - k * q + x * dt * w
        c_new = c + k * q - (l + r) * dt * c
        w_new = w + r * dt * c - x * dt * w
        q, c, w = max(q_new, 0.0), max(c_new, 0.0), max(w_new, 0.0)
        result.append(h * dt * c)
    return np.array(result)


def coin_fibres(p, count, generator):
    """A coin in every sample; what follows within 1 ms of a spike that counts is dropped."""
    spikes = generator.random((len(p), count)) < p[:, None]
    for fibre in range(count):
        last = -24
        for n in np.flatnonzero(spikes[:, fibre]):
            if n - last < 24:
                spikes[n, fibre] = False
            else:
                last = n
    return spikes.sum(axis=1)


def plain_bushy_cell(counts):
    """The neuron with a flag for every sample, as published."""
    dt, current, v, refractory, spikes = 1.0 / 24_000.0, 0.0, 0.0, 0, []
    for n, count in enumerate(counts):
        current = current * math.exp(-dt / 0.5e-3) + count
        v *= math.exp(-dt / 1e-3)
        if refractory:
            refractory, v = refractory - 1, 0.0
        else:
            v += dt * 13e3 / 40 * current
        if v >= 1.0 and not refractory:
            spikes += [n] if n < len(counts) - 1 else []
            refractory, v = 24, 0.0
    return spikes


@pytest.fixture(scope="module")
def ear():
    """Every thirtieth channel or so: positions, and the table of them."""
    where = membrane.positions(CHANNELS)
    return where, membrane.response(membrane.grid(), where).astype(np.complex64)


@pytest.mark.parametrize("channel", [50, 200, 350, 500, 650])
def test_the_table_is_within_a_thousandth_of_the_response_itself(channel):
    position = membrane.positions()[channel : channel + 1]
    entries = membrane.response(membrane.grid(), position)[0]
    below, fraction = membrane.interpolation(17_301)
    v = entries[below] + fraction * (entries[below + 1] - entries[below])
    exact = membrane.response(np.linspace(1.0, 24_000.0, 17_301), position)[0]
    assert np.sqrt(np.mean(abs(v - exact) ** 2) / np.mean(abs(exact) ** 2)) < 1e-3


def test_a_coarse_grid_would_fail_the_test_above(monkeypatch):
    monkeypatch.setattr(membrane, "STEPS_HERTZ", ((1.0, 5.0),))
    with pytest.raises(AssertionError):
        test_the_table_is_within_a_thousandth_of_the_response_itself(650)


def test_resonances_fall_from_the_base_to_the_apex(ear):
    peaks = membrane.grid()[abs(ear[1]).argmax(axis=1)]
    assert (np.diff(peaks[2:]) < 0).all()
    assert 80.0 < peaks[-1] < 130.0


def test_velocities_are_those_of_the_published_transform(ear):
    where, table = ear
    x = sound()
    points = fft.next_fast_len(len(x) // 2 + 1, real=True)  # silence is appended
    padded = np.concatenate([x, np.zeros(2 * (points - 1) - len(x))])
    fast = velocities(x, table)
    for channel in (2, 8, 12, 16, 20):
        slow = published_velocity(padded, where[channel])[: len(x) // 2 + 1]
        assert np.abs(fast[channel] - slow).max() < 2e-3 * slow.std()
        as_published = published_velocity(x, where[channel])
        assert np.std(as_published - slow) < 0.03 * slow.std()  # what the silence changes


def test_hair_cells_are_those_of_plain_python(ear):
    velocity = velocities(sound(), ear[1])[14]
    hazard = np.empty(len(velocity) + 1)
    kernels.release(velocity, hazard)
    slow = published_release(velocity.astype(float))
    assert hazard[0] == 0.0
    np.testing.assert_allclose(-np.expm1(-np.diff(hazard)), slow, rtol=1e-9)


def test_bushy_cells_are_those_of_plain_python():
    counts = np.random.default_rng(1).poisson(0.2, 20_000).astype(np.uint8)
    spikes = np.empty(len(counts), np.uint16)
    number = kernels.bushy_cell(counts, spikes)
    assert number > 100
    assert spikes[:number].tolist() == plain_bushy_cell(counts)
    assert np.diff(spikes[:number].astype(int)).min() > 24


def fibres_of_kernel(p, times, generator):
    """(times, samples) spikes of 40 fibres."""
    hazard, counts = np.concatenate([[0.0], np.cumsum(-np.log1p(-p))]), []
    for _ in range(times):
        counts.append(np.empty(len(p), np.uint8))
        kernels.fibre_spikes(hazard, counts[-1], generator)
    return np.array(counts)


@pytest.mark.parametrize(("scale", "agrees"), [(1.0, True), (1.15, False)])
def test_fibres_have_the_law_of_coins_with_a_dead_time(scale, agrees):
    # Rates in windows of 5 ms, 4000 fibres each way; p is high enough for dead times to matter.
    p = 0.02 + 0.018 * np.sin(np.arange(960) / 70.0)
    fast = fibres_of_kernel(np.minimum(scale * p, 1.0), 100, np.random.default_rng(2))
    slow = coin_fibres(p, 4000, np.random.default_rng(3))
    assert fast.max() <= 40
    fast, slow = (counts.reshape(8, 120).sum(axis=1) for counts in (fast.sum(axis=0), slow))
    z = (fast - slow) / np.sqrt(fast + slow)  # dead times make counts narrower than Poisson's
    assert (np.abs(z).max() < 5.0) == agrees  # false alarm below 5e-6


def test_spikes_of_two_runs_agree_as_published_and_depend_on_the_generator_alone(ear):
    x = sound(samples=24_000)
    runs = [spikes_of(x, ear[1], np.random.default_rng(seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(runs[0].times, runs[1].times)
    np.testing.assert_array_equal(runs[0].units, runs[1].units)
    assert (np.diff(runs[0].times.astype(int)) >= 0).all()
    hertz = [run.fibres / (CHANNELS * 40 * 0.5) for run in runs]
    assert all(50.0 < rate < 90.0 for rate in hertz)
    maps = np.zeros((2, CHANNELS, 101))
    for image, run in zip(maps, runs[1:], strict=True):
        np.add.at(image, (run.units, run.times // 120), 1.0)
    assert 0.2 < np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1] < 0.8


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (16_000, 16_000, "clip: 16,000 Hz; the inner ear takes 48,000 or 24,000 Hz"),
        (500, 24_000, r"clip: 0.0208 s of sound; 0.025 to 2.7 s are taken"),
        (150_000, 48_000, r"clip: 3.12 s of sound; 0.025 to 2.7 s are taken"),
    ],
)
def test_what_the_ear_cannot_take_is_refused(samples, rate, message):
    from crossbar.datasets.cochlea.model import check_form

    with pytest.raises(DataError, match=message):
        check_form(samples, rate, where="clip")


def test_silence_is_refused():
    with pytest.raises(DataError, match="silence, or no sound"):
        prepared(np.zeros(4_800), 48_000)
