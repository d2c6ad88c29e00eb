"""Mixed precision: a digital accumulator per weight, pulses when they are worth it."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from device_models.record import Record, quantity

from ...boards.protocol import PulseBatch
from ..estimate import WeightEstimate
from ..synapses import Synapses
from .kernels import take_whole_steps
from .policy import MakeArray, Policy


class Accumulate(Policy):
    """chi += wanted; n = trunc(chi / step) pulses where worth it; chi -= n step.

    `step` is the expected change by the next pulse at the conductance last read back; what is worth
    it, and when, is told by `Options`. The accumulator is 4 bytes per weight of digital
    memory; the weight itself lives in the devices, and so does every error of a pulse.

    Source:
        S. R. Nandakumar et al., Front. Neurosci. 14:406, 2020, with the step made
        state-dependent (ours).
    """

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """What makes a device worth programming, for the policies `accumulate` and `closed_loop`.

        A device is programmed once its gathered change comes to `threshold_pulses` whole expected
        pulses and, where every programming operation adds noise of one size (`gaussian_update`), to
        `threshold_sigmas` standard deviations of that noise; then all of it is sent. Only every
        `program_every`-th update programs at all.
        """

        threshold_pulses: int = quantity(
            "pulses", 1, 1_000_000, why="a device takes whole pulses", default=1
        )
        threshold_sigmas: float = quantity("noise sigmas", 0.0, 1e6, default=0.0)
        program_every: int = quantity("updates", 1, 1_000_000, default=1)

    def __init__(
        self, shape: tuple[int, int], options: Options | None = None, noise: float = 0.0
    ) -> None:
        """Start with an empty accumulator.

        Args:
            shape: (rows, outputs) of the layer.
            options: What is worth a pulse, and when.
            noise: See `operation_noise`.
        """
        self.shape, self._options = shape, options or self.Options()
        self._worth = thresholds(self._options, noise)
        self.chi = torch.zeros(shape)
        self.waited = torch.zeros(1, dtype=torch.int64)

    @classmethod
    def build(cls, layer: Synapses, options: Options, make_array: MakeArray) -> Self:
        """See `Policy.build`."""
        return cls(layer.mapping.shape, options, operation_noise(layer))

    def update(
        self, wanted: Tensor, estimate: WeightEstimate, *, generator: torch.Generator
    ) -> PulseBatch | None:
        """See `Policy.update`; draws no random number."""
        self.check(wanted)
        if not is_due(self.waited, self._options):
            self.chi += wanted
            return None
        arrays = self.chi.numpy(), wanted.numpy(), estimate.arrays
        return estimate.arrays.batch(take_whole_steps(*arrays, *self._worth))

    def state(self) -> dict[str, Tensor]:
        """The accumulator, and how many updates the next programming has waited for."""
        return {"chi": self.chi} | waiting(self.waited, self._options)

    def restore(self, state: dict[str, Tensor]) -> None:
        """See `Policy.restore`."""
        self.chi = state["chi"]
        self.waited = state.get("waited", self.waited)


def is_due(waited: Tensor, options: Accumulate.Options) -> bool:
    """Whether this update programs; `waited`, int64 (1,), counts those since the last that did."""
    if options.program_every == 1:
        return True
    waited += 1
    waited %= options.program_every
    return not bool(waited)


def waiting(waited: Tensor, options: Accumulate.Options) -> dict[str, Tensor]:
    """The count of `is_due` as a part of a state; nothing where every update programs."""
    return {"waited": waited} if options.program_every > 1 else {}


def thresholds(options: Accumulate.Options, noise: float) -> tuple[np.float32, np.float32]:
    """What is worth a pulse: so many pulses, and a change of at least that."""
    least = options.threshold_sigmas * noise if options.threshold_sigmas else 0.0
    return np.float32(options.threshold_pulses), np.float32(least)


def operation_noise(layer: Synapses) -> float:
    """Spread that one programming operation adds to a device whatever its pulses, weight units."""
    return layer.sheet.operation_sigma_siemens / layer.mapping.update_unit_siemens
