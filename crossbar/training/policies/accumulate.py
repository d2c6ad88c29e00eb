"""Mixed precision: a digital accumulator per weight, a pulse when it is worth one."""

import torch
from torch import Tensor

from ...snn.known import Known
from ...snn.layer import CrossbarLayer
from .kernel import take_whole_steps
from .policy import Policy


class Accumulate(Policy):
    """chi += wanted; n = trunc(chi / step) pulses; chi -= n step.

    `step` is the expected change by the next pulse at the conductance last read back. The
    accumulator is 4 bytes per weight of digital memory; the weight itself lives in the devices.

    Source:
        S. R. Nandakumar et al., Front. Neurosci. 14:406, 2020, with the step made
        state-dependent (ours).
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        """Start with an empty accumulator."""
        self.chi = torch.zeros(shape)

    def update(
        self, layer: CrossbarLayer, wanted: Tensor, known: Known, *, generator: torch.Generator
    ) -> None:
        """See `Policy.update`; draws no random number."""
        pulses = torch.empty(self.chi.shape, dtype=torch.int32)
        arrays = self.chi, wanted, known.up.step, known.down.step, pulses
        take_whole_steps(*(array.numpy() for array in arrays))
        layer.pulse(pulses, known)

    def state(self) -> dict[str, Tensor]:
        """The accumulator."""
        return {"chi": self.chi}

    def restore(self, state: dict[str, Tensor]) -> None:
        """See `Policy.restore`."""
        self.chi = state["chi"]
