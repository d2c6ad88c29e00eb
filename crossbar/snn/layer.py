"""A layer of synapses: signed weights, a board that holds them, and nothing in between."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..boards.emulated import EmulatedBoard
from ..mapping import OneSided, Route


class Effective(NamedTuple):
    """What the emulator knows of a layer between two programming operations.

    Attributes:
        weights: (rows, outputs) float32.
        variance: (rows, outputs) float32, of one read, weight units squared; (0, 0) without noise.
        siemens: (rows,) float64, conductance that an activation of the row drives.
    """

    weights: np.ndarray
    variance: np.ndarray
    siemens: np.ndarray


class CrossbarLayer:
    """A mapping and a board. The trainer's only way to a weight is `route` and `pulse`."""

    def __init__(self, mapping: OneSided, board: EmulatedBoard) -> None:
        """Join them; the board has two columns per output."""
        self.mapping, self.board = mapping, board

    def effective(self) -> Effective:
        """The emulator's truth, for the kernels."""
        g, sigma = self.board.g, self.board.read_sigma
        noise = torch.zeros(0, 0) if sigma is None else self.mapping.variance(sigma)
        return Effective(
            self.mapping.weights(g).numpy(), noise.numpy(), g.sum(1, dtype=torch.float64).numpy()
        )

    def program(self, weights: Tensor) -> None:
        """Write weights (rows, outputs) by pulses and verifying reads."""
        self.board.program(self.mapping.targets(weights))

    def step(self, route: Route) -> Tensor:
        """Expected change of each weight by its next pulse, positive, weight units."""
        return self.board.model.step_siemens(route.g, route.polarity) / self.mapping.g_unit_siemens

    def pulse(self, pulses: Tensor, route: Route) -> None:
        """Send pulses (rows, outputs) along a route."""
        self.board.pulse_array(self.mapping.counts(pulses, route))
