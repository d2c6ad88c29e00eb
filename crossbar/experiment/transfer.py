"""Ex-situ transfer: weights that were trained elsewhere, written into an emulated chip."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from device_models.errors import ConfigError
from device_models.model import DeviceModel
from device_models.npz import UNREADABLE, reason
from device_models.streams import stream_key

from ..boards.protocol import Board, Emulator
from ..boards.write_verify import Algorithm, WriteVerify, WriteVerifyResult, write_verify
from ..datasets import LoadedDataset
from ..datasets.encode import Data, encode
from ..snn.engines.protocol import Batch, Engine, LayerView
from ..snn.plan import Plan
from ..synapses.policies.frozen import Frozen
from .fault_study import trained_weights
from .run import Run
from .trainer import Trainer

BAND = 0.05  # of the window: the band in which success is told, whatever the tolerance
Weights = tuple[np.ndarray, ...]


class WrittenArray(NamedTuple):
    """One call of the closed loop, and what the emulator knows of its outcome."""

    written: WriteVerifyResult
    true_siemens: Tensor


class ProgrammedChip(NamedTuple):
    """One chip that was written.

    Attributes:
        report: What `summary.json` says of it.
        layers: The arrays of each layer, in the order in which they were written.
    """

    report: dict[str, Any]
    layers: list[list[WrittenArray]]


def weights_of(source: Path, network: Plan, images: LoadedDataset) -> Weights:
    """The weights of a run folder or of an npz file, one array (rows, outputs) a crossbar.

    Raises:
        ConfigError: They are not those of such a network, or not finite.
        RunError: There is neither a file nor a run.
    """
    for layer in network.synaptic:
        if layer.bias == "digital":
            raise ConfigError(
                f"{network.network.title(layer.index)}: bias = digital is in no file of weights; "
                f"{source} cannot be a first state of it; nothing was written"
            )
    if source.suffix == ".npz" and source.is_file():
        arrays = _arrays(source)
    else:
        run = Run.open(source)
        trained = trained_weights(run, encode(images, run.config.data, seed=run.config.seed))
        arrays = {f"w{index}": weights for index, weights in enumerate(trained)}
    shapes = {f"w{index}": shape for index, shape in enumerate(network.crossbars)}
    named = {name.replace("arr_", "w"): array for name, array in arrays.items()}
    if {name: array.shape for name, array in named.items()} != shapes:
        has = ", ".join(f"{n} {a.shape}" for n, a in arrays.items()) or "no array"
        needs = ", ".join(f"{n} {s}" for n, s in shapes.items())
        raise ConfigError(f"{source} holds {has}; the network needs {needs}")
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise ConfigError(f"{source}: {name} holds what is no finite number")
    return tuple(np.ascontiguousarray(named[name], dtype=np.float32) for name in shapes)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file by name."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except UNREADABLE as e:
        raise ConfigError(f"{path} is no npz file of arrays: {reason(e)}") from e


def exact_accuracy(engine: Engine, weights: Weights, data: Data) -> float:
    """Test accuracy of the weights themselves, read without noise, as floating-point numbers."""
    none = np.zeros((0, 0), np.float32)
    layers = [LayerView(w, none, np.zeros(len(w))) for w in weights]
    labels = data.test_labels
    done = engine.run(Batch(data.test_events, labels, np.arange(len(labels)), noise_key=1), layers)
    return float((done.predictions == labels).mean())


def write_chip(
    trainer: Trainer,
    p: WriteVerify,
    *,
    retention: Sequence[float] = (),
    retune_epochs: int = 0,
    keep: Callable[[Trainer], object] | None = None,
) -> ProgrammedChip:
    """Write the first weights of a trainer into its chip by a closed loop, test it as it ages.

    Args:
        trainer: Not started. Its training images are used by `retune_epochs` alone.
        p: Settings of the loop.
        retention: Device times after the writing, seconds, rising.
        retune_epochs: Epochs in which the readout alone is trained by pulses, at the end.
        keep: Called with the trainer right after the writing, before time passes.
    """
    arrays: list[WrittenArray] = []
    trainer.start([recorded(arrays, p, emulator) for emulator in trainer.emulators])
    if keep is not None:
        keep(trainer)
    stages = [len(layer.mapping.stages) for layer in trainer.layers]
    ends = np.cumsum(stages)
    layers = [arrays[end - n : end] for n, end in zip(stages, ends, strict=True)]
    model = trainer.setup.sheet
    report = {
        "seed": trainer.setup.seed,
        "layers": [statistics(mine, model, p) for mine in layers],
        "all": statistics(arrays, model, p),
        "clipped_share": trainer.rows[0]["mapping"]["clipped_share"],
        "programmed_accuracy": trainer.rows[0]["test_accuracy"],
        "retention_accuracy": aged(trainer, retention),
    }
    if retune_epochs:
        report["retuned"] = retuned(trainer, retune_epochs)
    return ProgrammedChip(report, layers)


def recorded(arrays: list[WrittenArray], p: WriteVerify, emulator: Emulator) -> Algorithm:
    """`write_verify` for one layer; its outcome, and the truth after it, is added to `arrays`."""

    def run(
        board: Board, sheet: DeviceModel, targets: Tensor, selected: Tensor, only: Tensor | None
    ) -> Tensor:
        chosen = selected if only is None else only & selected
        result = write_verify(board, sheet, targets, chosen, p)
        arrays.append(WrittenArray(result, emulator.array_siemens().clone()))
        return result.siemens

    return run


def aged(trainer: Trainer, retention: Sequence[float]) -> list[float]:
    """Test accuracy after each device time, which passes."""
    accuracies, now = [], 0.0
    for number, seconds in enumerate(retention):
        for layer in trainer.layers:
            layer.board.wait(seconds - now)
        now = seconds
        key = stream_key("read noise", trainer.setup.seed, trainer.epoch, 2 + number)
        done = trainer.evaluate(noise_key=key)
        accuracies.append(float((done.predictions == trainer.data.test_labels).mean()))
    return accuracies


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


def statistics(
    arrays: Sequence[WrittenArray], model: DeviceModel, p: WriteVerify
) -> dict[str, Any]:
    """What writing some devices took and came to.

    Shares are of the devices that were written. `accepted_share` and `read_within_band_share` are
    what the verifying reads say, the `true_` ones what only an emulator knows.
    """
    done = [array.written for array in arrays]

    def flat(tensors: Sequence[Tensor]) -> Tensor:
        return torch.cat([t[w.chosen] for t, w in zip(tensors, done, strict=True)])

    window = model.window_siemens
    read = flat([(w.siemens - w.targets).abs() for w in done])
    true = flat([(each.true_siemens - each.written.targets).abs() for each in arrays])
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
