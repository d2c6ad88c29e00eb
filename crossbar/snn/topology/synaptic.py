"""Settings that all layers with a crossbar share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from device_models.errors import ConfigError
from device_models.record import NUMBERS, Record, choice, quantity, tagged

from ..neurons import NEURONS
from .protocol import Signal


def _mappings() -> Mapping[str, Any]:
    from ...mappings import MAPPINGS

    return MAPPINGS


def _policies() -> Mapping[str, Any]:
    from ...synapses.policies import POLICIES

    return POLICIES


@dataclass(frozen=True, kw_only=True)
class Synaptic(Record):
    """Neurons behind a crossbar that all lines drive.

    Attributes:
        neurons: How many.
        neuron: Which ones.
        ei: Ratio of excitatory to inhibitory neurons, which come first; binds the signs of the rows
            that they drive in the next crossbar (and, recurrent, in their own). None: Dale's law
            does not hold here.
        sigma_init: Spread of the first weights of the lines that come in; None: see `plan.Plan`.
        w_max: Weight that the full window of the devices stands for; None: by the device.
        mapping: Of this layer alone; None: that of the run.
        policy: The same.
        image: Rows and columns that the neurons stand in, for a layer behind that looks at places.
    """

    HAS_SYNAPSES: ClassVar = True

    neurons: int = quantity("neurons", 1, 65535)
    neuron: Record = tagged(NEURONS, default="lif")
    ei: str | None = None
    sigma_init: float | None = quantity("weight", 0.0, 100.0, default=None)
    w_max: float | None = quantity("weight", 1e-6, 1e3, default=None)
    mapping: str | None = choice(_mappings, default=None)
    policy: str | None = choice(_policies, default=None)
    image: tuple[int, ...] = quantity("neurons", 1, 65535, default=())

    def __post_init__(self) -> None:
        """Check the fields, the ratio, and that an image has a place for each neuron.

        Raises:
            ConfigError: One of them is wrong.
        """
        super().__post_init__()
        excitatory_fraction(self.ei)
        if self.image and (len(self.image) != 2 or self.image[0] * self.image[1] != self.neurons):
            raise ConfigError(
                f"image = {', '.join(map(str, self.image))} must be two numbers, rows and columns, "
                f"whose product is neurons = {self.neurons}"
            )

    @property
    def excitatory(self) -> int | None:
        """Excitatory neurons; they come first. None without Dale's law."""
        fraction = excitatory_fraction(self.ei)
        return None if fraction is None else int(self.neurons * fraction + 1e-9)

    def sends(self, incoming: Signal) -> Signal:
        """See `protocol.Topology`."""
        return Signal(self.image or (self.neurons,), self.signs())

    def signs(self) -> np.ndarray:
        """Of the neurons, by Dale's law, (neurons,) int8."""
        if self.excitatory is None:
            return np.zeros(self.neurons, np.int8)
        return np.where(np.arange(self.neurons) < self.excitatory, 1, -1).astype(np.int8)

    def recurrent_signs(self) -> np.ndarray:
        """Of the rows behind those of the lines, (rows,) int8: those of its neurons."""
        return self.signs()

    def first_recurrent(self) -> np.ndarray | None:
        """First weight of each of those rows, where they are not drawn."""
        return None


def excitatory_fraction(text: str | None) -> float | None:
    """The excitatory fraction of an E:I ratio.

    Args:
        text: `80:20`, `0.8`, or `none` for neurons that are not bound to one sign.
    Returns:
        The fraction in [0, 1]; None for `none`.
    Raises:
        ConfigError: `text` is none of these, or its two parts do not add up to 100.
    """
    allowed = "a ratio that adds up to 100 such as 80:20, a share in [0, 1] such as 0.8, or none"
    if text is None or text == "none":
        return None
    parts = text.split(":")
    plain = all(NUMBERS[float].fullmatch(part) for part in parts)
    numbers = [float(part) for part in parts] if plain else []
    if len(numbers) == 1 and 0.0 <= numbers[0] <= 1.0:
        return numbers[0]
    if len(numbers) == 2 and min(numbers) >= 0.0 and sum(numbers) == 100.0:
        return numbers[0] / 100.0
    raise ConfigError(f"ei must be {allowed}, not {text!r}")
