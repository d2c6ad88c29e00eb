"""`PulseOptimizer`: gradients become pulses, and nothing else changes a weight."""

import copy
import io
import pickle

import pytest
import torch

from crossbar import nn
from crossbar.synapses.policies import POLICIES
from device_models.errors import ConfigError, HardwareError, LimitError, ShapeError


def model(device="ideal.yaml", **settings):
    shared = {"device": device} | settings
    return torch.nn.Sequential(
        nn.Linear(8, 6, seed=1, **shared), torch.nn.Tanh(), nn.Linear(6, 3, seed=2, **shared)
    )


def inputs():
    return torch.rand((16, 8), generator=torch.Generator().manual_seed(0))


def loss_of(net):
    x = inputs()
    return (net(x) - x[:, :3]).square().mean()


def train(net, optimizer, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(net)
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def weights(net):
    return [net[i].weight.detach().clone() for i in (0, 2)]


@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam", "rmsprop"])
def test_on_devices_that_lose_nothing_pulses_are_the_rule_of_torch(rule):
    kinds = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.01),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
        "adam": lambda p: torch.optim.Adam(p, lr=0.01),
        "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-7),
    }
    net = model(bias=False, w_max=8.0, mapping="reference_column")
    plain = torch.nn.Sequential(
        torch.nn.Linear(8, 6, bias=False), torch.nn.Tanh(), torch.nn.Linear(6, 3, bias=False)
    )
    for i, w in zip((0, 2), weights(net), strict=True):
        plain[i].weight.data.copy_(w)
    train(net, nn.PulseOptimizer(net, lr=0.01, optimizer=rule, readback_every=1), 20)
    train(plain, kinds[rule](plain.parameters()), 20)
    for i in (0, 2):
        torch.testing.assert_close(net[i].weight, plain[i].weight, atol=1e-5, rtol=0)


@pytest.mark.parametrize("policy", [None, *(p for p in POLICIES if p != "tiki_taka")])
def test_it_learns_by_pulses_with_every_policy(policy):
    device = "hfo2_multilevel.yaml" if policy in ("stochastic", "sign") else "oxram.yaml"
    net = model(device)
    before = float(loss_of(net).detach())
    optimizer = nn.PulseOptimizer(net, lr=0.01, policy=policy)
    digital = torch.optim.Adam(net.parameters(), lr=0.01)
    assert [len(group["params"]) for group in digital.param_groups] == [2]  # the biases alone
    for _ in range(60):
        loss_of(net).backward()
        optimizer.step()
    assert float(loss_of(net).detach()) < 0.8 * before
    assert nn.summary(net).counters.set_pulses > 0


def test_tiki_taka_has_an_array_of_its_own():
    net = model("hfo2_multilevel.yaml")
    train(net, nn.PulseOptimizer(net, lr=0.01, policy="tiki_taka"), 3)
    with pytest.raises(ConfigError, match="nothing was written"):
        nn.PulseOptimizer(model("ideal.yaml"), policy="tiki_taka")


