"""Ex-situ transfer: weights that were trained elsewhere, written into an emulated chip."""

import math
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from device_models.errors import ConfigError
from device_models.model import DeviceModel
from device_models.streams import stream_key

from ..boards.simulated import Algorithm, SimulatedBoard
from ..boards.write_verify import WriteVerify, Written, write_verify
from ..datasets.encode import Data, encode
from ..datasets.fashion_mnist import FashionMnist
from ..snn.engines.protocol import Batch, LayerView
from ..snn.plan import Plan
from ..synapses.estimate import WeightEstimate
from ..synapses.policies.policy import Policy
from ..synapses.synapses import Synapses
from .builder import build, engine
from .config import Training
from .fault_study import trained_weights
from .run import Run
from .trainer import Trainer

BAND = 0.05  # of the window: the band in which success is told, whatever the tolerance
Weights = tuple[np.ndarray, ...]


class Frozen(Policy):
    """Sends no pulse: the layer stays as it is."""

    def __init__(self, shape: tuple[int, int], boards: Sequence[SimulatedBoard] = ()) -> None:
        """Keep the arrays of the policy whose place it takes."""
        self.shape, self.boards = shape, boards

    def update(
        self, layer: Synapses, wanted: Tensor, known: WeightEstimate, *, generator: torch.Generator
    ) -> None:
        """See `Policy.update`."""

    def state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """See `Policy.restore`."""


class Part(NamedTuple):
    """One call of the closed loop, and what the emulator knows of its outcome."""

    written: Written
    true_siemens: Tensor


class Chip(NamedTuple):
    """One chip that was written.

    Attributes:
        told: What `summary.json` says of it.
        layers: The parts of each layer.
    """

    told: dict[str, Any]
    layers: list[list[Part]]


def weights_of(source: Path, network: Plan, images: FashionMnist) -> Weights:
    """The weights of a run folder or of an npz file, one array (rows, outputs) a crossbar.

    Raises:
        ConfigError: They are not those of such a network, or not finite.
        RunError: There is neither a file nor a run.
    """
    if source.suffix == ".npz" and source.is_file():
        found = _arrays(source)
    else:
        run = Run.open(source)
        held = trained_weights(run, encode(images, run.config.plan))
        found = {f"w{place}": array for place, array in enumerate(held)}
    shapes = {f"w{place}": shape for place, shape in enumerate(network.crossbars)}
    named = {name.replace("arr_", "w"): array for name, array in found.items()}
    if {name: array.shape for name, array in named.items()} != shapes:
        has = ", ".join(f"{n} {a.shape}" for n, a in found.items()) or "no array"
        needs = ", ".join(f"{n} {s}" for n, s in shapes.items())
        raise ConfigError(f"{source} holds {has}; the network needs {needs}")
    for name, array in found.items():
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise ConfigError(f"{source}: {name} holds what is no finite number")
    return tuple(np.ascontiguousarray(named[name], dtype=np.float32) for name in shapes)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file by name."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as e:
        raise ConfigError(f"{path} is no npz file of arrays: {e}") from e


def chip_config(
    config: Training, model: DeviceModel, weights: Weights, *, device: str, source: Path
) -> Training:
    """Settings of a chip for some weights.

    The most that the mapping reaches in the window stands for the largest weight of the hidden
    crossbars and for that of the readout, unless the settings fix it: nothing is clipped, and no
    conductance is left unused.
    """
    unit = build(replace(config, hidden_w_max=1.0, readout_w_max=1.0), model, weights=weights)
    *hidden, readout = (
        min(max(float(np.abs(w).max()) / layer.mapping.w_max, 1e-6), 1e3)
        for w, layer in zip(weights, unit, strict=True)
    )
    return replace(
        config,
        device=device,
        init_from=str(source),
        hidden_w_max=config.hidden_w_max or max(hidden),
        readout_w_max=config.readout_w_max or readout,
    )


def exact_accuracy(config: Training, weights: Weights, data: Data, threads: int | None) -> float:
    """Test accuracy of the weights themselves, read without noise, as floating-point numbers."""
    none = np.zeros((0, 0), np.float32)
    layers = [LayerView(w, none, np.zeros(len(w))) for w in weights]
    labels = data.test_labels
    batch = Batch(data.test_events, labels, np.arange(len(labels)), noise_key=1)
    done = engine(config, threads, None).run(batch, layers)
    return float((done.predictions == labels).mean())


