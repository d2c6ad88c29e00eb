"""Energy, time and area of a torch model on a chip: what drives its arrays, counted and priced."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from device_models.errors import ConfigError, ShapeError
from device_models.pulsed import Pulsed

from ..energy.activity import Activity, LayerActivity
from ..energy.chip import load_chip
from ..energy.costs import load_costs
from ..energy.counts import RunCounts
from ..energy.estimate import ChipEstimate
from ..energy.estimate import estimate as estimate_chip
from ..energy.reads import Reads
from ..energy.record_activity import fan_out, nonzero, siemens
from ..snn.encodings.events import Events
from .layers import Conv2d
from .module import ArrayModule
from .summary import named_arrays

CHIP = "proposal_28nm"
MOST_STEPS = 65_535  # that an event holds in two bytes


class Seen(NamedTuple):
    """What came into one layer.

    Attributes:
        name: Of the layer.
        layer: It.
        inputs: Of each batch, (samples, steps, features...).
    """

    name: str
    layer: ArrayModule
    inputs: list[Tensor]


def estimate(
    model: torch.nn.Module,
    loader: Iterable[Any],
    *,
    chip: str = CHIP,
    costs: Sequence[str] = (),
    dac_bits: int = 8,
    dt_seconds: float = 1e-3,
    run: Callable[[Tensor], object] | None = None,
) -> ChipEstimate:
    """Run a model on some samples, count what drives its arrays, and price it like `xbar estimate`.

    Layers whose inputs are all 0 or one positive number are driven by spikes: a word line without
    one costs nothing. Other inputs go in bit by bit, the lowest first, `dac_bits` reads each, those
    of negative sign in reads of their own; their columns are shifted and added. Every pass is a
    step of the layer: a spiking model calls it once a time step. What is between the arrays
    (neurons, pools) is priced as the neurons of the chip.

        >>> import torch
        >>> from crossbar import nn
        >>> layer = nn.Linear(20, 5, device="ideal.yaml")
        >>> spikes = (torch.arange(80).view(4, 20) % 3 == 0).float()
        >>> done = nn.estimate(layer, [spikes])
        >>> done.joules.low < done.joules.typical < done.joules_dense.typical
        True

    Args:
        model: With layers on arrays; run in evaluation mode, without gradients. The reads count.
        loader: Batches: inputs (samples, ...), or tuples that begin with them.
        chip: File or preset, see `xbar estimate --chip`.
        costs: Cost tables over the default one.
        dac_bits: Of inputs that are no spikes, 1 to 16.
        dt_seconds: Duration of a time step, for chips that run at the pace of the network.
        run: Runs a batch; None: `model(inputs)`. A spiking model whose state outlives a batch is
            reset here.

    Returns:
        What `xbar estimate` gives of a run: `joules`, `items`, `seconds_per_inference`, `m2`, ...

    Source:
        Every constant names its own, see `crossbar/energy/tables`.

    Raises:
        ConfigError: There is no array or sample, the table or chip is wrong, a layer is read in a
            way that is not counted.
        ShapeError: It cannot be told which inputs of a layer are of which sample.
    """
    if not 1 <= dac_bits <= 16:
        raise ConfigError(f"dac_bits = {dac_bits} is outside [1, 16] bit; nothing was counted")
    seen, samples = record(model, loader, run)
    layers = [_activity(each, dac_bits) for each in seen]
    following = [len(layer.inputs.rows) for layer in layers[1:]]
    chain = tuple(
        _with_fired(layer, fired) for layer, fired in zip(layers, [*following, 0], strict=True)
    )
    steps = max((layer.steps or 1) // layer.planes for layer in chain)
    activity = Activity(chain, samples, steps, dt_seconds, assumed=False)
    return estimate_chip(
        _counts(model, seen, activity), load_chip(chip), load_costs(("default", *costs))
    )


def record(
    model: torch.nn.Module, loader: Iterable[Any], run: Callable[[Tensor], object] | None = None
) -> tuple[list[Seen], int]:
    """What comes into each array, in the order of the first pass, and how many samples that is."""
    seen: dict[str, Seen] = {}
    calls: dict[str, list[Tensor]] = {}
    named, samples = named_arrays(model), 0
    with _listening(named, calls), _evaluating(model), torch.no_grad():
        for batch in loader:
            x = batch[0] if isinstance(batch, tuple | list) else batch
            calls.clear()
            if run is None:
                model(x)
            else:
                run(x)
            for name, inputs in calls.items():
                each = seen.setdefault(name, Seen(name, named[name], []))
                each.inputs.append(_by_sample(name, named[name], inputs, len(x)))
            samples += len(x)
    if not seen or not samples:
        raise ConfigError("no sample came into an array of the model; nothing was counted")
    return list(seen.values()), samples


@contextmanager
def _listening(named: dict[str, ArrayModule], calls: dict[str, list[Tensor]]) -> Iterator[None]:
    """Keep what comes into each layer, by its name."""

    def keep(name: str) -> Callable[..., None]:
        return lambda layer, inputs: calls.setdefault(name, []).append(
            layer.joined(*inputs).detach().clone()
        )

    hooks = [layer.register_forward_pre_hook(keep(name)) for name, layer in named.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """The model in evaluation mode."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _by_sample(name: str, layer: ArrayModule, calls: list[Tensor], samples: int) -> Tensor:
    """The inputs of a batch as (samples, steps, features...).

    Raises:
        ShapeError: They are not so many for each sample.
    """
    size = 3 if isinstance(layer, Conv2d) else 1
    parts = []
    for x in calls:
        leading, features = x.shape[: x.ndim - size], x.shape[x.ndim - size :]
        count = int(np.prod(leading)) if leading else 1
        if leading and leading[0] == samples:
            parts.append(x.reshape(samples, -1, *features))
        elif count % samples == 0:  # steps first, or steps and samples in one
            parts.append(x.reshape(-1, samples, *features).transpose(0, 1))
        else:
            raise ShapeError(
                f"{name or 'the layer'} gets inputs of shape {tuple(x.shape)} in a batch of "
                f"{samples} samples; nothing was counted"
            )
    return torch.cat(parts, 1).cpu()


