"""The fast array of `tiki_taka`: where it rests, what it forgets, and what of it arrives."""

import pytest
import torch
from torch.testing import assert_close
from xbar_devices import PULSED, gen, quiet
from xbar_policies import (
    SHAPE,
    estimate_of,
    layer_of,
    policy_of,
    pulses_of,
    step_of,
    wanted_changes,
)

from crossbar.boards.operations import pulse_array
from crossbar.synapses.policies.tiki_taka import (
    default_pulses,
    find_symmetry_points,
    forgetting,
    step_at,
    symmetry_point,
)
from device_models.presets import load_device
from device_models.soft_bounds import SoftBounds

OXRAM = load_device("oxram_literature")
SILENT = quiet(OXRAM)
SOFT = quiet(SoftBounds(**PULSED, set_fraction=0.03, reset_fraction=0.02))


def arrived(policy, layer, changes):
    """What C was sent and the buffer gained, (rows, outputs); nothing moves C."""
    estimate, before = estimate_of(layer), policy.buffer.clone()
    pulses = pulses_of(policy, layer, changes, estimate, gen(3))
    return sum(n * step_of(estimate, n) for n in pulses) + policy.buffer - before


def gain(model, wanted, noise, updates=300, **options):
    """Share of `wanted` that arrives, in the mean, with normal changes of mean zero on top."""
    layer = layer_of(model)
    policy = policy_of("tiki_taka", layer, **options)
    changes = [wanted + noise * torch.randn(SHAPE, generator=gen(i)) for i in range(updates)]
    total = torch.stack(changes).sum(0)
    return float((arrived(policy, layer, changes) * total).sum() / total.square().sum())


def test_the_law_of_the_fast_array_at_its_symmetry_point():
    """Soft bounds, set (1 - x) = reset x at 0.6. By hand: steps 0.012, forgetting 0.025."""
    point, window = symmetry_point(SOFT), SOFT.window_siemens
    assert (point - SOFT.g_min_siemens) / window == pytest.approx(0.6, abs=1e-6)
    assert step_at(SOFT, point) / window == pytest.approx(0.012, rel=1e-6)
    assert forgetting(SOFT, point) == pytest.approx(0.025, rel=1e-6)


def test_alternating_pulses_find_the_symmetry_point():
    """The last pulse is a RESET, of 0.012: x is then 0.98 (x + 0.03 (1 - x)) = 0.0294 / 0.0494."""
    (fast,) = policy_of("tiki_taka", layer_of(SOFT)).boards
    x = (find_symmetry_points(fast, SOFT) - SOFT.g_min_siemens) / SOFT.window_siemens
    assert_close(x, torch.full(SHAPE, 0.0294 / 0.0494), rtol=0.0, atol=1e-4)


def test_a_device_loses_by_pulses_of_either_sign_what_it_is_told_to_forget():
    layer = layer_of(SOFT)
    (fast,) = policy_of("tiki_taka", layer, chop=0.0).boards
    rest = fast.read().clone()
    fast.restore(fast.state._replace(g=rest + 0.01 * SOFT.window_siemens))
    for _ in range(10):
        for way in (1, -1):
            pulse_array(fast, torch.full(SHAPE, way, dtype=torch.int32))
    left = (fast.read() - rest) / (0.01 * SOFT.window_siemens)
    share = (1.0 - forgetting(SOFT, symmetry_point(SOFT))) ** 20
    assert_close(left, torch.full(SHAPE, share), rtol=0.02, atol=0.0)


def test_pulses_left_open_follow_the_read_noise_of_the_device():
    """p + 4 sigma^2 / updates = 10 p^2; without read noise, p = 0.1."""
    noisy = SoftBounds(**PULSED, set_fraction=0.03, reset_fraction=0.02)
    point = symmetry_point(noisy)
    steps = float(noisy.read_sigma_siemens(torch.tensor([point]))) / step_at(noisy, point)
    assert steps > 0.5
    for updates in (1.0, 5.0):
        p = default_pulses(noisy, point, updates)
        assert p + 4.0 * steps**2 / updates == pytest.approx(10.0 * p**2)
    assert default_pulses(SOFT, symmetry_point(SOFT), 1.0) == pytest.approx(0.1)


def test_the_fast_array_is_another_than_that_of_the_layer():
    layer = layer_of(OXRAM)
    (fast,) = policy_of("tiki_taka", layer).boards
    traits = layer.board.state.traits["set_gain"][:, : SHAPE[1]]
    assert not torch.equal(fast.state.traits["set_gain"], traits)


@pytest.mark.parametrize("lines", [None, 4])
@pytest.mark.parametrize("pulses", [0.1, 3.0])
@pytest.mark.parametrize("model", [SILENT, OXRAM], ids=["silent", "oxram"])
def test_lasting_changes_arrive_once(model, pulses, lines):
    """However long they last; gains of single devices, log-normal, are 5 % above 1 in the mean."""
    wanted = wanted_changes(layer_of(SILENT), 1.0)
    assert gain(model, wanted, 0.0, pulses=pulses, lines=lines) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("chop", [0.3, 0.0])
@pytest.mark.parametrize("lines", [None, 4])
def test_changes_arrive_once_without_chopper_and_with_a_rare_one(chop, lines):
    """As long as a lasting change is small beside the noise: pulses of one sign forget nothing."""
    small = 0.05 * wanted_changes(layer_of(SILENT), 1.0)
    noise = float(20 * small.abs().mean())
    found = gain(SILENT, small, noise, updates=1000, pulses=1.0, lines=lines, chop=chop)
    assert found == pytest.approx(1.0, abs=0.15)


def test_without_chopper_the_fast_array_is_full_at_last():
    """300 updates of 3 pulses in one direction, where the window holds a hundred."""
    wanted = wanted_changes(layer_of(SILENT), 1.0)
    full = gain(SILENT, wanted, 0.0, updates=300, pulses=3.0, chop=0.0)
    assert abs(full - 1.0) > 0.3


def test_a_wrong_reference_cancels_where_the_chopper_is_on():
    """References three steps off, changes of mean zero, 400 updates; in units of a pulse to A.

    With the chopper a reference is read once, 3. Without, each read brings the share 0.0146: 17.5.
    """
    moved = {}
    for chop in (0.0, 1.0):
        layer = layer_of(SILENT)
        policy = policy_of("tiki_taka", layer, chop=chop, pulses=1.0)
        policy.reference -= 3 * policy._step
        changes = [wanted_changes(layer, 0.1, seed) for seed in range(400)]
        more = arrived(policy, layer, changes) - sum(changes)
        moved[chop] = float(more.mean() / policy.largest)
    assert moved[1.0] == pytest.approx(3.0, abs=1.0)
    assert moved[0.0] == pytest.approx(17.5, rel=0.2)
