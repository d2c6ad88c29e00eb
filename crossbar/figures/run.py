"""The pictures of a training run, into its folder."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from ..experiment.run import Run
from ..experiment.trainer import Trainer
from ..snn.reference import dense, simulate
from . import style, training


def draw_run(run: Run, trainer: Trainer, before: list[np.ndarray]) -> list[Path]:
    """Draw a run into `figures/` of its folder.

    Args:
        run: Where it is.
        trainer: At the end of the last epoch.
        before: Conductances of each layer before training, siemens.

    Returns:
        The files written.
    """
    folder = run.folder / "figures"
    folder.mkdir(exist_ok=True)
    after = trainer.conductances()
    window = run.model.g_min_siemens, run.model.g_max_siemens
    drawn = {
        "accuracy": training.accuracy(trainer.rows),
        "spikes": training.spikes(trainer.rows),
        "pulses": training.pulses(trainer.rows),
        "conductances": training.conductances(before, after, *window),
    }
    if trainer.data.test_samples is not None:
        drawn["raster"] = first_image(run, trainer, trainer.data.test_samples[0])
    for name, figure in drawn.items():
        style.save(figure, folder / f"{name}.png")
    return [folder / f"{name}.png" for name in drawn]


def first_image(run: Run, trainer: Trainer, image: np.ndarray) -> Figure:
    """The first test image through the network as trained, without read noise."""
    network, data, events = trainer.setup.network, trainer.data, trainer.data.test_events
    weights = [torch.from_numpy(layer) for layer in trainer.matrices()]
    x = dense(events, np.array([0]), network, weights[0].dtype)
    label = torch.from_numpy(data.test_labels[:1])
    own = [layer.trained for layer in trainer.layers]
    trained = [None if numbers is None else torch.from_numpy(numbers) for numbers in own]
    outcome = simulate(network, weights, x, label, trained)
    hidden = -2 if network.layers[-1].spikes else -1  # of the layers that send spikes
    first = slice(events.offsets[0], events.offsets[1])
    return training.raster(
        image,
        events.times[first],
        events.rows[first],
        outcome.spikes[hidden][0].numpy() > 0,
        outcome.readout[0].numpy(),
        None if network.excitatory is None else network.excitatory[hidden],
        int(label),
        data.class_names,
        network.dt_seconds,
    )
