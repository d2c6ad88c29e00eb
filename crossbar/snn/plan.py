"""What follows from a network and a data set: sizes, rows, signs, first spreads."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from device_models.errors import ConfigError
from device_models.record import Tagged

from .network import Network
from .neurons.protocol import trained_numbers
from .plan_checks import check_delays
from .topology import LAYERS
from .topology.protocol import Signal
from .topology.synaptic import ArrayShape

LINES = 65_535  # that an event holds in two bytes, one kept back
STEPS = 65_535
DALE_SIGMA = 1e-3  # of the first layer's weights under Dale's law, half-normal: the published value


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """One layer with all that follows for it.

    Attributes:
        index: In the network.
        name: `hidden 1`, ... or `readout` of layers with a crossbar, else its kind.
        kind: Its name in `LAYERS`.
        settings: Its record.
        incoming: The lines that come in.
        sent: The lines that it sends, or its output neurons.
        array: Its crossbar without recurrent rows.
        recurrent_rows: Rows of its crossbar that its neurons drive.
        crossbar: Number of its crossbar; None without.
        sigma: Spread of the first weights of the lines that come in.
        recurrent_sigma: Of the recurrent rows, or those it would have.
    """

    index: int
    name: str
    kind: str
    settings: Any
    incoming: Signal
    sent: Signal
    array: ArrayShape
    recurrent_rows: int
    crossbar: int | None
    sigma: float
    recurrent_sigma: float

    @property
    def neuron(self) -> Any:
        """Settings of its neurons; None without."""
        return self.settings.neuron

    @functools.cached_property
    def trained(self) -> tuple[str, ...]:
        """Numbers that each of its neurons has of its own, `neurons.protocol.trained_numbers`."""
        return () if self.neuron is None else trained_numbers(type(self.neuron.numbers(1.0)))

    @property
    def first_trained(self) -> np.ndarray:
        """What they are before training, (numbers, neurons) float32."""
        first = [getattr(self.neuron.numbers(1.0), name) for name in self.trained]
        return np.repeat(np.array(first, np.float32)[:, None], self.outputs, axis=1)

    @functools.cached_property
    def lines(self) -> int:
        """Lines that come in."""
        return self.incoming.lines

    @functools.cached_property
    def outputs(self) -> int:
        """Neurons, or lines that it sends."""
        return self.sent.lines

    @property
    def beside(self) -> int:
        """Neurons whose spikes stay in the layer: 1, the inhibitory one, or 0."""
        return int(getattr(self.settings, "reads_across", False))

    @property
    def own_reads(self) -> int:
        """Reads of the row of that neuron alone, by each of its spikes."""
        return int(self.settings.repeats) if self.beside else 0

    @functools.cached_property
    def rows(self) -> int:
        """Rows of its crossbar: those that incoming lines drive, a bias, recurrent rows."""
        return self.array.rows + self.recurrent_rows

    @functools.cached_property
    def columns(self) -> int:
        """Weights of a row."""
        return self.array.columns

    @functools.cached_property
    def bias(self) -> str:
        """Its kind of bias, see `topology.synaptic.Synaptic`."""
        return "none" if self.crossbar is None else str(self.settings.bias)

    @functools.cached_property
    def matrix_rows(self) -> int:
        """Rows as an engine takes them: those of the crossbar, and that of a digital bias."""
        return self.rows + (self.bias == "digital")

    @property
    def spikes(self) -> bool:
        """Whether it sends spikes."""
        return self.neuron is None or bool(self.neuron.SPIKES)

    @property
    def is_linear(self) -> bool:
        """Whether errors may be carried through its weights before they go back in time."""
        return self.neuron is not None and bool(self.neuron.LINEAR) and self.recurrent_rows == 0

    @property
    def signs(self) -> np.ndarray:
        """Dale's law for the rows of its crossbar: +1 excitatory, -1 inhibitory, 0 either, int8."""
        if not self.recurrent_rows:
            return self.array.signs
        return np.concatenate([self.array.signs, self.settings.recurrent_signs()])


