# ruff: noqa: T201  # it talks on the terminal
"""Time of the exact transfer matrix against other exact ways, in one run and on one thread.

    OMP_NUM_THREADS=1 .venv/bin/python tests/bench/bench_wires.py [LARGEST]

Not a test: it prints, and fails nothing. Ways are interleaved and repeated; medians are printed.
badcrossbar, which solves given vectors, takes part where it is installed.
"""

import importlib.util
import resource
import sys
import time
import warnings

import numpy as np

from crossbar.wires import iterative, nodal
from crossbar.wires.transfer import transfer_matrix
from crossbar.wires.wires import Wires

WIRES = Wires(2.0, 2.0)
VECTORS = 25_600
REPEATS = 5


def seconds(work, *arguments):
    """CPU time of one call."""
    began = time.process_time()
    work(*arguments)
    return time.process_time() - began


def tile(rows, columns):
    """Conductances over three decades."""
    return 10.0 ** np.random.default_rng(0).uniform(-6.0, -3.0, (rows, columns))


def badcrossbar_currents(g, v):
    """Currents of some vectors by badcrossbar."""
    import badcrossbar

    badcrossbar.compute(v.T, 1.0 / g, r_i_word_line=2.0, r_i_bit_line=2.0)


def against_others(size):
    """One tile: matrix, factorisation, badcrossbar, reading."""
    g = tile(size, size)
    v = np.random.default_rng(1).uniform(0.0, 0.2, (VECTORS, size))
    matrix = transfer_matrix(g, WIRES)
    ways = {
        "transfer matrix": lambda: transfer_matrix(g, WIRES),
        "same by sparse factorisation": lambda: nodal.transfer_matrix(g, WIRES),
        f"reading {VECTORS} vectors": lambda: v @ matrix.T,
        "one vector by conjugate gradients": lambda: iterative.read(g, WIRES, v[:1]),
    }
    if importlib.util.find_spec("badcrossbar"):
        ways["32 vectors by badcrossbar"] = lambda: badcrossbar_currents(g, v[:32])
    times = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            times[name].append(seconds(way))
    median = {name: float(np.median(t)) for name, t in times.items()}
    print(f"\n{size} x {size}, 2 ohm, CPU seconds (median of {REPEATS}):")
    for name, t in median.items():
        print(f"  {name:36s} {t:9.4f}")
    own = median["transfer matrix"]
    print(f"  factorisation / elimination: {median['same by sparse factorisation'] / own:.1f}")
    reading = median[f"reading {VECTORS} vectors"]
    many = median["one vector by conjugate gradients"] * VECTORS
    print(f"  {VECTORS} vectors solved by conjugate gradients / read: {many / reading:.0f}")
    if "32 vectors by badcrossbar" in median:
        many = median["32 vectors by badcrossbar"] / 32 * VECTORS
        print(f"  {VECTORS} vectors solved by badcrossbar / read: {many / reading:.0f}")


def growth(largest):
    """How the cost grows with the size of a square tile."""
    sizes = [n for n in (32, 64, 128, 256, 512) if n <= largest]
    times = []
    for n in sizes:
        g = tile(n, n)
        times.append(min(seconds(transfer_matrix, g, WIRES) for _ in range(5 if n < 256 else 2)))
    print(
        "\nCPU seconds by size:",
        ", ".join(f"{n}: {t:.4f}" for n, t in zip(sizes, times, strict=True)),
    )
    slope = np.polyfit(np.log(sizes[-3:]), np.log(times[-3:]), 1)[0]
    print(f"exponent over the last three sizes (C R^3: 4): {slope:.2f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory of this process: {peak:.2f} GiB")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    growth(int(sys.argv[1]) if len(sys.argv) > 1 else 512)
    against_others(128)
