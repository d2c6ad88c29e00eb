"""The spiking network: its size, its time constants, its excitatory share, its initial weights."""

import math
from dataclasses import dataclass

import numpy as np

from device_models.errors import ConfigError
from device_models.record import NUMBERS, Record, quantity


@dataclass(frozen=True, kw_only=True)
class Network(Record):
    """Spiking layers one after the other and a readout; the seed paper's settings are the defaults.

    `hidden` are the neurons of each hidden layer; a number alone is one layer. With `recurrent`
    every hidden layer also drives itself: its crossbar then has a row for each of its own neurons
    behind those of the lines that come in. The E:I ratio holds in every hidden layer. Training
    keeps the spikes that a hidden layer sends in a sample between `spikes_least` and `spikes_most`:
    others add to the loss, see `crossbar.snn.reference`. Left open, there is no most, and the least
    is none with one hidden layer, as in the paper, and 5 with several: a layer behind another one
    falls silent for good where nothing holds it up.

    Source:
        M. Kilgore et al., Sci. Rep. 15, 24798, 2025, and its published code; the equations are in
        `crossbar.snn.reference`.
    """

    inputs: int = quantity("lines", 1, 65535, default=784)
    hidden: tuple[int, ...] = quantity("neurons", 1, 65535, default=(100,))
    recurrent: bool = False
    classes: int = quantity("classes", 2, 1000, default=10)
    steps: int = quantity("steps", 2, 255, default=100)
    dt_seconds: float = quantity("s", 1e-6, 1.0, default=1e-3)
    tau_mem_seconds: float = quantity("s", 1e-6, 10.0, default=10e-3)
    tau_syn_seconds: float = quantity("s", 1e-6, 10.0, default=5e-3)
    surrogate_scale: float = quantity("", 0.0, 1e6, default=100.0)
    spikes_most: float | None = quantity("spikes", 1.0, 1e9, default=None)
    spikes_least: float | None = quantity("spikes", 0.0, 1e9, default=None)
    spikes_penalty: float = quantity("", 0.0, 1e6, default=0.1)
    ei: str = "80:20"
    sigma_init: float | None = quantity("weight", 0.0, 100.0, default=None)

    def __post_init__(self) -> None:
        """Check the fields and the ratio.

        Raises:
            ConfigError: A field is outside its range, there is no hidden layer, `ei` is no ratio,
                or fewer spikes are allowed than asked for.
        """
        if isinstance(self.hidden, int):
            object.__setattr__(self, "hidden", (self.hidden,))
        super().__post_init__()
        if not self.hidden:
            raise ConfigError("hidden must name the neurons of one hidden layer or more")
        excitatory_fraction(self.ei)
        if self.least_spikes > (self.spikes_most or math.inf):
            raise ConfigError(
                f"spikes_least = {self.least_spikes:g} exceeds spikes_most = {self.spikes_most:g}"
            )

    @property
    def least_spikes(self) -> float:
        """`spikes_least`, or what stands for it."""
        if self.spikes_least is not None:
            return self.spikes_least
        return 5.0 if len(self.hidden) > 1 else 0.0

    @property
    def alpha(self) -> float:
        """Decay of a synaptic current in one step."""
        return math.exp(-self.dt_seconds / self.tau_syn_seconds)

    @property
    def beta(self) -> float:
        """Decay of a membrane in one step."""
        return math.exp(-self.dt_seconds / self.tau_mem_seconds)

    @property
    def neurons(self) -> int:
        """Neurons of all hidden layers."""
        return sum(self.hidden)

    @property
    def excitatory(self) -> tuple[int, ...] | None:
        """Excitatory neurons of each hidden layer; they come first. None without Dale's law."""
        fraction = excitatory_fraction(self.ei)
        return None if fraction is None else tuple(int(n * fraction + 1e-9) for n in self.hidden)

    @property
    def inputs_of(self) -> tuple[int, ...]:
        """EventSlice that come into each crossbar from the layer before; the readout's is the last."""
        return (self.inputs, *self.hidden)

    @property
    def crossbars(self) -> tuple[tuple[int, int], ...]:
        """(rows, outputs) of every crossbar: those of the hidden layers, that of the readout."""
        own = (*self.hidden, 0) if self.recurrent else (0,) * len(self.inputs_of)
        outputs = (*self.hidden, self.classes)
        rows = (lines + more for lines, more in zip(self.inputs_of, own, strict=True))
        return tuple(zip(rows, outputs, strict=True))

    @property
    def names(self) -> tuple[str, ...]:
        """Of every crossbar."""
        return (*(f"hidden {i + 1}" for i in range(len(self.hidden))), "readout")

    @property
    def hidden_sigma(self) -> float:
        """Spread of the initial input weights: `sigma_init`, else the published value.

        0.001 under Dale's law (half-normal); without it 7 (1 - beta) / sqrt(inputs), that of the
        unconstrained network the paper compares with (F. Zenke, SpyTorch).
        """
        if self.sigma_init is not None:
            return self.sigma_init
        return self._scaled(self.inputs) if self.excitatory is None else 1e-3

    @property
    def sigmas(self) -> tuple[tuple[float, float], ...]:
        """Spread of the initial weights of each crossbar: of lines that come in, of own neurons.

        Behind the first layer 7 (1 - beta) / sqrt(lines), as the published readout. Under Dale's
        law a layer drives itself as weakly as the input does: its excitatory neurons outnumber the
        others, and at the readout's spread their mutual drive would run away. That one is ours.
        """
        forth = (self.hidden_sigma, *map(self._scaled, self.hidden))
        dale = self.excitatory is not None
        own = (self.hidden_sigma if dale else self._scaled(n) for n in self.hidden)
        return tuple(zip(forth, (*own, 0.0), strict=True))

    def _scaled(self, lines: int) -> float:
        """7 (1 - beta) / sqrt(lines)."""
        return 7.0 * (1.0 - self.beta) / math.sqrt(lines)

    @property
    def seconds(self) -> float:
        """Duration of one inference in network time."""
        return self.steps * self.dt_seconds


