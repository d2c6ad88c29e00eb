"""Periphery in dense torch, as in the kernels; of convolutions, as in a loop over positions."""

import functools

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from xbar_kernels import events_of, near

from crossbar.array.periphery import FrontEnd, Periphery, convert, make_converters, make_neurons
from crossbar.array.tile import Tiling
from crossbar.boards.protocol import EffectiveArray
from crossbar.mappings import MAPPINGS
from crossbar.snn.encodings.constant import Constant
from crossbar.snn.engines import DenseEngine, EventEngine, LayerView
from crossbar.snn.engines.adc import column_records, lines_of_crossbars, measured_range
from crossbar.snn.engines.dense import Crossbar
from crossbar.snn.engines.protocol import Batch
from crossbar.snn.losses import MaxOverTime, MseRate
from crossbar.snn.network import Network
from crossbar.snn.neurons import Leaky, LeakyIntegrator, Snu
from crossbar.snn.plan import plan
from crossbar.snn.reference import dense
from crossbar.snn.topology import Conv2d, Dense, Lateral, Recurrent

UNIT, V_READ, TILE_ROWS = 2.0**-13, 0.25, 5  # powers of two: sums are exact
RANGE = 1.7e-4  # amperes; no current lies between two codes
STEPS, CLASSES = 6, 4
PERIPHERIES = {
    "plain": {"adc_bits": 4},
    "errors": {
        "adc_bits": 5, "adc_offset_lsb": 1.5, "adc_gain_sigma": 0.1, "adc_inl_lsb": 2.0,
        "adc_stuck_share": 0.3, "columns_per_adc": 3, "hold_droop": 0.05,
    },
}  # fmt: skip


SNU = Dense(neurons=CLASSES, neuron=Snu()), MseRate()
LINEAR = Dense(neurons=CLASSES, neuron=LeakyIntegrator()), MaxOverTime()


def network(*layers, image, ends=SNU):
    output, loss = ends
    settings = Network(layers=(*layers, output), loss=loss, spikes_least=0.0)
    return plan(settings, inputs=image, classes=CLASSES, steps=STEPS, dt_seconds=1e-3)


class Layer:
    """One crossbar of a network: conductances in steps of 2^-16 S, and a front end."""

    def __init__(self, planned, fields, mapping="one_sided"):
        kind, generator = MAPPINGS[mapping], np.random.default_rng([5, planned.crossbar])
        signs = torch.from_numpy(planned.signs)
        self.mapping = kind(signs, planned.columns, UNIT, 2.0**-16, 2.0**-11, 64)
        shape = planned.rows, self.mapping.columns
        self.siemens = generator.integers(1, 32, shape) * 2.0**-16
        p = Periphery(**({"kind": "adc"} | fields))
        tiling = Tiling(*shape, TILE_ROWS, 64)
        converters = make_converters(p, tiling.down, shape[1], 64, generator=generator)
        neurons = make_neurons(p, planned.columns, generator=generator)
        self.front = FrontEnd(p, converters, neurons, 1.0, V_READ, RANGE)

    def view(self, trained=None):
        g = torch.from_numpy(self.siemens).float()
        weights = self.mapping.weights(g).numpy()
        front = column_records(self.mapping, EffectiveArray(g, None), self.front)
        none = np.zeros((0, 0), np.float32)
        return LayerView(weights, none, self.siemens.sum(1), front, trained)