def _activity(seen: Seen, dac_bits: int) -> LayerActivity:
    """What a layer did; spikes that it sends are those that drive the next one."""
    layer, mapping = seen.layer, seen.layer.array.recipe.mapping
    images = [_padded(layer, x) if isinstance(layer, Conv2d) else x for x in seen.inputs]
    if len({x.shape[1:] for x in images}) > 1:
        raise ConfigError(
            f"{seen.name or 'the layer'} is read {images[0].shape[1]} times for some samples and "
            "otherwise for others; batches must be alike; nothing was counted"
        )
    planes = _planes(images, dac_bits)
    steps = images[0].shape[1] * planes
    if steps > MOST_STEPS:
        raise ConfigError(
            f"{seen.name or 'the layer'} is read {steps:,} times for a sample, at most "
            f"{MOST_STEPS:,} are counted; nothing was counted"
        )
    g, synapses, good = _devices(layer)
    return LayerActivity(
        name=seen.name or type(layer).__name__,
        inputs=_events(images, planes, dac_bits),
        columns=mapping.columns,
        outputs=mapping.outputs,
        siemens=g,
        fan_out=synapses,
        fired=0,
        nonzero=good,
        reads=_reads(seen.name, layer, seen.inputs[0]),
        steps=steps,
        planes=planes,
    )


def _with_fired(layer: LayerActivity, fired: int) -> LayerActivity:
    """A layer that sent so many spikes."""
    return LayerActivity(**{**vars(layer), "fired": fired})


