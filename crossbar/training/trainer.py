"""The training loop: reads, gradients, pulses, counts. It knows no file and no screen."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from device_models.model import DeviceModel

from ..counters import Counters
from ..snn.encoding import Events
from ..snn.engine import Engine, Pass
from ..snn.layer import CrossbarLayer
from ..snn.network import initial_weights
from ..streams import stream, stream_key, torch_stream
from .chip import build
from .config import Training
from .policies import POLICIES


class Data(NamedTuple):
    """Encoded images: events and labels (samples,) int64 of both halves."""

    train_events: Events
    train_labels: np.ndarray
    test_events: Events
    test_labels: np.ndarray


class Progress(NamedTuple):
    """Where an epoch stands, and the training accuracy so far in it."""

    epoch: int
    done: int
    total: int
    accuracy: float


class Trainer:
    """One network on its boards, trained epoch by epoch.

    Everything random is named by the seed and the epoch, so a trainer restored from the end of an
    epoch goes on exactly as one that was never stopped.

    Attributes:
        data: The encoded images.
        layers: The two layers of synapses.
        policies: What turns a wanted change into pulses, one per layer.
        epoch: Epochs done; 0 after `start`.
        rows: What `metrics.jsonl` says: one mapping per epoch, the first of before training.
    """

    def __init__(
        self, config: Training, model: DeviceModel, data: Data, *, threads: int | None = None
    ) -> None:
        """Build the chip; `start` or `restore` comes next."""
        self._config, self.data = config, data
        self._engine = Engine(config.network, tile_rows=config.tile_rows, threads=threads)
        self.layers = build(config, model)
        policy = POLICIES[config.policy]
        self.policies = [policy(layer_shape(layer)) for layer in self.layers]
        self.epoch = 0
        self.rows: list[dict[str, Any]] = []
        self._reported = Counters()

    def start(self) -> None:
        """Program the initial weights and evaluate the untrained network."""
        began = time.perf_counter()
        generator = stream("initial weights", self._config.seed)
        for layer, w in zip(
            self.layers, initial_weights(self._config.network, generator=generator), strict=True
        ):
            layer.program(torch.from_numpy(w))
        self._finish_epoch(None, began)

    def resume(self, epoch: int, rows: list[dict[str, Any]], counters: Counters) -> None:
        """Go on from the end of an epoch, once layers and policies are restored."""
        self.epoch, self.rows, self._reported = epoch, rows, counters

    @property
    def batches(self) -> int:
        """Updates of an epoch; a last batch that is not full is left out."""
        return len(self.data.train_labels) // self._config.batch_size

    def run_epoch(self) -> Iterator[Progress]:
        """Train one epoch, batch by batch, and evaluate."""
        began = time.perf_counter()
        epoch, size = self.epoch + 1, self._config.batch_size
        for layer in self.layers:
            layer.board.reseed(epoch)
        order = stream("shuffle", self._config.seed, epoch).permutation(len(self.data.train_labels))
        rounding = torch_stream("policy", self._config.seed, epoch)
        key = stream_key("read noise", self._config.seed, epoch, 0)
        batches = self.batches
        right, loss = 0, 0.0
        known = [layer.board.read_all() for layer in self.layers] if batches else []
        for batch in range(batches):
            chosen = order[batch * size : (batch + 1) * size]
            if batch and batch % self._config.readback_every == 0:
                known = [layer.board.read_all() for layer in self.layers]
            done = self._learn(chosen, known, key, batch * size, rounding)
            if (batch + 1) % self._config.clock_every == 0:
                self._wait(self._config.clock_every * size)
            right += int((done.predictions == self.data.train_labels[chosen]).sum())
            loss += float(done.losses.sum())
            yield Progress(epoch, batch + 1, batches, right / ((batch + 1) * size))
        self.epoch = epoch
        seen = max(1, batches * size)
        self._finish_epoch({"train_accuracy": right / seen, "train_loss": loss / seen}, began)

    def _learn(
        self,
        chosen: np.ndarray,
        known: list[Tensor],
        key: int,
        first: int,
        rounding: torch.Generator,
    ) -> Pass:
        """Forward, backward and programming of one batch."""
        config = self._config
        done = self._engine(
            [layer.effective() for layer in self.layers],
            self.data.train_events,
            self.data.train_labels,
            chosen,
            noise_key=key,
            first=first,
            backward_weights=self.layers[1].mapping.weights(known[1]).numpy(),
        )
        self._count(done)
        for layer, policy, gradient, g_read in zip(
            self.layers, self.policies, done.gradients, known, strict=True
        ):
            wanted = torch.from_numpy(gradient).mul_(-config.learning_rate)
            policy.update(layer, wanted, g_read, generator=rounding)
        return done

    def _wait(self, images: int) -> None:
        """Let the device time of some inferences pass."""
        for layer in self.layers:
            layer.board.wait(images * self._config.network.seconds)

    def evaluate(self) -> Pass:
        """Run the test images; reads are counted like any other."""
        done = self._engine(
            [layer.effective() for layer in self.layers],
            self.data.test_events,
            self.data.test_labels,
            np.arange(len(self.data.test_labels)),
            noise_key=stream_key("read noise", self._config.seed, self.epoch, 1),
            first=0,
        )
        self._count(done)
        return done

    def _count(self, done: Pass) -> None:
        """Tell each board what the kernels read from it."""
        for place, layer in enumerate(self.layers):
            layer.board.count_vmm(
                int(done.activations[place]),
                int(done.tile_steps[place]),
                float(done.siemens[place]),
            )

    def _finish_epoch(self, training: dict[str, Any] | None, began: float) -> None:
        """Evaluate and write the epoch's row."""
        done = self.evaluate()
        counters = total_counters(self.layers)
        row = {
            "epoch": self.epoch,
            "train_accuracy": None,
            "train_loss": None,
            **(training or {}),
            "test_accuracy": float((done.predictions == self.data.test_labels).mean()),
            "test_loss": float(done.losses.mean()),
            "test_images": len(done.predictions),
            **activity(done, self._config),
            **costs(counters - self._reported),
            "seconds": time.perf_counter() - began,
        }
        self._reported = counters
        self.rows.append(row)


