"""Layers on arrays as torch modules: passes, gradients, noise, modes, copies, bad input."""

import copy
import doctest
import importlib
import io
import pickle

import pytest
import torch

from crossbar import nn
from crossbar.array.faults import Faults
from crossbar.array.periphery import Periphery
from crossbar.boards.simulated import SimulatedBoard
from crossbar.wires.wires import Wires
from device_models.errors import ConfigError, HardwareError, LimitError, ShapeError

MAPPINGS = ["one_sided", "pair", "reference_column", "bit_sliced", "dale"]


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def uniform(*shape, dtype=torch.float32):
    return torch.rand(shape, generator=gen(3), dtype=dtype)


def linear(**settings):
    return nn.Linear(12, 5, **({"device": "ideal.yaml", "seed": 1} | settings))


def ei_of(mapping):
    return "50:50" if mapping == "dale" else None


@pytest.mark.parametrize("name", nn.__all__)
def test_every_public_name_has_a_source_and_an_example_that_is_true(name):
    public = getattr(nn, name)
    assert "Source:" in public.__doc__
    module = importlib.import_module(public.__module__)
    (found,) = doctest.DocTestFinder(recurse=False).find(public, name, module)
    failed, attempted = doctest.DocTestRunner().run(found)
    assert (failed, attempted > 0) == (0, True)


