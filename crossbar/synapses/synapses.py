"""A layer of synapses: signed weights, a board that holds them, and nothing in between."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..boards.protocol import PulseBatch
from ..boards.routed import RoutedBoard
from ..boards.simulated import Algorithm, SimulatedBoard
from ..mappings import Mapping
from .effective import effective_weights
from .estimate import UpdatePath, WeightEstimate, send
from .step_estimates import Steps

LEAST_SHARE = 0.05  # of the mean step of the device; ours


class EffectiveWeights(NamedTuple):
    """What the emulator knows of a layer between two programming operations.

    Attributes:
        weights: (rows, outputs) float32.
        variance: (rows, outputs) float32, of one read, weight units squared; (0, 0) without noise.
        siemens: (rows,) float64, conductance that an activation of the row drives.
    """

    weights: np.ndarray
    variance: np.ndarray
    siemens: np.ndarray


class _Path(NamedTuple):
    """A direction that weights can move in, without its steps; see `UpdatePath`.

    `law` gives the steps where the path never changes, and `constant` is it where they do not
    change either.
    """

    device: Tensor
    polarity: Tensor
    law: Steps | None = None
    constant: UpdatePath | None = None


class Synapses:
    """A mapping and a board. The trainer's only ways to a weight are `pulse` and `give`.

    Attributes:
        mapping: What the conductances mean.
        board: Holds them; it has the columns of the mapping.
        refreshed: Synapses that `read_back` found worn and programmed anew.
    """

    def __init__(self, mapping: Mapping, board: SimulatedBoard | RoutedBoard) -> None:
        """Join them."""
        self.mapping, self.board, self.refreshed = mapping, board, 0
        self._least_siemens = LEAST_SHARE * self.mean_step * mapping.update_unit_siemens
        self._fixed: list[_Path] = []
        reach = torch.full((mapping.shape[0], 1), mapping.w_max)
        self._reach = torch.cat((-reach, reach), 1).float()
        self._limits = torch.cat(mapping.limits(), 1).float()

    @property
    def mean_step(self) -> float:
        """Mean change of a weight by one pulse over the whole window, weight units."""
        model = self.board.model
        return model.window_siemens / model.pulses_across / self.mapping.update_unit_siemens

    def effective(self, factor: float = 1.0) -> EffectiveWeights:
        """The emulator's truth, for the kernels; `factor` is `Periphery.factor`."""
        g, sigma = self.board.g, self.board.read_sigma
        weights, noise, siemens = effective_weights(self.mapping, g, sigma)
        if factor != 1.0:
            weights, noise = weights * factor, noise * factor**2
        return EffectiveWeights(weights.numpy(), noise.numpy(), siemens.numpy())

    def program(
        self,
        weights: Tensor,
        synapses: Tensor | None = None,
        algorithm: Algorithm | None = None,
    ) -> Tensor:
        """Write weights (rows, outputs) by pulses and verifying reads, stage by stage.

        Args:
            weights: What to write.
            synapses: Which ones, bool (rows, outputs); None for all.
            algorithm: How; None for the simple loop of the board.
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
            found = self.board.program(targets, only, algorithm)
        return found

    def read_back(self) -> Tensor:
        """Read all devices, and program anew the synapses that the mapping finds worn.

        Returns:
            Conductances as far as the trainer knows them now, siemens, shape of the board.
        """
        g = self.board.read_all()
        worn = self.mapping.needs_refresh(g)
        if worn is None or not bool(worn.any()):
            return g
        self.refreshed += int(torch.count_nonzero(worn))
        found = self.program(self.mapping.clip(self.mapping.weights(g)), worn)
        return torch.where(self.mapping.devices_of(worn), found, g)

    def estimate(self, g: Tensor) -> WeightEstimate:
        """What follows from a read-back: all that policies need until the next one.

        Args:
            g: As `read_back` returns it.
        """
        up, down = self._ways(g)
        room = self.mapping.headroom(g)
        return WeightEstimate(
            g,
            self.weights(g),
            up,
            down,
            self._limits if room is None else self._reach,
            self.mapping.signs,
            torch.zeros(0, 0) if room is None else room.float(),
        )

    def weights(self, g: Tensor) -> Tensor:
        """Weights of conductances as read, (rows, outputs) float32."""
        return effective_weights(self.mapping, g, None)[0].float()

    def _ways(self, g: Tensor) -> list[UpdatePath]:
        """How weights rise and fall: devices and their expected steps."""
        paths = self._fixed or [self._path(is_up, g) for is_up in (True, False)]
        if self.mapping.is_fixed and not self._fixed:
            paths = self._fixed = self._kept(paths, g)
        return [path.constant or self._way(path, g) for path in paths]

    def _kept(self, paths: list[_Path], g: Tensor) -> list[_Path]:
        """Paths that are the same at any conductance, with all that follows from it."""
        kept, first = [], paths[0].device
        for device, polarity, *_ in paths:
            law = Steps.of(self.board.model, polarity)
            path = _Path(first if torch.equal(device, first) else device, polarity, law)
            if law is not None and law.is_constant:
                path = path._replace(constant=self._way(path, g))
            kept.append(path)
        up, down = kept
        if up.constant and down.constant and torch.equal(up.constant.step, down.constant.step):
            down = down._replace(constant=down.constant._replace(step=up.constant.step))
        return [up, down]

    def _way(self, path: _Path, g: Tensor) -> UpdatePath:
        """A path with the expected steps of its devices at conductances `g`.

        Steps below `LEAST_SHARE` of the mean one count as that: a device that hardly moves, or
        whose measured mean leads the other way, would be sent millions of pulses.
        """
        least, unit = self._least_siemens, self.mapping.update_unit_siemens
        if path.law is not None:
            steps = path.law.of_rows(g, path.device, least, unit)
            if steps is not None:
                return UpdatePath(path.device, path.polarity, steps)
        own = g.reshape(-1).index_select(0, path.device.view(-1)).view(path.device.shape)
        if path.law is not None:
            siemens = path.law(own)
        else:
            siemens = self.board.model.step_siemens(own, path.polarity)
        return UpdatePath(path.device, path.polarity, siemens.clamp_(min=least).div_(unit).float())

    def _path(self, is_up: bool, g: Tensor) -> _Path:
        """The devices that move all weights in one direction."""
        route = self.mapping.route(torch.full(self.mapping.shape, is_up), g)
        rows, columns = g.shape
        device = torch.arange(rows)[:, None] * columns + route.column
        return _Path(device.int(), route.polarity.contiguous())

    def pulse(self, pulses: Tensor, known: WeightEstimate) -> None:
        """Send signed pulses (rows, outputs), up where positive; see `send`."""
        self.give(send(pulses, known))

    def give(self, sent: PulseBatch) -> None:
        """Give devices what a kernel made of signed pulses; what is known has followed it."""
        self.board.pulse_devices(sent)