@dataclass(frozen=True, eq=False)
class Plan:
    """A network on a data set. What is said per crossbar has the output layer's last.

    Attributes:
        network: Its settings.
        layers: With what follows for each of them.
        inputs: Lines of the data set.
        classes: Of the data set.
        steps: Of a sample.
        dt_seconds: Duration of a step.
    """

    network: Network
    layers: tuple[LayerPlan, ...]
    inputs: int
    classes: int
    steps: int
    dt_seconds: float

    @functools.cached_property
    def synaptic(self) -> tuple[LayerPlan, ...]:
        """The layers with a crossbar."""
        return tuple(layer for layer in self.layers if layer.crossbar is not None)

    @functools.cached_property
    def senders(self) -> tuple[LayerPlan, ...]:
        """The layers that send spikes: all of them, without an output layer that never does."""
        return tuple(layer for layer in self.layers if layer.spikes)

    @functools.cached_property
    def hidden(self) -> tuple[int, ...]:
        """Lines of each of `senders`."""
        return tuple(layer.outputs for layer in self.senders)

    @functools.cached_property
    def recorded(self) -> tuple[int, ...]:
        """Neurons of each of `senders` whose spikes are recorded: those beside come last."""
        return tuple(layer.outputs + layer.beside for layer in self.senders)

    @functools.cached_property
    def widest(self) -> int:
        """Outputs of the layer that has most."""
        return max(layer.outputs for layer in self.layers)

    @functools.cached_property
    def neurons(self) -> int:
        """Neurons of the hidden layers."""
        return sum(layer.outputs for layer in self.synaptic[:-1])

    @functools.cached_property
    def excitatory(self) -> tuple[int, ...] | None:
        """Excitatory lines of each of `senders`; they come first. None if Dale's law binds none."""
        if not any(layer.sent.signs.any() for layer in self.senders):
            return None
        return tuple(int((layer.sent.signs > 0).sum()) for layer in self.senders)

    @functools.cached_property
    def ei(self) -> str:
        """The ratio of the first layer with synapses, as a file says it."""
        return self.synaptic[0].settings.ei or "none"

    @functools.cached_property
    def inputs_of(self) -> tuple[int, ...]:
        """Lines that come into each crossbar from the layer before."""
        return tuple(layer.lines for layer in self.synaptic)

    @functools.cached_property
    def recurrent_rows_of(self) -> tuple[int, ...]:
        """Rows of each crossbar that its neurons drive, behind those lines."""
        return tuple(layer.recurrent_rows for layer in self.synaptic)

    @functools.cached_property
    def sources(self) -> tuple[int, ...]:
        """Whose spikes come into each crossbar: a number of `senders`, -1 for the input."""
        return tuple(layer.index - 1 for layer in self.synaptic)

    @functools.cached_property
    def recurrent(self) -> bool:
        """Whether a layer drives itself."""
        return any(self.recurrent_rows_of)

    @functools.cached_property
    def crossbars(self) -> tuple[tuple[int, int], ...]:
        """(rows, columns of weights) of every crossbar."""
        return tuple((layer.rows, layer.columns) for layer in self.synaptic)

    @functools.cached_property
    def matrices(self) -> tuple[tuple[int, int], ...]:
        """The same as an engine takes them: with the row of a digital bias."""
        return tuple((layer.matrix_rows, layer.columns) for layer in self.synaptic)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Of every crossbar."""
        return tuple(layer.name for layer in self.synaptic)

    @functools.cached_property
    def hidden_sigma(self) -> float:
        """Spread of the initial weights of the first crossbar."""
        return self.synaptic[0].sigma

    @functools.cached_property
    def sigmas(self) -> tuple[tuple[float, float], ...]:
        """Spread of the initial weights of each crossbar: of incoming lines, of recurrent rows."""
        return tuple((layer.sigma, layer.recurrent_sigma) for layer in self.synaptic)

    @functools.cached_property
    def spikes_most(self) -> float | None:
        """See `Network`."""
        return self.network.spikes_most

    @functools.cached_property
    def least_spikes(self) -> float:
        """See `Network`."""
        return self.network.least_spikes

    @functools.cached_property
    def spikes_penalty(self) -> float:
        """See `Network`."""
        return self.network.spikes_penalty

    @functools.cached_property
    def seconds(self) -> float:
        """Duration of one inference in network time."""
        return self.steps * self.dt_seconds


def plan(
    network: Network,
    *,
    inputs: int | Sequence[int],
    classes: int,
    steps: int,
    dt_seconds: float,
) -> Plan:
    """A network on a data set.

    The first weights of the lines that come into a layer have the spread `sigma_init`; left open,
    it is the published 0.001 (half-normal) of the first crossbar under Dale's law, else
    7 (1 - beta) / sqrt(lines) with the beta of its own membrane, as in F. Zenke's SpyTorch. Under
    Dale's law a recurrent layer drives itself as weakly as the input does: its excitatory neurons
    outnumber the others, and at the spread of other layers their mutual drive would run away. That
    one is ours. Input lines are excitatory where Dale's law holds in the first layer with synapses.

    Args:
        network: Its settings.
        inputs: Lines of the data set, or the shape of its images: (rows, columns) or (channels,
            rows, columns).
        classes: Of the data set.
        steps: Of a sample.
        dt_seconds: Duration of a step.

    Raises:
        ConfigError: A layer does not fit the one before, or the steps; named by its number.
    """
    shape = (inputs,) if isinstance(inputs, int) else tuple(inputs)
    if not 2 <= steps <= STEPS:
        raise ConfigError(f"steps = {steps} is outside [2, {STEPS}]; nothing was written")
    check_lines("the data set has", math.prod(shape))
    first = next(layer for layer in network.layers if layer.HAS_SYNAPSES)  # type: ignore[attr-defined]
    bound = 0 if first.excitatory is None else 1  # type: ignore[attr-defined]
    signal = Signal(shape, np.full(math.prod(shape), bound, np.int8))
    layers: list[LayerPlan] = []
    for index in range(len(network.layers)):
        layers.append(_layer(network, index, signal, layers, dt_seconds))
        check_delays(network, index, steps)
        signal = layers[-1].sent
    if signal.lines != classes:
        raise ConfigError(
            f"{network.title(len(layers) - 1)} is the last layer and has {signal.lines} outputs; "
            f"the data set has {classes} classes; nothing was written"
        )
    return Plan(network, tuple(layers), math.prod(shape), classes, steps, dt_seconds)


def _layer(
    network: Network, index: int, incoming: Signal, before: Sequence[LayerPlan], dt_seconds: float
) -> LayerPlan:
    """One layer of a plan; `before` are those that come first."""
    settings: Any = network.layers[index]
    title = network.title(index)
    try:
        sent = settings.sends(incoming)
    except ConfigError as e:
        at = " x ".join(map(str, incoming.shape))
        raise ConfigError(f"{title} gets {at} lines: {e}; nothing was written") from e
    check_lines(f"{title} sends", sent.lines)
    kind = Tagged(LAYERS).name_of(settings)
    if not settings.HAS_SYNAPSES:
        none = ArrayShape(incoming.signs, sent.lines, 1)
        return LayerPlan(index, kind, kind, settings, incoming, sent, none, 0, None, 0.0, 0.0)
    crossbars = [layer for layer in before if layer.crossbar is not None]
    is_dale, fed_back = settings.excitatory is not None, settings.recurrent_rows()
    array: ArrayShape = settings.array(incoming)
    beta: float = settings.neuron.numbers(dt_seconds).beta
    fan_in = array.rows - (settings.bias == "row")

    def scaled(lines: int) -> float:
        return 7.0 * (1.0 - beta) / math.sqrt(lines)

    sigma = settings.sigma_init
    if sigma is None:
        sigma = DALE_SIGMA if is_dale and not crossbars else scaled(fan_in)
    first_sigma = crossbars[0].sigma if crossbars else sigma
    is_last = index == len(network.layers) - 1
    # Also where it drives itself not: the window of weights has followed both spreads (`w_max_of`).
    recurrent_sigma = first_sigma if is_dale else scaled(sent.lines)
    recurrent_sigma = 0.0 if is_last and not fed_back else recurrent_sigma
    name = "readout" if is_last else f"hidden {len(crossbars) + 1}"
    return LayerPlan(
        index,
        name,
        kind,
        settings,
        incoming,
        sent,
        array,
        fed_back,
        len(crossbars),
        sigma,
        recurrent_sigma,
    )


def check_lines(what: str, lines: int) -> None:
    """Refuse more lines than an event can name."""
    if not 1 <= lines <= LINES:
        raise ConfigError(
            f"{what} {lines} lines; an event names a line in two bytes, so [1, {LINES}] are "
            "allowed; nothing was written"
        )


def signs(network: Plan) -> tuple[np.ndarray, ...]:
    """Dale's law for the rows of every crossbar, see `LayerPlan.signs`."""
    return tuple(layer.signs for layer in network.synaptic)


def initial_biases(network: Plan, *, generator: np.random.Generator) -> list[np.ndarray | None]:
    """Normal digital biases of the spread of the weights, (columns,) float32 each; None without."""
    return [
        (generator.standard_normal(layer.columns) * layer.sigma).astype(np.float32)
        if layer.bias == "digital"
        else None
        for layer in network.synaptic
    ]


def initial_weights(network: Plan, *, generator: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Normal weights, folded to the sign of the presynaptic neuron under Dale's law.

    Returns:
        Those of every crossbar, (rows, outputs) float32, of the spreads `sigmas`.
    """
    weights_of_all = []
    for layer in network.synaptic:
        driven = np.arange(layer.rows) < layer.array.rows
        spread = np.where(driven, layer.sigma, layer.recurrent_sigma)
        weights = generator.standard_normal((layer.rows, layer.columns)) * spread[:, None]
        bound = layer.signs[:, None].astype(float)
        weights = np.where(bound == 0, weights, bound * np.abs(weights))
        first = layer.settings.first_recurrent()
        if first is not None:
            weights[layer.array.rows :] = first[:, None]
        weights_of_all.append(weights.astype(np.float32))
    return tuple(weights_of_all)
