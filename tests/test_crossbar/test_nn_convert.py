"""Torch models on arrays, what they are, and what their activity costs on a chip."""

import dataclasses

import numpy as np
import pytest
import torch

from crossbar import nn
from crossbar.energy.activity import Activity, LayerActivity
from crossbar.energy.counts import count
from crossbar.snn.encodings.events import Events
from device_models.errors import ConfigError, ShapeError


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def conv_net():
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3, padding=1, stride=2), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(3 * 4 * 4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 4, bias=False),
    )  # fmt: skip


@pytest.mark.parametrize("mapping", ["one_sided", "pair", "reference_column", "bit_sliced"])
@pytest.mark.parametrize("bias", ["digital", "row"])
def test_a_model_on_exact_arrays_is_the_model(mapping, bias):
    net = conv_net()
    there = nn.from_torch(net, device="ideal.yaml", mapping=mapping, bias=bias, programming="exact")
    x = torch.rand((3, 2, 8, 8), generator=gen())
    torch.testing.assert_close(there(x), net(x), atol=1e-6, rtol=0)
    assert isinstance(net[0], torch.nn.Conv2d)  # the model itself stays
    double = nn.from_torch(net.double(), device="ideal.yaml", programming="exact")
    assert double(x.double()).dtype == torch.float64


def test_write_verify_brings_real_devices_near():
    net = conv_net()
    there = nn.from_torch(net, device="oxram.yaml", seed=3)
    again = nn.from_torch(net, device="oxram.yaml", seed=3)
    for i in (0, 3, 5):
        wanted = net[i].weight.detach()
        error = (there[i].weight.detach() - wanted).abs()
        assert float(error.mean()) < 0.03 * float(wanted.abs().max())
        assert torch.equal(there[i].weight, again[i].weight)
        assert there[i].counters.set_pulses > 0


def test_dales_law_clips_what_it_forbids_and_says_so():
    net = torch.nn.Sequential(torch.nn.Linear(10, 10), torch.nn.ReLU(), torch.nn.Linear(10, 2))
    with pytest.warns(UserWarning, match="of its weights are beyond what its mapping holds"):
        there = nn.from_torch(net, device="ideal.yaml", ei="80:20", programming="exact")
    assert (there[0].weight >= 0).all()
    assert (there[2].weight[:, :8] >= 0).all()
    assert (there[2].weight[:, 8:] <= 0).all()
    assert there[2].weight[:, 8:].min() < 0


def test_a_layer_that_occurs_twice_is_one_array_and_some_stay():
    layer = torch.nn.Linear(4, 4)
    net = torch.nn.Sequential(layer, torch.nn.ReLU(), layer, torch.nn.Linear(4, 2))
    there = nn.from_torch(net, device="ideal.yaml", programming="exact", keep=["3"])
    assert there[0] is there[2]
    assert type(there[3]) is torch.nn.Linear
    assert len(nn.summary(there).arrays) == 1
    one = nn.from_torch(layer, device="ideal.yaml", programming="exact")
    torch.testing.assert_close(one.weight, layer.weight, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "settings", [{"groups": 2}, {"padding_mode": "circular"}, {"padding": "same"}], ids=str
)
def test_convolutions_without_an_array_are_named(settings):
    net = torch.nn.Sequential(torch.nn.Conv2d(2, 2, 3, **settings))
    with pytest.raises(ConfigError, match=r"0: a convolution with .*keep=\['0'\].*nothing was"):
        nn.from_torch(net)
    with pytest.raises(ConfigError, match=r"no torch\.nn\.Linear"):
        nn.from_torch(torch.nn.ReLU())


def test_the_summary_counts_devices_tiles_and_pulses():
    net = torch.nn.Sequential(
        nn.Linear(200, 70, device="ideal.yaml", bias="row"), nn.Linear(70, 2, device="ideal.yaml")
    )
    done = nn.summary(net)
    assert [(a.rows, a.columns, a.tiles) for a in done.arrays] == [(201, 140, 4), (70, 4, 1)]
    assert done.devices == 201 * 140 + 280
    text = str(done).splitlines()
    assert len(text) == 4
    assert "0 (Linear)" in text[1]
    assert f"{done.devices:,}" in text[3]
    with pytest.raises(ConfigError, match="no layer on an array"):
        nn.summary(torch.nn.ReLU())


