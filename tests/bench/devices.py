# ruff: noqa: T201  # it talks on the terminal
"""Every shipped device on the default network: accuracy, gap to exact weights, CPU of an epoch.

The settings are those that README recommends; the CPU seconds of an epoch are medians over the
epochs but the first, which compiles, and told as a ratio to `oxram` in the same run.
"""

import dataclasses
import statistics
import time

from crossbar.datasets import load_dataset
from crossbar.datasets.encode import Data, encode
from crossbar.experiment import builder
from crossbar.experiment.config import Training
from device_models.presets import load_device, preset_names
from device_models.schema import override

BASE, TWIN = "oxram", "ideal"
RECIPES = {  # settings beside the defaults
    "gong2018_exp": {"reads.readback_reads": "8"},
    "enode_tabulated": {"reads.readback_reads": "8"},
    "hfo2_multilevel": {"reads.readback_every": "1"},
    "taox_tabulated": {
        "mapping": "pair", "tiles.hidden_w_max": "0.03", "tiles.readout_w_max": "0.1",
    },
    "voltage_tables": {
        "policy": "closed_loop", "policy.threshold_pulses": "3", "reads.readback_every": "1",
        "tiles.hidden_w_max": "0.045", "tiles.readout_w_max": "0.12",
        "optimizer.learning_rate": "1.5e-3",
    },
}  # fmt: skip


def settings(name: str) -> Training:
    """The default training on a device, with its recipe."""
    typed = {"device": f"{name}.yaml"} | RECIPES.get(name, {})
    return override(Training(), {field: (text, field) for field, text in typed.items()})


def trained(config: Training, data: Data) -> tuple[float, float]:
    """Test accuracy after the last epoch, and CPU seconds of an epoch."""
    trainer = builder.trainer(config, load_device(config.device), data, threads=1)
    trainer.start()
    cpu = []
    while trainer.epoch < config.epochs:
        began = time.process_time()
        for _ in trainer.run_epoch():
            pass
        cpu.append(time.process_time() - began)
    return trainer.rows[-1]["test_accuracy"], statistics.median(cpu[1:] or cpu)


def table(*, seeds: int, only: tuple[str, ...] = ()) -> dict[str, dict[str, object]]:
    """Train every device that is pulsed, `oxram` first, and the exact weights; print a row each."""
    images = load_dataset("fashion_mnist", notice=print)
    data = [encode(images, Training().data, seed=seed) for seed in range(seeds)]
    others = [name.removesuffix(".yaml") for name in preset_names()]
    names = [BASE, TWIN, *(n for n in only or others if n not in (BASE, TWIN, "gaussian_update"))]
    rows: dict[str, dict[str, object]] = {}
    print(f"\n{'device':20s} {'accuracy, seeds':>24s} {'gap':>6s} {'CPU s':>6s} {'ratio':>6s}")
    for name in names:
        config = settings(name)
        config = config.float_baseline() if name == TWIN else config
        found = [trained(dataclasses.replace(config, seed=s), d) for s, d in enumerate(data)]
        accuracies, cpu = [a for a, _ in found], statistics.median(c for _, c in found)
        rows[name] = {"accuracies": accuracies, "cpu_seconds": cpu, "settings": RECIPES.get(name)}
        ratio = cpu / float(str(rows[BASE]["cpu_seconds"]))
        rows[name]["cpu_ratio"] = ratio
        gap = ""
        if TWIN in rows:
            twin = statistics.mean(rows[TWIN]["accuracies"])  # type: ignore[call-overload]
            gap = f"{100 * (twin - statistics.mean(accuracies)):+.1f}"
        each = " ".join(f"{a:.2%}" for a in accuracies)
        print(f"{name:20s} {each:>24s} {gap:>6s} {cpu:6.1f} {ratio:6.2f}", flush=True)
    return rows