def excitatory_fraction(text: str) -> float | None:
    """The excitatory share of an E:I ratio.

    Args:
        text: `80:20`, `0.8`, or `none` for neurons that are not bound to one sign.
    Returns:
        The share in [0, 1]; None for `none`.
    Raises:
        ConfigError: `text` is none of these, or its two parts do not add up to 100.
    """
    allowed = "a ratio that adds up to 100 such as 80:20, a share in [0, 1] such as 0.8, or none"
    if text == "none":
        return None
    parts = text.split(":")
    plain = all(NUMBERS[float].fullmatch(part) for part in parts)
    numbers = [float(part) for part in parts] if plain else []
    if len(numbers) == 1 and 0.0 <= numbers[0] <= 1.0:
        return numbers[0]
    if len(numbers) == 2 and min(numbers) >= 0.0 and sum(numbers) == 100.0:
        return numbers[0] / 100.0
    raise ConfigError(f"ei must be {allowed}, not {text!r}")


def signs(network: Network) -> tuple[np.ndarray, ...]:
    """Dale's law for the rows of every crossbar: +1 excitatory, -1 inhibitory, 0 either, int8.

    Inputs are excitatory, hidden neurons by the E:I ratio.
    """
    if network.excitatory is None:
        return tuple(np.zeros(rows, np.int8) for rows, _ in network.crossbars)
    hidden = [
        np.where(np.arange(n) < excitatory, 1, -1).astype(np.int8)
        for n, excitatory in zip(network.hidden, network.excitatory, strict=True)
    ]
    lines = [np.ones(network.inputs, np.int8), *hidden]
    if not network.recurrent:
        return tuple(lines)
    own = [*hidden, np.zeros(0, np.int8)]
    return tuple(np.concatenate(both) for both in zip(lines, own, strict=True))


def initial_weights(network: Network, *, generator: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Normal weights, folded to the sign of the presynaptic neuron under Dale's law.

    Returns:
        Those of every crossbar, (rows, outputs) float32, of the spreads `sigmas`.
    """
    found = []
    for (rows, outputs), lines, sigma, sign in zip(
        network.crossbars, network.inputs_of, network.sigmas, signs(network), strict=True
    ):
        spread = np.where(np.arange(rows) < lines, *sigma)[:, None]
        weights = generator.standard_normal((rows, outputs)) * spread
        bound = sign[:, None].astype(float)
        weights = np.where(bound == 0, weights, bound * np.abs(weights))
        found.append(weights.astype(np.float32))
    return tuple(found)
