"""What every kind of device answers: how it is made, how a pulse moves it, how it reads."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from .errors import ConfigError, ShapeError
from .record import Record, choice, quantity
from .step_law import StepLaw, both_ways, step_siemens

STATUSES = ("measured", "mixed", "digitised", "literature", "invented")


class DeviceState(NamedTuple):
    """An array of devices at one moment. Nothing in it is ever modified in place.

    `g` is the conductance in siemens that pulses left. `traits` are the device-to-device draws of
    the model, made once by `manufacture`; the last two dimensions of each are those of `g`.
    `dynamics` is what pulses and
    device time change besides `g`: slow fluctuation, relaxation, wear; its last two dimensions are
    those of `g`. Both are empty for a device that has none of it.
    """

    g: Tensor
    traits: dict[str, Tensor]
    dynamics: dict[str, Tensor]


class Programmed(NamedTuple):
    """The outcome of a programming operation.

    Attributes:
        state: After it.
        energy_joules: What its pulses took.
        where: Flat indices of the devices it may have changed; None: any.
    """

    state: DeviceState
    energy_joules: float
    where: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class DeviceModel(Record, ABC):
    """One kind of device: parameters, and pure functions of the state of an array of them.

    Arrays are (rows, columns): word lines by bit lines. Every random function takes a generator; a
    function never changes its arguments. A model is abstract or never subclassed.

    Attributes:
        count_is_width: Whether a count of n is one pulse of n units of width, and not n pulses.
    """

    count_is_width: ClassVar[bool] = False

    status: str = choice(STATUSES)
    sources: dict[str, str]
    g_min_siemens: float = quantity("S", 0.0, 1.0)
    g_max_siemens: float = quantity("S", 1e-9, 1.0)

    def __post_init__(self) -> None:
        """Check the fields, the window and the sources.

        Raises:
            ConfigError: A field is outside its range, the window is empty, or a source is given for
                a parameter that does not exist.
        """
        super().__post_init__()
        if not self.g_min_siemens < self.g_max_siemens:
            raise ConfigError(
                f"the window is empty: g_min_siemens = {self.g_min_siemens:g} must be below "
                f"g_max_siemens = {self.g_max_siemens:g}"
            )
        strangers = set(self.sources) - set(self.__dataclass_fields__)
        if strangers:
            raise ConfigError(f"sources names unknown parameters: {', '.join(sorted(strangers))}")

    @property
    def window_siemens(self) -> float:
        """Width of the conductance window."""
        return self.g_max_siemens - self.g_min_siemens

    @cached_property
    def pulses_across(self) -> float:
        """Mean SET pulses from the lowest to the highest conductance: the levels of the device."""
        middles = (torch.arange(256, dtype=torch.float64) + 0.5) / 256
        g = self.g_min_siemens + self.window_siemens * middles
        steps = self.step_siemens(g, torch.ones_like(g))
        return float((self.window_siemens / 256 / steps).sum())

    @property
    def errors_across(self) -> float:
        """`pulses_across` of a device whose pulses and reads scatter: how many levels one can tell.

        Where the spread of a SET pulse or of a single read is larger than the step, it counts.
        """
        middles = (torch.arange(256, dtype=torch.float64) + 0.5) / 256
        g = self.g_min_siemens + self.window_siemens * middles
        up = torch.ones_like(g)
        error = torch.maximum(self.step_siemens(g, up), self.pulse_sigma_siemens(g, up))
        read = self.read_sigma_siemens(g)
        error = error if read is None else torch.maximum(error, read)
        return float((self.window_siemens / 256 / error).sum())

    @abstractmethod
    def manufacture(self, shape: tuple[int, int], *, generator: torch.Generator) -> DeviceState:
        """New devices, each at the lowest conductance it reaches.

        Args:
            shape: (rows, columns).
            generator: Source of the device-to-device spread.
        """

    def draw_stuck(self, shape: tuple[int, int], *, generator: torch.Generator) -> Tensor | None:
        """Which of an array of new devices never move, and the conductance that they read.

        Args:
            shape: (rows, columns).
            generator: Source of one uniform number per device.

        Returns:
            (rows, columns), siemens, float64, nan where healthy; None without any.
        """
        return None

    @abstractmethod
    def program(
        self, state: DeviceState, counts: Tensor, selected: Tensor, *, generator: torch.Generator
    ) -> Programmed:
        """Give every device its own number of equal SET (count > 0) or RESET (count < 0) pulses.

        Args:
            state: Before. Not modified.
            counts: Signed whole numbers, shape of `state.g`.
            selected: Which devices the operation addresses at all (bool, shape of `state.g`); a
                count outside it must be 0. Only models whose writing disturbs the devices that get
                no pulse look at it.
            generator: Source of the cycle-to-cycle spread.
        Raises:
            ShapeError: `counts` or `selected` does not have the shape of `state.g`.
        """

    def step_siemens(self, g: Tensor, counts: Tensor) -> Tensor:
        """Expected size of the next pulse at conductance `g`, SET where `counts` > 0, else RESET.

        What the data sheet of the type tells a trainer: it knows no device-to-device spread. A
        model without a `step_law` gives its own.

        Args:
            g: Conductance, siemens, any shape.
            counts: Only the sign is used; broadcasts against `g`.
        Returns:
            Siemens, at least `physics.LEAST_STEP_SIEMENS`.
        """
        up, down = self.step_law(1), self.step_law(-1)
        if up is None or down is None:
            raise NotImplementedError(
                f"{type(self).__name__} gives neither step_law nor step_siemens"
            )
        return step_siemens(g, counts, up, down, self.g_min_siemens, self.window_siemens)

    def mean_siemens(self, g: Tensor, counts: Tensor) -> Tensor:
        """Mean of the step that pulses draw, in their direction; arguments as `step_siemens`.

        That one, but of a model whose mean pulse may lead the other way (negative); such a model
        has no `step_law`.
        """
        return self.step_siemens(g, counts)

    def both_steps(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """`step_siemens` of a SET and of a RESET at conductances `g`."""
        up, down = self.step_law(1), self.step_law(-1)
        if up is None or down is None:
            one = torch.ones(())
            return self.step_siemens(g, one), self.step_siemens(g, -one)
        rising, falling = both_ways(g, up, down, self.g_min_siemens, self.window_siemens).unbind()
        return rising, falling

    def both_means(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """`mean_siemens` of a SET and of a RESET at conductances `g`."""
        if self.step_law(1) is not None:  # of such a law they are its steps
            return self.both_steps(g)
        one = torch.ones(())
        return self.mean_siemens(g, one), self.mean_siemens(g, -one)

    def pulse_sigma_siemens(self, g: Tensor, counts: Tensor) -> Tensor:
        """Spread of the step of one pulse, siemens, from cycle to cycle; arguments as before."""
        return torch.zeros_like(g)

    def step_law(self, polarity: int) -> StepLaw | None:
        """`step_siemens` of SET (polarity > 0) or RESET as numbers; None if it has no such form."""
        return None

    @abstractmethod
    def read_sigma_siemens(self, g: Tensor) -> Tensor | None:
        """Standard deviation of one read at `g`, of a median device; None if it is noiseless.

        Of devices that differ: `read_spread`.
        """

    def read_spread(
        self, state: DeviceState, g: Tensor, where: Tensor | None = None
    ) -> Tensor | None:
        """`read_sigma_siemens` of the devices of an array, whose reads may differ.

        Args:
            state: The devices. Not modified.
            g: Their `conductance`.
            where: Flat indices of those that are asked for, (devices,) as `g`; None for all.
        """
        return self.read_sigma_siemens(g)

    def advance(
        self,
        state: DeviceState,
        seconds: float,
        *,
        generator: torch.Generator,
        temperature_kelvin: float | None = None,
    ) -> DeviceState:
        """Let device time pass without a pulse; nothing happens to a device without dynamics.

        Args:
            state: Before. Not modified.
            seconds: How long.
            generator: Source of the slow fluctuation.
            temperature_kelvin: Of the devices in that time; by default that of the calibration.
        """
        return state

    def conductance(self, state: DeviceState, where: Tensor | None = None) -> Tensor:
        """What a noiseless read would see now, siemens: `g` with slow parts and faults.

        Args:
            state: The devices. Not modified.
            where: Flat indices of those that are asked for; None for all, in the shape of `g`.
        """
        return state.g if where is None else state.g.flatten()[where]

    @property
    def operation_sigma_siemens(self) -> float:
        """Spread that one programming operation adds to a device, however many pulses it gets."""
        return 0.0

    def pulses(self, counts: Tensor) -> tuple[int, int]:
        """How many SET and RESET pulses a board sends for these counts."""
        each = counts.sign() if self.count_is_width else counts
        return int(each.clamp(min=0).sum()), int(-each.clamp(max=0).sum())


def check_shapes(state: DeviceState, counts: Tensor, selected: Tensor) -> None:
    """Raise ShapeError unless counts and selection describe the devices of the state."""
    for name, tensor in (("counts", counts), ("selected", selected)):
        if tensor.shape != state.g.shape:
            raise ShapeError(
                f"{name} has shape {tuple(tensor.shape)}, the array {tuple(state.g.shape)}; "
                "no pulse was applied"
            )
