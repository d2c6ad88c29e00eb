"""snnTorch's tutorial 5, narrower, by pulses: python examples/snntorch_on_arrays.py [IMAGES]."""

import sys

import snntorch as snn
import torch
from matplotlib.figure import Figure

from crossbar import nn
from crossbar.datasets import load_dataset

STEPS, COUNT, LIF = 10, int([*sys.argv, "20000"][1]), [snn.Leaky(beta=0.95) for _ in range(2)]
FIRST, LAST = nn.Linear(784, 100, seed=1), nn.Linear(100, 10, seed=2)


def run(x):
    """Membranes of the output layer, (steps, samples, 10), of constant currents."""
    hidden, output, out = LIF[0].reset_mem(), LIF[1].reset_mem(), []
    for _ in range(STEPS):
        spikes, hidden = LIF[0](FIRST(x), hidden)
        _, output = LIF[1](LAST(spikes), output)
        out.append(output)
    return torch.stack(out)


if __name__ == "__main__":
    half = load_dataset("fashion_mnist", notice=print).train
    x, y = torch.tensor(half.samples).flatten(1) / 255, torch.tensor(half.labels).long()
    optimizer = nn.PulseOptimizer([FIRST, LAST], lr=1e-3)
    for number, some in enumerate(torch.arange(COUNT).split(128)):
        out = run(x[some])
        sum(torch.nn.functional.cross_entropy(step, y[some]) for step in out).backward()
        optimizer.step()
        share = float((out.sum(0).argmax(1) == y[some]).float().mean())
        print(f"batch {number}: {share:.0%} right, {FIRST.counters.set_pulses:,} SET pulses")
    axes = (figure := Figure(figsize=(4, 3), layout="constrained")).subplots()
    axes.plot(range(1, STEPS + 1), out[:, 0].detach())
    axes.set(xlabel="time step", ylabel=f"membranes, image of class {int(y[some][0])}")
    figure.savefig("snntorch_on_arrays.png", dpi=100)
