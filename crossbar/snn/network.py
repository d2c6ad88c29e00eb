"""The spiking network: its size, its time constants, its excitatory share, its initial weights."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from device_models.errors import ConfigError
from device_models.record import NUMBERS, Record, quantity


@dataclass(frozen=True, kw_only=True)
class Network(Record):
    """A feed-forward network of one hidden layer, with the seed paper's settings as defaults.

    Source:
        M. Kilgore et al., Sci. Rep. 15, 24798, 2025, and its published code; the equations are in
        `crossbar.snn.reference`.
    """

    inputs: int = quantity("lines", 1, 65535, default=784)
    hidden: int = quantity("neurons", 1, 65535, default=100)
    classes: int = quantity("classes", 2, 1000, default=10)
    steps: int = quantity("steps", 2, 255, default=100)
    dt_seconds: float = quantity("s", 1e-6, 1.0, default=1e-3)
    tau_mem_seconds: float = quantity("s", 1e-6, 10.0, default=10e-3)
    tau_syn_seconds: float = quantity("s", 1e-6, 10.0, default=5e-3)
    surrogate_scale: float = quantity("", 0.0, 1e6, default=100.0)
    ei: str = "80:20"
    sigma_init: float | None = quantity("weight", 0.0, 100.0, default=None)

    def __post_init__(self) -> None:
        """Check the fields and the ratio.

        Raises:
            ConfigError: A field is outside its range, or `ei` is no ratio.
        """
        super().__post_init__()
        excitatory_fraction(self.ei)

    @property
    def alpha(self) -> float:
        """Decay of a synaptic current in one step."""
        return math.exp(-self.dt_seconds / self.tau_syn_seconds)

    @property
    def beta(self) -> float:
        """Decay of a membrane in one step."""
        return math.exp(-self.dt_seconds / self.tau_mem_seconds)

    @property
    def excitatory(self) -> int | None:
        """How many hidden neurons are excitatory; they come first. None without Dale's law."""
        fraction = excitatory_fraction(self.ei)
        return None if fraction is None else int(self.hidden * fraction + 1e-9)

    @property
    def hidden_sigma(self) -> float:
        """Spread of the initial input weights: `sigma_init`, else the published value.

        0.001 under Dale's law (half-normal); without it 7 (1 - beta) / sqrt(inputs), that of the
        unconstrained network the paper compares with (F. Zenke, SpyTorch).
        """
        if self.sigma_init is not None:
            return self.sigma_init
        free = 7.0 * (1.0 - self.beta) / math.sqrt(self.inputs)
        return free if self.excitatory is None else 1e-3

    @property
    def readout_sigma(self) -> float:
        """Spread of the initial readout weights, 7 (1 - beta) / sqrt(hidden)."""
        return 7.0 * (1.0 - self.beta) / math.sqrt(self.hidden)

    @property
    def seconds(self) -> float:
        """Duration of one inference in network time."""
        return self.steps * self.dt_seconds


class Signs(NamedTuple):
    """Dale's law, per presynaptic neuron: +1 excitatory, -1 inhibitory, 0 either."""

    inputs: np.ndarray  # (inputs,) int8
    hidden: np.ndarray  # (hidden,) int8


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


def signs(network: Network) -> Signs:
    """Signs of the presynaptic neurons: inputs are excitatory, hidden ones by the E:I ratio."""
    if network.excitatory is None:
        return Signs(np.zeros(network.inputs, np.int8), np.zeros(network.hidden, np.int8))
    hidden = np.where(np.arange(network.hidden) < network.excitatory, 1, -1).astype(np.int8)
    return Signs(np.ones(network.inputs, np.int8), hidden)


def initial_weights(
    network: Network, *, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Normal weights, folded to the sign of the presynaptic neuron under Dale's law.

    Returns:
        (inputs, hidden) of spread `hidden_sigma` and (hidden, classes) of spread
        `readout_sigma`, both float32.
    """
    shapes = (network.inputs, network.hidden), (network.hidden, network.classes)
    free = [generator.standard_normal(shape) for shape in shapes]
    weights = [free[0] * network.hidden_sigma, free[1] * network.readout_sigma]
    for layer, sign in enumerate(signs(network)):
        bound = sign[:, None].astype(float)
        weights[layer] = np.where(bound == 0, weights[layer], bound * np.abs(weights[layer]))
    return weights[0].astype(np.float32), weights[1].astype(np.float32)
