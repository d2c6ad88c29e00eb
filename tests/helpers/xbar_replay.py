"""Short runs whose every pulse, loss and prediction is written down, to the last bit.

A change that is to move no number replays them: `python tests/helpers/xbar_replay.py check`. Bits
depend on the kind of processor and on the versions of torch and numba, so the file names both.
"""

import hashlib
import json
import platform
import sys
from pathlib import Path

import numba
import numpy as np
import torch
from xbar_training import fashion, synthetic, trainer_of

from cli.train import read_settings
from crossbar.boards.simulated import SimulatedBoard

GOLDEN = Path(__file__).parents[1] / "golden" / "replay.json"
SMALL = {
    "hidden": "20", "sigma_init": "0.02", "network.spikes_most": "null", "optimizer": "sgd",
    "batch_size": "32", "epochs": "2",
}  # fmt: skip
ACCUMULATE = {"policy": "accumulate"}
ADAM = {"optimizer": "adam", "optimizer.learning_rate": "2e-4", "optimizer.schedule": "constant"}
CASES = {  # name -> settings as they are typed; those of `SMALL` come first
    "ideal": {"device": "ideal.yaml"},
    "oxram": {"device": "oxram.yaml"},
    "gaussian_update": {"device": "gaussian_update.yaml", "update_noise": "0.2"},
    "pair": {"mapping": "pair"} | ACCUMULATE,
    "dale": {"mapping": "dale"} | ACCUMULATE,
    "reference_column": {"mapping": "reference_column", "ei": "none"} | ACCUMULATE,
    "bit_sliced": {"mapping": "bit_sliced"} | ACCUMULATE,
    "recurrent": {"recurrent": "true"} | ADAM,
    "two_layers": {"hidden": "20,16"} | ADAM | {"optimizer.schedule": "cosine"},
    "adc": {"adc_bits": "5", "periphery.adc_noise_lsb": "0.5"},
    "analog": {"periphery.kind": "analog"},
    "wires": {"wires": "20", "tiles.tile_rows": "64"},
    "tiki_taka": {"policy": "tiki_taka"},
    "stochastic": {"policy": "stochastic", "optimizer": "momentum"},
    "sign": {"policy": "sign"},
    "faults": {
        "faults.stuck_low_share": "0.05", "faults.open_word_share": "0.01",
        "tiles.placement": "remap", "tiles.copies": "2", "tiles.averaged": "1",
    },
    "1R": {"tiles.array_kind": "1R"},
    "tabulated": {"device": "enode_tabulated.yaml"},
    "fashion": {"hidden": "100", "sigma_init": "0.001", "batch_size": "256", "epochs": "1"},
}  # fmt: skip


def machine() -> dict[str, str]:
    """What the bits depend on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    named = {name.strip(): value.strip() for name, value in facts.items()}
    processor = " ".join(named.get(name, "") for name in ("model name", "cpu family", "model"))
    digest = hashlib.sha256(named.get("flags", "").encode()).hexdigest()[:8]
    versions = {"torch": torch.__version__, "numba": numba.__version__, "numpy": np.__version__}
    return {"machine": platform.machine(), "processor": processor, "flags": digest} | versions


def replay(name):
    """What one run did: a digest of all pulses of each array, losses, digest of predictions."""
    pulses = {}
    send = SimulatedBoard.pulse

    def noted(board, batch, shape=None):
        sums, count = pulses.setdefault(board._index, (hashlib.sha256(), [0]))
        order = np.argsort(batch.device, kind="stable")
        device, counts = batch.device[order], batch.count[order]
        for array in (device[counts != 0], counts[counts != 0]):
            sums.update(np.ascontiguousarray(array, np.int32).tobytes())
        count[0] += 1
        return send(board, batch, shape)

    SimulatedBoard.pulse = noted
    try:
        trainer = run(read_settings(SMALL | CASES[name], None, None), name)
    finally:
        SimulatedBoard.pulse = send
    predictions = trainer.recorded().predictions.astype(np.int64)
    return {
        "pulses": [[count[0], sums.hexdigest()] for _, (sums, count) in sorted(pulses.items())],
        "losses": [[row["train_loss"], row["test_loss"]] for row in trainer.rows],
        "predictions": hashlib.sha256(predictions.tobytes()).hexdigest(),
    }


def run(config, name):
    """A trainer after its last epoch."""
    data = fashion(1024, 256) if name == "fashion" else synthetic()
    trainer = trainer_of(config, data, threads=2)
    trainer.start()
    while trainer.epoch < config.epochs:
        for _ in trainer.run_epoch():
            pass
    return trainer


def main(what):
    """`record` or `check` all runs."""
    if what == "record":
        recorded = {"machine": machine(), "runs": {name: replay(name) for name in CASES}}
        GOLDEN.write_text(json.dumps(recorded, indent=1) + "\n")
        return 0
    golden, wrong = json.loads(GOLDEN.read_text()), 0
    if golden["machine"] != machine():
        sys.stdout.write(f"recorded on {golden['machine']}, this is {machine()}\n")
    for name, expected in golden["runs"].items():
        same = replay(name) == expected
        wrong += not same
        sys.stdout.write(f"{name:<20}{'same' if same else 'DIFFERENT'}\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
