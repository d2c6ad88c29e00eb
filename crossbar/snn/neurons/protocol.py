"""What a neuron is: settings, the numbers that follow from them, and one step in torch.

A file of this folder (or of yours) holds, one below the other: a `Record` of settings with units; a
NamedTuple of the numbers that follow for a duration of a step, with the step in plain torch; and
the same step as kernels (`crossbar.snn.kernels.neuron`), which the type of the NamedTuple picks,
in a function that `registration.kernels` marks.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from .stepping import State


class Numbers(Protocol):
    """One step of all neurons of a layer in torch; tensors are (B, neurons).

    A class may also say `PROMPT`, see `is_prompt`, `TRAINED`, see `trained_numbers`, and `RECORDS`,
    see `recorded_numbers`.
    """

    @property
    def beta(self) -> Any:
        """Decay of the membrane per step, which the first weights follow."""

    def begin(self, zero: "Tensor") -> "State":
        """The state at rest, of zeros."""

    def recorded(self, state: "State") -> "Tensor":
        """What is recorded of a step: the membrane."""

    def fire(self, membrane: "Tensor") -> "Tensor | None":
        """Spikes of a step, with their surrogate derivative; None if these neurons never spike."""

    def decay(self, state: "State", spikes: "Tensor | None") -> "State":
        """The state of the next step, before it takes in what this step drives.

        `spikes` are what resets, see `topology.lateral`; else those of the neurons themselves.
        """


def is_prompt(numbers: type) -> bool:
    """Whether what a step drives is in the membrane that this very step compares.

    So it is where the `Numbers` say `PROMPT = True`; all other neurons compare first and take in
    what the step drives afterwards, so that it can cause a spike one step later at the earliest.
    """
    return bool(getattr(numbers, "PROMPT", False))


def trained_numbers(numbers: type) -> tuple[str, ...]:
    """Names of the numbers that every neuron has its own of, trained beside the synapses.

    So it is where the `Numbers` say `TRAINED = (name, ...)`. In torch such a number is then a
    tensor (neurons,); for the kernels see `kernels.neuron.of_block`.
    """
    return tuple(getattr(numbers, "TRAINED", ()))


def recorded_numbers(numbers: type) -> int:
    """How many numbers of a neuron its kernels record of a step, for the way back.

    One, unless the `Numbers` say `RECORDS = 2`: `kernels.neuron.step` then gives a pair.
    """
    return int(getattr(numbers, "RECORDS", 1))


class Neuron(Protocol):
    """Settings of a kind of neuron: a `Record` beside this."""

    SPIKES: ClassVar[bool]  # whether it ever does
    STATES: ClassVar[int]  # numbers of the state of one neuron
    LINEAR: ClassVar[bool]  # whether its step, which then never spikes, is a linear one
    # ADAPTS = True says that a number of its state is an adaptive threshold, counted in estimates.
    # CLEARABLE = True says besides that lateral inhibition can clear its membrane, RECTIFIED = True
    # that it can act on it: `recorded` rectifies the first number of the state, and it is prompt.

    def numbers(self, dt_seconds: float, dtype: Callable[[float], Any] = float) -> Any:
        """Its `Numbers` for steps of this duration, each of a dtype.

        `beta` of them, the decay of the membrane in a step, is what the first weights follow.
        """