@pytest.mark.parametrize("bias", ["digital", "row", "none"])
@pytest.mark.parametrize("mapping", MAPPINGS)
def test_the_gradient_is_that_of_autograd_through_the_effective_weights(mapping, bias):
    if (mapping, bias) == ("dale", "row"):
        pytest.skip("a row that is a bias has no sign")
    layer = linear(mapping=mapping, bias=bias, ei=ei_of(mapping)).double()
    x = uniform(3, 12, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(layer, (x,), atol=1e-9, rtol=1e-9, eps=1e-4)
    weights, row = layer.weight.detach().clone().requires_grad_(), None
    if bias == "digital":
        row = layer.bias
    elif bias == "row":
        row = layer.matrix.detach()[-1].clone().requires_grad_()
    expected = torch.nn.functional.linear(x, weights, row).pow(3).sum()
    by_x, by_w = torch.autograd.grad(expected, (x, weights), retain_graph=True)
    layer(x).pow(3).sum().backward()
    torch.testing.assert_close(x.grad, by_x, atol=1e-9, rtol=0)
    torch.testing.assert_close(layer.matrix.grad[:12].T, by_w, atol=1e-9, rtol=0)
    if bias == "row":
        torch.testing.assert_close(
            layer.matrix.grad[-1], torch.autograd.grad(expected, row)[0], atol=1e-9, rtol=0
        )


@pytest.mark.parametrize("bias", ["digital", "row"])
@pytest.mark.parametrize(
    "geometry", [{}, {"stride": 2, "padding": (1, 0)}, {"dilation": 2, "padding": 2}], ids=str
)
def test_a_convolution_and_its_gradients_are_those_of_torch(geometry, bias):
    layer = nn.Conv2d(3, 4, (3, 2), bias=bias, device="ideal.yaml", seed=2, **geometry).double()
    plain = torch.nn.Conv2d(3, 4, (3, 2), **geometry).double()
    plain.weight.data.copy_(layer.weight)
    plain.bias.data.copy_(layer.bias if bias == "digital" else layer.matrix[-1])
    x, y = (uniform(2, 3, 7, 6, dtype=torch.float64).requires_grad_() for _ in range(2))
    out, expected = layer(x), plain(y)
    torch.testing.assert_close(out, expected, atol=1e-12, rtol=0)
    out.pow(2).sum().backward()
    expected.pow(2).sum().backward()
    torch.testing.assert_close(x.grad, y.grad, atol=1e-9, rtol=0)
    grad = layer.matrix.grad[:18].T.reshape(4, 3, 3, 2)
    torch.testing.assert_close(grad, plain.weight.grad, atol=1e-9, rtol=0)
    assert layer(x[0]).shape == out.shape[1:]


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_through_the_board_comes_what_the_effective_weights_say(mapping):
    layer = linear(mapping=mapping, ei=ei_of(mapping))
    x = 3.0 * uniform(4, 12) - 1.0
    exact = layer(x)
    layer.mode = "board"
    # Beside a reference, small weights are differences of large currents in 32 bits.
    torch.testing.assert_close(layer(x), exact, atol=2e-4 if "ref" in mapping else 1e-5, rtol=0)
    conv = nn.Conv2d(2, 3, 3, padding=1, bias="row", device="ideal.yaml", mapping="pair", seed=4)
    maps = uniform(2, 2, 5, 4)
    exact = conv(maps)
    conv.mode = "board"
    torch.testing.assert_close(conv(maps), exact, atol=1e-5, rtol=0)


def test_read_noise_has_the_variance_of_reads_of_the_board():
    layer = linear(device="oxram_literature.yaml")
    x = torch.cat((uniform(1, 12) - 0.5, torch.zeros(1, 12)))
    mean = x @ layer.weight.T.detach()
    passes = torch.stack([layer(x).detach() for _ in range(4000)])
    layer.mode = "board"
    through = layer(x[:1].expand(4000, 12)).detach()
    assert torch.equal(passes[:, 1], torch.zeros(4000, 5))  # no line, no noise
    ratio = passes[:, 0].std(0) / through.std(0)
    assert ((ratio > 0.9) & (ratio < 1.1)).all()  # each within 1.1 % x 5 of one
    error = (passes[:, 0].mean(0) - mean[0]) / (passes[:, 0].std(0) / 4000**0.5)
    assert error.abs().max() < 5


def test_seeds_name_everything_and_other_modules_change_nothing():
    x = uniform(3, 12)
    one = linear(device="oxram.yaml")
    linear(device="oxram.yaml", seed=9)(x)
    torch.rand(5)
    two = linear(device="oxram.yaml")
    assert torch.equal(one(x), two(x))
    assert not torch.equal(one(x), one(x))
    assert not torch.equal(one.weight, linear(device="oxram.yaml", seed=2).weight)
    made = [linear(seed=generator).weight for generator in (gen(5), gen(5), gen(6))]
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_reads_are_counted_alike_by_both_modes():
    layer = nn.Linear(200, 5, bias="row", device="ideal.yaml", mapping="pair", seed=1)
    x = (uniform(6, 200) > 0.7).float() * uniform(6, 200)
    x[0, 128:] = 0.0
    before = layer.counters
    layer(x)
    exact = layer.counters - before
    layer.mode = "board"
    layer.refresh()
    before = layer.counters
    layer(x)
    board = layer.counters - before
    assert exact.row_activations == board.row_activations == int((x != 0).sum()) + 6
    assert exact.column_conversions == board.column_conversions == 12 * 10
    assert exact.read_joules == pytest.approx(board.read_joules, rel=1e-4)


def test_wires_faults_converters_and_time_are_in_the_weights():
    plain = linear(device="oxram.yaml", programming="exact")
    hardware = nn.Hardware(wires=Wires(word_ohms=200.0, bit_ohms=200.0))
    wired = linear(device="oxram.yaml", programming="exact", hardware=hardware)
    assert wired.weight.abs().sum() < 0.99 * plain.weight.abs().sum()
    faulty = linear(hardware=nn.Hardware(faults=Faults(stuck_high_share=1.0)), mapping="pair")
    assert torch.equal(faulty.weight, torch.zeros(5, 12))
    before = plain.weight.detach().clone()
    plain.wait(3600.0)
    assert not torch.equal(plain.weight, before)
    x, ideal = 2.0 * uniform(50, 12) - 1.0, linear(mapping="pair")
    adc = nn.Hardware(periphery=Periphery(kind="adc", adc_bits=6, adc_clip_share=0.0))
    coarse = linear(mapping="pair", hardware=adc)
    assert torch.equal(coarse.weight, ideal.weight)
    error = (coarse(x) - ideal(x)).abs()
    lsb = coarse.array.emulator.front_end.range_amperes / 63
    of_weight = lsb / coarse.array.recipe.mapping.g_unit_siemens / 0.2
    assert 0.1 * of_weight < error.max() <= 2.0 * of_weight  # four conversions, half a step each


def test_a_copy_is_another_array_in_the_same_state():
    layer = linear(device="oxram.yaml")
    x = uniform(3, 12)
    layer(x).sum().backward()
    copied, pickled = copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))  # noqa: S301
    for use in (lambda each: each(x), lambda each: each.array.read_back().g):
        first, *others = (use(each) for each in (layer, copied, pickled))
        assert all(torch.equal(first, other) for other in others)
    assert layer.counters == copied.counters == pickled.counters
    layer.wait(100.0)
    assert not torch.equal(copied.weight, layer.weight)


def test_the_state_goes_through_a_file_and_a_wrong_one_changes_nothing():
    layer, other = linear(device="oxram.yaml"), linear(device="oxram.yaml", seed=2)
    layer.wait(50.0)
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file))
    assert torch.equal(other.weight, layer.weight)
    assert other.counters == layer.counters
    before = other.weight.detach().clone()
    for wrong in (
        nn.Linear(12, 6, device="oxram.yaml").state_dict(),
        linear(device="ideal.yaml").state_dict(),
        linear(device="oxram.yaml", w_max=7.0).state_dict(),  # its conductances mean other weights
        {"bias": torch.zeros(5)},
        other.state_dict() | {"array.g": torch.full((12, 10), float("nan"))},
        other.state_dict() | {"array.stream.reads": torch.zeros(7, dtype=torch.uint8)},
    ):
        with pytest.raises(ShapeError, match="nothing was loaded into this layer"):
            other.load_state_dict(wrong)
    assert torch.equal(other.weight, before)


