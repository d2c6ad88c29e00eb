"""The network in dense torch, on any device that torch has: `Engine` without kernels.

Equations: `crossbar.snn.reference`; `dense_adc` for what stands behind columns. Every step of every
sample is computed, spikes or not, and the time course of a batch is kept for the way back; a
processor alone is better served by the kernels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from device_models.errors import ConfigError
from device_models.record import Record

from ..encodings.events import Events, Held, time_type
from ..neurons.stepping import TakeIn, integrating
from ..plan import LayerPlan, Plan
from ..reference import Outcome, dense, run_layers
from .checks import BatchChecks
from .dense_adc import Columns
from .protocol import Batch, BatchResult, LayerView, Resources

Part = tuple[np.ndarray, int]  # (sample, step, neuron) of each spike; samples of the part
AT_A_TIME = 256  # samples: some 100 MB of spikes for 784 lines and 100 steps


class DenseEngine:
    """`Engine` in dense torch, with read noise of its own."""

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """The device that it runs on, as torch names it: cuda, cuda:1, mps, cpu."""

        device: str = "cpu"

        def build(self, network: Plan, resources: Resources) -> "DenseEngine":
            """See `protocol.EngineOptions`.

            Raises:
                ConfigError: Torch has no such device here.
            """
            return DenseEngine(network, tile_rows=resources.tile_rows, device=self.device)

    def __init__(self, network: Plan, *, tile_rows: int, device: str) -> None:
        """Set up for one network.

        Args:
            network: Its layers and constants.
            tile_rows: Word lines of a tile, for the counters.
            device: As torch names it: cuda, cuda:1, mps, cpu.

        Raises:
            ConfigError: Torch has no such device here.
        """
        self._network, self._tile_rows, self._device = network, tile_rows, named_device(device)
        self._checks = BatchChecks(network)

    def run(
        self,
        batch: Batch,
        layers: Sequence[LayerView],
        *,
        learn: Sequence[np.ndarray] | None = None,
        record: bool = False,
    ) -> BatchResult:
        """See `Engine`.

        Raises:
            ShapeError, ConfigError: See `BatchChecks`.
        """
        self._checks.samples(batch)
        self._checks.layers(layers)
        self._checks.learn(learn)
        key = (batch.noise_key + batch.first) % 2**63
        noise = torch.Generator(self._device).manual_seed(key)
        crossbars = [
            Crossbar(layer, self._device, noise, self._tile_rows, None if i else batch.events.held)
            for i, layer in enumerate(layers)
        ]
        if learn is not None:
            for crossbar, weights in zip(crossbars, learn, strict=True):
                crossbar.learn(weights)
        chosen = batch.chosen
        parts = np.split(chosen, range(AT_A_TIME, len(chosen), AT_A_TIME))
        results, fired = zip(*(self._run(crossbars, batch, p) for p in parts), strict=True)
        gradients = tuple(c.gradient(len(chosen)) for c in crossbars if c.learns)
        by_trained = tuple(c.by_trained(len(chosen)) for c in crossbars if c.learns)
        steps = self._network.steps
        every = (listed(spikes, steps) for spikes in zip(*fired, strict=True)) if record else ()
        return joined(results)._replace(
            gradients=gradients, by_trained=by_trained, recorded=tuple(every)
        )

    def _run(
        self, crossbars: Sequence["Crossbar"], batch: Batch, part: np.ndarray
    ) -> tuple[BatchResult, list[Part]]:
        """A part of the samples; leaves its gradient in the crossbars."""
        network = self._network
        x = dense(batch.events, part, network, torch.float32, self._device)
        labels = torch.from_numpy(batch.labels[part]).to(self._device)
        learns = any(crossbar.learns for crossbar in crossbars)
        held = batch.events.held

        with torch.set_grad_enabled(learns):
            trained = [crossbar.trained for crossbar in crossbars]
            outcome = run_layers(
                network, crossbars.__getitem__, x, labels, lambda i: crossbars[i].take_in, trained
            )
            if learns:
                (outcome.loss * len(part)).backward()  # type: ignore[no-untyped-call]  # torch's
        fired = [(s.nonzero().cpu().numpy(), len(part)) for s in recorded(network, outcome)]
        result = BatchResult(
            outcome.predictions.cpu().numpy(),
            outcome.losses.detach().double().cpu().numpy(),
            tuple(s.detach().sum((0, 1)).long().cpu().numpy() for s in outcome.spikes),
            *self._reads(crossbars, x, outcome, held),
            np.array([crossbar.take_clipped() for crossbar in crossbars]),
        )
        return result, fired

    def _reads(
        self, crossbars: Sequence["Crossbar"], x: Tensor, outcome: Outcome, held: Held | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Activations, tile steps and siemens of a part, as `BatchResult` has them."""
        network, rows, driven = self._network, self._tile_rows, []
        for layer, source in zip(network.synaptic, network.sources, strict=True):
            into = [x if source < 0 else outcome.spikes[source]]
            if layer.recurrent_rows and not layer.beside:
                into.append(outcome.spikes[layer.index])
            read = layer.settings.reads(layer.incoming, torch.cat(into, 2).detach())
            driven.append(read[:, :, : layer.rows])
        energies = list(driven)
        if held is not None:
            energies[0] = (driven[0] / held.gain).square()
            driven[0] = (driven[0] != 0.0).to(driven[0].dtype)
        activations = [int(lines.sum()) for lines in driven]
        steps = [sum(int((t.sum(2) > 0).sum()) for t in tiles(lines, rows)) for lines in driven]
        siemens = [
            float(lines.sum((0, 1)).double() @ c.siemens[: lines.shape[2]])
            for lines, c in zip(energies, crossbars, strict=True)
        ]
        for i, (layer, c) in enumerate(zip(network.synaptic, crossbars, strict=True)):
            if layer.beside:
                inhibited, excited = reads_beside(layer, outcome)
                activations[i] += inhibited + excited
                steps[i] += inhibited
                siemens[i] += inhibited * float(c.siemens[-2])
                siemens[i] += excited * float(c.siemens[-1]) / layer.outputs
        return np.array(activations), np.array(steps), np.array(siemens)


