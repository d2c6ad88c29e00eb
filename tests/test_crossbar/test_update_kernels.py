"""The kernels of an update against the plain tensor rules that they stand for."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from xbar_devices import gen

from crossbar.snn.kernels.reduction import mean_of_chunks
from crossbar.synapses.estimate import UpdatePath, WeightEstimate
from crossbar.synapses.policies.kernels import release_target, take_whole_steps, track_target
from crossbar.synapses.pulse_router import route

SHAPE = (37, 19)


def some(seed, scale=1.0):
    return scale * torch.randn(SHAPE, generator=gen(seed))


# accumulate


def free_layer(up, down, weights=None):
    """A layer without limits: device and weight have the same place, SET is up."""
    place, way = torch.arange(up.numel(), dtype=torch.int32).view(SHAPE), torch.ones(SHAPE)
    limits = torch.tensor([[-1e9, 1e9]]).expand(SHAPE[0], 2).contiguous()
    return WeightEstimate(
        torch.zeros(SHAPE),
        torch.zeros(SHAPE) if weights is None else weights.clone(),
        UpdatePath(place, way.to(torch.int8), up),
        UpdatePath(place, -way.to(torch.int8), down),
        limits,
        torch.zeros(SHAPE[0], dtype=torch.int8),
        torch.zeros(0, 0),
    )


def sent_by(kernel, kept, wanted, known, threshold, least):
    """The counts that a kernel of a policy sends."""
    numbers = np.float32((threshold, least))
    found = kernel(kept.numpy(), wanted.numpy(), known.arrays, *numbers)
    return known.arrays.batch(found).array(SHAPE)


@pytest.mark.parametrize("size", [0.1, 3.0, 1000.0])
def test_whole_steps_are_those_of_the_tensor_rule(size):
    """Rounding may make one pulse of a chi at a whole number of steps: not one in these."""
    up, down = some(1).exp(), some(2).exp()
    chi, wanted = some(3, size), some(4, size)
    kept, known = chi.clone(), free_layer(up, down)
    pulses = sent_by(take_whole_steps, kept, wanted, known, 1, 0)
    total = chi + wanted
    step = torch.where(total > 0, up, down)
    expected = (total / step).trunc()
    assert torch.equal(pulses, expected.int())
    assert_close(kept, total - expected * step, rtol=0.0, atol=1e-6 * size)
    assert_close(known.weights, expected * step, rtol=1e-6, atol=1e-6)
    assert (pulses != 0).any()
    assert (kept.abs() <= step * 1.0001).all()


@pytest.mark.parametrize(("threshold", "least"), [(3, 0.0), (1, 2.5), (2, 4.0)])
def test_nothing_is_sent_below_a_threshold_and_all_whole_steps_above_it(threshold, least):
    up, down = some(1).exp(), some(2).exp()
    chi, wanted = some(3, 3.0), some(4, 3.0)
    kept = chi.clone()
    pulses = sent_by(take_whole_steps, kept, wanted, free_layer(up, down), threshold, least)
    total = chi + wanted
    step = torch.where(total > 0, up, down)
    whole = (total / step).trunc()
    worth = (whole.abs() >= threshold) & (total.abs() >= least)
    assert torch.equal(pulses, torch.where(worth, whole, 0.0).int())
    assert torch.equal(kept[~worth], total[~worth])
    assert_close(kept + pulses * step, total, rtol=0.0, atol=1e-5)
    assert 20 < int(worth.sum()) < worth.numel() - 20


# closed_loop


@pytest.mark.parametrize(("threshold", "least"), [(1, 0.0), (3, 0.0), (1, 2.5)])
def test_a_gap_is_rounded_to_whole_steps(threshold, least):
    up, down = some(1).exp(), some(2).exp()
    before, wanted, weights = some(3, 3.0), some(5), some(4, 3.0)
    target = before.clone()
    pulses = sent_by(track_target, target, wanted, free_layer(up, down, weights), threshold, least)
    assert torch.equal(target, before + wanted)
    gap = target - weights
    whole = (gap / torch.where(gap > 0, up, down)).round()
    worth = (whole.abs() >= threshold) & (gap.abs() >= least)
    assert torch.equal(pulses, torch.where(worth, whole, 0.0).int())
    assert 20 < int(worth.sum()) < worth.numel() - 20


def test_targets_move_within_the_limits_of_their_rows():
    """And without a pulse, where it takes infinitely many to be worth one."""
    target, wanted = some(1), some(2)
    limits = torch.stack((-torch.rand(37, generator=gen(3)), torch.rand(37, generator=gen(4))), 1)
    expected = torch.clamp(target + wanted, limits[:, :1], limits[:, 1:])
    known = dataclasses.replace(free_layer(some(1).exp(), some(2).exp()), limits=limits)
    assert not sent_by(track_target, target, wanted, known, np.inf, 0.0).any()
    assert torch.equal(target, expected)
    assert not known.weights.any()


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_target_gives_way_where_its_weight_hardly_followed(noise):
    target, start, up, down = some(1, 3.0), some(2), some(3).exp(), some(4).exp()
    expected, now = start + some(5, 6.0), start + some(6, 0.4)
    sent, moved, gap = expected - start, now - start, target - now
    worth = sent.abs() > 3.0 * (torch.where(sent > 0, up, down) + noise)
    idle = worth & (moved * sent.sign() < 0.25 * sent.abs()) & (gap * sent > 0)
    kept = target.clone()
    numbers = np.array((3.0, noise, 0.25, 0.5), np.float32)
    release_target(*(a.numpy() for a in (kept, start, expected, now, up, down)), numbers)
    assert_close(kept, target - 0.5 * gap * idle, rtol=1e-6, atol=1e-6)
    assert torch.equal(kept[~idle], target[~idle])
    assert 20 < int(idle.sum()) < idle.numel() - 20


# route


def known_layer(room=None):
    """A layer of three columns of devices a weight, of which rises and falls take two."""
    rows, outputs = SHAPE
    first = torch.arange(rows)[:, None] * 3 * outputs + torch.arange(outputs)
    polarity = torch.where(torch.rand(SHAPE, generator=gen(5)) > 0.5, 1, -1).to(torch.int8)
    up = UpdatePath(first.int(), polarity, some(6).exp())
    down = UpdatePath((first + outputs).int(), -polarity, some(7).exp())
    signs = torch.tensor([1, -1, 0], dtype=torch.int8)[torch.arange(rows) % 3]
    least = -5.0 if room is not None else 0.0
    sign = signs[:, None]
    limits = torch.cat(((sign <= 0) * -5.0, (sign >= 0) * 5.0), 1)
    weights = some(8).clamp(limits[:, :1], limits[:, 1:])
    limits[:, 0].clamp_(max=least)
    limits[:, 1].clamp_(min=-least)
    g = torch.zeros(rows, 3 * outputs)
    room = torch.zeros(0, 0) if room is None else room
    return WeightEstimate(g, weights, up, down, limits, signs, room)


def some_pulses(most=4):
    """Rows with many pulses, and with few."""
    pulses = torch.randint(-most, most + 1, SHAPE, generator=gen(9), dtype=torch.int32)
    rare = torch.rand(SHAPE, generator=gen(10)) > 0.9
    return torch.where(torch.arange(SHAPE[0])[:, None] % 2 == 0, pulses, pulses * rare)


def counts_by_hand(pulses, known):
    """Signed counts per device, one weight after the other."""
    counts = torch.zeros(known.g.numel(), dtype=torch.int32)
    for place, number in enumerate(pulses.flatten().tolist()):
        way = known.up if number > 0 else known.down
        if number:
            device = int(way.device.flatten()[place])
            counts[device] = abs(number) * int(way.polarity.flatten()[place])
    return counts.view_as(known.g)


def test_pulses_go_to_the_devices_of_their_direction_and_the_weights_follow():
    known, pulses = known_layer(), some_pulses()
    before = known.weights.clone()
    counts = counts_by_hand(pulses, known)
    assert torch.equal(route(pulses, known).array(known.g.shape), counts)
    step = torch.where(pulses > 0, known.up.step, known.down.step)
    moved = (before + pulses * step).clamp(known.limits[:, :1], known.limits[:, 1:])
    assert_close(known.weights, moved, rtol=1e-6, atol=1e-6)


def test_no_pulse_is_sent_beyond_the_one_that_ends_the_room():
    """Of rows with a sign towards zero; away from it, and in rows without one, all are sent."""
    room = known_layer().weights.abs()
    room[::3] *= 0.5  # as read: less than the weights have by now
    known, pulses = known_layer(room), some_pulses()
    step = torch.where(pulses > 0, known.up.step, known.down.step)
    inwards = pulses.sign() * known.signs[:, None] < 0
    most = (torch.minimum(room, known.weights.abs()) / step).ceil()
    allowed = torch.where(inwards, torch.minimum(pulses.abs(), most) * pulses.sign(), pulses)
    expected = counts_by_hand(allowed.int(), known)
    given = pulses.clone()
    assert torch.equal(route(pulses, known).array(known.g.shape), expected)
    assert torch.equal(pulses, given)
    assert (allowed != pulses).sum() > 25


def test_a_room_is_used_up_between_read_backs():
    """Three pulses towards zero at a time from 5.5 steps away: 3, 3, none; back: 3 and 3 again."""
    one = torch.ones(1, 1)
    way = UpdatePath(one.int() * 0, one.to(torch.int8), one)
    limits, down = torch.tensor([[-100.0, 100.0]]), way._replace(polarity=-way.polarity)
    known = WeightEstimate(one, 5.5 * one, way, down, limits, one[0].to(torch.int8), 5.5 * one)
    sent = [int(route((n * one).int(), known).array((1, 1))) for n in (-3, -3, -3, 3, 3, 3, -9)]
    assert sent == [-3, -3, 0, 3, 3, 3, -6]


# the mean gradient


@pytest.mark.parametrize("parts", [1, 3, 37])
def test_the_mean_of_chunks_is_that_of_numpy_however_rows_are_split(parts):
    sums = np.random.default_rng(1).standard_normal((8, 37, 24)).astype(np.float32)
    mean = np.zeros(SHAPE, np.float32)
    expected, again = sums[:, :, : SHAPE[1]].sum(0) / np.float32(256), sums.copy()
    bounds = np.linspace(0, 37, parts + 1).astype(int)
    for first, last in pairwise(bounds):
        mean_of_chunks(sums, 256, first, last, mean)
    np.testing.assert_allclose(mean, expected, rtol=1e-6, atol=1e-9)
    assert not sums.any(), "sums are cleared for the next batch"
    whole = np.zeros(SHAPE, np.float32)
    mean_of_chunks(again, 256, 0, 37, whole)
    assert mean.tobytes() == whole.tobytes()
