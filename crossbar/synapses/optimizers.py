"""Rules that turn gradients into wanted weight changes. Their moments are digital memory."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from device_models.errors import ConfigError
from device_models.jit import jit
from device_models.record import Record, quantity

MOMENTUM = 0.9  # also the decay of Adam's first moment
SECOND = 0.999  # decay of Adam's second moment
TINY = 1e-8  # keeps Adam's quotient finite
RHO = 0.9  # decay of RMSprop's second moment
RMS_TINY = 1e-7  # added to RMSprop's root, not below it


@dataclass(frozen=True, kw_only=True)
class Rates(Record):
    """The learning rate of an optimizer over a training.

    A `learning_rate` left open is `default_rate`. In the `rate_unit` pulses it counts mean steps of
    the device, of each layer its own: 0.5 with adam is half a pulse an update. The `schedule` lets
    it fall to zero over the training along a half cosine.
    """

    default_rate: ClassVar[float]

    learning_rate: float | None = quantity("", 0.0, 100.0, default=None)
    rate_unit: Literal["weight", "pulses"] = "weight"
    schedule: Literal["constant", "cosine"] = "constant"

    def __post_init__(self) -> None:
        """Check the fields and the rule between them.

        Raises:
            ConfigError: A field is outside its range, or a rate in pulses is missing.
        """
        super().__post_init__()
        if self.rate_unit == "pulses" and self.learning_rate is None:
            raise ConfigError("rate_unit = pulses needs a learning_rate in pulses; none is given")

    @property
    def first_rate(self) -> float:
        """Learning rate of the first update."""
        return self.default_rate if self.learning_rate is None else self.learning_rate

    def rate(self, fraction: float) -> float:
        """Learning rate after this fraction of the training; the last one goes on after its end."""
        if self.schedule == "constant":
            return self.first_rate
        return self.first_rate * 0.5 * (1.0 + math.cos(math.pi * min(1.0, fraction)))


class Optimizer(ABC):
    """Turns the gradients of one layer, update by update, into wanted weight changes.

    Attributes:
        Options: Its settings.
        bytes_per_weight: Digital memory between updates.
        options: Those in use.
    """

    Options: ClassVar[type[Rates]]
    bytes_per_weight: ClassVar[int]

    def __init__(self, shape: tuple[int, int], options: Rates | None = None) -> None:
        """Start for a layer of `shape` (rows, outputs)."""
        self.options = options or self.Options()
        self.begin(shape)

    @abstractmethod
    def begin(self, shape: tuple[int, int]) -> None:
        """Start without a past."""

    @abstractmethod
    def wanted(self, gradient: np.ndarray, rate: float) -> Tensor:
        """The weight change that a gradient asks for.

        Args:
            gradient: Of the mean loss, float32 (rows, outputs). It is consumed.
            rate: Learning rate of this update.
        """

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """What is kept between updates, by name; empty if nothing."""

    @abstractmethod
    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up a saved state.

        Raises:
            KeyError: A part is missing.
        """


class Sgd(Optimizer):
    """wanted = -rate gradient: stochastic gradient descent, as in the seed paper."""

    @dataclass(frozen=True, kw_only=True)
    class Options(Rates):
        """Its rate."""

        default_rate = 0.01

    bytes_per_weight = 0

    def begin(self, shape: tuple[int, int]) -> None:
        """Nothing to keep."""

    def wanted(self, gradient: np.ndarray, rate: float) -> Tensor:
        """See `Optimizer.wanted`."""
        return torch.from_numpy(gradient).mul_(-rate)

    def state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """See `Optimizer.restore`."""


class Momentum(Optimizer):
    """m <- 0.9 m + gradient; wanted = -rate m.

    Source:
        B. T. Polyak, USSR Comput. Math. Math. Phys. 4(5), 1-17, 1964, in the form of torch.
    """

    @dataclass(frozen=True, kw_only=True)
    class Options(Rates):
        """Its rate."""

        default_rate = 0.002

    bytes_per_weight = 4

    def begin(self, shape: tuple[int, int]) -> None:
        """Start at rest."""
        self.first = torch.zeros(shape)

    def wanted(self, gradient: np.ndarray, rate: float) -> Tensor:
        """See `Optimizer.wanted`."""
        self.first.mul_(MOMENTUM).add_(torch.from_numpy(gradient))
        return self.first.mul(-rate)

    def state(self) -> dict[str, Tensor]:
        """The running sum of gradients."""
        return {"first": self.first}

    def restore(self, state: dict[str, Tensor]) -> None:
        """See `Optimizer.restore`."""
        self.first = state["first"]


