"""Ex-situ transfer: a network that was trained elsewhere, written into an emulated chip.

Its weights are written by pulses. Its digital numbers, biases and what neurons have of their own,
are copied as they are, and no pulse is sent for them.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from device_models import npz
from device_models.errors import ConfigError
from device_models.model import DeviceModel
from device_models.npz import UNREADABLE, reason
from device_models.streams import stream_key

from ..boards.protocol import Board, Emulator
from ..boards.write_verify import Algorithm, WriteVerify, WriteVerifyResult, write_verify
from ..datasets import LoadedDataset
from ..datasets.encode import Data, encode
from ..nir.files import is_nir
from ..nir.reading import notes_of, read_network
from ..snn.engines.protocol import Batch, Engine, LayerView
from ..snn.parameters import WEIGHTS, Parameters, from_arrays, shapes_of, to_arrays
from ..snn.plan import Plan
from ..synapses.policies.frozen import Frozen
from . import builder, checkpoint
from .config import Training
from .fault_study import trained_parameters
from .reevaluate import check_simulated
from .run import Run
from .trainer import Trainer

MOST_WEIGHT = 1e30  # of float32; nan is no number below it
BAND = 0.05  # of the window: the band in which success is told, whatever the tolerance


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


def check_source(source: Path) -> Run | None:
    """The run that weights come from; None where it is a file, which is not read here.

    Raises:
        ConfigError: There is no such file, or it is neither an npz file nor a graph of NIR.
        RunError: There is no such run, it is one of a board, or its checkpoint is damaged.
    """
    if source.suffix == ".npz" or is_nir(source):
        if not source.is_file():
            raise ConfigError(f"there is no file {source}")
        return None
    if source.is_file():
        raise ConfigError(
            f"{source} is neither a run, which is a folder, nor an npz file, nor a graph (.nir)"
        )
    run = Run.open(source)
    check_simulated(run)
    run.from_checkpoint(checkpoint.conductances)
    return run


def parameters_of(source: Path, network: Plan, images: LoadedDataset) -> Parameters:
    """The numbers of a run folder, a graph or an npz file (`snn.parameters`), as float32.

    Raises:
        ConfigError: They are not those of such a network, or not finite.
        RunError: There is neither a file nor a run.
    """
    run = check_source(source)
    if run is None:
        arrays = _arrays(source, network.dt_seconds)
    else:
        data = encode(images, run.config.data, seed=run.config.seed)
        arrays = to_arrays(trained_parameters(run, data), builder.plan_of(run.config, data))
    named = {name.replace("arr_", WEIGHTS): array for name, array in arrays.items()}
    check_shapes(source, named, arrays, shapes_of(network))
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu" or not np.abs(array).max(initial=0) <= MOST_WEIGHT:
            raise ConfigError(f"{source}: {name} holds what is no finite number")
    return from_arrays(
        {n: np.ascontiguousarray(named[n], dtype=np.float32) for n in shapes_of(network)}
    )


def check_shapes(
    source: Path,
    named: Mapping[str, np.ndarray],
    arrays: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
) -> None:
    """Refuse arrays that are not those of a network.

    Args:
        source: Where they come from.
        named: By the names of `snn.parameters`.
        arrays: By the names that they have there.
        shapes: Of the network.

    Raises:
        ConfigError: They are not; digital numbers that are all that is missing are named.
    """
    given = {name: array.shape for name, array in named.items()}
    if given == shapes:
        return
    missing = {name: shape for name, shape in shapes.items() if name not in given}
    if given | missing == shapes and not any(map(re.compile(WEIGHTS + r"\d").match, missing)):
        raise ConfigError(
            f"{source} has no {_listed(missing)}: trained numbers that lie on no device, and "
            "weights alone do not make this network; name a run that has them, or add arrays of "
            "these names to an npz file of its weights"
        )
    has = _listed({name: array.shape for name, array in arrays.items()}) or "no array"
    raise ConfigError(f"{source} holds {has}; the network needs {_listed(shapes)}")


def _listed(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Names and shapes of arrays as a message says them."""
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def graph_notes(source: Path, network: Plan) -> list[str]:
    """What is to be said of weights that come from a graph of NIR; nothing of others."""
    if not is_nir(source):
        return []
    return notes_of(source, read_network(source, network.dt_seconds), network.network)


