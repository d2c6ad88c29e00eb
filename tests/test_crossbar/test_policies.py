"""What every policy must do, whatever its rule; a new one is tested by being registered.

Where a policy claims that its pulses are the wanted change in the mean (`is_unbiased`), that is
tested in standard errors; of the others, that the sum of many updates leads the right way.
"""

import pytest
import torch
from torch.testing import assert_close
from xbar_devices import PULSED, gen, quiet, registered
from xbar_mappings import effective
from xbar_policies import (
    SHAPE,
    estimate_of,
    layer_of,
    policy_of,
    pulses_of,
    sent,
    step_of,
    update,
    wanted_changes,
)
from xbar_stats import z_of_mean
from xbar_training import finish, plan_for, small, synthetic, trainer_of

from crossbar.experiment.builder import mappings_of
from crossbar.mappings import MAPPINGS
from crossbar.synapses.policies import POLICIES
from crossbar.synapses.policies.compatibility import can_reset, check_serving
from crossbar.synapses.policies.tiki_taka import has_symmetry_point
from device_models.errors import ConfigError
from device_models.presets import load_device
from device_models.registry import MODELS
from device_models.soft_bounds import SoftBounds

OXRAM = load_device("oxram_literature")
SILENT = quiet(OXRAM)
SET_ONLY = SoftBounds(**PULSED, set_fraction=0.03, reset_fraction=1e-6)
PLAIN = [name for name, policy in POLICIES.items() if not policy.needs_symmetry_point]
each_policy = pytest.mark.parametrize("name", POLICIES)
each_sign = pytest.mark.parametrize("sign", [1, -1, 0])


# The mean


@pytest.mark.parametrize("name", [n for n in POLICIES if POLICIES[n].is_unbiased])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("sizes", [0.3, 3.0])
def test_the_mean_change_is_the_wanted_one_where_that_is_claimed(name, sign, sizes):
    """5 standard errors over 240 000 draws, signed by the direction: false alarm 6e-7.

    The same test must refuse 3 % more than was wanted, where changes are of several steps.
    """
    layer = layer_of(OXRAM, sign=sign)
    wanted = wanted_changes(layer, sizes)
    steps = (wanted / step_of(estimate_of(layer), wanted)).double()
    found = sent(name, layer, wanted, repeats=400).double()
    assert abs(z_of_mean((found - steps) * wanted.sign(), 0.0)) < 5
    if sizes > 1:
        assert abs(z_of_mean((found - 1.03 * steps) * wanted.sign(), 0.0)) > 5


