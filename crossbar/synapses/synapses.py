"""A layer of synapses: signed weights, a board that holds them, and nothing in between."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from device_models.errors import LimitError, ShapeError
from device_models.model import DeviceModel

from ..boards.protocol import Board, EffectiveArray
from ..boards.write_verify import Algorithm, program
from ..mappings import Mapping
from .effective import effective_weights
from .estimate import UpdatePath, WeightEstimate
from .pulse_router import route
from .step_estimates import Steps

LEAST_SHARE = 0.05  # of the mean step of the device; ours

# Lets an algorithm write the board of a layer: the arguments of `Algorithm`, the board aside.
Write = Callable[[Algorithm, DeviceModel, Tensor, Tensor, Tensor | None], Tensor]


class _Path(NamedTuple):
    """A direction that weights can move in, without its steps; see `UpdatePath`.

    `constant` is it where neither the path nor its steps ever change.
    """

    device: Tensor
    polarity: Tensor
    constant: UpdatePath | None = None


class Synapses:
    """A mapping, a board and a data sheet. Weights are read by `read_back` and `forward` alone.

    Attributes:
        mapping: What the conductances mean.
        board: Holds them; it has the columns of the mapping.
        sheet: What is known of the kind of device; the devices themselves may differ.
        refreshed: Synapses that `read_back` programmed anew.
        trained: What each neuron behind the layer has of its own and is trained beside it, such as
            a threshold: digital numbers of the periphery, (numbers, outputs) float32; None without.
    """

    def __init__(
        self,
        mapping: Mapping,
        board: Board,
        sheet: DeviceModel,
        *,
        write: Write | None = None,
    ) -> None:
        """Join them.

        Args:
            mapping: See the class.
            board: See the class.
            sheet: See the class.
            write: How an algorithm gets at the board; None: it is handed the board itself.

        Raises:
            ShapeError: The board has another shape than the mapping.
        """
        needed = len(mapping.signs), mapping.columns
        if board.info.shape != needed:
            raise ShapeError(
                f"{board.info.name} has (word lines, bit lines) {board.info.shape}, the layer "
                f"needs {needed}; nothing was built"
            )
        self.mapping, self.board, self.sheet, self.refreshed = mapping, board, sheet, 0
        self.trained: np.ndarray | None = None
        self._write, self._selected = write or self._write_board, mapping.selected()
        self._least_siemens = LEAST_SHARE * self.mean_step * mapping.update_unit_siemens
        self._fixed: list[_Path] = []
        self._law = Steps.of(sheet)
        reach = torch.full((mapping.shape[0], 1), mapping.w_max)
        self._reach = torch.cat((-reach, reach), 1).float()
        self._limits = torch.cat(mapping.limits(), 1).float()

    @property
    def mean_step(self) -> float:
        """Mean change of a weight by one pulse over the whole window, weight units."""
        sheet = self.sheet
        return sheet.window_siemens / sheet.pulses_across / self.mapping.update_unit_siemens

    def forward(self, lines: Tensor) -> Tensor:
        """What the weights make of their lines, through `Board.vmm` alone, with its read noise.

        A vector that drives no line is not read.

        Args:
            lines: (vectors, rows), share of the read voltage on each word line: 1 for a spike.

        Returns:
            lines @ weights, (vectors, outputs), weight units.

        Raises:
            ShapeError: These are no lines of the layer.
            LimitError: A line is outside [-1, 1], so beyond the read voltage; nothing was read.
        """
        if lines.ndim != 2 or lines.shape[1] != self.mapping.shape[0] or lines.is_complex():
            raise ShapeError(
                f"lines are {lines.dtype} of shape {tuple(lines.shape)}, not real numbers of shape "
                f"(vectors, {self.mapping.shape[0]}); nothing was read"
            )
        if lines.numel() and not bool((lines.abs() <= 1.0).all()):
            raise LimitError(
                f"a line carries {float(lines.abs().max()):g} times the read voltage of "
                f"{self.board.info.name}, at most 1 is allowed; nothing was read"
            )
        return self.mapping.product(lines, self._siemens_sums)

    def _siemens_sums(self, lines: Tensor) -> Tensor:
        """Conductance that vectors of lines drive on each bit line, (vectors, columns), siemens."""
        driven, volts = (lines != 0).any(1), self.board.info.read_volts
        sums = lines.new_zeros((len(lines), self.board.info.shape[1]))
        if bool(driven.any()):
            sums[driven] = self.board.vmm(lines[driven] * volts).to(lines.dtype) / volts
        return sums

    def program(
        self, weights: Tensor, synapses: Tensor | None = None, algorithm: Algorithm = program
    ) -> Tensor:
        """Write weights (rows, outputs) by pulses and verifying reads, stage by stage.

        Args:
            weights: What to write.
            synapses: Which ones, bool (rows, outputs); None for all.
            algorithm: How.
        Returns:
            Conductances as the last reads of the programming were, siemens, shape of the board;
            the targets, where a device was not read; 0 in rows without one of the synapses, where
            the mapping has stages.

        Raises:
            ShapeError: These are not finite numbers, one for each weight.
        """
        self._check(weights)
        devices = None if synapses is None else self.mapping.devices_of(synapses)
        stages = self.mapping.stages
        rows = synapses.any(1) if synapses is not None and len(stages) > 1 else slice(None)
        part, written = weights[rows], torch.zeros(0, 0)
        for stage, columns in enumerate(stages):
            if stage:
                there = self.mapping.retargeted(part, written[rows], stage)
            else:
                there = self.mapping.targets(part)
            targets = there.new_zeros(self.board.info.shape)
            targets[rows] = there
            only = devices
            if len(stages) > 1:
                only = torch.zeros(self.board.info.shape, dtype=torch.bool)
                only[:, columns] = True if devices is None else devices[:, columns]
            written = self._write(algorithm, self.sheet, targets, self._selected, only)
        return written

    def _check(self, weights: Tensor) -> None:
        """Refuse what are no weights of the layer; see `program`."""
        wanted = self.mapping.shape
        if weights.shape != wanted or not weights.is_floating_point():
            raise ShapeError(
                f"weights are {weights.dtype} of shape {tuple(weights.shape)}, not real numbers of "
                f"shape {wanted}; nothing was written"
            )
        if not np.isfinite(weights.numpy()).all():
            raise ShapeError("a weight is not finite; nothing was written")

    def _write_board(
        self,
        algorithm: Algorithm,
        sheet: DeviceModel,
        targets: Tensor,
        selected: Tensor,
        only: Tensor | None,
    ) -> Tensor:
        """See `Write`."""
        return algorithm(self.board, sheet, targets, selected, only)

    def read_back(self, reads: int = 1) -> WeightEstimate:
        """Read all devices, and program anew the synapses that the mapping says need it.

        Args:
            reads: Of each device, of which the mean counts.
        """
        g = self.board.read()
        for _ in range(reads - 1):
            g = g + self.board.read()
        g = g / reads if reads > 1 else g
        due = self.mapping.needs_refresh(g)
        if due is None or not bool(due.any()):
            return self.estimate(g)
        self.refreshed += int(torch.count_nonzero(due))
        written = self.program(self.mapping.clip(self.mapping.weights(g)), due)
        return self.estimate(torch.where(self.mapping.devices_of(due), written, g))

    def estimate(self, g: Tensor) -> WeightEstimate:
        """What follows from conductances as read, siemens, shape of the board."""
        up, down = self._update_paths(g)
        headroom = self.mapping.headroom(g)
        return WeightEstimate(
            g,
            self.weights(g),
            up,
            down,
            self._limits if headroom is None else self._reach,
            self.mapping.signs,
            torch.zeros(0, 0) if headroom is None else headroom.float(),
        )

    def weights(self, g: Tensor) -> Tensor:
        """Weights of conductances as read, (rows, outputs) float32."""
        weights = effective_weights(self.mapping, EffectiveArray(g, None)).weights
        return torch.from_numpy(weights).float()

    def _update_paths(self, g: Tensor) -> list[UpdatePath]:
        """How weights rise and fall: devices and their expected steps."""
        paths = self._fixed or [self._path(is_up, g) for is_up in (True, False)]
        if self.mapping.is_fixed and not self._fixed:
            paths = self._fixed = self._fixed_paths(paths, g)
        return [path.constant or self._with_steps(path, g) for path in paths]

    def _fixed_paths(self, paths: list[_Path], g: Tensor) -> list[_Path]:
        """Paths that are the same at any conductance, with all that follows from it."""
        fixed, first = [], paths[0].device
        for device, polarity, *_ in paths:
            path = _Path(first if torch.equal(device, first) else device, polarity)
            if self._law is not None and self._law.is_constant:
                path = path._replace(constant=self._with_steps(path, g))
            fixed.append(path)
        up, down = fixed
        if up.constant and down.constant and torch.equal(up.constant.step, down.constant.step):
            down = down._replace(constant=down.constant._replace(step=up.constant.step))
        return [up, down]

    def _with_steps(self, path: _Path, g: Tensor) -> UpdatePath:
        """A path with the expected steps of its devices at conductances `g`.

        Steps below `LEAST_SHARE` of the mean one count as that: a device that hardly moves, or
        whose measured mean leads the other way, would be sent millions of pulses.
        """
        least, unit = self._least_siemens, self.mapping.update_unit_siemens
        if self._law is not None and g.dtype == torch.float32:
            steps = self._law(g, path.device, path.polarity, least, unit)
            return UpdatePath(path.device, path.polarity, steps)
        there = g.reshape(-1).index_select(0, path.device.view(-1)).view(path.device.shape)
        siemens = self.sheet.step_siemens(there, path.polarity)
        return UpdatePath(path.device, path.polarity, siemens.clamp_(min=least).div_(unit).float())

    def _path(self, is_up: bool, g: Tensor) -> _Path:
        """The devices that move all weights in one direction."""
        there = self.mapping.route(torch.full(self.mapping.shape, is_up), g)
        rows, columns = g.shape
        device = torch.arange(rows, dtype=torch.int32)[:, None] * columns + there.column
        return _Path(device.int(), there.polarity.contiguous())

    def send(self, pulses: Tensor, estimate: WeightEstimate) -> None:
        """Send signed pulses (rows, outputs), up where positive; see `pulse_router.route`.

        Raises:
            ShapeError: That is not one int32 for each weight.
        """
        if pulses.shape != self.mapping.shape or pulses.dtype != torch.int32:
            raise ShapeError(
                f"pulses are {pulses.dtype} of shape {tuple(pulses.shape)}, not torch.int32 of "
                f"shape {self.mapping.shape}; nothing was sent"
            )
        self.board.pulse(route(pulses, estimate))
