"""How our cost grows: with hidden units, input spikes, silent steps, silent lines; with threads."""

from collections.abc import Callable, Mapping

import numpy as np
import ours
from data import BATCH, Workload, digits, fashion, network_of, settled
from rounds import Entry, Pace, round_robin, spread

from crossbar.snn.encodings.events import Events
from crossbar.snn.engines import Batch, EventEngine
from crossbar.snn.plan import Plan, initial_weights

BATCHES = 4  # that every point of a curve runs again and again
HIDDEN = (100, 300, 1000)
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)  # of the input spikes
STEPS = (100, 150, 200, 250)
LINES = (784, 1568, 3136)


class Point:
    """One point of a curve: a network, its weights and events, and how it runs."""

    def __init__(
        self, network: Plan, weights: tuple[np.ndarray, ...], events: Events, labels: np.ndarray
    ) -> None:
        """Everything is set, but for the engine."""
        self.network, self.weights = network, weights
        self.events, self.labels = events, labels
        self.hidden_spikes = 0.0

    def build(self, threads: int) -> Callable[[], int]:
        """What runs the batches forward and back."""
        engine = EventEngine(self.network, tile_rows=128, threads=threads)
        layers = ours.exact(self.weights)

        def unit() -> int:
            spikes = 0
            for first in range(0, BATCH * BATCHES, BATCH):
                batch = Batch(self.events, self.labels, np.arange(first, first + BATCH), 1)
                done = engine.run(batch, layers, learn=list(self.weights))
                spikes += sum(int(layer.sum()) for layer in done.spikes)
            self.hidden_spikes = spikes / (BATCH * BATCHES)
            return BATCH * BATCHES

        return unit


def first_samples(work: Workload, count: int) -> Events:
    """Events of the first training samples."""
    events = work.data.train_events
    end = events.offsets[count]
    return Events(events.rows[:end], events.times[:end], events.offsets[: count + 1])


def thinned(events: Events, share: float) -> Events:
    """A random share of the events."""
    kept = np.random.default_rng(0).random(len(events.rows)) < share
    offsets = np.concatenate([[0], np.cumsum(kept)])[events.offsets]
    return Events(events.rows[kept], events.times[kept], offsets)


def stretched(events: Events, factor: float) -> Events:
    """The same events further apart; more steps stay silent."""
    return Events(events.rows, (events.times * factor).astype(np.uint8), events.offsets)


def by_hidden(events: Events, labels: np.ndarray) -> dict[int, Point]:
    """Networks of different width with their first weights."""
    found = {}
    for hidden in HIDDEN:
        network = network_of(hidden=(hidden,))
        weights = initial_weights(network, generator=np.random.default_rng(0))
        found[hidden] = Point(network, tuple(weights), events, labels)
    return found


def by_spikes(work: Workload, events: Events, labels: np.ndarray) -> dict[float, Point]:
    """Fewer events that count more, so that hidden neurons fire about as often; by spikes."""
    found = {}
    for share in SHARES:
        few = thinned(events, share)
        w1, *others = settled(work)
        of_inputs = np.arange(len(w1))[:, None] < work.network.inputs  # not those of its own
        weights = (np.where(of_inputs, w1 / np.float32(share), w1), *others)
        found[len(few.rows) / len(few)] = Point(work.network, weights, few, labels)
    return found


def by_steps(work: Workload, events: Events, labels: np.ndarray) -> dict[int, Point]:
    """The same events in more steps; time constants go along, so that neurons fire as often."""
    found = {}
    for steps in STEPS:
        factor = steps / STEPS[0]
        network = network_of(
            steps=steps, tau_mem_seconds=10e-3 * factor, tau_syn_seconds=5e-3 * factor
        )
        w1, *others = settled(work)
        # Membranes add up currents that last longer: the same peak takes less weight.
        weights = (w1 / np.float32(factor), *others)
        found[steps] = Point(network, weights, stretched(events, factor), labels)
    return found


