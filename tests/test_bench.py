"""`make bench` runs: its own kind of each of our contestants is built and takes a batch."""

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
"""


def test_contestants_of_every_kind_take_a_batch(tmp_path):
    """On a small synthetic set, in a process of its own: the scripts import each other by name."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(ROOT / "tests" / "bench")],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