def write_chip(
    config: Training,
    model: DeviceModel,
    data: Data,
    weights: Weights,
    p: WriteVerify,
    *,
    retention: Sequence[float] = (),
    retune_epochs: int = 0,
    threads: int | None = None,
    keep: Callable[[Trainer], object] | None = None,
) -> Chip:
    """Make a chip, write weights into it by a closed loop, and test it as it ages.

    Args:
        config: Settings; the seed is that of the chip.
        model: Kind of device.
        data: Encoded images; training images are used by `retune_epochs` alone.
        weights: Of every crossbar.
        p: Settings of the loop.
        retention: Device times after the writing, seconds, rising.
        retune_epochs: Epochs in which the readout alone is trained by pulses, at the end.
        threads: How many samples run at a time; by default one per processor.
        keep: Called with the trainer right after the writing, before time passes.
    """
    trainer = Trainer(config, model, data, threads=threads, weights=weights)
    parts: list[Part] = []
    trainer.start(recorded(parts, p))
    if keep is not None:
        keep(trainer)
    stages = [len(layer.mapping.stages) for layer in trainer.layers]
    ends = np.cumsum(stages)
    layers = [parts[end - n : end] for n, end in zip(stages, ends, strict=True)]
    told = {
        "seed": config.seed,
        "layers": [statistics(mine, model, p) for mine in layers],
        "all": statistics(parts, model, p),
        "clipped_share": trainer.rows[0]["mapping"]["clipped_share"],
        "programmed_accuracy": trainer.rows[0]["test_accuracy"],
        "retention_accuracy": aged(trainer, config, retention),
    }
    if retune_epochs:
        told["retuned"] = retuned(trainer, retune_epochs)
    return Chip(told, layers)


def recorded(parts: list[Part], p: WriteVerify) -> Algorithm:
    """`write_verify` as boards take it; what it does is added to `parts`."""

    def run(board: SimulatedBoard, targets: Tensor, chosen: Tensor) -> Tensor:
        done = write_verify(board, board.model, targets, chosen, p)
        parts.append(Part(done, board.g.clone()))
        return done.siemens

    return run


def aged(trainer: Trainer, config: Training, retention: Sequence[float]) -> list[float]:
    """Test accuracy after each device time, which passes."""
    found, now = [], 0.0
    for number, seconds in enumerate(retention):
        for layer in trainer.layers:
            layer.board.wait(seconds - now)
        now = seconds
        key = stream_key("read noise", config.seed, trainer.epoch, 2 + number)
        done = trainer.evaluate(noise_key=key)
        found.append(float((done.predictions == trainer.data.test_labels).mean()))
    return found


def retuned(trainer: Trainer, epochs: int) -> dict[str, Any]:
    """Train the readout in situ by pulses, the layers before it frozen."""
    trainer.policies[:-1] = [Frozen(p.shape, p.boards) for p in trainer.policies[:-1]]
    for _ in range(epochs):
        for _ in trainer.run_epoch():
            pass
    rows = trainer.rows[-epochs:]
    return {
        "accuracy": [row["test_accuracy"] for row in rows],
        "pulses": sum(row["pulses"]["set"] + row["pulses"]["reset"] for row in rows),
        "write_joules": sum(row["energy_joules"]["write"] for row in rows),
    }


def statistics(parts: Sequence[Part], model: DeviceModel, p: WriteVerify) -> dict[str, Any]:
    """What writing some devices took and came to.

    Shares are of the devices that were written. `accepted_share` and `read_within_band_share` are
    what the verifying reads say, the `true_` ones what only an emulator knows.
    """
    done = [part.written for part in parts]

    def flat(arrays: Sequence[Tensor]) -> Tensor:
        return torch.cat([a[w.chosen] for a, w in zip(arrays, done, strict=True)])

    window = model.window_siemens
    read = flat([(w.siemens - w.targets).abs() for w in done])
    true = flat([(part.true_siemens - part.written.targets).abs() for part in parts])
    return {
        "devices": len(read),
        "pulses": {
            "set": sum(w.spent.set_pulses for w in done),
            "reset": sum(w.spent.reset_pulses for w in done),
        },
        "device_reads": sum(w.spent.device_reads for w in done),
        "pulses_per_device": percentiles(flat([w.pulses for w in done])),
        "reads_per_device": percentiles(flat([w.reads for w in done])),
        "accepted_share": _share(flat([w.accepted for w in done])),
        "true_within_tolerance_share": _share(true <= p.tolerance * window),
        "read_within_band_share": _share(read <= BAND * window),
        "true_within_band_share": _share(true <= BAND * window),
        "energy_joules": {
            "write": math.fsum(w.spent.write_joules for w in done),
            "verify": math.fsum(w.spent.read_joules for w in done),
        },
        "seconds": {
            "one_device_at_a_time": math.fsum(w.serial_seconds for w in done),
            "one_word_line_at_a_time": math.fsum(w.parallel_seconds for w in done),
            "waited": math.fsum(w.waited_seconds for w in done),
        },
    }


def _share(flags: Tensor) -> float:
    """Share of a mask that is set; 1 of nothing."""
    return float(flags.double().mean()) if flags.numel() else 1.0


def percentiles(counts: Tensor) -> dict[str, float]:
    """Mean, percentiles and maximum of counts per device."""
    if not counts.numel():
        return dict.fromkeys(("mean", "median", "percentile_95", "percentile_99_9", "max"), 0.0)
    middle, high, top = np.percentile(counts.numpy(), [50.0, 95.0, 99.9], method="higher")
    return {
        "mean": float(counts.double().mean()), "median": float(middle),
        "percentile_95": float(high), "percentile_99_9": float(top), "max": float(counts.max()),
    }  # fmt: skip