def by_lines(work: Workload, events: Events, labels: np.ndarray) -> dict[int, Point]:
    """More input lines, of which the new ones never spike."""
    found = {}
    for lines in LINES:
        w1, *others = settled(work)
        wide = np.zeros((lines, w1.shape[1]), np.float32)
        wide[: len(w1)] = w1
        found[lines] = Point(network_of(inputs=lines), (wide, *others), events, labels)
    return found


def line_fit(x: list[float], y: list[float]) -> dict[str, float]:
    """Straight line through some points, and the share of the variance that it explains."""
    slope, offset = np.polyfit(x, y, 1)
    residue = np.asarray(y) - (slope * np.asarray(x) + offset)
    r2 = 1.0 - float((residue**2).sum() / ((y - np.mean(y)) ** 2).sum())
    return {"slope": float(slope), "offset": float(offset), "r2": r2}


def curve(points: Mapping[float, Point], threads: int, pace: Pace) -> dict[str, object]:
    """Microseconds a sample (forward and backward) at each point, medians, and their line."""
    entries = {str(x): Entry(lambda p=p: p.build(threads)) for x, p in points.items()}
    times = round_robin(entries, pace)
    x = [float(key) for key in points]
    found = [spread(times[str(key)].wall) for key in points]
    y = [1e3 * float(s["median"]) for s in found]
    return {
        "x": x,
        "us_per_sample": y,
        "min": [1e3 * float(s["min"]) for s in found],
        "max": [1e3 * float(s["max"]) for s in found],
        "hidden_spikes": [p.hidden_spikes for p in points.values()],
        "line": line_fit(x, y),
    }


def curves(work: Workload, threads: int, pace: Pace) -> dict[str, dict[str, object]]:
    """All curves, of the ideal path on the first batches of the training samples."""
    count = BATCH * BATCHES
    events, labels = first_samples(work, count), work.data.train_labels[:count]
    spoken = digits(count)
    recurrent = by_spikes(spoken, first_samples(spoken, count), spoken.data.train_labels)
    return {
        "hidden units": curve(by_hidden(events, labels), threads, pace),
        "input spikes": curve(by_spikes(work, events, labels), threads, pace),
        "steps": curve(by_steps(work, events, labels), threads, pace),
        "input lines": curve(by_lines(work, events, labels), threads, pace),
        "input spikes of recurrent digits": curve(recurrent, threads, pace),
    }


def one_against_two(work: Workload, pace: Pace) -> dict[str, object]:
    """Wall time of one thread over that of two, and whether their results are the same bits."""
    few = fashion(100, BATCH * BATCHES)
    events, labels = few.data.train_events, few.data.train_labels
    points = {n: Point(work.network, settled(work), events, labels) for n in (1, 2)}
    entries = {str(n): Entry(lambda n=n: points[n].build(n)) for n in points}
    entries |= {
        f"training oxram, {n}": Entry(
            lambda n=n: ours.pulsed(work, settled(work), ours.model("oxram"), n)
        )
        for n in points
    }
    times = round_robin(entries, pace)
    kernel = zip(times["1"].wall, times["2"].wall, strict=True)
    whole = zip(times["training oxram, 1"].wall, times["training oxram, 2"].wall, strict=True)
    return {
        "speed_up_of_kernels": spread([a / b for a, b in kernel]),
        "speed_up_of_training": spread([a / b for a, b in whole]),
        "bit_identical": same_bits(work),
    }


def same_bits(work: Workload) -> bool:
    """Whether four batches of `oxram` end at the same conductances with one and two threads."""
    found = []
    for threads in (1, 2):
        made = ours.trainer(work, settled(work), ours.model("oxram"), threads)
        steps = ours.endless(made)
        accuracies = [next(steps).accuracy for _ in range(4)]
        found.append((accuracies, [layer.board.g.numpy().tobytes() for layer in made.layers]))
    return found[0] == found[1]
