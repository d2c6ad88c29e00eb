"""Networks of snnTorch, norse and SpikingJelly run unchanged around layers on arrays."""

import warnings

import pytest
import torch

from crossbar import nn

STEPS = 6


def spikes():
    generator = torch.Generator().manual_seed(0)
    return (torch.rand((STEPS, 5, 12), generator=generator) > 0.6).float()


def tool(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, at their import
        return pytest.importorskip(name)


def on_arrays(net):
    return nn.from_torch(net, device="ideal.yaml", programming="exact")


def learns(net, run):
    """A step by pulses brings the loss down; the gradient went through the neurons."""
    optimizer = nn.PulseOptimizer(net, lr=2e-3, optimizer="sgd")
    loss = (run(net) - 1.0).square().mean()
    loss.backward()
    assert all(layer.matrix.grad.abs().sum() > 0 for layer in (net[0], net[2]))
    before = [net[i].weight.detach().clone() for i in (0, 2)]
    optimizer.step()
    assert not any(torch.equal(net[i].weight, b) for i, b in zip((0, 2), before, strict=True))


def test_snntorch():
    snn = tool("snntorch")
    net = torch.nn.Sequential(
        torch.nn.Linear(12, 16), snn.Leaky(beta=0.9, threshold=0.3, init_hidden=True),
        torch.nn.Linear(16, 3), snn.Leaky(beta=0.9, init_hidden=True, output=True),
    )  # fmt: skip

    def run(net):
        for i in (1, 3):
            net[i].mem = net[i].reset_mem()
        return torch.stack([net(x)[1] for x in spikes()])  # membranes of the last layer

    there = on_arrays(net)
    torch.testing.assert_close(run(there), run(net), atol=1e-6, rtol=0)
    learns(there, run)


def test_norse():
    norse = tool("norse.torch")
    net = norse.SequentialState(
        torch.nn.Linear(12, 16), norse.LIFCell(norse.LIFParameters(v_th=torch.tensor(0.05))),
        torch.nn.Linear(16, 3), norse.LICell(),
    )  # fmt: skip

    def run(net):
        state, out = None, []
        for x in spikes():
            y, state = net(x, state)
            out.append(y)
        return torch.stack(out)

    there = on_arrays(net)
    torch.testing.assert_close(run(there), run(net), atol=1e-6, rtol=0)
    learns(there, run)


def test_spikingjelly():
    neuron = tool("spikingjelly.activation_based.neuron")
    functional = tool("spikingjelly.activation_based.functional")
    net = torch.nn.Sequential(
        torch.nn.Linear(12, 16), neuron.LIFNode(v_threshold=0.3),
        torch.nn.Linear(16, 3), neuron.LIFNode(v_threshold=1e9),
    )  # fmt: skip

    def run(net):
        functional.reset_net(net)
        out = []
        for x in spikes():
            net(x)
            out.append(net[3].v)
        return torch.stack(out)

    there = on_arrays(net)
    torch.testing.assert_close(run(there), run(net), atol=1e-6, rtol=0)
    learns(there, run)
