"""What an engine is handed, past a trainer, is refused by name before a kernel believes it."""

import dataclasses

import numpy as np
import pytest
import torch
import xbar_training as xt

from crossbar.experiment import builder
from crossbar.snn.encodings.events import Events
from crossbar.snn.engines.dense import DenseEngine
from crossbar.snn.engines.events import EventEngine
from crossbar.snn.engines.protocol import Batch, LayerView
from device_models.errors import ShapeError

NAN, INF = float("nan"), float("inf")
NONE = Events(np.zeros(1, np.uint16), np.zeros(1, np.uint8), np.array([0, 1]))


@pytest.fixture(scope="module")
def data():
    return xt.synthetic(24, 12)


@pytest.fixture(scope="module")
def network(data):
    return builder.plan_of(xt.small(network={"hidden": 4}), data)


@pytest.fixture(scope="module", params=[EventEngine, DenseEngine])
def engine(request, network):
    kind = {"device": "cpu"} if request.param is DenseEngine else {"threads": 1}
    return request.param(network, tile_rows=128, **kind)


def views_of(network):
    """Crossbars of zeros."""
    shapes = [(layer.matrix_rows, layer.columns) for layer in network.synaptic]
    none = np.zeros((0, 0), np.float32)
    return [LayerView(np.zeros(shape, np.float32), none, np.zeros(shape[0])) for shape in shapes]


def of_batch(labels, events):
    return {
        "no batch": ((events, labels), "a batch must be a Batch, not tuple"),
        "a sample too many": ({"chosen": np.array([24])}, "sample 24: there are 24, from 0 on"),
        "a sample from the end": ({"chosen": np.array([-1])}, "sample -1: there are 24"),
        "a mask": ({"chosen": np.ones(24, bool)}, "numbers of the samples: bool"),
        "complex samples": ({"chosen": np.array([1j])}, "numbers of the samples: complex128"),
        "columns of samples": ({"chosen": np.zeros((2, 1), int)}, r"of shape \(2, 1\)"),
        "labels out of range": ({"labels": labels + 9}, "label of the samples 1[0-8]: the network "
                                "has 10 classes"),
        "negative labels": ({"labels": labels - 10}, "label of the samples -"),
        "labels of others": ({"labels": labels[:5]}, r"labels of the samples: int64 of shape"),
        "nan as labels": ({"labels": np.full(24, NAN)}, "labels of the samples: float64"),
        "lines of others": ({"events": dataclasses.replace(
            events, rows=np.full_like(events.rows, 784))}, "line of the samples 784"),
        "steps of others": ({"events": dataclasses.replace(
            events, times=events.times.astype(np.uint16))}, "steps of the samples: uint16"),
        "no events": ({"events": events.rows}, "samples: ndarray, not Events"),
    }  # fmt: skip


@pytest.mark.parametrize("name", of_batch(np.zeros(24, np.int64), NONE))
def test_an_engine_runs_samples_that_are_there(engine, network, data, name):
    changes, message = of_batch(data.train_labels, data.train_events)[name]
    batch = Batch(data.train_events, data.train_labels, np.arange(4))
    wrong = changes if isinstance(changes, tuple) else batch._replace(**changes)
    with pytest.raises(ShapeError, match=f"{message}.*; nothing was run$"):
        engine.run(wrong, views_of(network))


WEIGHTS = np.zeros((784, 4), np.float32)
OF_LAYERS = {
    "another shape": ({"weights": WEIGHTS[:3]}, r"hidden 1: weights: float32 of shape \(3, 4\)"),
    "complex": ({"weights": WEIGHTS * 1j}, "hidden 1: weights: complex"),
    "64 bits": ({"weights": WEIGHTS.astype(float)}, "hidden 1: weights: float64"),
    "a tensor": ({"weights": torch.from_numpy(WEIGHTS)}, "hidden 1: weights: Tensor, not an arr"),
    "nan": ({"weights": WEIGHTS * NAN}, "hidden 1: weights: one is not finite"),
    "negative variance": ({"variance": WEIGHTS - 1}, "hidden 1: a variance is negative"),
    "narrow variance": ({"variance": WEIGHTS[:, :1]}, r"variance: float32 of shape \(784, 1\)"),
    "few siemens": ({"siemens": np.zeros(3)}, r"siemens: float64 of shape \(3\), not"),
    "infinite siemens": ({"siemens": np.full(784, INF)}, "siemens: one is not finite"),
    "numbers of neurons": ({"trained": WEIGHTS}, r"numbers of its neurons: .* shape \(0, 4\)"),
}


@pytest.mark.parametrize("name", OF_LAYERS)
def test_an_engine_reads_the_crossbars_of_its_network(engine, network, data, name):
    changes, message = OF_LAYERS[name]
    batch = Batch(data.train_events, data.train_labels, np.arange(4))
    first, *others = views_of(network)
    with pytest.raises(ShapeError, match=f"{message}.*; nothing was run$"):
        engine.run(batch, [first._replace(**changes), *others])
    with pytest.raises(ShapeError, match="1 crossbars: the network has 2; nothing was run"):
        engine.run(batch, [first])


@pytest.mark.parametrize(
    ("back", "message"),
    [
        (WEIGHTS[:3], r"float32 of shape \(3, 4\)"),
        (WEIGHTS * 1j, "complex"),
        (WEIGHTS * NAN, "one is not finite"),
        ([[0.0]], "list"),
    ],
)
def test_what_carries_the_error_back_is_of_the_network(engine, network, data, back, message):
    batch = Batch(data.train_events, data.train_labels, np.arange(4))
    views = views_of(network)
    wrong = [back, views[1].weights]
    with pytest.raises(ShapeError, match=f"hidden 1: weights that carry the error .*: .*{message}"):
        engine.run(batch, views, learn=wrong)
    with pytest.raises(ShapeError, match="0 weights that carry the error back: the network has 2"):
        engine.run(batch, views, learn=[])