def layer_shape(layer: CrossbarLayer) -> tuple[int, int]:
    """(rows, outputs) of a layer."""
    rows, columns = layer.board.info.shape
    return rows, columns // 2


def total_counters(layers: list[CrossbarLayer]) -> Counters:
    """Events of all boards."""
    total = Counters()
    for layer in layers:
        total += layer.board.counters
    return total


def costs(counters: Counters) -> dict[str, Any]:
    """What an epoch sent, read and dissipated, as its row says it."""
    return {
        "pulses": {"set": counters.set_pulses, "reset": counters.reset_pulses},
        "programming_operations": counters.programming_operations,
        "programmed_devices": counters.programmed_devices,
        "reads": {
            "row_activations": counters.row_activations,
            "column_conversions": counters.column_conversions,
            "device_reads": counters.device_reads,
        },
        "energy_joules": {"read": counters.read_joules, "write": counters.write_joules},
    }


def activity(done: Pass, config: Training) -> dict[str, Any]:
    """Hidden spikes per image and the mean rate of a hidden neuron."""
    samples, network = len(done.predictions), config.network
    per_image = done.spikes / samples
    total = float(per_image.sum())
    split: dict[str, float | None] = {"excitatory": None, "inhibitory": None}
    if network.excitatory is not None:
        split["excitatory"] = float(per_image[: network.excitatory].sum())
        split["inhibitory"] = float(per_image[network.excitatory :].sum())
    return {
        "spikes_per_inference": {**split, "total": total},
        "rate_hz": total / network.hidden / network.seconds,
    }
