"""The activity of a trainer's last test, kept in the folder of its run."""

import numpy as np
import torch
from torch import Tensor

from device_models.model import DeviceModel
from device_models.pulsed import Pulsed

from ..boards.routed import RoutedBoard
from ..experiment.config import Training
from ..experiment.run import Run, wilson_interval
from ..experiment.trainer import Trainer
from ..snn.engines.protocol import BatchResult
from ..synapses.synapses import Synapses
from .activity import About, Array, packed, write_activity


def keep(run: Run, trainer: Trainer) -> None:
    """Write `activity.npz` of a run: its last test once more, every spike kept.

    Args:
        run: Saved at the end of the trainer's epoch.
        trainer: There.

    Raises:
        OSError: It cannot be written; what was there is untouched.
    """
    write_activity(run.folder, recorded(run.config, run.model, trainer))


def recorded(config: Training, model: DeviceModel, trainer: Trainer) -> dict[str, np.ndarray]:
    """The arrays of an activity file, of the trainer's last test."""
    done, hidden = trainer.recorded()
    return packed(
        config.plan,
        about(config, model, trainer, done),
        [trainer.data.test_events, *hidden],
        [Array(siemens(layer), fan_out(layer), nonzero(layer)) for layer in trainer.layers],
    )


def about(config: Training, model: DeviceModel, trainer: Trainer, done: BatchResult) -> About:
    """What the file says of the run; `done` is the test."""
    accuracy = float((done.predictions == trainer.data.test_labels).mean())
    width, endurance = 0.0, None  # of a device without pulses of its own
    if isinstance(model, Pulsed):
        width, endurance = model.width_seconds, model.endurance_pulses or None
    return About(
        epochs=trainer.epoch,
        training_images=trainer.epoch * trainer.batches * config.batch_size,
        accuracy=accuracy,
        accuracy_interval=wilson_interval(accuracy, len(done.predictions)),
        ei=config.plan.ei,
        mapping=config.mapping,
        device=config.device,
        seed=config.seed,
        v_read_volts=config.v_read_volts,
        t_read_seconds=config.t_read_seconds,
        pulse_seconds=width,
        endurance_pulses=endurance,
        tile_rows=config.tile_rows,
        tile_columns=config.tile_columns,
        adc_bits=config.periphery.adc_bits if config.periphery.kind == "adc" else None,
        is_analog=config.periphery.kind == "analog",
    )


def siemens(layer: Synapses) -> np.ndarray:
    """What a noiseless read of a layer sees, (rows, columns of all copies) float32, siemens.

    Copies that are not averaged are not driven: 0.
    """
    board = layer.board
    if not isinstance(board, RoutedBoard):
        return np.asarray(board.g.float().numpy())
    place = board.placement
    g = torch.where(place.averaged.view(1, -1), board.board.g[place.order], 0.0)
    return np.asarray(g.float().numpy())


def fan_out(layer: Synapses) -> np.ndarray:
    """Synapses of each row with a device that pulses move, (rows,) int64.

    A device that is stuck or on an open line is not one; with copies, one good device is enough.
    """
    rows, outputs = layer.mapping.shape
    board = layer.board
    if board.broken is None:
        return np.full(rows, outputs, np.int64)
    alive: Tensor = (~board.broken.dead).float()
    if isinstance(board, RoutedBoard):
        alive = board.placement.mean(alive)
    # The spread of a weight comes from its own devices alone: without a good one it has none.
    mapping = layer.mapping
    own = mapping.selected() & mapping.devices_of(torch.ones(mapping.shape, dtype=torch.bool))
    weighs = mapping.variance(alive * own)
    return np.asarray(torch.count_nonzero(weighs, dim=1).numpy())


def nonzero(layer: Synapses) -> np.ndarray:
    """Weights of each row that are not exactly zero, (rows,) int64."""
    return np.asarray(np.count_nonzero(layer.effective().weights, axis=1), np.int64)
