"""A plain MLP by pulses beside its float self: python examples/mlp_by_pulses.py [IMAGES EPOCHS]."""

import sys

import torch
from matplotlib.figure import Figure

from crossbar import nn
from crossbar.datasets import load_dataset

if __name__ == "__main__":
    count, epochs = (int(text) for text in [*sys.argv[1:], "60000", "5"][:2])
    loaded = load_dataset("fashion_mnist", notice=print)
    x, test_x = (torch.tensor(h.samples).flatten(1) / 255 for h in (loaded.train, loaded.test))
    y, test_y = (torch.tensor(h.labels).long() for h in (loaded.train, loaded.test))
    relu = torch.nn.ReLU()
    floats = torch.nn.Sequential(torch.nn.Linear(784, 100), relu, torch.nn.Linear(100, 10))
    arrays = torch.nn.Sequential(nn.Linear(784, 100, seed=1), relu, nn.Linear(100, 10, seed=2))
    optimizers = {floats: [torch.optim.Adam(floats.parameters(), 1e-3)]}
    biases = torch.optim.Adam(arrays.parameters(), 1e-3)
    optimizers[arrays] = [nn.PulseOptimizer(arrays, lr=1e-3), biases]
    axes = (figure := Figure(figsize=(4, 3), layout="constrained")).subplots()
    for model, name in (floats, "float"), (arrays, "pulses"):
        accuracy = []
        for epoch in range(epochs):
            order = torch.randperm(count, generator=torch.Generator().manual_seed(epoch))
            for some in order.split(128):
                torch.nn.functional.cross_entropy(model(x[some]), y[some]).backward()
                for optimizer in optimizers[model]:
                    optimizer.step()
                    optimizer.zero_grad()
            accuracy.append(float((model(test_x).argmax(1) == test_y).float().mean()))
            print(f"{name}: epoch {epoch + 1}, {accuracy[-1]:.2%} of the test images")
        axes.plot(range(1, epochs + 1), accuracy, "o-", label=name)
    print(nn.summary(arrays))
    axes.set(xlabel="epoch", ylabel="test accuracy")
    axes.legend()
    figure.savefig("mlp_by_pulses.png", dpi=100)
