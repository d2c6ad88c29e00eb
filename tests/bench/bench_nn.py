# ruff: noqa: T201  # it talks on the terminal
"""`crossbar.nn.Linear` beside `torch.nn.Linear`: processor time of a pass and of a step, as ratios.

    python tests/bench/bench_nn.py [ROUNDS]

Both stand in one process, round by round in turn, on one thread; the median of the rounds' ratios
is printed. Nothing is asserted.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch

from crossbar import nn

SIZE, BATCH, REPEATS = 512, 64, 20


def seconds(run: Callable[[], object]) -> float:
    """Processor time of one call, of `REPEATS`."""
    began = time.process_time()
    for _ in range(REPEATS):
        run()
    return (time.process_time() - began) / REPEATS


def contestants() -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """What is compared: ours, and torch's."""
    x = torch.randn((BATCH, SIZE), generator=torch.Generator().manual_seed(0)).requires_grad_()
    plain = torch.nn.Linear(SIZE, SIZE)
    adam = torch.optim.Adam(plain.parameters(), lr=1e-3)
    noisy = nn.Linear(SIZE, SIZE, seed=1)
    quiet = nn.Linear(SIZE, SIZE, device="ideal.yaml", seed=1)
    optimizer = nn.PulseOptimizer(noisy, lr=1e-3)

    def both_ways(layer: torch.nn.Module) -> None:
        layer(x).square().mean().backward()

    def step(layer: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        both_ways(layer)
        optimizer.step()

    return {
        "forward, no read noise": (lambda: quiet(x), lambda: plain(x)),
        "forward, read noise": (lambda: noisy(x), lambda: plain(x)),
        "forward and backward": (lambda: both_ways(noisy), lambda: both_ways(plain)),
        "with the update": (lambda: step(noisy, optimizer), lambda: step(plain, adam)),
    }


def main(rounds: int) -> None:
    """Print a line for each comparison."""
    torch.set_num_threads(1)
    for name, (ours, theirs) in contestants().items():
        ours()
        theirs()
        pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
        ratio = statistics.median(a / b for a, b in pairs)
        least, other = (min(column) * 1e3 for column in zip(*pairs, strict=True))
        print(f"{name:24} {ratio:6.2f} x torch ({least:.2f} ms, torch {other:.2f} ms)")


if __name__ == "__main__":
    main(int([*sys.argv, "7"][1]))