def _arrays(path: Path, dt_seconds: float) -> dict[str, np.ndarray]:
    """The arrays of an npz file, or of a graph in steps of dt, by name."""
    if is_nir(path):
        return read_network(path, dt_seconds).arrays
    try:
        return npz.read(path)
    except UNREADABLE as e:
        raise ConfigError(f"{path} is no npz file of arrays: {reason(e)}") from e


def filling_window(
    config: Training, network: Plan, model: DeviceModel, weights: Sequence[np.ndarray]
) -> Training:
    """The settings of a chip for some weights.

    The most that the mapping reaches in the window stands for the largest weight of the hidden
    crossbars and for that of the readout, unless the settings fix it: nothing is clipped, and no
    conductance is left unused.
    """
    tiles = config.tiles
    unit_tiles = replace(tiles, hidden_w_max=1.0, readout_w_max=1.0)
    unit = builder.mappings_of(replace(config, tiles=unit_tiles), model, network)
    *hidden, readout = (
        min(max(float(np.abs(w).max()) / mapping.w_max, 1e-6), 1e3)
        for w, mapping in zip(weights, unit, strict=True)
    )
    filled = replace(
        tiles,
        hidden_w_max=tiles.hidden_w_max or max(hidden, default=None),
        readout_w_max=tiles.readout_w_max or readout,
    )
    return replace(config, tiles=filled)


def exact_accuracy(engine: Engine, parameters: Parameters, data: Data) -> float:
    """Test accuracy of the numbers themselves, read without noise, as floating-point numbers."""
    none = np.zeros((0, 0), np.float32)
    layers = [
        LayerView(weights, none, np.zeros(len(weights)), trained=trained).with_bias(bias)
        for weights, bias, trained in zip(*parameters, strict=True)
    ]
    labels = data.test_labels
    done = engine.run(Batch(data.test_events, labels, np.arange(len(labels)), noise_key=1), layers)
    return float((done.predictions == labels).mean())


def write_chip(
    trainer: Trainer,
    p: WriteVerify,
    *,
    retention: Sequence[float] = (),
    temperature_kelvin: float | None = None,
    retune_epochs: int = 0,
    keep: Callable[[Trainer], object] | None = None,
) -> ProgrammedChip:
    """Write the first weights of a trainer into its chip by a closed loop, test it as it ages.

    Args:
        trainer: Not started. Its training images are used by `retune_epochs` alone.
        p: Settings of the loop.
        retention: Device times after the writing, seconds, rising.
        temperature_kelvin: Of the chip meanwhile; None: the reference of the device.
        retune_epochs: Epochs in which the readout alone is trained by pulses, at the end.
        keep: Called with the trainer right after the writing, before time passes.
    """
    arrays: list[WrittenArray] = []
    of_layers = trainer.emulators[: len(trainer.layers)]
    trainer.start([recorded(arrays, p, emulator) for emulator in of_layers])
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
        "retention_accuracy": aged(trainer, retention, temperature_kelvin),
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


def aged(
    trainer: Trainer, retention: Sequence[float], temperature_kelvin: float | None = None
) -> list[float]:
    """Test accuracy after each device time, which passes, at a temperature of the chip."""
    accuracies, now = [], 0.0
    for number, seconds in enumerate(retention):
        for emulator in trainer.emulators[: len(trainer.layers)]:
            emulator.wait(seconds - now, temperature_kelvin=temperature_kelvin)
        now = seconds
        key = stream_key("read noise", trainer.setup.seed, trainer.epoch, 2 + number)
        done = trainer.evaluate(noise_key=key)
        accuracies.append(float((done.predictions == trainer.data.test_labels).mean()))
    return accuracies


def retuned(trainer: Trainer, epochs: int) -> dict[str, Any]:
    """Train the readout in situ by pulses, the layers and digital numbers before it frozen."""
    trainer.policies[:-1] = [Frozen(p.shape, p.boards) for p in trainer.policies[:-1]]
    trainer.setup.neuron_optimizers[:-1] = [None] * (len(trainer.layers) - 1)
    for bias in trainer.biases[:-1]:
        if bias is not None:
            bias.optimizer = None
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
