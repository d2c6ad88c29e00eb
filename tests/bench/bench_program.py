"""CPU time of one pulse to each of a million devices; `python tests/bench/bench_program.py`.

One thread, process time, median of 15 after a warm-up. Not collected by pytest: a machine decides
the number. The budget is 50 ms for `oxram`.
"""

import statistics
import sys
import time

import torch

from device_models.presets import load_device

SHAPE = (1000, 1000)


def milliseconds(preset: str, *, share: float = 1.0, runs: int = 15) -> float:
    """Median CPU time of one operation that pulses a share of the devices, half of them SET."""
    model = load_device(preset)
    generator = torch.Generator().manual_seed(0)
    state = model.manufacture(SHAPE, generator=generator)
    counts = (torch.randint(0, 2, SHAPE, generator=generator) * 2 - 1).int()
    counts *= torch.rand(SHAPE, generator=generator) < share
    everywhere = torch.ones(SHAPE, dtype=torch.bool)
    times = []
    for _ in range(runs + 3):
        started = time.process_time()
        state = model.program(state, counts, everywhere, generator=generator).state
        times.append(1e3 * (time.process_time() - started))
    return statistics.median(times[3:])


if __name__ == "__main__":
    torch.set_num_threads(1)
    for preset in sys.argv[1:] or ["oxram"]:
        for share in (1.0, 0.3):
            found = milliseconds(preset, share=share)
            print(f"{preset:16} {share:4.0%} of 1,000,000 devices pulsed: {found:6.1f} ms CPU")  # noqa: T201
