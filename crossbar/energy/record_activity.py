"""The activity of a trainer's last test, stored in the folder of its run."""

import numpy as np
import torch

from device_models.pulsed import Pulsed

from ..boards.protocol import Emulator
from ..experiment.run import Run
from ..experiment.trainer import Trainer
from ..metrics.statistics import wilson_interval
from ..synapses.synapses import Synapses
from .activity import RunMetadata, Snapshot
from .activity_file import pack, write_activity

MOST_SPIKES = 1 << 24  # of hidden layers that are kept, 3 bytes each and some more while written


def keep(run: Run, trainer: Trainer) -> None:
    """Write `activity.npz` of a run on emulated boards: its last test once more, with every spike.

    Args:
        run: Saved at the end of the trainer's epoch.
        trainer: There.

    Raises:
        OSError: It cannot be written; what was there is untouched.
    """
    if not trainer.emulators:
        return  # what boards drew is in their counters, not in arrays that anybody knows
    write_activity(run.folder, recorded(trainer, trainer.rows[-1]["test_accuracy"]))


def recorded(trainer: Trainer, accuracy: float) -> dict[str, np.ndarray]:
    """The arrays of an activity file, of the trainer's last test: see `images_of`.

    Args:
        trainer: Of the run.
        accuracy: Of all test images, where it is now.
    """
    images = images_of(trainer)
    test = trainer.recorded(images)
    return pack(
        trainer.setup.network,
        about(trainer, accuracy),
        [trainer.data.test_events.first(images), *test.recorded],
        [
            Snapshot(siemens(array), fan_out(layer, array), nonzero(weights))
            for layer, array, weights in zip(
                trainer.layers, trainer.emulators, trainer.weights(), strict=False
            )
        ],
    )


def images_of(trainer: Trainer) -> int:
    """Test images whose spikes are kept: all, or the first ones that send `MOST_SPIKES` or less."""
    each, images = (
        trainer.rows[-1]["spikes_per_inference"]["total"],
        trainer.rows[-1]["test_images"],
    )
    return int(images if each * images <= MOST_SPIKES else max(1, MOST_SPIKES // each))


def about(trainer: Trainer, accuracy: float) -> RunMetadata:
    """What the file says of the run; see `recorded`."""
    setup, model, last = trainer.setup, trainer.setup.sheet, trainer.rows[-1]
    width, endurance = 0.0, None  # of a device without pulses of its own
    if isinstance(model, Pulsed):
        width, endurance = model.width_seconds, model.endurance_pulses or None
    return RunMetadata(
        epochs=trainer.epoch,
        training_images=trainer.epoch * trainer.batches * trainer.batch_size,
        accuracy=accuracy,
        accuracy_interval=wilson_interval(accuracy, last["test_images"]),
        ei=setup.network.ei,
        mapping=setup.mapping,
        device=setup.device,
        seed=setup.seed,
        v_read_volts=setup.reads.v_read_volts,
        t_read_seconds=setup.reads.t_read_seconds,
        pulse_seconds=width,
        endurance_pulses=endurance,
        tile_rows=setup.tiles.tile_rows,
        tile_columns=setup.tiles.tile_columns,
        adc_bits=setup.periphery.adc_bits if setup.periphery.kind == "adc" else None,
        is_analog=setup.periphery.kind == "analog",
        is_sliced=any(layer.mapping.is_sliced for layer in trainer.layers),
    )


def siemens(array: Emulator) -> np.ndarray:
    """What a noiseless read of a layer sees, (rows, columns of all copies) float32, siemens.

    Copies that are not averaged are not driven: 0.
    """
    return np.asarray(array.driven_siemens().float().numpy())


def fan_out(layer: Synapses, array: Emulator) -> np.ndarray:
    """Synapses of each row with a device that pulses move, (rows,) int64.

    A device that is stuck or on an open line is not one; with copies, one good device is enough.
    """
    # The spread of a weight comes from its own devices alone: without a good one it has none.
    mapping = layer.mapping
    weighing = mapping.selected() & mapping.devices_of(torch.ones(mapping.shape, dtype=torch.bool))
    variance = mapping.variance(array.healthy() * weighing)
    return np.asarray(torch.count_nonzero(variance, dim=1).numpy())


def nonzero(weights: np.ndarray) -> np.ndarray:
    """Weights of each row that are not exactly zero, (rows,) int64."""
    return np.asarray(np.count_nonzero(weights, axis=1), np.int64)
