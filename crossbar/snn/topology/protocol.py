"""What a kind of layer is: settings, what it makes of the lines that come in, torch and kernels.

A file of this folder (or of yours) holds, one below the other: a `Record` of settings; a NamedTuple
of numbers, whose type picks the kernels (`crossbar.snn.kernels.topology`); and the kernels. The
layer in plain torch is a method of the settings.
"""

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import numpy as np

from device_models.record import Record

if TYPE_CHECKING:
    from torch import Tensor

    from ..neurons.stepping import Drive, TakeIn


class Signal(NamedTuple):
    """The lines that come into a layer, or that it sends."""

    shape: tuple[int, ...]  # (lines,), (rows, columns) or (channels, rows, columns)
    signs: np.ndarray  # (lines,) int8, by Dale's law: 1 excitatory, -1 inhibitory, 0 either

    @property
    def lines(self) -> int:
        """How many."""
        return len(self.signs)


class Topology(Protocol):
    """Settings of a kind of layer: a `Record` beside this."""

    HAS_SYNAPSES: ClassVar[bool]  # whether it has a crossbar
    TAKES_INJECTED: ClassVar[bool]  # whether its kernels take errors as `kernels.backward.Injected`

    @property
    def neuron(self) -> Record | None:
        """Its neurons (`neurons.protocol.Neuron`); None where it has none."""

    def sends(self, incoming: Signal) -> Signal:
        """The lines that it sends.

        Raises:
            ConfigError: It does not fit what comes in; says what is allowed.
        """

    def recurrent_rows(self) -> int:
        """Rows of its crossbar that its own neurons drive, behind those of the lines."""

    def numbers(self, incoming: Signal) -> Any:
        """What the kernels take."""

    def run(
        self, incoming: Signal, numbers: Any, lines: "Tensor", drive: "Drive", take_in: "TakeIn"
    ) -> "tuple[Tensor | None, Tensor]":
        """All steps in torch.

        Args:
            incoming: What `lines` are.
            numbers: Of its neurons (`neurons.protocol.Numbers`).
            lines: (B, T, lines) counts.
            drive: What lines drive through its crossbar, (B, T, rows) to (B, T, neurons).
            take_in: Makes the current of the decayed one and what a step drives.

        Returns:
            What it sends, (B, T, lines), None if nothing; and what is recorded of its neurons, see
            `neurons.protocol.run_steps`.
        """
