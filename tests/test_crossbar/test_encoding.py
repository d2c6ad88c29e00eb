"""The latency code and what every encoding refuses: table, events, real data."""

import itertools
import math

import numpy as np
import pytest
import torch
from xbar_training import fashion_images, plan_of

from crossbar.snn.encodings import ENCODINGS, encoding_of
from crossbar.snn.encodings.events import time_type
from crossbar.snn.encodings.latency import latency_code, latency_table
from crossbar.snn.reference import dense
from device_models.errors import ShapeError

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
@pytest.mark.parametrize("steps", [10, 100, 255, 256, 1000])
def test_events_equal_a_loop_over_the_pixels(generator, shape, steps):
    images = generator.integers(0, 256, shape, dtype=np.uint8)
    images[generator.random(shape) < 0.4] = 0
    events = latency_code(images, steps=steps)
    assert len(events) == len(images)
    assert listed(events) == slow_code(images, steps)
    assert events.times.dtype == (np.uint8 if steps <= 255 else np.uint16)


def test_more_images_than_are_sorted_at_a_time(generator):
    images = generator.integers(0, 256, (1100, 2, 3), dtype=np.uint8)
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


def test_dense_counts_hold_every_event_of_the_chosen_samples(generator):
    images = generator.integers(0, 256, (6, 3, 4), dtype=np.uint8)
    network, which = plan_of(inputs=12, steps=100), np.array([4, 1, 4])
    x = dense(latency_code(images, steps=100), which, network, torch.float64)
    spikes = slow_code(images, 100)
    found = [[tuple(at) for at in sample.nonzero().tolist()] for sample in x]
    assert found == [spikes[sample] for sample in which]
    assert x.max() == 1.0


def test_spikes_later_than_step_255_keep_their_step():
    images = np.array([[[52, 255]]], np.uint8)  # the dimmest that spikes, and full brightness
    events = latency_code(images, steps=60_000, tau_steps=10_000.0)
    late = [int(1e4 * math.log(x / (x - 0.2))) for x in (1.0, 52 / 255)]
    assert late[1] > 255
    assert listed(events) == [[(late[0], 1), (late[1], 0)]]


# What no encoding takes


@pytest.fixture(params=[name for name, each in ENCODINGS.items() if each.takes == "images"])
def encode(request, generator):
    """Every encoding of images with its default settings, as (samples, steps) -> events."""
    encoding = encoding_of(ENCODINGS[request.param].Options())
    assert type(encoding) is ENCODINGS[request.param]
    return lambda samples, steps=100: encoding.encode(samples, steps=steps, generator=generator)


def test_65536_lines_are_refused_by_name(encode):
    encode(np.zeros((1, 5, 13_107), np.uint8))
    with pytest.raises(ShapeError) as caught:
        encode(np.zeros((1, 256, 256), np.uint8))
    assert str(caught.value) == (
        "65,536 input lines (256 x 256); an event names one of at most 65,535 lines; "
        "nothing was encoded"
    )


@pytest.mark.parametrize("steps", [0, 65_536])
def test_too_many_or_no_steps_are_refused_by_name(encode, steps):
    encode(np.zeros((1, 2, 2), np.uint8), 65_535)
    with pytest.raises(ShapeError, match=f"^{steps:,} steps; .* at least 1 and at most 65,535"):
        encode(np.zeros((1, 2, 2), np.uint8), steps)


def test_no_samples_and_samples_that_are_no_bytes_are_refused(encode):
    with pytest.raises(ShapeError, match="there is no sample; nothing was encoded"):
        encode(np.zeros((0, 2, 2), np.uint8))
    with pytest.raises(ShapeError, match=r"samples of type float64; .* as uint8"):
        encode(np.zeros((1, 2, 2)))


def test_events_of_every_encoding_are_sorted_and_of_the_stated_types(encode, generator):
    samples = generator.integers(0, 256, (600, 3, 4), dtype=np.uint8)
    before = samples.copy()
    for steps in (100, 300):
        events = encode(samples, steps)
        types = events.rows.dtype, events.times.dtype, events.offsets.dtype
        assert types == (np.dtype(np.uint16), time_type(steps), np.dtype(np.int64))
        assert len(events) == 600
        assert listed(events) == [sorted(set(spikes)) for spikes in listed(events)]
    np.testing.assert_array_equal(samples, before)


# Fashion-MNIST


@pytest.fixture(scope="module")
def data():
    images = fashion_images()
    if isinstance(images, str):
        pytest.skip(images)
    return images


def test_a_training_image_has_330_7_spikes_on_average(data):
    events = latency_code(data.train.samples, steps=100)
    assert len(events) == 60_000
    assert round(len(events.rows) / len(events), 1) == 330.7
    assert len(events.rows) == int((data.train.samples >= 52).sum()) == events.offsets[-1]
    assert (events.times.min(), events.times.max()) == (4, 79)
    assert events.rows.nbytes + events.times.nbytes < 61e6


def test_real_images_equal_a_loop_over_the_pixels(data):
    images = data.test.samples[:50]
    assert listed(latency_code(images, steps=100)) == slow_code(images, 100)
