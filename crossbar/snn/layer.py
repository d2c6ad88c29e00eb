"""A layer of synapses: signed weights, a board that holds them, and nothing in between."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..boards.emulated import EmulatedBoard
from ..boards.placed import PlacedBoard
from ..mappings import Mapping, Route


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
    """A mapping and a board. The trainer's only way to a weight is `route` and `pulse`.

    Attributes:
        mapping: What the conductances mean.
        board: Holds them; it has the columns of the mapping.
        refreshed: Synapses that `read_back` found worn and programmed anew.
    """

    def __init__(self, mapping: Mapping, board: EmulatedBoard | PlacedBoard) -> None:
        """Join them."""
        self.mapping, self.board, self.refreshed = mapping, board, 0

    def effective(self, factor: float = 1.0) -> Effective:
        """The emulator's truth, for the kernels; `factor` is `Periphery.factor`."""
        g, sigma = self.board.g, self.board.read_sigma
        weights = self.mapping.weights(g)
        noise = torch.zeros(0, 0) if sigma is None else self.mapping.variance(sigma)
        if factor != 1.0:
            weights, noise = weights * factor, noise * factor**2
        return Effective(weights.numpy(), noise.numpy(), g.sum(1, dtype=torch.float64).numpy())

    def program(self, weights: Tensor, synapses: Tensor | None = None) -> Tensor:
        """Write weights (rows, outputs) by pulses and verifying reads, stage by stage.

        Args:
            weights: What to write.
            synapses: Which ones, bool (rows, outputs); None for all.
        Returns:
            Conductances as the last reads of the programming found them, siemens, shape of the
            board; the targets, where a device was not read.
        """
        own = None if synapses is None else self.mapping.devices_of(synapses)
        found = self.mapping.targets(weights)
        for stage, columns in enumerate(self.mapping.stages):
            targets = self.mapping.retargeted(weights, found, stage) if stage else found
            only = own
            if len(self.mapping.stages) > 1:
                only = torch.zeros(self.board.info.shape, dtype=torch.bool)
                only[:, columns] = True if own is None else own[:, columns]
            found = self.board.program(targets, only)
        return found

    def read_back(self) -> Tensor:
        """Read all devices, and program anew the synapses that the mapping finds worn.

        Returns:
            Conductances as far as the trainer knows them now, siemens, shape of the board.
        """
        g = self.board.read_all()
        worn = self.mapping.worn(g)
        if worn is None or not bool(worn.any()):
            return g
        self.refreshed += int(torch.count_nonzero(worn))
        found = self.program(self.mapping.lawful(self.mapping.weights(g)), worn)
        return torch.where(self.mapping.devices_of(worn), found, g)

    def step(self, route: Route) -> Tensor:
        """Expected change of each weight by its next pulse, positive, weight units."""
        siemens = self.board.model.step_siemens(route.g, route.polarity)
        return siemens / self.mapping.update_unit_siemens

    def pulse(self, pulses: Tensor, route: Route) -> None:
        """Send pulses (rows, outputs) along a route, none beyond the one that ends its room."""
        if route.room is not None:
            most = route.room / self.board.model.step_siemens(route.g, route.polarity)
            pulses = torch.minimum(pulses, most.ceil_()).to(pulses.dtype)
        self.board.pulse_array(self.mapping.counts(pulses, route))
