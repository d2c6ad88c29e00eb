"""The pictures of a training run, into its folder."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from ..boards.routed import RoutedBoard
from ..experiment.run import Run
from ..experiment.trainer import Trainer
from ..snn.reference import Outcome, dense, simulate
from ..snn.topology.conv2d import Conv2d
from . import fields, style, training
from .confusion import confusion
from .feature_maps import LayerSpikes, feature_maps
from .raster import Input, raster


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
    paths = []
    for name, figure in drawn(trainer, before).items():
        paths.append(folder / f"{name}.png")
        style.save(figure, paths[-1])
    return paths


def drawn(trainer: Trainer, before: list[np.ndarray]) -> dict[str, Figure]:
    """The pictures of a run by name; arguments as `draw_run`.

    Fields are there where the first layer looks at an image, `feature_maps` where there is a
    convolution, `raster` where the test images themselves are at hand.
    """
    after, sheet = trainer.conductances(), trainer.setup.sheet
    window = sheet.g_min_siemens, sheet.g_max_siemens
    figures = {
        "accuracy": training.accuracy(trainer.rows),
        "spikes": training.spikes(trainer.rows),
        "pulses": training.pulses(trainer.rows),
        "conductances": training.conductances(before, after, *window),
    }
    if counts := trainer.rows[-1].get("test_confusion"):  # runs of before have none
        figures["confusion"] = confusion(counts, trainer.data.class_names)
    first = [first_fields(trainer, g) for g in (before[0], after[0])]
    if first[0] is not None and first[1] is not None:
        is_shared = isinstance(trainer.setup.network.synaptic[0].settings, Conv2d)
        kind = "kernels" if is_shared else "neurons"
        figures["fields"] = fields.before_and_after(first[0], first[1], kind=kind)
    if trainer.data.test_samples is not None:
        outcome = first_outcome(trainer)
        figures["raster"] = first_image(trainer, outcome)
        if spikes := spikes_from_maps_on(trainer, outcome):
            figures["feature_maps"] = feature_maps(
                trainer.data.test_samples[0], spikes, int(trainer.data.test_labels[0]),
                trainer.data.class_names, trainer.setup.network.dt_seconds,
            )  # fmt: skip
    return figures


def first_fields(trainer: Trainer, siemens: np.ndarray) -> np.ndarray | None:
    """Fields of the first layer, as `fields.before_and_after` takes them.

    Args:
        trainer: Whose layer it is.
        siemens: Conductances of its array, (rows, columns of all copies).

    Returns:
        None where its lines are in no image, or do not have a row each.
    """
    layer, planned = trainer.layers[0], trainer.setup.network.synaptic[0]
    shape, g = planned.incoming.shape, torch.from_numpy(siemens)
    if isinstance(planned.settings, Conv2d):
        shape = (1, *shape)[-3], planned.settings.kernel, planned.settings.kernel
    elif planned.array.rows - (planned.bias == "row") != planned.lines:
        return None
    if trainer.emulators:
        faults = trainer.emulators[0].faults
        if faults is not None:
            stuck = torch.from_numpy(faults.stuck_siemens).to(g.dtype)
            g = torch.where(stuck.isnan(), g, stuck)
            g = g.masked_fill(torch.from_numpy(faults.cut), 0.0)
        if isinstance(layer.board, RoutedBoard):
            g = layer.board.placement.mean(g)
    return fields.of_weights(layer.weights(g).numpy(), shape)


def first_outcome(trainer: Trainer) -> Outcome:
    """The first test image through the network as trained, without read noise."""
    network, data = trainer.setup.network, trainer.data
    weights = [torch.from_numpy(layer) for layer in trainer.matrices()]
    x = dense(data.test_events, np.array([0]), network, weights[0].dtype)
    numbers_of = [layer.trained for layer in trainer.layers]
    trained = [None if numbers is None else torch.from_numpy(numbers) for numbers in numbers_of]
    with torch.no_grad():
        return simulate(network, weights, x, torch.from_numpy(data.test_labels[:1]), trained)


def first_image(trainer: Trainer, outcome: Outcome) -> Figure:
    """The first test image over time; `outcome` is `first_outcome`."""
    network, data, events = trainer.setup.network, trainer.data, trainer.data.test_events
    image, amplitudes = data.test_samples[0], None  # type: ignore[index]  # asked by who calls
    if events.held is not None:
        amplitudes = events.held.codes[0].reshape(image.shape) / events.held.top
    output_spikes = network.layers[-1].spikes
    hidden = -2 if output_spikes else -1  # of the layers that send spikes
    first = slice(events.offsets[0], events.offsets[1])
    return raster(
        image,
        Input(events.times[first], events.rows[first], amplitudes, network.inputs),
        outcome.spikes[hidden][0].numpy() > 0,
        outcome.spikes[-1][0].numpy() > 0 if output_spikes else outcome.readout[0].numpy(),
        None if network.excitatory is None else network.excitatory[hidden],
        int(data.test_labels[0]),
        data.class_names,
        network.dt_seconds,
        hidden_title(trainer),
    )


def hidden_title(trainer: Trainer) -> str:
    """Which layer the raster shows: the last that sends spikes to others."""
    network = trainer.setup.network
    hidden = network.senders[:-1] if network.layers[-1].spikes else network.senders
    name = hidden[-1].name.replace("_", " ")
    return "Hidden layer" if len(hidden) == 1 else f"Last of {len(hidden)} hidden layers ({name})"


def spikes_from_maps_on(trainer: Trainer, outcome: Outcome) -> list[LayerSpikes]:
    """Spikes of the first convolution and of all layers behind it; none without a convolution."""
    layers, has_maps = list[LayerSpikes](), False
    for layer, sent in zip(trainer.setup.network.senders, outcome.spikes, strict=True):
        has_maps |= isinstance(layer.settings, Conv2d)
        if not has_maps:
            continue
        name = layer.name.replace("_", " ").replace("readout", "output")
        shape = layer.sent.shape if len(layer.sent.shape) == 3 else (layer.outputs,)
        layers.append(LayerSpikes(name, sent[0].numpy().reshape(-1, *shape) > 0))
    return layers
