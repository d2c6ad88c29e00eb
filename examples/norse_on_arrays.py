"""A norse network by pulses and its cost: python examples/norse_on_arrays.py [IMAGES]."""

import sys

import norse.torch as norse
import torch
from matplotlib.figure import Figure

from crossbar import nn
from crossbar.datasets import load_dataset

STEPS, COUNT, DRAWS = 16, int([*sys.argv, "10000"][1]), torch.Generator()
LIF = norse.LIFCell(norse.LIFParameters(v_th=torch.tensor(0.3), alpha=torch.tensor(30.0)))
NET = norse.SequentialState(nn.Linear(784, 99, seed=1), LIF, nn.Linear(99, 10), norse.LICell())


def run(spikes):
    """The largest membranes of the output layer, (samples, 10), of spikes (samples, steps, 784)."""
    state, largest = None, torch.full((1,), -9.0)
    for step in spikes.unbind(1):
        membrane, state = NET(step, state)
        largest = torch.maximum(membrane, largest)
    return 20.0 * largest


if __name__ == "__main__":
    half, pulses = load_dataset("fashion_mnist", notice=print).train, nn.PulseOptimizer(NET, 3e-3)
    x, y = torch.tensor(half.samples).flatten(1)[:, None] / 255, torch.tensor(half.labels).long()
    for number, some in enumerate(torch.arange(COUNT).split(128)):
        spikes = (torch.rand((len(some), STEPS, 784), generator=DRAWS) < 0.3 * x[some]).float()
        torch.nn.functional.cross_entropy(out := run(spikes), y[some]).backward()
        pulses.step()
        print(f"batch {number}: {float((out.argmax(1) == y[some]).float().mean()):.0%} right")
    cost = nn.estimate(NET, [spikes], chip="proposal_28nm", run=run)
    joules = {i.component: 1e9 * cost.joules_by(i.component).typical for i in cost.items}
    axes = (figure := Figure(figsize=(5, 3), layout="constrained")).subplots()
    axes.barh(*zip(*joules.items(), strict=True))
    axes.set(xlabel=f"nJ an image, in all {1e9 * cost.joules.typical:.0f}", xscale="log")
    figure.savefig("norse_on_arrays.png", dpi=100)
