"""Graphs of NIR written by hand, and what their nodes do, one step after the other, in numpy."""

import numpy as np

DT = 1e-4


def input_of(nir, *shape):
    return nir.Input(input_type=np.array(shape))


def output_of(nir, *shape):
    return nir.Output(output_type=np.array(shape))


def lif(nir, n, tau=5e-4, r=None, threshold=1.0, **more):
    """LIF neurons whose factor dt r / tau is 1 unless there is another r."""
    full = lambda value: np.broadcast_to(np.asarray(value, float), n).copy()  # noqa: E731
    r = tau / DT if r is None else r
    return nir.LIF(
        tau=full(tau), r=full(r), v_leak=full(0.0), v_threshold=full(threshold),
        v_reset=full(0.0), **more,
    )  # fmt: skip


def chain(nir, *nodes, metadata=None, edges=(), extra=None):
    """A graph of nodes one behind the other, named by their number, with further edges."""
    named = {str(i): node for i, node in enumerate(nodes)}
    follow = [(str(i), str(i + 1)) for i in range(len(nodes) - 1)]
    return nir.NIRGraph(
        nodes=named | (extra or {}), edges=[*follow, *edges], metadata=metadata or {},
        type_check=False,
    )  # fmt: skip


def small(nir, lines=784, hidden=20, classes=10, seed=0, metadata=None, **of_neurons):
    """Linear, LIF, Affine, LIF with weights that make a bar image spike."""
    draw = np.random.default_rng(seed)
    return chain(
        nir,
        input_of(nir, lines),
        nir.Linear(weight=draw.normal(0.0, 0.3, (hidden, lines))),
        lif(nir, hidden, **of_neurons),
        nir.Affine(
            weight=draw.normal(0.2, 0.5, (classes, hidden)), bias=draw.normal(0, 0.02, classes)
        ),
        lif(nir, classes, **of_neurons),
        output_of(nir, classes),
        metadata=metadata,
    )


def drive(node, x):
    """What weights make of a step (samples, ...)."""
    if type(node).__name__ != "Conv2d":
        return x @ np.asarray(node.weight).T + getattr(node, "bias", 0.0)
    weight, stride = np.asarray(node.weight), int(np.ravel(node.stride)[0])
    k = weight.shape[2]
    rows, columns = (1 + (n - k) // stride for n in x.shape[2:])
    out = np.zeros((len(x), len(weight), rows, columns))
    for y in range(rows):
        for z in range(columns):
            window = x[:, :, y * stride : y * stride + k, z * stride : z * stride + k]
            out[:, :, y, z] = np.tensordot(window, weight, ([1, 2, 3], [1, 2, 3]))
    return out + np.asarray(node.bias)[:, None, None]


def run_lif(node, inputs, subtract=False):
    """Membranes that are compared with the threshold, and spikes, (steps, samples, ...)."""
    v, membranes, spikes = np.zeros_like(inputs[0]), [], []
    for x in inputs:
        v = v + DT / node.tau * (node.v_leak - v + node.r * x)
        z = (v > node.v_threshold).astype(float)
        membranes.append(v)
        spikes.append(z)
        # A subtracting reset comes one step late, so it is not leaked: undo that of the next step.
        late = node.v_threshold / (1.0 - DT / node.tau)
        v = v - z * late if subtract else np.where(z > 0.0, node.v_reset, v)
    return np.array(membranes), np.array(spikes)


def run_if(node, inputs):
    v, membranes, spikes = np.zeros_like(inputs[0]), [], []
    for x in inputs:
        v = v + DT * node.r * x
        z = v > node.v_threshold
        membranes.append(v)
        spikes.append(z.astype(float))
        v = np.where(z, node.v_reset, v)
    return np.array(membranes), np.array(spikes)


def run_cuba_lif(node, inputs, feedback=None):
    """Forward Euler: a step looks at the state that the last one left; a spike rests a step."""
    i = v = np.zeros_like(inputs[0])
    membranes, spikes = [], []
    for x in inputs:
        z = (v > node.v_threshold).astype(float)
        membranes.append(v)
        spikes.append(z)
        driven = x if feedback is None else x + z @ np.asarray(feedback.weight).T
        after = v + DT / node.tau_mem * (node.v_leak - v + node.r * i)
        i = i + DT / node.tau_syn * (-i + node.w_in * driven)
        v = np.where(z > 0.0, node.v_reset, after)
    return np.array(membranes), np.array(spikes)


def run_readout(node, inputs):
    """Membranes before the first step and after each, of LI, CubaLI and I."""
    i = v = np.zeros_like(inputs[0])
    membranes = [v]
    for x in inputs:
        if type(node).__name__ == "CubaLI":
            v, i = (
                v + DT / node.tau_mem * (node.v_leak - v + node.r * i),
                i + DT / node.tau_syn * (-i + node.w_in * x),
            )
        elif type(node).__name__ == "LI":
            v = v + DT / node.tau * (node.v_leak - v + node.r * x)
        else:
            v = v + DT * node.r * x
        membranes.append(v)
    return np.array(membranes)
