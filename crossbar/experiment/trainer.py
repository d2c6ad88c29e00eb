"""The training loop: reads, gradients, pulses, counts. It knows no file and no screen."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from device_models.model import DeviceModel
from device_models.streams import stream, stream_key, torch_stream

from ..array.counters import Counters
from ..array.periphery import FrontEnd, Periphery
from ..boards.routed import RoutedBoard
from ..boards.simulated import Algorithm, SimulatedBoard
from ..datasets.encode import Data
from ..snn.encodings.latency import Events
from ..snn.engines.protocol import Batch, BatchResult
from ..synapses.backward_weights import backward_weights
from ..synapses.estimate import WeightEstimate
from ..synapses.optimizers import OPTIMIZERS
from ..synapses.policies import POLICIES
from ..synapses.policies.compatibility import check_serving, policy_of
from ..synapses.synapses import EffectiveWeights, Synapses
from .adc_calibration import calibrated, complaint, report, view
from .builder import build, engine, front_end
from .config import Training
from .endurance import memory, spread_of, wear
from .fault_aware import faulty, first_weights, row_activity


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
        layers: The layers of synapses, that of the readout last.
        policies: What turns a wanted change into pulses, one per layer.
        optimizers: What turns a gradient into a wanted change, one per layer.
        epoch: Epochs done; 0 after `start`.
        rows: What `metrics.jsonl` says: one mapping per epoch, the first of before training.
    """

    def __init__(
        self,
        config: Training,
        model: DeviceModel,
        data: Data,
        *,
        threads: int | None = None,
        accelerator: str | None = None,
        weights: Sequence[np.ndarray] | None = None,
        notice: Callable[[str], object] = warnings.warn,
    ) -> None:
        """Build the chip; `start` or `restore` comes next.

        Args:
            config: Settings.
            model: Kind of device.
            data: The encoded images.
            threads: How many samples run at a time; by default one per processor.
            accelerator: Device of torch that runs the passes densely; None for the kernels.
            weights: What `start` writes, of every layer; by default the initial weights.
            notice: Told once where a fixed range of converters is too small.
        """
        self._config, self.data = config, data
        self._engine = engine(config, threads, accelerator)
        self._weights = weights or first_weights(config)
        busy = row_activity(data.train_events, config.plan)
        self.layers = build(config, model, weights=self._weights, importance=busy)
        check_serving(config, model, self.layers[-1].mapping)
        policy = POLICIES[policy_of(config, model)]
        self.policies = [policy.build(layer, config, i) for i, layer in enumerate(self.layers)]
        rule = OPTIMIZERS[config.optimizer]
        self.optimizers = [rule(layer.mapping.shape) for layer in self.layers]
        self.epoch = 0
        self.rows: list[dict[str, Any]] = []
        self._reported = [Counters() for _ in self.boards]
        self._clipped: float | None = None
        self._notice: Callable[[str], object] | None = notice

    def start(self, algorithm: Algorithm | None = None) -> None:
        """Program the first weights and evaluate the untrained network.

        Args:
            algorithm: How they are written; None for the simple loop of the boards.
        """
        began = time.perf_counter()
        weights, clipped = self._weights, 0.0
        for layer, w in zip(self.layers, weights, strict=True):
            layer.program(torch.from_numpy(w), algorithm=algorithm)
            clipped += layer.mapping.clipped(torch.from_numpy(w)) * w.size
        self._clipped = clipped / sum(w.size for w in weights)
        self._finish_epoch(None, began)

    def resume(self, epoch: int, rows: list[dict[str, Any]]) -> None:
        """Go on from the end of an epoch, once layers and policies are restored."""
        self.epoch, self.rows = epoch, rows
        self._reported = [board.counters for board in self.boards]
        self._clipped = rows[0].get("mapping", {}).get("clipped_share")

    @property
    def boards(self) -> list[SimulatedBoard | RoutedBoard]:
        """All arrays: those of the layers, then those that policies own."""
        own = [board for policy in self.policies for board in policy.boards]
        return [*(layer.board for layer in self.layers), *own]

    @property
    def batches(self) -> int:
        """Updates of an epoch; a last batch that is not full is left out."""
        return len(self.data.train_labels) // self._config.batch_size

    def run_epoch(self) -> Iterator[Progress]:
        """Train one epoch, batch by batch, and evaluate."""
        began = time.perf_counter()
        epoch, size = self.epoch + 1, self._config.batch_size
        for board in self.boards:
            board.reseed(epoch)
        for policy in self.policies:
            policy.begin_epoch()
        order = stream("shuffle", self._config.seed, epoch).permutation(len(self.data.train_labels))
        rounding = torch_stream("policy", self._config.seed, epoch)
        key = stream_key("read noise", self._config.seed, epoch, 0)
        batches = self.batches
        right, loss = 0, 0.0
        for batch in range(batches):
            chosen = order[batch * size : (batch + 1) * size]
            if batch % self._config.readback_every == 0:
                known = [layer.estimate(layer.read_back()) for layer in self.layers]
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
        known: list[WeightEstimate],
        key: int,
        first: int,
        rounding: torch.Generator,
    ) -> BatchResult:
        """Forward, backward and programming of one batch."""
        config = self._config
        if first // config.batch_size % config.periphery.adc_calibrate_every == 0:
            self._calibrate(chosen)
        layers = view(self.layers, self._fronts())
        done = self._engine.run(
            Batch(self.data.train_events, self.data.train_labels, chosen, key, first),
            layers,
            learn=backward_weights(
                config.backward, known, [EffectiveWeights(*layer[:3]) for layer in layers]
            ),
        )
        self._count(done)
        rate = config.rate(self.epoch + first // config.batch_size / self.batches)
        for layer, policy, rule, gradient, now in zip(
            self.layers, self.policies, self.optimizers, done.gradients, known, strict=True
        ):
            unit = layer.mean_step if config.rate_unit == "pulses" else 1.0
            policy.update(layer, rule.wanted(gradient, rate * unit), now, generator=rounding)
        return done

    def _wait(self, images: int) -> None:
        """Let the device time of some inferences pass."""
        for board in self.boards:
            board.wait(images * self._config.plan.seconds)

    def evaluate(self, *, noise_key: int | None = None) -> BatchResult:
        """Run the test images; reads are counted like any other, wires are exact.

        Args:
            noise_key: Names the read noise; by default that of this epoch's test.
        """
        self._settle()
        done = self._test(self._fronts(), noise_key)
        self._count(done)
        return done

    def recorded(self) -> tuple[BatchResult, tuple[Events, ...]]:
        """This epoch's test once more, to the last bit, with every spike of each hidden layer.

        Nothing is counted.
        """
        self._settle()
        done = self._test(self._fronts(), None, record=True)
        return done, done.recorded

    def _settle(self) -> None:
        """Bring boards and converters to where a test finds them."""
        for board in self.boards:
            board.settle()
        self._calibrate(self._first_images())

    def evaluate_with(self, periphery: Periphery, *, noise_key: int | None = None) -> BatchResult:
        """Run the test images behind another periphery; the trainer and its boards do not change.

        Its converters are manufactured from the seed of the run and calibrated as `evaluate` does
        it. Nothing is counted. The layers are seen as the last read, pulse or `evaluate` left them.

        Args:
            periphery: The other periphery.
            noise_key: See `evaluate`.
        """
        fronts = [
            front_end(self._config, periphery, layer.mapping, place)
            for place, layer in enumerate(self.layers)
        ]
        images = self._first_images()
        fronts = calibrated(
            self._engine, self.layers, fronts, self.data.train_events, images, self._config
        )
        return self._test(fronts, noise_key)

    def _test(
        self, fronts: list[FrontEnd | None], noise_key: int | None, *, record: bool = False
    ) -> BatchResult:
        """Run the test images behind some front ends."""
        key = noise_key or stream_key("read noise", self._config.seed, self.epoch, 1)
        chosen = np.arange(len(self.data.test_labels))
        batch = Batch(self.data.test_events, self.data.test_labels, chosen, key)
        return self._engine.run(batch, view(self.layers, fronts), record=record)

    def _first_images(self) -> np.ndarray:
        """The training images that ranges for a test are measured on."""
        return np.arange(min(self._config.batch_size, len(self.data.train_labels)))

    def _fronts(self) -> list[FrontEnd | None]:
        """The front ends of the boards."""
        return [layer.board.front_end for layer in self.layers]

    def _calibrate(self, chosen: np.ndarray) -> None:
        """Measure the ranges of the boards' converters on some training images."""
        events = self.data.train_events
        found = calibrated(self._engine, self.layers, self._fronts(), events, chosen, self._config)
        for layer, front in zip(self.layers, found, strict=True):
            layer.board.front_end = front

    def _count(self, done: BatchResult) -> None:
        """Tell each board what the kernels read from it."""
        for place, layer in enumerate(self.layers):
            layer.board.count_vmm(
                int(done.activations[place]),
                int(done.tile_steps[place]),
                float(done.siemens[place]),
                int(done.clipped[place]),
            )

    def _finish_epoch(self, training: dict[str, Any] | None, began: float) -> None:
        """Evaluate and write the epoch's row."""
        done = self.evaluate()
        counters = [board.counters for board in self.boards]
        spent = [now - before for now, before in zip(counters, self._reported, strict=True)]
        total = sum(spent, Counters())
        row = {
            "epoch": self.epoch,
            "train_accuracy": None,
            "train_loss": None,
            **(training or {}),
            "test_accuracy": float((done.predictions == self.data.test_labels).mean()),
            "test_loss": float(done.losses.mean()),
            "test_images": len(done.predictions),
            **activity(done, self._config),
            **costs(total),
            "layers": self._by_array(spent),
            **through_wires(self.layers),
            **faulty(self.layers, total.lost_pulses),
            **report(self._fronts(), total, self._config),
            "mapping": self._mapping(),
            "wear": wear(self.layers, self.policies),
            "digital_bytes_per_synapse": memory(self.policies, self.optimizers[0]),
            "seconds": time.perf_counter() - began,
        }
        self._reported = counters
        self.rows.append(row)
        text = complaint(row.get("periphery", {}), self._config)
        if text and self._notice is not None:
            self._notice(text)
            self._notice = None

    def _by_array(self, spent: Sequence[Counters]) -> list[dict[str, Any]]:
        """What an epoch's row says of each array, in the order of `boards`."""
        names = self._config.plan.names
        fast = [f"{n}, fast array" for n, p in zip(names, self.policies, strict=True) if p.boards]
        return [
            {"name": name, **costs(counters), "pulses_per_device": spread_of(board)}
            for name, counters, board in zip([*names, *fast], spent, self.boards, strict=True)
        ]

    def _mapping(self) -> dict[str, Any]:
        """What the mapping took and could not hold; `refreshed` counts anew in each epoch."""
        refreshed = sum(layer.refreshed for layer in self.layers)
        for layer in self.layers:
            layer.refreshed = 0
        return {
            "name": self._config.mapping,
            "devices": sum(layer.mapping.devices for layer in self.layers) * self._config.copies,
            "clipped_share": self._clipped,
            "refreshed": refreshed,
        }


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


def through_wires(layers: list[Synapses]) -> dict[str, Any]:
    """How exact the wires were in this epoch; nothing without them."""
    arrays = [layer.board.wired for layer in layers if layer.board.wired is not None]
    if not arrays:
        return {}
    return {
        "wires": {
            "solved_tiles": sum(array.solved for array in arrays),
            "worst_error_between": max(array.worst_error for array in arrays),
            "checkpoint_error": max(array.checkpoint_error for array in arrays),
        }
    }


def activity(done: BatchResult, config: Training) -> dict[str, Any]:
    """Hidden spikes per image, of all layers and of each, and the mean rate of a hidden neuron."""
    samples, network = len(done.predictions), config.plan
    neurons = [(s, n) for s, n in zip(network.senders, done.spikes, strict=True) if s.neuron]
    layers = [spikes / samples for _, spikes in neurons]
    each = [float(per_image.sum()) for per_image in layers]
    split: dict[str, float | None] = {"excitatory": None, "inhibitory": None}
    if network.excitatory is not None:
        excitatory = [int((sender.sent.signs > 0).sum()) for sender, _ in neurons]
        parts = list(zip(layers, excitatory, strict=True))
        split["excitatory"] = sum(float(per_image[:n].sum()) for per_image, n in parts)
        split["inhibitory"] = sum(float(per_image[n:].sum()) for per_image, n in parts)
    return {
        "spikes_per_inference": {**split, "total": sum(each), "layers": each},
        "rate_hz": sum(each) / network.neurons / network.seconds,
    }