def _devices(layer: ArrayModule) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Conductances as reads see them; synapses of each row that pulses move, that are not 0."""
    synapses, emulator = layer.array.synapses, layer.array.emulator
    if emulator is not None:
        layer.refresh()
        weights = layer.matrix.detach().cpu().numpy()
        return siemens(emulator), fan_out(synapses, emulator), nonzero(weights)
    read = layer.array.read_back()
    rows, outputs = synapses.mapping.shape
    every = np.full(rows, outputs, np.int64)
    return read.g.float().numpy(), every, nonzero(read.weights.numpy())


def _padded(layer: Conv2d, x: Tensor) -> Tensor:
    """Maps with their padding, which drives no line."""
    down, across = layer.padding
    return functional.pad(x, (across, across, down, down))


def _reads(name: str, layer: ArrayModule, x: Tensor) -> Reads:
    """How lines meet the rows of a layer.

    Raises:
        ConfigError: The kernel is not counted.
    """
    if not isinstance(layer, Conv2d):
        return Reads(has_bias_row=layer.has_bias_row)
    (k, k_across), (stride, s_across) = layer.kernel_size, layer.stride
    if k != k_across or stride != s_across or layer.dilation != (1, 1):
        raise ConfigError(
            f"{name or 'the layer'}: kernel {layer.kernel_size}, stride {layer.stride}, dilation "
            f"{layer.dilation}: square kernels of dilation 1 alone are counted; nothing was counted"
        )
    down, across = layer.size(x)
    image = tuple(_padded(layer, x[:1, :1]).shape[2:])
    neurons = layer.out_channels * down * across
    return Reads(image, (k, stride, down, across), layer.has_bias_row, neurons)


def _planes(images: list[Tensor], bits: int) -> int:
    """Reads that an input takes: 1 of spikes, all 0 or one positive number; else each bit."""
    top = max(float(x.max()) if x.numel() else 0.0 for x in images)
    if all(bool(((x == 0) | (x == top)).all()) for x in images) and top >= 0:
        return 1
    is_signed = any(bool((x < 0).any()) for x in images)
    return 2 * bits if is_signed else bits


def _events(images: list[Tensor], planes: int, bits: int) -> Events:
    """What drives the lines in every read, sorted by sample, read and line."""
    parts, counts = [], [np.zeros(1, np.int64)]
    for x in images:
        driven = (x != 0)[:, :, None] if planes == 1 else _bits(x, planes, bits)
        flat = driven.reshape(len(x), -1, int(np.prod(x.shape[2:])))
        at = flat.nonzero().numpy()
        parts.append(at[:, 1:])
        counts.append(np.bincount(at[:, 0], minlength=len(x)))
    every = np.concatenate(parts)
    offsets = np.cumsum(np.concatenate(counts))
    return Events(every[:, 1].astype(np.uint32), every[:, 0].astype(np.uint16), offsets)


def _bits(x: Tensor, planes: int, bits: int) -> Tensor:
    """The bits of inputs, (samples, steps, planes, features...), bool; the largest is all ones."""
    top = float(x.abs().max()) or 1.0
    codes = (x / top * (2**bits - 1)).round().to(torch.int32)
    signed = [codes.clamp(min=0)] if planes == bits else [codes.clamp(min=0), (-codes).clamp(min=0)]
    return torch.stack([(c >> b) & 1 for c in signed for b in range(bits)], 2) != 0


def _counts(model: torch.nn.Module, seen: list[Seen], activity: Activity) -> RunCounts:
    """The model as an estimate needs it: no training, no accuracy."""
    recipe = seen[0].layer.array.recipe
    board, nothing = seen[0].layer.array.board.info, float("nan")
    sheet = recipe.sheet
    pulses = (sheet.width_seconds, sheet.endurance_pulses) if isinstance(sheet, Pulsed) else (0, 0)
    periphery = recipe.hardware.periphery
    sliced = any(each.layer.array.recipe.mapping.is_sliced for each in seen)
    return RunCounts(
        folder=type(model).__name__,
        activity=activity,
        training=(),
        epochs=0,
        training_images=0,
        accuracy=nothing,
        accuracy_interval=(nothing, nothing),
        ei="none",
        mapping=type(recipe.mapping).__name__,
        device=recipe.device,
        seed=recipe.seed,
        v_read_volts=board.read_volts,
        t_read_seconds=board.read_seconds,
        pulse_seconds=float(pulses[0]),
        endurance_pulses=pulses[1] or None,
        tile_rows=recipe.hardware.tiles.tile_rows,
        tile_columns=recipe.hardware.tiles.tile_columns,
        adc_bits=periphery.adc_bits if periphery.kind == "adc" else None,
        is_sliced=sliced or any(layer.planes > 1 for layer in activity.layers),
    )
