"""How fast this machine runs the kernels, and the times of the README's machine."""

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossbar.datasets.encode import Data
    from crossbar.snn.plan import Plan

SAMPLES = 1024
ROUNDS = 7
SPIKING = 0.42  # fraction of the pixels that spike, that of Fashion-MNIST
SIGMA = 1.8e-3  # of the weights: about 40 hidden spikes an image, as in a network under training

# The table of the README, microseconds a sample by (what runs, threads), and where it was measured.
REFERENCE_MACHINE = "two cores of an AMD EPYC (Zen 3), a virtual machine"
REFERENCE: Mapping[tuple[str, int], float] = {
    ("forward and backward", 1): 11.6,
    ("forward", 1): 6.3,
    ("forward and backward", 2): 8.1,
    ("forward", 2): 4.2,
}


def processors() -> int:
    """How many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def microseconds(threads: list[int]) -> dict[tuple[str, int], float]:
    """Microseconds a sample, the least of `ROUNDS` rounds over all cases.

    Runs synthetic latency-coded images through 784-100-10 with ideal devices.
    The least, because what else runs on the machine can only slow it down.

    Args:
        threads: Numbers of threads to measure with.
    """
    network, data = images()
    cases: dict[tuple[str, int], Callable[[], None]] = {}
    for count in threads:
        for learns in (True, False):
            what = "forward and backward" if learns else "forward"
            cases[what, count] = case(network, data, count, learns=learns)
    for run in cases.values():
        run()  # compiles, or loads what was compiled
    times: dict[tuple[str, int], list[float]] = {key: [] for key in cases}
    for _ in range(ROUNDS):
        for key, run in cases.items():
            began = time.perf_counter()
            run()
            times[key].append(1e6 * (time.perf_counter() - began) / SAMPLES)
    return {key: min(durations) for key, durations in times.items()}


def images() -> "tuple[Plan, Data]":
    """The network, and synthetic images for it that spike as often as real ones."""
    import numpy as np

    from crossbar.datasets.encode import Data
    from crossbar.datasets.settings import DataSettings
    from crossbar.snn.encodings.latency import latency_code
    from crossbar.snn.network import Network
    from crossbar.snn.plan import plan

    data, draw = DataSettings(), np.random.default_rng(0)
    network = plan(
        Network.of(sigma_init=SIGMA), inputs=(28, 28), classes=10, steps=data.steps,
        dt_seconds=data.dt_seconds,
    )  # fmt: skip
    grey = draw.integers(52, 256, (SAMPLES, 28, 28)) * (draw.random((SAMPLES, 28, 28)) < SPIKING)
    events = latency_code(grey.astype(np.uint8), steps=network.steps)
    labels = draw.integers(0, network.classes, SAMPLES)
    digits = tuple(map(str, range(network.classes)))
    return network, Data(events, labels, events, labels, digits, (28, 28))


def case(network: "Plan", data: "Data", threads: int, *, learns: bool) -> Callable[[], None]:
    """What runs all samples once."""
    import numpy as np

    from crossbar.snn.engines import Batch, EventEngine, LayerView
    from crossbar.snn.plan import initial_weights

    weights = initial_weights(network, generator=np.random.default_rng(0))
    quiet = np.zeros((0, 0), np.float32)
    layers = [LayerView(w, quiet, np.zeros(len(w))) for w in weights]
    engine = EventEngine(network, tile_rows=128, threads=threads)
    batch = Batch(data.train_events, data.train_labels, np.arange(SAMPLES))

    def run() -> None:
        engine.run(batch, layers, learn=weights if learns else None)

    return run
