# ruff: noqa: T201  # it talks on the terminal
"""Torch models by pulses beside their float selves: test accuracy of both, over seeds.

    python tests/bench/bench_nn_accuracy.py [--seeds 3] [--only mlp|conv|snntorch] [--images 60000]

Same first weights, batches and rates of Adam, which fall along a cosine; Fashion-MNIST; `oxram`.
Minutes for each model.
"""

import argparse
import statistics
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, max_pool2d

from crossbar import nn
from crossbar.datasets import load_dataset

STEPS = 10  # of the spiking network
RATE, BATCH = 1e-3, 128


class Data(NamedTuple):
    """Images (samples, 1, 28, 28) in 0..1, and their classes."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor


class Contest(NamedTuple):
    """A float model, what its pass gives (outputs, samples, classes), and how long it trains.

    The window of a device stands for `w_max`: a step of a hundredth of it should be fine enough.
    """

    model: Callable[[], torch.nn.Module]
    run: Callable[[torch.nn.Module, Tensor], Tensor]
    epochs: int
    w_max: float


def data(images: int) -> Data:
    """Fashion-MNIST, the first of its training images."""
    loaded = load_dataset("fashion_mnist", notice=print)
    halves = []
    for half, count in ((loaded.train, images), (loaded.test, 10_000)):
        samples = torch.tensor(half.samples[:count]).float().view(-1, 1, 28, 28) / 255
        halves += [samples, torch.tensor(half.labels[:count]).long()]
    return Data(*halves)


def mlp() -> torch.nn.Module:
    """784-100-10."""
    layers = torch.nn.Linear(784, 100), torch.nn.ReLU(), torch.nn.Linear(100, 10)
    return torch.nn.Sequential(torch.nn.Flatten(), *layers)


class Conv(torch.nn.Module):
    """Two convolutions, two pools, one dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Conv2d(1, 8, 5), torch.nn.Conv2d(8, 16, 5)
        self.last = torch.nn.Linear(256, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = max_pool2d(self.first(x).relu(), 2)
        return self.last(max_pool2d(self.second(x).relu(), 2).flatten(1))


def spiking() -> torch.nn.Module:
    """The network of snnTorch's tutorial 5 with 100 hidden neurons."""
    import snntorch

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = torch.nn.Linear(784, 100), torch.nn.Linear(100, 10)
            self.hidden, self.out = snntorch.Leaky(beta=0.95), snntorch.Leaky(beta=0.95)

        def forward(self, x: Tensor) -> Tensor:
            hidden, output, every = self.hidden.reset_mem(), self.out.reset_mem(), []
            for _ in range(STEPS):
                spikes, hidden = self.hidden(self.first(x.flatten(1)), hidden)
                _, output = self.out(self.last(spikes), output)
                every.append(output)
            return torch.stack(every)

    return Net()


def once(model: torch.nn.Module, x: Tensor) -> Tensor:
    """One output for a pass."""
    return model(x)[None]


def every_step(model: torch.nn.Module, x: Tensor) -> Tensor:
    """An output for each step."""
    return model(x)


CONTESTS = {
    "mlp": Contest(mlp, once, 5, 0.25),
    "conv": Contest(Conv, once, 3, 0.5),
    "snntorch": Contest(spiking, every_step, 3, 0.25),
}


def learn(contest: Contest, model: torch.nn.Module, optimizers: list, of: Data, seed: int) -> float:
    """Train, and the test accuracy after the last epoch."""
    drawn = torch.Generator().manual_seed(seed)
    batches = contest.epochs * -(-len(of.y) // BATCH)
    falling = [torch.optim.lr_scheduler.CosineAnnealingLR(each, batches) for each in optimizers]
    for _ in range(contest.epochs):
        for some in torch.randperm(len(of.y), generator=drawn).split(BATCH):
            out = contest.run(model, of.x[some])
            sum(cross_entropy(step, of.y[some]) for step in out).div(len(out)).backward()
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            for schedule in falling:
                schedule.step()
    with torch.no_grad():
        parts = [contest.run(model, x).sum(0).argmax(1) for x in of.test_x.split(1000)]
    return float((torch.cat(parts) == of.test_y).double().mean())


def race(contest: Contest, of: Data, seed: int) -> tuple[float, float]:
    """Accuracy in floats, and by pulses from the same first weights."""
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(seed)
        floats = contest.model()
    arrays = nn.from_torch(floats, programming="program", seed=seed, w_max=contest.w_max)
    adam = torch.optim.Adam(floats.parameters(), RATE)
    pulses = nn.PulseOptimizer(arrays, lr=RATE)
    biases = torch.optim.Adam(arrays.parameters(), RATE)
    return (
        learn(contest, floats, [adam], of, seed),
        learn(contest, arrays, [pulses, biases], of, seed),
    )


def main() -> None:
    """Print a line for each model and seed, and the mean difference in points."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=CONTESTS)
    parser.add_argument("--images", type=int, default=60_000)
    options = parser.parse_args()
    of = data(options.images)
    for name, contest in CONTESTS.items():
        if options.only not in (None, name):
            continue
        points = []
        for seed in range(options.seeds):
            exact, pulsed = race(contest, of, seed)
            points.append(100 * (pulsed - exact))
            print(f"{name}, seed {seed}: float {exact:.2%}, by pulses {pulsed:.2%}", flush=True)
        print(f"{name}: by pulses {statistics.mean(points):+.2f} points in the mean", flush=True)


if __name__ == "__main__":
    main()