class Given:
    """A board that was given: an emulated one, of which nobody knows."""

    def __init__(self, board):
        self.board = board

    def __getattr__(self, name):
        return getattr(self.board, name)


def test_a_board_that_was_given_is_read_and_never_copied():
    of = linear(mapping="pair")
    mapping = of.array.recipe.mapping
    board = Given(nn.Hardware().array(of.array.recipe.sheet, mapping, 7, 0))
    assert isinstance(board.board, SimulatedBoard)
    layer = linear(mapping="pair", board=board, weight=of.weight, w_max=mapping.w_max)
    x = uniform(2, 12)
    torch.testing.assert_close(layer(x), of(x), atol=1e-5, rtol=0)
    for copier in (copy.deepcopy, pickle.dumps):
        with pytest.raises(ConfigError, match="nothing was copied"):
            copier(layer)
    with pytest.raises(ConfigError, match="its mode is board"):
        layer.mode = "exact"
    with pytest.raises(ShapeError, match="nothing was built"):
        nn.Linear(12, 6, device="ideal.yaml", mapping="pair", board=board)
    with pytest.raises(ConfigError, match="nothing was written"):
        linear(mapping="pair", board=board, programming="exact")


@pytest.mark.parametrize(
    ("bad", "error", "match"),
    [
        (torch.full((2, 12), float("nan")), LimitError, "not finite.*nothing was read"),
        (torch.full((2, 12), float("inf")), LimitError, "not finite.*nothing was read"),
        (torch.zeros(2, 12, dtype=torch.float64), ShapeError, r"float64.*model\.double"),
        (torch.zeros(2, 12, dtype=torch.bool), ShapeError, "bool.*nothing was read"),
        (torch.zeros(2, 11), ShapeError, r"\(2, 11\), not \(\.\.\., 12\); nothing was read"),
        (torch.zeros(2, 12, device="meta"), ShapeError, "meta.*nothing was read"),
        ([0.0] * 12, ShapeError, "list.*nothing was read"),
    ],
    ids=["nan", "inf", "double", "bool", "shape", "meta", "list"],
)
@pytest.mark.parametrize("mode", ["exact", "board"])
def test_what_is_no_input_is_refused_and_not_read(bad, error, match, mode):
    layer = linear(mode=mode)
    layer.refresh()
    before = layer.counters
    with pytest.raises(error, match=match):
        layer(bad)
    assert layer.counters == before


def test_a_closed_board_and_changed_weights_are_refused():
    layer = linear()
    layer(uniform(1, 12))
    with torch.no_grad():
        layer.matrix += 1.0
    with pytest.raises(LimitError, match="PulseOptimizer; nothing was read"):
        layer(uniform(1, 12))
    layer.wait(1.0)
    layer.close()
    for use in (lambda: layer(uniform(1, 12)), lambda: layer.wait(1.0), lambda: layer.weight):
        with pytest.raises(HardwareError, match="was closed; nothing was read or sent"):
            use()


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"mapping": "pairs"}, "did you mean 'pair'.*nothing was built"),
        ({"bias": "both"}, "bias must be one of digital, row, none"),
        ({"mode": "fast"}, "mode must be one of exact, board"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"ei": "80:30"}, "ei must be a ratio"),
        ({"device": "oxrom.yaml"}, "oxr"),
        ({"mapping": "dale"}, "needs rows of one sign"),
        ({"weight": torch.zeros(5, 11)}, "nothing was written"),
        ({"weight": torch.full((5, 12), float("nan")), "w_max": 1.0}, "must be finite"),
    ],
    ids=str,
)
def test_wrong_settings_are_named(settings, match):
    with pytest.raises((ConfigError, ShapeError), match=match) as caught:
        linear(**settings)
    assert "\n" not in str(caught.value)
    for wrong in ({"tiles": nn.Hardware().tiles.__class__(copies=2)},
                  {"periphery": Periphery(kind="analog")}):  # fmt: skip
        with pytest.raises(ConfigError, match="nothing was built"):
            nn.Hardware(**wrong)
    with pytest.raises(ConfigError, match="padding must be one or two whole numbers"):
        nn.Conv2d(1, 1, 3, padding="same")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
def test_passes_and_noise_are_computed_on_cuda():
    layer = linear(device="oxram.yaml").cuda()
    optimizer = nn.PulseOptimizer(layer, lr=0.1)
    x = uniform(3, 12).cuda()
    exact = layer.weight
    out = layer(x)
    assert out.is_cuda
    torch.testing.assert_close(out, x @ exact.T, atol=0.1, rtol=0)
    out.sum().backward()
    optimizer.step()
    assert layer.counters.programmed_devices
    assert layer(x.clone()).is_cuda
