"""The latency code: its table, its events, its real data."""

import itertools
import math

import numpy as np
import pytest
import torch
from xbar_training import plan_of

from crossbar.datasets import fashion_mnist
from crossbar.datasets.locate import Surroundings
from crossbar.snn.encodings.latency import latency_code, latency_table
from crossbar.snn.reference import dense
from device_models.errors import DataError

TABLE = latency_table(steps=100)


def test_a_pixel_spikes_from_grey_52_on():
    assert (TABLE[:52] == 100).all()
    assert (TABLE[52:] < 100).all()


def test_the_brightest_pixel_spikes_at_step_4_and_the_darkest_that_does_at_79():
    assert TABLE[255] == TABLE.min() == 4
    assert TABLE[52] == TABLE[52:].max() == 79


def test_a_brighter_pixel_never_spikes_later():
    assert (np.diff(TABLE.astype(int)) <= 0).all()
    assert TABLE.shape == (256,)
    assert TABLE.dtype == np.uint8


@pytest.mark.parametrize("steps", [1, 4, 5, 20, 100, 255])
def test_the_length_of_the_simulation_silences_late_pixels_and_moves_no_spike(steps):
    long, short = latency_table(steps=255), latency_table(steps=steps)
    assert short.tolist() == np.minimum(long, steps).tolist()


@pytest.mark.parametrize("grey", [52, 60, 100, 128, 200, 254, 255])
@pytest.mark.parametrize("tau_steps", [5.0, 20.0])
def test_a_pixel_spikes_when_its_leaky_membrane_crosses_the_threshold(grey, tau_steps):
    """The membrane itself, x (1 - exp(-t / tau)), on both sides of the step."""
    x, step = grey / 255, int(latency_table(steps=200, tau_steps=tau_steps)[grey])
    assert x * (1 - math.exp(-step / tau_steps)) <= 0.2
    assert x * (1 - math.exp(-(step + 1) / tau_steps)) > 0.2


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_the_threshold_is_a_share_of_full_brightness(threshold):
    silent = latency_table(steps=255, threshold=threshold) == 255
    assert silent.tolist() == [grey / 255 <= threshold for grey in range(256)]


# Images to events


def slow_code(images, steps):
    """Per image the (step, line) of its spikes in order, pixel by pixel."""
    samples = []
    for image in images:
        spikes = []
        for line, grey in enumerate(image.ravel()):
            x = max(grey / 255, 0.2 + 1e-7)
            if grey / 255 >= 0.2 and (when := int(20 * math.log(x / (x - 0.2)))) < steps:
                spikes.append((when, line))
        samples.append(sorted(spikes))
    return samples


def listed(events):
    """Per sample the (step, line) of its events, as stored."""
    pairs = list(zip(events.times.tolist(), events.rows.tolist(), strict=True))
    ends = events.offsets.tolist()
    return [pairs[first:last] for first, last in itertools.pairwise(ends)]


@pytest.fixture
def generator():
    return np.random.default_rng(37)


@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 3, 5), (40, 28, 28), (2, 1, 300)])
@pytest.mark.parametrize("steps", [10, 100, 255])
def test_events_equal_a_loop_over_the_pixels(generator, shape, steps):
    images = generator.integers(0, 256, shape, dtype=np.uint8)
    images[generator.random(shape) < 0.4] = 0
    events = latency_code(images, steps=steps)
    assert len(events) == len(images)
    assert listed(events) == slow_code(images, steps)


def test_more_images_than_are_sorted_at_a_time(generator):
    images = generator.integers(0, 256, (4100, 2, 3), dtype=np.uint8)
    assert listed(latency_code(images, steps=100)) == slow_code(images, 100)


def test_the_last_of_65535_lines_keeps_its_number():
    image = np.zeros((1, 1, 65535), np.uint8)
    image[0, 0, [0, -1]] = 255
    assert listed(latency_code(image, steps=100)) == [[(4, 0), (4, 65534)]]


def test_black_images_are_samples_without_events():
    images = np.zeros((3, 2, 2), np.uint8)
    images[1] = 255
    events = latency_code(images, steps=100)
    assert events.offsets.tolist() == [0, 0, 4, 4]


def test_events_are_stored_in_the_stated_types(generator):
    images = generator.integers(0, 256, (2, 4, 4), dtype=np.uint8)
    before = images.copy()
    events = latency_code(images, steps=100)
    types = events.rows.dtype, events.times.dtype, events.offsets.dtype
    assert types == (np.dtype(np.uint16), np.dtype(np.uint8), np.dtype(np.int64))
    np.testing.assert_array_equal(images, before)


def test_dense_counts_hold_every_event_of_the_chosen_samples(generator):
    images = generator.integers(0, 256, (6, 3, 4), dtype=np.uint8)
    network, which = plan_of(inputs=12, steps=100), np.array([4, 1, 4])
    x = dense(latency_code(images, steps=100), which, network, torch.float64)
    spikes = slow_code(images, 100)
    found = [[tuple(at) for at in sample.nonzero().tolist()] for sample in x]
    assert found == [spikes[sample] for sample in which]
    assert x.max() == 1.0


# Fashion-MNIST


@pytest.fixture(scope="module")
def data():
    def offline(url):
        raise OSError(f"{url} is not asked by tests")

    def no_program(command, folder):
        raise FileNotFoundError(2, "not run by tests", command[0])

    around = Surroundings(open_url=offline, run=no_program)
    try:
        return fashion_mnist.load(notice=lambda line: None, around=around)
    except DataError as reason:
        pytest.skip(str(reason))


def test_a_training_image_has_330_7_spikes_on_average(data):
    events = latency_code(data.train_images, steps=100)
    assert len(events) == 60_000
    assert round(len(events.rows) / len(events), 1) == 330.7
    assert len(events.rows) == int((data.train_images >= 52).sum()) == events.offsets[-1]
    assert (events.times.min(), events.times.max()) == (4, 79)
    assert events.rows.nbytes + events.times.nbytes < 61e6


def test_real_images_equal_a_loop_over_the_pixels(data):
    images = data.test_images[:50]
    assert listed(latency_code(images, steps=100)) == slow_code(images, 100)