class Adam(Optimizer):
    """wanted = -rate m' / (sqrt(v') + 1e-8), both moments corrected for their start at zero.

        m <- 0.9 m + 0.1 gradient,  v <- 0.999 v + 0.001 gradient^2,
        m' = m / (1 - 0.9^t),       v' = v / (1 - 0.999^t)     in update t = 1, 2, ...

    Changes are about `rate` in size whatever the scale of the gradient, so a weight that few
    spikes reach learns as fast as the others.

    Source:
        D. P. Kingma and J. Ba, ICLR 2015, arXiv:1412.6980.
    """

    @dataclass(frozen=True, kw_only=True)
    class Options(Rates):
        """Its rate."""

        default_rate = 2e-3

    bytes_per_weight = 8

    def begin(self, shape: tuple[int, int]) -> None:
        """Start without moments."""
        self.first, self.second = torch.zeros(shape), torch.zeros(shape)
        self.updates = torch.zeros(1, dtype=torch.int64)

    def wanted(self, gradient: np.ndarray, rate: float) -> Tensor:
        """See `Optimizer.wanted`."""
        self.updates += 1
        t = int(self.updates)
        # rate m' / (sqrt(v') + tiny) = scale m / (sqrt(v) + tiny root)
        root = math.sqrt(1.0 - SECOND**t)
        scale = -rate * root / (1.0 - MOMENTUM**t)
        decays = (MOMENTUM, 1.0 - MOMENTUM, SECOND, 1.0 - SECOND)  # rounded to 32 bits one by one
        numbers = np.array((*decays, scale, TINY * root), np.float32)
        adam_step(gradient, self.first.numpy(), self.second.numpy(), numbers)
        return torch.from_numpy(gradient)

    def state(self) -> dict[str, Tensor]:
        """Both moments, and the number of updates they were gathered in."""
        return {"first": self.first, "second": self.second, "updates": self.updates}

    def restore(self, state: dict[str, Tensor]) -> None:
        """See `Optimizer.restore`."""
        self.first, self.second = state["first"], state["second"]
        self.updates = state["updates"]


@jit
def adam_step(
    gradient: np.ndarray, first: np.ndarray, second: np.ndarray, numbers: np.ndarray
) -> None:
    """Move both moments and turn the gradient into the change, in place; see `Adam`.

    Args:
        gradient: float32 (rows, outputs); becomes the wanted change.
        first: First moment, as `gradient`.
        second: Second moment, as `gradient`.
        numbers: What is kept and added of both moments, scale of the change, and what the root is
            kept above.
    """
    keep_first, add_first, keep_second, add_second, scale, tiny = numbers
    for row in range(gradient.shape[0]):
        for output in range(gradient.shape[1]):
            g = gradient[row, output]
            m = keep_first * first[row, output] + add_first * g
            v = keep_second * second[row, output] + add_second * g * g
            first[row, output], second[row, output] = m, v
            gradient[row, output] = scale * m / (np.sqrt(v) + tiny)


class RmsProp(Optimizer):
    """v <- 0.9 v + 0.1 gradient^2; wanted = -rate gradient / (sqrt(v) + 1e-7).

    The 1e-7 is added to the root, not below it, as in Keras and in torch; nothing corrects v for
    its start at zero, so the first changes are some three times as large as later ones.

    Source:
        T. Tieleman and G. Hinton, Coursera: Neural Networks for Machine Learning, lecture 6.5,
        2012; constants of Keras 2.
    """

    @dataclass(frozen=True, kw_only=True)
    class Options(Rates):
        """Its rate."""

        default_rate = 1e-3

    bytes_per_weight = 4

    def begin(self, shape: tuple[int, int]) -> None:
        """Start without a moment."""
        self.second = torch.zeros(shape)

    def wanted(self, gradient: np.ndarray, rate: float) -> Tensor:
        """See `Optimizer.wanted`."""
        numbers = np.array((RHO, 1.0 - RHO, -rate, RMS_TINY), np.float32)
        rms_step(gradient, self.second.numpy(), numbers)
        return torch.from_numpy(gradient)

    def state(self) -> dict[str, Tensor]:
        """The moment."""
        return {"second": self.second}

    def restore(self, state: dict[str, Tensor]) -> None:
        """See `Optimizer.restore`."""
        self.second = state["second"]


@jit
def rms_step(gradient: np.ndarray, second: np.ndarray, numbers: np.ndarray) -> None:
    """Move the moment and turn the gradient into the change, in place; see `RmsProp`.

    Args:
        gradient: float32 (rows, outputs); becomes the wanted change.
        second: Second moment, as `gradient`.
        numbers: What is kept and added of the moment, scale of the change, what is added to the
            root.
    """
    keep, add, scale, tiny = numbers
    for row in range(gradient.shape[0]):
        for output in range(gradient.shape[1]):
            g = gradient[row, output]
            v = keep * second[row, output] + add * g * g
            second[row, output] = v
            gradient[row, output] = scale * g / (np.sqrt(v) + tiny)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": Sgd,
    "momentum": Momentum,
    "adam": Adam,
    "rmsprop": RmsProp,
}