def recorded(network: Plan, outcome: Outcome) -> list[Tensor]:
    """Spikes of the `Plan.recorded` neurons of each layer that sends some, (B, T, neurons)."""
    return [
        torch.cat((spikes.detach(), fires_beside(layer, membrane)), 2)
        if layer.beside
        else spikes.detach()
        for layer, spikes, membrane in zip(
            network.senders, outcome.spikes, outcome.membrane, strict=True
        )
    ]


def fires_beside(layer: LayerPlan, membrane: Tensor) -> Tensor:
    """Spikes of the inhibitory neuron of a layer, (B, T, 1), of what is recorded of the layer."""
    return (membrane.detach()[:, :, layer.outputs :] > 0.0).to(membrane.dtype)


def reads_beside(layer: LayerPlan, outcome: Outcome) -> tuple[int, int]:
    """How often the inhibitory neuron of a layer drives its row, and bit lines are read across."""
    fires = fires_beside(layer, outcome.membrane[layer.index])
    reads = layer.own_reads * int(fires[:, :-1].sum())
    return reads, int(outcome.spikes[layer.index].detach().sum())


def listed(parts: Sequence[Part], steps: int) -> Events:
    """Spikes of one layer, (sample, step, neuron) of each, of parts of so many samples."""
    counts = [np.bincount(at[:, 0], minlength=samples) for at, samples in parts]
    every = np.concatenate([at for at, _ in parts])
    offsets = np.cumsum(np.concatenate([[0], *counts]))
    return Events(every[:, 2].astype(np.uint16), every[:, 1].astype(time_type(steps)), offsets)


