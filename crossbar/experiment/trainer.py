"""The training loop: reads, gradients, pulses, counts. It knows no file and no screen."""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from device_models.errors import ConfigError
from device_models.streams import stream, stream_key, torch_stream

from ..array.counters import Counters
from ..array.periphery import FrontEnd, Periphery
from ..boards.protocol import Board, EffectiveArray, Emulator, ReadCounts
from ..boards.write_verify import Algorithm, program
from ..datasets.encode import Data
from ..snn.encodings.events import Events
from ..snn.engines.protocol import Batch, BatchResult, LayerView
from ..synapses.backward_weights import backward_weights
from ..synapses.biases import with_row
from ..synapses.effective import EffectiveWeights, effective_weights
from ..synapses.estimate import WeightEstimate
from . import rows as epoch_rows
from .adc_calibration import calibrated, complaint, report, view
from .array_parts import check_periphery
from .endurance import memory, wear
from .fault_aware import faulty
from .line_reads import LineReads

if TYPE_CHECKING:
    from .builder import Setup


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
        setup: What it runs on.
        data: The encoded images.
        epochs: Of the run.
        batch_size: Images of an update.
        layers: The layers of synapses, that of the readout last.
        policies: What turns a wanted change into pulses, one per layer.
        optimizers: What turns a gradient into a wanted change, one per layer.
        biases: Those in digital memory, one per layer; None without.
        emulators: See `builder.Setup`; what only they know is asked of them alone.
        epoch: Epochs done; 0 after `start`.
        rows: What `metrics.jsonl` says: one mapping per epoch, the first of before training.
    """

    def __init__(
        self,
        setup: "Setup",
        data: Data,
        *,
        epochs: int,
        batch_size: int,
        notice: Callable[[str], object] = warnings.warn,
    ) -> None:
        """Take what was built; `start` or `resume` comes next.

        Args:
            setup: What it runs on, made by `builder.build`.
            data: The encoded images.
            epochs: Of the run; they set the pace of the learning rate.
            batch_size: Images of an update.
            notice: Told once where a fixed range of converters is too small.
        """
        self.setup, self.data, self.epochs, self.batch_size = setup, data, epochs, batch_size
        self._epoch_events = data.train_events
        self.layers, self.policies, self.optimizers = setup.layers, setup.policies, setup.optimizers
        self.biases, self.emulators = setup.biases, setup.emulators
        self.epoch = 0
        self.rows: list[dict[str, Any]] = []
        self._reported = [Counters() for _ in self.boards]
        self._line_reads = LineReads(setup.network, data.train_events, setup.sheet)
        self._clipped: float | None = None
        self._notice: Callable[[str], object] | None = notice

    def start(self, algorithms: Sequence[Algorithm] | None = None) -> None:
        """Program the first weights and evaluate the untrained network.

        Args:
            algorithms: How each layer is written; None for `write_verify.program`.
        """
        began = time.perf_counter()
        weights, clipped = self.setup.first.weights, 0.0
        each = [program] * len(weights) if algorithms is None else algorithms
        for layer, w, algorithm in zip(self.layers, weights, each, strict=True):
            layer.program(torch.from_numpy(w), algorithm=algorithm)
            clipped += layer.mapping.clipped(torch.from_numpy(w)) * w.size
        self._clipped = clipped / sum(w.size for w in weights)
        self._finish_epoch(None, began)

    def resume(self, epoch: int, rows: list[dict[str, Any]]) -> None:
        """Go on from the end of an epoch, once layers and policies are restored."""
        spikes = self.setup.network.layers[-1].spikes
        self.epoch, self.rows = epoch, [epoch_rows.with_output(row, spikes=spikes) for row in rows]
        self._reported = [board.counters for board in self.boards]
        self._clipped = rows[0]["mapping"]["clipped_share"]

    @property
    def boards(self) -> list[Board]:
        """All boards: those of the layers, then those that policies own."""
        fast = [board for policy in self.policies for board in policy.boards]
        return [*(layer.board for layer in self.layers), *fast]

    def conductances(self) -> list[np.ndarray]:
        """Of each array of a layer, as pulses left them, siemens; read where no emulator is."""
        if not self.emulators:
            return [layer.board.read().numpy() for layer in self.layers]
        return [emulator.state_dict()["g"].numpy() for emulator in self._of_layers]

    def weights(self) -> list[np.ndarray]:
        """Of each layer, (rows, outputs): as noiseless reads see them, or read if not emulated."""
        if not self.emulators:
            return [layer.weights(layer.board.read()).numpy() for layer in self.layers]
        return [layer.weights for layer in self.effective()]

    def matrices(self) -> list[np.ndarray]:
        """`weights` as an engine takes them: behind those of devices the row of a digital bias."""
        return self._with_biases(self.weights())

    def effective(self) -> list[EffectiveWeights]:
        """The layers as reads of emulated boards see them; none where boards are not emulated."""
        layers = zip(self.layers, self._arrays(), strict=False)
        return [effective_weights(layer.mapping, array) for layer, array in layers]

    @property
    def _of_layers(self) -> list[Emulator]:
        """The emulators of the layers; none where boards are not emulated."""
        return self.emulators[: len(self.layers)]

    def _arrays(self) -> list[EffectiveArray]:
        """The arrays of the layers as they are now; none likewise."""
        return [emulator.effective() for emulator in self._of_layers]

    @property
    def batches(self) -> int:
        """Updates of an epoch; a last batch that is not full is left out."""
        return len(self.data.train_labels) // self.batch_size

    def run_epoch(self) -> Iterator[Progress]:
        """Train one epoch, batch by batch, and evaluate."""
        began, reads = time.perf_counter(), self.setup.reads
        epoch, size, seed = self.epoch + 1, self.batch_size, self.setup.seed
        for emulator in self.emulators:
            emulator.begin_epoch(epoch)
        for policy in self.policies:
            policy.begin_epoch()
        self._epoch_events = self.data.epoch_events(epoch, self.setup.network.steps)
        order = stream("shuffle", seed, epoch).permutation(len(self.data.train_labels))
        rounding = torch_stream("policy", seed, epoch)
        key = stream_key("read noise", seed, epoch, 0)
        batches, learned = self.batches, epoch_rows.LearningSums(self.setup.network)
        for batch in range(batches):
            chosen = order[batch * size : (batch + 1) * size]
            if batch % reads.readback_every == 0:
                estimates = [layer.read_back(reads.readback_reads) for layer in self.layers]
            done = self._learn(chosen, estimates, key, batch * size, rounding)
            if (batch + 1) % reads.clock_every == 0:
                self._wait(reads.clock_every * size)
            learned.add(done, self.data.train_labels[chosen])
            yield Progress(epoch, batch + 1, batches, learned.accuracy)
        self.epoch = epoch
        self._finish_epoch(learned.row(), began)

    def _learn(
        self,
        chosen: np.ndarray,
        estimates: list[WeightEstimate],
        key: int,
        first: int,
        rounding: torch.Generator,
    ) -> BatchResult:
        """Forward, backward and programming of one batch."""
        setup, batch = self.setup, first // self.batch_size
        if batch % setup.periphery.adc_calibrate_every == 0:
            self._calibrate(self._epoch_events, chosen)
        views = self._view(self._fronts())
        done = setup.engine.run(
            Batch(self._epoch_events, self.data.train_labels, chosen, key, first),
            views,
            learn=self._with_biases(
                backward_weights(
                    setup.reads.backward, estimates, [layer.weights for layer in views]
                )
            ),
        )
        self._count(done)
        fraction = (self.epoch + batch / self.batches) / max(1, self.epochs)
        for layer, policy, optimizer, bias, gradient, estimate in zip(
            self.layers, self.policies, self.optimizers, self.biases, done.gradients, estimates,
            strict=True,
        ):  # fmt: skip
            unit = layer.mean_step if optimizer.options.rate_unit == "pulses" else 1.0
            rate = optimizer.options.rate(fraction) * unit
            if rate == 0.0:  # nothing is wanted, not even what a policy would mend
                continue
            if bias is not None:
                bias.learn(gradient[-1], rate)
                gradient = gradient[:-1]  # noqa: PLW2901  # the rows that are devices
            wanted = optimizer.wanted(gradient, rate)
            pulses = policy.update(wanted, estimate, generator=rounding)
            if pulses is not None:
                layer.board.pulse(pulses)
        self._train_neurons(done, fraction)
        return done

    def _train_neurons(self, done: BatchResult, fraction: float) -> None:
        """Change what neurons have of their own: numbers, at the rate of the weights beside."""
        for layer, optimizer, gradient in zip(
            self.layers, self.setup.neuron_optimizers, done.by_trained, strict=True
        ):
            if optimizer is not None and layer.trained is not None:
                unit = layer.mean_step if optimizer.options.rate_unit == "pulses" else 1.0
                wanted = optimizer.wanted(gradient, optimizer.options.rate(fraction) * unit)
                layer.trained += wanted.numpy()

    def _view(self, fronts: list[FrontEnd | None]) -> list[LayerView]:
        """The layers as the engine takes them, behind some front ends, with digital biases."""
        views = view(self.layers, self._arrays(), fronts)
        return [driven.with_bias(b) for driven, b in zip(views, self._biases, strict=False)]

    @property
    def _biases(self) -> list[np.ndarray | None]:
        """The digital biases of each layer."""
        return [None if bias is None else bias.values for bias in self.biases]

    def _with_biases(self, weights: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Weights of each layer, with the row of a digital bias."""
        return [
            w if bias is None or len(w) > layer.mapping.shape[0] else with_row(w, bias.values)
            for w, bias, layer in zip(weights, self.biases, self.layers, strict=True)
        ]

    def _wait(self, images: int) -> None:
        """Let the device time of some inferences pass."""
        for board in self.boards:
            board.wait(images * self.setup.network.seconds)

    def evaluate(self, *, noise_key: int | None = None, record: bool = False) -> BatchResult:
        """Run the test images; reads are counted like any other, wires are exact.

        Args:
            noise_key: Names the read noise; by default that of this epoch's test.
            record: Whether to keep every spike of each layer.
        """
        self._refresh()
        done = self._test(self._fronts(), noise_key, record=record)
        self._count(done)
        return done

    def recorded(self, images: int | None = None) -> BatchResult:
        """This epoch's test once more, to the last bit, with every spike of each layer.

        Nothing is counted.

        Args:
            images: So many of the test images, the first ones; None: all.
        """
        self._refresh()
        return self._test(self._fronts(), None, images, record=True)

    def replay(self, batches: Iterable[Batch]) -> Iterator[BatchResult]:
        """Batches as this epoch's test runs them, with every spike of each layer, uncounted."""
        self._refresh()
        views = self._view(self._fronts())
        for batch in batches:
            yield self.setup.engine.run(batch, views, record=True)

    def _refresh(self) -> None:
        """Bring emulated arrays and converters to where a test finds them."""
        for emulator in self.emulators:
            emulator.refresh()
        self._calibrate(self.data.train_events, self._first_images())

    def evaluate_with(self, periphery: Periphery, *, noise_key: int | None = None) -> BatchResult:
        """Run the test images behind another periphery; the trainer and its boards do not change.

        Its converters are manufactured from the seed of the run and calibrated as `evaluate` does
        it. Nothing is counted. The layers are seen as the last read, pulse or `evaluate` left them.

        Args:
            periphery: The other periphery.
            noise_key: See `evaluate`.

        Raises:
            ConfigError: The boards are not emulated, or this periphery is not of such layers.
        """
        if not self.emulators:
            raise ConfigError("another periphery needs emulated boards; nothing was read")
        is_held = self.data.train_events.held is not None
        check_periphery(self.setup.network, periphery, self.setup.engine, is_held=is_held)
        fronts = self.setup.front_ends(periphery)
        fronts = self._calibrated(fronts, self.data.train_events, self._first_images())
        return self._test(fronts, noise_key)

    def _test(
        self,
        fronts: list[FrontEnd | None],
        noise_key: int | None,
        images: int | None = None,
        *,
        record: bool = False,
    ) -> BatchResult:
        """Run the test images, or the first ones of them, behind some front ends."""
        labels = self.data.test_labels
        key = noise_key or stream_key("read noise", self.setup.seed, self.epoch, 1)
        chosen = self.data.first_test_samples(images)
        batch = Batch(self.data.test_events, labels, chosen, key)
        return self.setup.engine.run(batch, self._view(fronts), record=record)

    def _first_images(self) -> np.ndarray:
        """The training images that ranges for a test are measured on."""
        return np.arange(min(self.batch_size, len(self.data.train_labels)))

    def _fronts(self) -> list[FrontEnd | None]:
        """The front ends of the layers' arrays."""
        return [emulator.front_end for emulator in self._of_layers]

    def _calibrated(
        self, fronts: list[FrontEnd | None], events: Events, chosen: np.ndarray
    ) -> list[FrontEnd | None]:
        """Front ends with ranges measured on some training images."""
        return calibrated(
            self.setup.engine, self.layers, self._arrays(), fronts, self._biases, events, chosen,
            self.setup.network, self.setup.tiles.tile_rows,
        )  # fmt: skip

    def _calibrate(self, events: Events, chosen: np.ndarray) -> None:
        """Measure the ranges of the arrays' converters on some training images."""
        fronts = self._calibrated(self._fronts(), events, chosen)
        for emulator, front in zip(self._of_layers, fronts, strict=True):
            emulator.front_end = front

    def _count(self, done: BatchResult) -> None:
        """Tell each emulator what the engine read from it."""
        reads = done.activations, done.tile_steps, done.siemens, done.clipped
        counts = zip(*(of_each.tolist() for of_each in reads), strict=True)
        for index, (emulator, of_layer) in enumerate(zip(self._of_layers, counts, strict=False)):
            lines = self._line_reads.of(index, done)
            emulator.count_vmm(ReadCounts(*of_layer)._replace(lines=lines))

    def _finish_epoch(self, training: dict[str, Any] | None, began: float) -> None:
        """Evaluate and write the epoch's row."""
        network, labels = self.setup.network, self.data.test_labels
        done = self.evaluate(record=epoch_rows.is_recorded(network, len(labels)))
        counters = [board.counters for board in self.boards]
        spent = [now - before for now, before in zip(counters, self._reported, strict=True)]
        total = sum(spent, Counters())
        row = {
            "epoch": self.epoch,
            "train_accuracy": None,
            "train_loss": None,
            "train_spikes_per_inference": None,
            **(training or {}),
            "test_accuracy": float((done.predictions == labels).mean()),
            "test_loss": float(done.losses.mean()),
            "test_images": len(done.predictions),
            **epoch_rows.activity(done, network, labels, self.data.classes),
            **epoch_rows.costs(total),
            "layers": epoch_rows.by_array(network, self.policies, self.emulators, spent),
            **epoch_rows.through_wires(self._of_layers),
            **faulty(self._of_layers, total.lost_pulses),
            **report(self._fronts(), total, self.setup.reads.t_read_seconds),
            "mapping": epoch_rows.mapping_row(self.layers, self.setup, self._clipped),
            **({"wear": self._wear()} if self.emulators else {}),
            **epoch_rows.own_numbers(self.layers, network),
            "digital_bytes_per_synapse": memory(self.policies, self.optimizers[0]),
            "seconds": time.perf_counter() - began,
        }
        self._reported = counters
        self.rows.append(row)
        text = complaint(row.get("periphery", {}), self.setup.periphery)
        if text and self._notice is not None:
            self._notice(text)
            self._notice = None

    def _wear(self) -> dict[str, Any]:
        """What an epoch's row says of wear."""
        fast = self.emulators[len(self.layers) :]
        return wear(self.layers[0].sheet, self._of_layers, fast)