class Spiking(torch.nn.Module):
    """Thresholded currents, step by step; inputs (samples, steps, lines)."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(150, 20, device="ideal.yaml", seed=1)
        self.last = nn.Linear(20, 3, device="ideal.yaml", seed=2)
        self.spikes = []

    def forward(self, x):
        for step in range(x.shape[1]):
            self.spikes.append((self.first(x[:, step]) > 0.02).float())
            out = self.last(self.spikes[-1])
        return out


def test_spikes_of_a_model_are_counted_as_an_activity_of_a_run_is():
    net = Spiking()
    x = (torch.rand((7, 4, 150), generator=gen()) > 0.97).float()
    done = nn.estimate(net, [x[:4], (x[4:], 0)])
    sent = torch.cat([torch.stack(net.spikes[i : i + 4], 1) for i in (0, 4)])
    expected = count(
        Activity(
            tuple(
                activity_of(name, layer, spikes, fired)
                for name, layer, spikes, fired in (
                    ("first", net.first, x, int(sent.sum())), ("last", net.last, sent, 0),
                )
            ),
            7, 4, 1e-3, assumed=False,
        ), 128, 128,
    )  # fmt: skip
    assert done.counts == expected
    assert done.joules.low < done.joules.typical < done.joules_dense.typical
    energy, *_, area = str(done).splitlines()
    assert energy.split()[4:6] == [f"{done.joules.typical:.3g}", "J,"]
    low, typical, high = (f"{1e6 * m2:.3g}" for m2 in dataclasses.astuple(done.m2))
    assert area.split() == ["area", typical, "mm2,", low, "to", high]
    assert done.counts[0].row_activations == int(x.sum())
    assert done.counts[0].neuron_updates == 20 * 4 * 7
    time_first = nn.estimate(net.first, [x.transpose(0, 1)], run=net.first)
    assert time_first.counts[0].row_activations == int(x.sum())


def activity_of(name, layer, spikes, fired):
    at = spikes.nonzero().numpy()
    offsets = np.searchsorted(at[:, 0], np.arange(len(spikes) + 1))
    rows, outputs = layer.array.recipe.mapping.shape
    weights = layer.weight.detach().numpy().T
    return LayerActivity(
        name=name, inputs=Events(at[:, 2].astype(np.uint16), at[:, 1].astype(np.uint8), offsets),
        columns=2 * outputs, outputs=outputs,
        siemens=layer.array.emulator.array_siemens().float().numpy(),
        fan_out=np.full(rows, outputs), fired=fired, nonzero=np.count_nonzero(weights, axis=1),
    )  # fmt: skip


def test_other_inputs_go_in_bit_by_bit():
    layer = nn.Linear(6, 2, device="ideal.yaml")
    x = torch.tensor([[1.0, 0.0, 1 / 3, 0.0, 0.0, 0.0], [2 / 3, 0.0, 0.0, 0.0, 0.0, 0.0]])
    done = nn.estimate(layer, [x], dac_bits=2).counts[0]  # codes 3, 1, 2
    assert (done.reads, done.row_activations, done.active_steps) == (4, 4, (3,))
    assert done.neuron_updates == 2 * 2
    signed = nn.estimate(layer, [-x], dac_bits=2).counts[0]
    assert (signed.reads, signed.row_activations) == (8, 4)
    few, many = (nn.estimate(layer, [x], dac_bits=bits).joules.typical for bits in (2, 8))
    assert many > 2 * few


def test_a_convolution_is_priced_by_position_with_padding_that_drives_nothing():
    layer = nn.Conv2d(1, 2, 3, padding=1, device="ideal.yaml", bias="row")
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 0, 0] = 1.0  # in the kernel at four positions
    done = nn.estimate(layer, [x]).counts[0]
    assert (done.reads, done.positions, done.neurons) == (16, 16, 32)
    assert done.row_activations == 4 + 16
    before = layer.counters
    layer(x)
    assert (layer.counters - before).row_activations == done.row_activations


def test_what_cannot_be_counted_is_refused():
    layer = nn.Linear(6, 2, device="ideal.yaml")
    x = torch.zeros(4, 6)
    with pytest.raises(ConfigError, match="no layer on an array"):
        nn.estimate(torch.nn.ReLU(), [x])
    with pytest.raises(ConfigError, match="no sample"):
        nn.estimate(layer, [])
    with pytest.raises(ConfigError, match="dac_bits = 17"):
        nn.estimate(layer, [x], dac_bits=17)
    with pytest.raises(ShapeError, match="batch of 4 samples"):
        nn.estimate(layer, [x], run=lambda x: layer(x[:3]))
    with pytest.raises(ConfigError, match="batches must be alike"):
        nn.estimate(layer, [x, x[:1]], run=lambda x: [layer(x) for _ in x])
    wide = nn.Conv2d(1, 1, (1, 2), device="ideal.yaml")
    with pytest.raises(ConfigError, match="square kernels"):
        nn.estimate(wide, [torch.ones(1, 1, 3, 3)])