class Crossbar:
    """One layer of synapses on a device of torch; called with lines, it gives what they drive."""

    def __init__(
        self,
        layer: LayerView,
        device: torch.device,
        noise: torch.Generator,
        tile_rows: int,
        held: Held | None,
    ) -> None:
        """Copy it there; `held` are the amplitudes that drive it, None for spikes."""
        self._weights = torch.from_numpy(layer.weights).to(device)
        self._variance = torch.from_numpy(layer.variance).to(device)
        self._noise, self._back = noise, self._weights
        self.siemens = torch.from_numpy(layer.siemens).to(device)
        self.outputs, self.learns = self._weights.shape[1], False
        self.trained = None if layer.trained is None else torch.tensor(layer.trained, device=device)
        self._rows, self._is_held = len(layer.weights), held is not None
        self._columns: Columns | None = None
        if layer.front is not None:
            self._rows, shape = len(layer.front.columns.matrix), layer.weights.shape
            self._columns = Columns(layer.front, shape, tile_rows, held, device)

    def learn(self, back: np.ndarray) -> None:
        """Ask for a gradient; the error is carried back by `back`, (rows, outputs)."""
        self._back = torch.from_numpy(back).to(self._weights.device)
        self._weights.requires_grad_()
        if self.trained is not None:
            self.trained.requires_grad_()
        self.learns = True

    def gradient(self, samples: int) -> np.ndarray:
        """Of the mean loss of so many samples."""
        total = self._weights.grad
        mean = torch.zeros_like(self._weights) if total is None else total / samples
        return np.asarray(mean.detach().cpu().numpy())

    def by_trained(self, samples: int) -> np.ndarray:
        """The same, by what the neurons have of their own."""
        return mean_gradient(self.trained, self.outputs, samples)

    @property
    def take_in(self) -> TakeIn:
        """How its neurons take in what it drives."""
        integrator = None if self._columns is None else self._columns.integrator
        return torch.add if integrator is None else integrating(*map(float, integrator))

    def take_clipped(self) -> int:
        """Conversions beyond the range since the last call."""
        if self._columns is None:
            return 0
        clipped, self._columns.clipped = self._columns.clipped, 0
        return clipped

    def __call__(self, lines: Tensor) -> Tensor:
        """What lines (B, steps, rows) drive, (B, steps, outputs), with the noise of each read.

        That of a device grows with the voltage that reads it, where lines are amplitudes.
        """
        read = lines.detach()
        variances = read.square() if self._is_held else read
        with torch.no_grad():
            if self._columns is None:
                driven = self._noisy(read @ self._weights, variances)
            else:
                of_devices = read[:, :, : self._rows], variances[:, :, : self._rows]
                driven = self._columns(*of_devices, self._noise)
                driven += read[:, :, self._rows :] @ self._weights[self._rows :]  # digital biases
        through: Tensor = Through.apply(lines, self._weights, driven, self._back)  # type: ignore[no-untyped-call]
        return through

    def _noisy(self, driven: Tensor, variances: Tensor) -> Tensor:
        """With noise of so many variances of each row."""
        if not self._variance.numel():
            return driven
        z = torch.randn(driven.shape, generator=self._noise, device=driven.device)
        return driven + (variances @ self._variance).sqrt() * z


def mean_gradient(trained: Tensor | None, outputs: int, samples: int) -> np.ndarray:
    """Of the mean loss of so many samples by what neurons have of their own, (numbers, outputs)."""
    if trained is None:
        return np.zeros((0, outputs), np.float32)
    total = torch.zeros_like(trained) if trained.grad is None else trained.grad
    return np.asarray((total.detach() / samples).float().cpu().numpy())


class Through(torch.autograd.Function):
    """What an array gave for lines @ weights, whose error goes back through other weights."""

    @staticmethod
    def forward(ctx: Any, lines: Tensor, weights: Tensor, driven: Tensor, back: Tensor) -> Tensor:
        """What it gave."""
        ctx.save_for_backward(lines, back)
        return driven

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        """By the lines, and by the weights."""
        lines, back = ctx.saved_tensors
        error = grads[0] @ back.T if ctx.needs_input_grad[0] else None
        return error, torch.einsum("bti,btj->ij", lines, grads[0]), None, None


def named_device(name: str) -> torch.device:
    """The device of torch with this name.

    Raises:
        ConfigError: There is none.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()  # `meta` has nothing to give back
        torch.Generator(device)
    except (RuntimeError, AssertionError, NotImplementedError) as e:
        raise ConfigError(
            f"--accelerator {name}: torch has no such device here; without the option the kernels "
            "run on the processor; nothing was written"
        ) from e
    return device


def tiles(lines: Tensor, rows: int) -> Sequence[Tensor]:
    """Lines (B, steps, lines) of each row of tiles."""
    return torch.split(lines, rows, dim=2)


def joined(parts: Sequence[BatchResult]) -> BatchResult:
    """The parts of a batch as one; without gradients."""
    return BatchResult(
        np.concatenate([p.predictions for p in parts]),
        np.concatenate([p.losses for p in parts]),
        tuple(np.sum(layer, axis=0) for layer in zip(*(p.spikes for p in parts), strict=True)),
        np.sum([p.activations for p in parts], axis=0),
        np.sum([p.tile_steps for p in parts], axis=0),
        np.sum([p.siemens for p in parts], axis=0),
        np.sum([p.clipped for p in parts], axis=0),
    )
