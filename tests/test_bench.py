"""`make bench` runs: its own kind of each of our contestants is built and takes a batch.

Those of the presets compute the same loss, too: of the same batch, with the same weights.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CODE = """
import sys
sys.path.insert(0, sys.argv[1])
import contestants, data
data.SPIKES = 500
work = data.audio(1024, hidden=20)  # a batch of 256 to test on
kinds = "oxram, no pulses", "oxram, wires 2 ohm"
entries = contestants.training(work, 1, size="full") | {
    f"{name}, inference": entry for name, entry in contestants.inference(work, 1).items()
}
for name in [*(f"xbar {kind}" for kind in kinds), "xbar oxram, inference"]:
    assert entries[name].build()() > 0, name

import numpy as np, presets
from crossbar.datasets import Half, LoadedDataset
from crossbar.experiment.config import Training
from crossbar.experiment.network_settings import with_network
draw = np.random.default_rng(0)
noise = draw.integers(0, 256, (64, 3, 9, 9)).astype(np.uint8)
half = Half(noise, np.arange(64, dtype=np.uint8) % 4)
images = LoadedDataset(title="noise", class_names=tuple("abcd"), train=half, test=half, origin="")
for path in sys.argv[2:]:
    work = presets.workload(path, with_network(Training(), path), images)
    state = presets.settled(work, 2)
    silent = state._replace(matrices=[0 * matrix for matrix in state.matrices])
    first, none = (presets.losses(work, each, np.arange(16)) for each in (state, silent))
    assert len(first) >= 2, first
    for name, loss in first.items():
        assert abs(loss - first["xbar"]) < 1e-4 * loss, first
        assert abs(none[name] - none["xbar"]) < 1e-4 * loss, none
    assert abs(first["xbar"] - none["xbar"]) > 0.01 * none["xbar"], "nobody spiked"
    for name, entry in presets.entries(work, 1, settle=2).items():
        assert entry.build()() == 16, name

import compare, settings
settings.BATCHES, settings.TEST = 2, 8
presets.first_images = lambda name, test: presets.synthetic(name, 512, test)
configs = settings.configs()
rows = settings.table(1, 1, {name: configs[name] for name in ("default", "1R")})
assert rows["default"]["ratio"]["median"] == 1.0, rows
assert rows["1R"]["wanted"] == settings.target("1R") == 2.5, rows
dearer = rows | {"1R": rows["1R"] | {k: {"median": 99.0} for k in ("ratio", "cpu_ratio")}}
assert not compare.lines(rows, rows, 1.25)[1]
assert compare.lines(rows, dearer, 1.25)[0][1].endswith("DEARER above what is wanted")
"""
LATERAL = """
layers:
  - {kind: lateral, neurons: 12, inhibition: reset_line, sigma_init: 0.3, neuron: snu}
  - {kind: dense, neurons: 4, sigma_init: 0.9, neuron: snu}
loss: mse_rate
spikes_least: 0
data: {steps: 6, encoding: {kind: rate, peak_spikes_per_step: 0.3}}
training: {batch_size: 16, optimizer: rmsprop}
"""
CONVOLUTION = """
layers:
  - {kind: conv2d, channels: 4, kernel: 4, pool: 2, bias: digital, sigma_init: 0.3, neuron: leaky}
  - {kind: conv2d, channels: 5, kernel: 2, bias: digital, sigma_init: 0.5, neuron: leaky}
  - {kind: dense, neurons: 4, bias: digital, sigma_init: 0.5, neuron: leaky}
loss: {kind: mse_count, correct_rate: 0.8, incorrect_rate: 0.2}
spikes_least: 0
data: {steps: 6, encoding: {kind: constant, mean: [0.5, 0.4, 0.5], std: [0.3, 0.2, 0.3]}}
training: {batch_size: 16}
"""


def test_contestants_of_every_kind_take_a_batch(tmp_path):
    """On a small synthetic set, in a process of its own: the scripts import each other by name."""
    files = {"lateral.yaml": LATERAL, "convolution.yaml": CONVOLUTION}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(ROOT / "tests" / "bench"), *files],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
