"""The network in dense torch, on any device that torch has: `Engine` without kernels.

Equations: `crossbar.snn.reference`. Every step of every sample is computed, spikes or not, and the
time course of a batch is kept for the way back; a processor alone is better served by `Engine`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from device_models.errors import ConfigError
from device_models.record import Record

from ...synapses.effective import EffectiveWeights
from ..encodings.events import Events
from ..network import Network
from ..reference import dense, hidden_layer, readout_layer, scored
from .events import BatchResult

Part = tuple[np.ndarray, int]  # (sample, step, neuron) of each spike; samples of the part
AT_A_TIME = 256  # samples: some 100 MB of spikes for 784 lines and 100 steps


class DenseEngine:
    """Same calls and results as `Engine`, with read noise of its own; no periphery."""

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """The device that it runs on, as torch names it: cuda, cuda:1, mps, cpu."""

        device: str = "cpu"

    def __init__(self, network: Network, *, tile_rows: int, device: str) -> None:
        """Set up for one network.

        Args:
            network: Its sizes and constants.
            tile_rows: Word lines of a tile, for the counters.
            device: As torch names it: cuda, cuda:1, mps, cpu.

        Raises:
            ConfigError: Torch has no such device here.
        """
        self._network, self._tile_rows, self._device = network, tile_rows, named_device(device)

    def __call__(
        self,
        layers: Sequence[EffectiveWeights],
        events: Events,
        labels: np.ndarray,
        chosen: np.ndarray,
        *,
        noise_key: int,
        first: int,
        backward_weights: Sequence[np.ndarray] | None = None,
        columns: Sequence[Any] = (),
    ) -> BatchResult:
        """Run some samples; see `Engine`. There are no `columns`."""
        return self._pass(layers, events, labels, chosen, noise_key + first, backward_weights)[0]

    def recorded(
        self,
        layers: Sequence[EffectiveWeights],
        events: Events,
        labels: np.ndarray,
        chosen: np.ndarray,
        *,
        noise_key: int,
        first: int = 0,
        columns: Sequence[Any] = (),
    ) -> tuple[BatchResult, list[Events]]:
        """A pass without gradients, and every spike of each hidden layer in it; see `Engine`."""
        done, fired = self._pass(layers, events, labels, chosen, noise_key + first, None)
        return done, [listed(spikes) for spikes in zip(*fired, strict=True)]

    def _pass(
        self,
        layers: Sequence[EffectiveWeights],
        events: Events,
        labels: np.ndarray,
        chosen: np.ndarray,
        key: int,
        backward_weights: Sequence[np.ndarray] | None,
    ) -> tuple[BatchResult, list[list[Part]]]:
        """A pass; of each part of it and each hidden layer (sample, step, neuron) of the spikes."""
        noise = torch.Generator(self._device).manual_seed(key % 2**63)
        crossbars = [Crossbar(layer, self._device, noise) for layer in layers]
        if backward_weights is not None:
            for crossbar, weights in zip(crossbars, backward_weights, strict=True):
                crossbar.learn(weights)
        parts = np.split(chosen, range(AT_A_TIME, len(chosen), AT_A_TIME))
        done, fired = zip(*(self._run(crossbars, events, labels, p) for p in parts), strict=True)
        gradients = tuple(c.gradient(len(chosen)) for c in crossbars if c.learns)
        return joined(done)._replace(gradients=gradients), list(fired)

    def _run(
        self, crossbars: Sequence["Crossbar"], events: Events, labels: np.ndarray, part: np.ndarray
    ) -> tuple[BatchResult, list[Part]]:
        """A part of the samples; leaves its gradient in the crossbars."""
        network, lines = self._network, dense(events, part, self._network, torch.float32)
        lines = lines.to(self._device)
        into, spikes, membranes = [lines], [], []
        *hidden, readout = crossbars
        with torch.set_grad_enabled(readout.learns):
            for crossbar in hidden:
                lines, membrane = hidden_layer(network, lines, crossbar, crossbar.outputs)
                into.append(lines)
                spikes.append(lines)
                membranes.append(membrane)
            wanted = torch.from_numpy(labels[part]).to(self._device)
            trace = readout_layer(network, readout(lines))
            found = scored(network, spikes, membranes, trace, wanted)
            if readout.learns:
                (found.loss * len(part)).backward()  # type: ignore[no-untyped-call]  # torch's gap
        own = [*into[1:], None] if network.recurrent else [None] * len(into)
        driven = [
            (a if b is None else torch.cat((a, b), 2)).detach()
            for a, b in zip(into, own, strict=True)
        ]
        steps = [sum(int((t.sum(2) > 0).sum()) for t in tiles(x, self._tile_rows)) for x in driven]
        siemens = [
            float(x.sum((0, 1)).double() @ c.siemens)
            for x, c in zip(driven, crossbars, strict=True)
        ]
        fired = [(s.detach().nonzero().cpu().numpy(), len(part)) for s in spikes]
        done = BatchResult(
            found.predictions.cpu().numpy(),
            found.losses.detach().double().cpu().numpy(),
            tuple(s.detach().sum((0, 1)).long().cpu().numpy() for s in spikes),
            np.array([int(x.sum()) for x in driven]),
            np.array(steps),
            np.array(siemens),
            np.zeros(len(crossbars), np.int64),
            (),
        )
        return done, fired


def listed(parts: Sequence[Part]) -> Events:
    """Spikes of one layer, (sample, step, neuron) of each, of parts of so many samples."""
    counts = [np.bincount(at[:, 0], minlength=samples) for at, samples in parts]
    every = np.concatenate([at for at, _ in parts])
    offsets = np.cumsum(np.concatenate([[0], *counts]))
    return Events(every[:, 2].astype(np.uint16), every[:, 1].astype(np.uint8), offsets)


class Crossbar:
    """One layer of synapses on a device of torch; called with lines, it gives what they drive."""

    def __init__(
        self, layer: EffectiveWeights, device: torch.device, noise: torch.Generator
    ) -> None:
        """Copy it there."""
        self._weights = torch.from_numpy(layer.weights).to(device)
        self._variance = torch.from_numpy(layer.variance).to(device)
        self._noise, self._back = noise, self._weights
        self.siemens = torch.from_numpy(layer.siemens).to(device)
        self.outputs, self.learns = self._weights.shape[1], False

    def learn(self, back: np.ndarray) -> None:
        """Ask for a gradient; the error is carried back by `back`, (rows, outputs)."""
        self._back = torch.from_numpy(back).to(self._weights.device)
        self._weights.requires_grad_()
        self.learns = True

    def gradient(self, samples: int) -> np.ndarray:
        """Of the mean loss of so many samples."""
        found = self._weights.grad
        mean = torch.zeros_like(self._weights) if found is None else found / samples
        return np.asarray(mean.detach().cpu().numpy())

    def __call__(self, lines: Tensor) -> Tensor:
        """What lines (B, steps, rows) drive, (B, steps, outputs), with the noise of each read."""
        driven: Tensor = _Read.apply(lines, self._weights, self._back)  # type: ignore[no-untyped-call]
        if not self._variance.numel():
            return driven
        z = torch.randn(driven.shape, generator=self._noise, device=driven.device)
        return driven + (lines.detach() @ self._variance).sqrt() * z


class _Read(torch.autograd.Function):
    """lines @ weights, whose error goes back through other weights."""

    @staticmethod
    def forward(ctx: Any, lines: Tensor, weights: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(lines, back)
        return lines @ weights

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor, None]:
        lines, back = ctx.saved_tensors
        error = grads[0] @ back.T if ctx.needs_input_grad[0] else None
        return error, torch.einsum("bti,btj->ij", lines, grads[0]), None


def named_device(name: str) -> torch.device:
    """The device of torch with this name.

    Raises:
        ConfigError: There is none.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as e:
        raise ConfigError(
            f"--accelerator {name}: torch has no such device here; without the option the kernels "
            "run on the processor; nothing was written"
        ) from e
    return device


def tiles(lines: Tensor, rows: int) -> Sequence[Tensor]:
    """EventSlice (B, steps, lines) of each row of tiles."""
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
        (),
    )