@pytest.mark.parametrize("name", ["accumulate", "stochastic"])
@each_sign
def test_pulses_move_an_ideal_layer_by_what_was_wanted(name, sign):
    layer = layer_of(load_device("ideal"), sign=sign)
    before = torch.from_numpy(effective(layer).weights)
    wanted = 0.1 * torch.randn(SHAPE, generator=gen(4))
    update(policy_of(name, layer), layer, wanted, estimate_of(layer))
    after = torch.from_numpy(effective(layer).weights)
    assert_close(after - before, wanted, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("sizes", [0.2, 3.0])
def test_accumulated_changes_are_pulses_and_a_rest_below_one_step(sign, sizes):
    """20 updates: sent + kept = wanted, to the rounding of 32 bits; the kept part is below 1."""
    layer = layer_of(OXRAM, sign=sign)
    policy, estimate = policy_of("accumulate", layer), estimate_of(layer)
    wanted = [wanted_changes(layer, sizes, seed) for seed in range(20)]
    pulses = pulses_of(policy, layer, wanted, estimate, gen())
    moved = torch.stack([n * step_of(estimate, n) for n in pulses]).double().sum(0)
    total = torch.stack(wanted).double().sum(0)
    assert_close(moved + policy.chi.double(), total, rtol=0.0, atol=1e-6)
    assert float(total.abs().max()) > 1e-2
    assert (policy.chi.abs() <= step_of(estimate, policy.chi) * 1.0001).all()


def test_some_policy_claims_to_be_unbiased_and_sign_does_not():
    assert POLICIES["stochastic"].is_unbiased
    assert not POLICIES["sign"].is_unbiased


# The direction


@each_policy
@each_sign
@pytest.mark.parametrize("sizes", [0.3, 3.0])
def test_no_pulse_goes_the_wrong_way(name, sign, sizes):
    """Without read noise. A row of no pulse at all would pass: the next test refuses it."""
    layer = layer_of(SILENT, sign=sign)
    wanted = wanted_changes(layer, sizes)
    pulses = sent(name, layer, wanted, repeats=100)
    assert (pulses * wanted.sign() >= 0).all()


@each_policy
@each_sign
def test_large_lasting_changes_are_served(name, sign):
    """With all noise: weights whose change is above 60 % of the largest move the right way."""
    layer = layer_of(OXRAM, sign=sign)
    wanted = wanted_changes(layer, 2.0)
    large = wanted.abs() > 0.6 * wanted.abs().max()
    total = sent(name, layer, wanted, repeats=100).sum(0) * wanted.sign()
    assert (total[large] > 0).all()
    assert int(large.sum()) > 3


# Nothing


@each_policy
@each_sign
def test_no_wanted_change_sends_no_pulse(name, sign):
    layer = layer_of(OXRAM, sign=sign)
    policy = policy_of(name, layer)
    before = [board.counters for board in policy.boards]
    for _ in range(5):
        update(policy, layer, torch.zeros(SHAPE), estimate_of(layer))
    assert layer.board.counters.programming_operations == 0
    assert [board.counters for board in policy.boards] == before


@each_policy
def test_a_weight_without_a_wanted_change_gets_no_pulse_beside_others_that_do(name):
    layer = layer_of(SILENT)
    wanted = wanted_changes(layer, 3.0) * (torch.arange(SHAPE[1]) % 2)
    pulses = sent(name, layer, wanted, repeats=30)
    assert (pulses[:, wanted == 0] == 0).all()
    assert (pulses != 0).any()


# Counts


@each_policy
@pytest.mark.parametrize("device", ["oxram_literature", "ideal"])
@pytest.mark.parametrize("mapping", ["one_sided", "pair"])
def test_the_board_counts_the_pulses_that_were_sent(name, device, mapping, monkeypatch):
    """In all and of each device; a count of an ideal device is the width of one pulse."""
    layer = layer_of(load_device(device), mapping=mapping)
    policy = policy_of(name, layer)
    boards = [layer.board, *policy.boards]
    before = [(board.counters, board.pulsed.clone()) for board in boards]
    each = [[torch.zeros(board.info.shape, dtype=torch.int32)] for board in boards]
    for board, counts in zip(boards, each, strict=True):

        def noted(batch, shape=None, board=board, counts=counts, send=board.pulse):
            new = batch.array(board.info.shape)
            counts.append(new.sign() if device == "ideal" else new)
            send(batch, shape)

        monkeypatch.setattr(board, "pulse", noted)
    for seed in range(8):
        wanted = wanted_changes(layer, 2.0, seed)
        update(policy, layer, wanted, estimate_of(layer), gen(seed))
    for board, counts, (old, pulsed) in zip(boards, each, before, strict=True):
        told, new = torch.stack(counts), board.counters - old
        assert new.set_pulses == int(told.clamp(min=0).sum())
        assert new.reset_pulses == -int(told.clamp(max=0).sum())
        assert torch.equal(board.pulsed - pulsed, told.abs().sum(0))
        assert new.set_pulses + new.reset_pulses > 0


# State


def halves(name, *, stop):
    """Twelve updates; with `stop`, the second half is that of a new policy on restored devices."""
    layer = layer_of(OXRAM)
    policy = policy_of(name, layer)
    for half in (0, 1):
        if half and stop:
            kept = {n: part.clone() for n, part in policy.state().items()}
            saved = [(b.state, b.pulsed.clone()) for b in (layer.board, *policy.boards)]
            layer = layer_of(OXRAM)
            policy = policy_of(name, layer)
            policy.restore(kept)
            for board, devices in zip((layer.board, *policy.boards), saved, strict=True):
                board.restore(*devices)
        for board in (layer.board, *policy.boards):
            board.begin_epoch(half)  # as at the start of an epoch
        numbers = gen(half)
        for i in range(6):
            change = wanted_changes(layer_of(OXRAM), 2.0, 6 * half + i)
            update(policy, layer, change, estimate_of(layer), numbers)
    devices = [part for b in (layer.board, *policy.boards) for part in (b.state.g, b.pulsed)]
    return devices, policy.state()


@each_policy
def test_a_restored_policy_goes_on_to_the_bit(name):
    devices, state = halves(name, stop=False)
    again, kept = halves(name, stop=True)
    assert all(torch.equal(a, b) for a, b in zip(devices, again, strict=True))
    assert state.keys() == kept.keys()
    assert all(torch.equal(state[part], kept[part]) for part in state)


@each_policy
def test_bytes_per_synapse_are_those_of_the_state(name):
    layer = layer_of(OXRAM)
    policy = policy_of(name, layer)
    update(policy, layer, wanted_changes(layer, 1.0), estimate_of(layer))
    least = {"stochastic": 0, "sign": 0, "accumulate": 4, "closed_loop": 4, "tiki_taka": 8}[name]
    assert least <= policy.bytes_per_synapse < least + 0.1


# Devices that cannot serve


def asked(name, model, mapping, **options):
    """What a run is told before it begins."""
    config = small(mapping=MAPPINGS[mapping].Options(**options))
    (*_, layer) = mappings_of(config, load_device(config.device), plan_for(config))
    check_serving("device", model, name, mapping, layer)


@each_policy
def test_a_device_without_reset_is_refused_where_reset_is_needed(name):
    for mapping in ("one_sided", "dale", "reference_column", "bit_sliced"):
        with pytest.raises(ConfigError, match=r"needs RESET, which .* --mapping pair and mapping"):
            asked(name, SET_ONLY, mapping)
    with pytest.raises(ConfigError, match=r"needs RESET, which .*refresh_share=1"):
        asked(name, SET_ONLY, "pair")


@pytest.mark.parametrize("name", PLAIN)
def test_what_the_refusal_advises_trains_by_set_alone(name):
    options = MAPPINGS["pair"].Options(refresh_share=1.0)
    config = small(policy=name, mapping=options, epochs=1, learning_rate=1.0)
    trainer = trainer_of(config, synthetic(), model=SET_ONLY)
    trainer.start()
    finish(trainer, 1)
    assert trainer.rows[1]["pulses"]["reset"] == 0
    assert trainer.rows[1]["pulses"]["set"] > 0


def test_a_trainer_asks_before_it_writes():
    with pytest.raises(ConfigError, match=r"--mapping one_sided needs RESET"):
        trainer_of(small(policy="sign"), synthetic(), model=SET_ONLY)


@pytest.mark.parametrize("kind", MODELS)
def test_no_other_device_is_taken_for_one_without_reset(kind):
    assert can_reset(registered(kind))
    assert not can_reset(SET_ONLY)


@pytest.mark.parametrize("device", ["ideal", "gaussian_update"])
def test_a_device_without_symmetry_point_is_refused_by_tiki_taka(device):
    with pytest.raises(ConfigError, match=r"symmetry point.*accumulate, .*sign need none"):
        asked("tiki_taka", load_device(device), "one_sided")
    assert has_symmetry_point(OXRAM)


# sign


def test_sign_sends_one_pulse_to_whatever_exceeds_its_share_of_the_largest_change():
    layer = layer_of(OXRAM)
    wanted = wanted_changes(layer, 0.01)
    for share in (0.0, 0.5, 0.9):
        (pulses,) = sent("sign", layer, wanted, repeats=1, threshold=share)
        worth = wanted.abs() > share * wanted.abs().max()
        assert torch.equal(pulses, (wanted.sign() * worth).int())
        assert worth.any()


@pytest.mark.parametrize("device", ["ideal", "gaussian_update"])
def test_single_pulses_of_a_fine_grained_device_are_refused(device):
    with pytest.raises(ConfigError, match=r"sign sends single pulses.*accumulate, closed_loop"):
        asked("sign", load_device(device), "one_sided")
