"""A layer that hears itself, on one array: passes, gradients, signs, training, bad input."""

import copy

import pytest
import torch

import crossbar as xb
from crossbar import nn
from device_models.errors import ConfigError, ShapeError


def recurrent(**settings):
    return nn.Recurrent(6, 4, **({"device": "ideal.yaml", "seed": 1} | settings))


def inputs(steps=5, samples=3, dtype=torch.float64):
    drawn = torch.Generator().manual_seed(2)
    return torch.rand((steps, samples, 6), generator=drawn, dtype=dtype)


def unrolled(layer, x):
    """All outputs of a sequence; what comes back is squashed."""
    back, every = None, []
    for now in x:
        every.append(layer(now, back))
        back = torch.tanh(every[-1])
    return torch.stack(every)


@pytest.mark.parametrize("bias", ["digital", "row", "none"])
def test_a_sequence_and_its_gradient_are_those_of_torch_through_the_weights(bias):
    layer, x = recurrent(bias=bias).double(), inputs()
    if bias == "digital":
        layer.bias.data.uniform_(-1.0, 1.0, generator=torch.Generator().manual_seed(5))
    cell = torch.nn.RNNCell(6, 4).double()
    cell.weight_ih.data.copy_(layer.weight_ih)
    cell.weight_hh.data.copy_(layer.weight_hh)
    row = {"digital": layer.bias, "row": layer.matrix[-1], "none": torch.zeros(4)}[bias]
    cell.bias_ih.data.copy_(row)
    cell.bias_hh.data.zero_()
    hidden, expected = torch.zeros(3, 4, dtype=torch.float64), []
    for now in x:
        hidden = cell(now, hidden)
        expected.append(hidden)
    done = torch.tanh(unrolled(layer, x))
    torch.testing.assert_close(done, torch.stack(expected), atol=1e-12, rtol=0)
    done.pow(2).sum().backward()
    torch.stack(expected).pow(2).sum().backward()
    both = torch.cat((cell.weight_ih.grad, cell.weight_hh.grad), 1)
    torch.testing.assert_close(layer.matrix.grad[:10].T, both, atol=1e-9, rtol=0)
    if bias == "row":
        torch.testing.assert_close(layer.matrix.grad[-1], cell.bias_ih.grad, atol=1e-9, rtol=0)


def test_inputs_and_neurons_have_signs_of_their_own():
    layer = recurrent(ei="50:50", ei_recurrent="75:25", device="oxram.yaml")
    assert bool((layer.weight_ih[:, :3] >= 0).all() & (layer.weight_ih[:, 3:] <= 0).all())
    assert bool((layer.weight_hh[:, :3] >= 0).all() & (layer.weight_hh[:, 3:] <= 0).all())
    assert bool((layer.weight_hh[:, :3] > 0).any() & (layer.weight_hh[:, 3:] < 0).any())


def test_a_board_gives_what_the_exact_array_gives():
    layer, x = recurrent(), inputs(dtype=torch.float32)
    exact = unrolled(layer, x)
    layer.mode = "board"
    torch.testing.assert_close(unrolled(layer, x), exact, atol=1e-5, rtol=0)


def test_read_noise_is_that_of_all_lines():
    layer = recurrent(device="oxram.yaml", bias=False)
    x, z = torch.ones(20_000, 6), torch.ones(20_000, 4)
    with torch.no_grad():
        spread = layer(x, z).var(0)
    wanted = torch.from_numpy(layer.array.effective().variance).float().sum(0)
    torch.testing.assert_close(spread, wanted, atol=0, rtol=0.06)  # six sigma of 20,000 draws


def test_neurons_count_as_lines_that_are_driven():
    layer = recurrent(device="oxram.yaml")
    before = layer.counters.row_activations
    layer(torch.ones(2, 6), torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 1]]))
    assert layer.counters.row_activations - before == 12 + 3


def test_an_estimate_prices_what_comes_back():
    def run(layer, send):
        def go(x):
            layer(x, torch.full((len(x), 4), send))

        return xb.estimate(layer, [torch.ones(3, 6)], run=go).joules.typical

    layer = recurrent(device="oxram.yaml")
    assert run(layer, 1.0) > run(layer, 0.0) > 0.0


def test_a_copy_and_a_state_are_the_layer():
    layer, other, x = recurrent(), recurrent(seed=7), inputs(dtype=torch.float32)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(unrolled(other, x), unrolled(layer, x))
    assert torch.equal(unrolled(copy.deepcopy(layer), x), unrolled(layer, x))


def test_it_learns_by_pulses_to_remember_what_came_first():
    layer = nn.Recurrent(2, 16, device="oxram.yaml", seed=1)
    readout = nn.Linear(16, 2, device="oxram.yaml", seed=2)
    optimizer = nn.PulseOptimizer(torch.nn.ModuleList([layer, readout]), lr=1e-2)
    drawn = torch.Generator().manual_seed(3)

    def answers(count):
        first = torch.randint(2, (count,), generator=drawn)
        x = torch.zeros(6, count, 2)
        x[0, torch.arange(count), first] = 1.0
        return readout(torch.tanh(unrolled(layer, x)[-1])), first

    for _ in range(150):
        out, first = answers(64)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(out, first).backward()
        optimizer.step()
    with torch.no_grad():
        out, first = answers(500)
    assert float((out.argmax(1) == first).float().mean()) > 0.95
    assert layer.counters.set_pulses + layer.counters.reset_pulses > 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((torch.ones(2, 5),), r"shape \(2, 5\), not \(\.\.\., 6\); nothing was read"),
        ((torch.ones(2, 6), torch.ones(3, 4)), r"shape \(3, 4\), not \(2, 4\), as spikes"),
        ((torch.ones(2, 6), torch.ones(2, 4).double()), "float64, the layer torch.float32"),
        (("spikes",), "the input is str"),
    ],
)
def test_what_does_not_fit_is_said(given, message):
    with pytest.raises(ShapeError, match=message):
        recurrent()(*given)


def test_sizes_and_ratios_are_checked():
    with pytest.raises(ConfigError, match="out_features must be a whole number"):
        nn.Recurrent(6, 0)
    with pytest.raises(ConfigError, match="80-20"):
        recurrent(ei_recurrent="80-20")