def loop_over_reads(layer, rows, held):
    """Codes of every tile of every read, one after the other: weight units, conversions clipped."""
    p, front = layer.front.periphery, layer.front
    gain = 1.0 if held is None else held.gain
    signed = held is not None and held.is_signed
    reach, zero = (2.0 * RANGE, 2 ** (p.adc_bits - 1)) if signed else (RANGE, 0)
    drawn, clipped = np.zeros((*rows.shape[:2], layer.mapping.outputs)), 0
    for sample, read in np.ndindex(*rows.shape[:2]):
        volts = V_READ * rows[sample, read] / gain
        total = np.zeros(layer.mapping.columns)
        for tile in range(-(-len(volts) // TILE_ROWS)):
            part = slice(tile * TILE_ROWS, (tile + 1) * TILE_ROWS)
            if not volts[part].any():
                continue
            own = type(front.converters)(*(each[tile] for each in front.converters))
            own = own._replace(offset=own.offset + zero)  # no current is the code in the middle
            amperes = volts[part] @ layer.siemens[part]
            codes, above = convert(p, own, amperes, reach, np.zeros(len(amperes)))
            below = np.rint(amperes / reach * p.top * own.gain + own.offset) < 0  # no bow is there
            below &= own.stuck < 0
            clipped += above.sum() + (below.sum() if signed else 0)
            total += (codes - zero) * reach / p.top
        siemens = torch.from_numpy(total[None] / V_READ)
        drawn[sample, read] = layer.mapping.weights(siemens).numpy()[0] * gain
    return drawn, clipped


def patches(settings, incoming, lines):
    """What each position of a convolution reads, with the rows of a bias."""
    samples, steps = lines.shape[:2]
    image = lines.reshape(samples, steps, *incoming.shape)
    k, reads = settings.kernel, []
    sizes = settings.numbers(incoming)
    for step, y, x in np.ndindex(steps, sizes.rows_out, sizes.columns_out):
        part = image[:, step, :, y : y + k, x : x + k].reshape(samples, -1)
        bias = np.ones((samples, 1)) if settings.bias == "row" else np.zeros((samples, 0))
        reads.append(np.concatenate([part, bias], 1))
    return np.stack(reads, 1)


def held_events(net, mean):
    encoding = Constant(Constant.Options(bits=5, mean=(mean,)))
    generator = np.random.default_rng(3)
    images = generator.integers(0, 256, (3, *net.layers[0].incoming.shape), np.uint8)
    return encoding.encode(images, steps=STEPS, generator=generator)


def spike_events(net, _):
    generator = np.random.default_rng(2)
    return events_of((generator.random((3, STEPS, net.inputs)) < 0.3).astype(int))


@pytest.mark.parametrize("fields", PERIPHERIES.values(), ids=PERIPHERIES)
@pytest.mark.parametrize(
    ("bias", "code", "mean"),
    [("none", spike_events, 0), ("row", spike_events, 0), ("digital", spike_events, 0),
     ("none", held_events, 0.0), ("digital", held_events, 0.4), ("row", held_events, 0.9)],
    ids=["spikes", "spikes, row", "spikes, digital", "held", "held, signed", "held, signed, row"],
)  # fmt: skip
def test_every_position_of_a_convolution_is_converted(bias, code, mean, fields):
    convolution = Conv2d(channels=3, kernel=2, pool=2, bias=bias, neuron=Leaky())
    net = network(convolution, image=(2, 5, 5))
    planned, layer, events = net.layers[0], None, code(net, mean)
    layer, held = Layer(planned, fields), events.held
    digital = np.array([0.3, -0.2, 0.1], np.float32)
    view = layer.view().with_bias(digital if bias == "digital" else None)
    device, noise = torch.device("cpu"), torch.Generator().manual_seed(0)
    crossbar = Crossbar(view, device, noise, TILE_ROWS, held)
    x = dense(events, np.arange(3), net, torch.float32)
    pooled = convolution.currents(planned.incoming, x, crossbar)
    drawn, clipped = loop_over_reads(layer, patches(convolution, planned.incoming, x.numpy()), held)
    drawn += digital if bias == "digital" else 0.0
    maps = drawn.reshape(3, x.shape[1], 2, 2, 2, 2, 3)  # both sides as windows of 2 x 2
    expected = maps.max((3, 5)).transpose(0, 1, 4, 2, 3).reshape(3, x.shape[1], -1)
    assert_close(pooled.double(), torch.from_numpy(expected), rtol=1e-5, atol=1e-5)
    assert crossbar.take_clipped() == clipped > 0
    assert crossbar.take_clipped() == 0
    ideal = convolution.currents(
        planned.incoming, x, Crossbar(view._replace(front=None), device, noise, TILE_ROWS, held)
    )
    assert float((ideal - pooled).abs().max()) > 0.05


ANALOG = {
    "kind": "analog", "neuron_gain_sigma": 0.2, "neuron_offset": 0.05, "neuron_leak": 0.1,
    "neuron_saturation": 1.5,
}  # fmt: skip
LATERAL = network(Lateral(neurons=9, neuron=Snu()), image=(12,))
RECURRENT = network(Recurrent(neurons=9), Recurrent(neurons=7), image=(12,), ends=LINEAR)


@pytest.mark.parametrize(
    ("net", "fields", "mapping"),
    [(LATERAL, PERIPHERIES["plain"], "one_sided"), (LATERAL, ANALOG, "one_sided"),
     (RECURRENT, PERIPHERIES["errors"], "bit_sliced")],
    ids=["lateral, plain", "lateral, analog", "recurrent, errors"],
)  # fmt: skip
def test_dense_torch_gives_what_the_kernels_give(net, fields, mapping):
    events, layers = spike_events(net, 0), [Layer(each, fields, mapping) for each in net.synaptic]
    views = [
        layer.view(planned.first_trained if planned.trained else None)
        for layer, planned in zip(layers, net.synaptic, strict=True)
    ]
    batch = Batch(events, np.arange(3), np.arange(3))
    kernels, torch_ = (
        engine.run(batch, views, learn=[view.weights for view in views])
        for engine in (
            EventEngine(net, tile_rows=TILE_ROWS, threads=1),
            DenseEngine(net, tile_rows=TILE_ROWS, device="cpu"),
        )
    )
    assert all(sent.sum() > 0 for sent in kernels.spikes)
    for one, other in zip(kernels.spikes, torch_.spikes, strict=True):
        assert one.tolist() == other.tolist()
    assert kernels.clipped.tolist() == torch_.clipped.tolist()
    assert kernels.tile_steps.tolist() == torch_.tile_steps.tolist()
    for one, other in zip(kernels.gradients, torch_.gradients, strict=True):
        near(one, torch.from_numpy(other).double(), 1e-4)


def test_a_range_is_measured_on_the_reads_of_every_position():
    """The largest current of any read is the range that leaves nothing above itself."""
    convolution = Conv2d(channels=3, kernel=2, pool=2, bias="row", neuron=Leaky())
    net = network(convolution, image=(2, 5, 5))
    layer = Layer(net.layers[0], {"adc_clip_share": 0.0})
    silent = events_of(np.zeros((3, STEPS, net.layers[0].outputs), int))
    for events in (spike_events(net, 0), held_events(net, 0.4)):
        lines = lines_of_crossbars(net, events, np.arange(3), [silent])[0]
        found = measured_range(torch.from_numpy(layer.siemens), layer.front, lines, TILE_ROWS)
        x = dense(events, np.arange(3), net, torch.float32).numpy()
        gain = 1.0 if events.held is None else events.held.gain
        volts = V_READ * patches(convolution, net.layers[0].incoming, x) / gain
        tiles = [
            volts[..., part : part + TILE_ROWS] @ layer.siemens[part : part + TILE_ROWS]
            for part in range(0, 9, TILE_ROWS)
        ]
        assert found == pytest.approx(np.abs(tiles).max(), rel=1e-5)


@functools.cache
def noisy_codes(adc_noise, read_sigma):
    """Differences of codes of 2,000 reads of one line, of two columns inside the range."""
    p = Periphery(kind="adc", adc_bits=8, adc_noise_lsb=adc_noise)
    mapping = MAPPINGS["one_sided"](torch.zeros(1, dtype=torch.int8), 1, UNIT, 0.0, 1.0, 64)
    g = torch.tensor([[0.75, 0.25]]) * RANGE / V_READ
    spread = torch.full((1, 2), read_sigma * RANGE / V_READ / p.top)
    generator = np.random.default_rng(0)
    converters = make_converters(p, 1, 2, 64, generator=generator)
    neurons = make_neurons(p, 1, generator=generator)
    front = FrontEnd(p, converters, neurons, 1.0, V_READ, RANGE)
    records = column_records(mapping, EffectiveArray(g, spread), front)
    view = LayerView(mapping.weights(g).numpy(), np.zeros((0, 0), np.float32), np.ones(1), records)
    noise = torch.Generator().manual_seed(5)
    crossbar = Crossbar(view, torch.device("cpu"), noise, TILE_ROWS, None)
    return crossbar(torch.ones(1, 2000, 1))[0, :, 0].numpy() * UNIT * V_READ / RANGE * p.top


def test_noise_of_reads_and_of_conversions_add_before_rounding():
    """The spread of 2,000 codes is known to 1.6 %; 5 sigma."""
    assert noisy_codes(0.0, 0.0).std() == 0.0
    codes = noisy_codes(4.0, 3.0)
    assert np.abs(codes - np.rint(codes)).max() < 1e-3
    assert abs(codes.std() / np.sqrt(2 * (25.0 + 1 / 12)) - 1.0) < 5 / np.sqrt(4000)