def test_schedulers_of_torch_set_the_rate_and_a_rate_of_zero_sends_nothing():
    net = model("oxram.yaml")
    optimizer = nn.PulseOptimizer([{"params": net[0], "lr": 0.02}, {"params": net[2]}], lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
    rates = []
    for _ in range(2):
        train(net, optimizer, 1)
        schedule.step()
        rates.append([group["lr"] for group in optimizer.param_groups])
    assert rates == [pytest.approx([0.01, 0.005]), pytest.approx([0.0, 0.0])]
    before = nn.summary(net).counters
    loss_of(net).backward()
    optimizer.step()
    after = nn.summary(net).counters
    assert (after - before).programming_operations == (after - before).device_reads == 0


def test_a_gradient_is_pulsed_once_and_gathers_over_passes():
    net = model()
    optimizer = nn.PulseOptimizer(net, lr=0.01, optimizer="sgd")
    loss_of(net).backward()
    once = net[0].matrix.grad.clone()
    loss_of(net).backward()
    torch.testing.assert_close(net[0].matrix.grad, 2 * once)
    optimizer.zero_grad()
    assert net[0].matrix.grad is None
    value = optimizer.step(lambda: (loss := loss_of(net)).backward() or loss)
    assert float(value.detach()) > 0
    before = weights(net)
    optimizer.step()  # there is no gradient any more
    assert all(map(torch.equal, before, weights(net)))


def test_what_was_saved_goes_on_as_what_stayed():
    net = model("oxram.yaml")
    optimizer = nn.PulseOptimizer(net, lr=0.01)
    train(net, optimizer, 6)
    file = io.BytesIO()
    torch.save([net.state_dict(), optimizer.state_dict()], file)
    file.seek(0)
    other = model("oxram.yaml", mapping="one_sided")
    later = nn.PulseOptimizer(other, lr=0.5)
    of_net, of_optimizer = torch.load(file)
    other.load_state_dict(of_net)
    later.load_state_dict(of_optimizer)
    assert train(net, optimizer, 7) == train(other, later, 7)
    assert all(map(torch.equal, weights(net), weights(other)))
    assert nn.summary(net).counters == nn.summary(other).counters


def test_a_copied_model_is_trained_by_an_optimizer_of_its_own():
    net = model("oxram.yaml")
    optimizer = nn.PulseOptimizer(net, lr=0.01)
    train(net, optimizer, 3)
    for copier in (copy.deepcopy, pickle.dumps):
        with pytest.raises(ConfigError, match="nothing was copied"):
            copier(optimizer)
    before, copied = weights(net), copy.deepcopy(net)
    train(copied, nn.PulseOptimizer(copied, lr=0.01), 3)
    assert all(map(torch.equal, before, weights(net)))
    assert not any(map(torch.equal, before, weights(copied)))


def test_what_cannot_be_trained_is_refused_and_nothing_is_pulsed():
    net = model("oxram.yaml")
    float_net = torch.nn.Linear(2, 2)
    for arrays, match in (
        (net.parameters(), r"not Parameter: give it the model"),
        (float_net, "no layer on an array.*from_torch"),
        ([{"params": float_net}], "no layer on an array"),
    ):
        with pytest.raises(ConfigError, match=match):
            nn.PulseOptimizer(arrays)
    with pytest.raises(ConfigError, match="did you mean 'adam'"):
        nn.PulseOptimizer(net, optimizer="adams")
    with pytest.raises(ConfigError, match="policy must be one of"):
        nn.PulseOptimizer(net, policy="none")
    optimizer = nn.PulseOptimizer(net, lr=0.01)
    before = nn.summary(net).counters
    loss_of(net).backward()
    net[2].matrix.grad[0, 0] = float("nan")
    reads = nn.summary(net).counters
    with pytest.raises(LimitError, match=r"Linear\(6, 3.*not finite; nothing was sent"):
        optimizer.step()
    net[2].matrix.grad[0, 0] = 0.0
    optimizer.param_groups[0]["lr"] = float("nan")
    with pytest.raises(LimitError, match="lr = nan"):
        optimizer.step()
    assert nn.summary(net).counters == reads
    assert reads.programmed_devices == before.programmed_devices
    optimizer.param_groups[0]["lr"] = 0.01
    net[0].close()
    with pytest.raises(HardwareError, match="was closed"):
        optimizer.step()


def test_states_of_other_layers_and_rules_are_refused():
    net = model("oxram.yaml")
    optimizer = nn.PulseOptimizer(net, lr=0.01)
    train(net, optimizer, 2)
    other = torch.nn.Sequential(nn.Linear(8, 5, seed=1), torch.nn.Tanh(), nn.Linear(5, 3, seed=2))
    wrong = nn.PulseOptimizer(other, lr=0.01).state_dict()
    sgd = nn.PulseOptimizer(net, lr=0.01, optimizer="sgd").state_dict()
    fewer = nn.PulseOptimizer(net[0], lr=0.01).state_dict()
    for state in (wrong, sgd, fewer):
        with pytest.raises(ShapeError, match="nothing was loaded"):
            optimizer.load_state_dict(state)


@pytest.mark.parametrize(
    "state",
    [{}, None, [], {"state": {}}, {"param_groups": []}],
    ids=["empty", "none", "list", "no groups", "no state"],
)
def test_what_is_no_state_is_refused_and_nothing_changes(state):
    """Both go on alike, pulse by pulse, one of them after the refusal."""
    nets = [model("oxram.yaml") for _ in range(2)]
    optimizers = [nn.PulseOptimizer(net, lr=0.01) for net in nets]
    for net, optimizer in zip(nets, optimizers, strict=True):
        train(net, optimizer, 2)
    with pytest.raises(ShapeError, match=r"has `state` and `param_groups`.*; nothing was loaded"):
        optimizers[0].load_state_dict(state)
    for net, optimizer in zip(nets, optimizers, strict=True):
        train(net, optimizer, 2)
    for one, other in zip(nets[0], nets[1], strict=True):
        if isinstance(one, nn.Linear):
            assert torch.equal(one.weight, other.weight)


def test_in_the_mode_board_it_learns_from_read_backs_alone():
    net = model("oxram.yaml", mode="board")
    before = float(loss_of(net).detach())
    train(net, nn.PulseOptimizer(net, lr=0.01, readback_every=1), 60)
    assert float(loss_of(net).detach()) < 0.8 * before
