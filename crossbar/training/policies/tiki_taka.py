"""Gradients on a fast array around its symmetry point, carried over line by line."""

import math
from typing import Self

import torch
from torch import Tensor

from device_models.model import DeviceModel

from ...boards.emulated import EmulatedBoard
from ...snn.known import Known
from ...snn.layer import CrossbarLayer
from ...tile import Tiling
from ..config import Training
from ..tiki_options import TikiOptions
from .policy import Policy

_PAIRS = 200  # of alternating pulses that lead to the symmetry point
_READS = 32  # that the reference is the mean of
_MEMORY = 0.99  # of the running maximum, per update


class TikiTaka(Policy):
    """Two arrays: A takes every gradient, the layer C moves only by what stays on A.

    With m the running maximum of |wanted| and c the chopper signs of the bit lines, an update sends
    A the pulses pulses / m * c * wanted, rounded at random. Where SET and RESET pulses come equally
    often, asymmetric steps carry a device of A to its symmetry point, whatever it held: noise is
    forgotten, a lasting gradient is not. After each update the next lines of A are read:

        H += rate T c (g - reference) / step * m / pulses,    n = trunc(H / step_C),    H -= n step_C

    T is the number of updates between two reads of a line; n pulses go to C; `step` is the expected
    step of A at its symmetry point. `reference` is kept digitally, as H is: at first the symmetry
    point, found once by alternating pulses. After a read the chopper may change the sign of a line;
    what was just read is then its reference, so that only what came since counts, and errors of
    the reference (drift, too) cancel in the mean. A is a perfect array of the layer's kind of
    device: it has neither faults nor wires, and it is not part of the layer's read-backs.

    Source:
        T. Gokmen and W. Haensch, Front. Neurosci. 14:103, 2020; with the buffer H: T. Gokmen,
        Front. Artif. Intell. 4:699148, 2021; with the chopper and its dynamic reference: M. J.
        Rasch et al., Nat. Commun. 15:7133, 2024. The scale by the running maximum is ours.
    """

    needs_symmetry_point = True

    def __init__(self, shape: tuple[int, int], fast: EmulatedBoard, options: TikiOptions) -> None:
        """Find the symmetry points of `fast`, a board of `shape`, and start with an empty buffer."""
        self.shape, self.boards, self._options = shape, (fast,), options
        self._lines = min(options.lines, shape[1])
        self.reference = find_symmetry_points(fast)
        model, ones = fast.model, torch.ones(shape)
        steps = [model.step_siemens(self.reference, way) for way in (ones, -ones)]
        self._step = float(torch.stack(steps).mean())
        self.buffer, self.largest = torch.zeros(shape), torch.zeros(1)
        self.chopper = torch.ones(shape[1], dtype=torch.int8)
        self.line = torch.zeros(1, dtype=torch.int64)

    @classmethod
    def build(cls, layer: CrossbarLayer, config: Training, place: int) -> Self:
        """See `Policy.build`; the fast array is manufactured from its own stream."""
        rows, outputs = layer.mapping.shape
        fast = EmulatedBoard(
            layer.board.model,
            Tiling(rows, outputs, config.tile_rows, config.tile_columns),
            torch.ones((rows, outputs), dtype=torch.bool),
            v_read_volts=config.v_read_volts,
            t_read_seconds=config.t_read_seconds,
            seed=config.seed,
            place=len(config.network.crossbars) + place,
        )
        return cls(layer.mapping.shape, fast, config.tiki_taka)

    def update(
        self, layer: CrossbarLayer, wanted: Tensor, known: Known, *, generator: torch.Generator
    ) -> None:
        """See `Policy.update`."""
        self.largest = torch.maximum(_MEMORY * self.largest, wanted.abs().max())
        if self.largest == 0.0:
            return
        unit = self.largest / self._options.pulses  # weight that one pulse to A stands for
        steps = wanted / unit * self.chopper
        steps = (
            steps.abs().add_(torch.rand(self.shape, generator=generator)).floor_() * steps.sign()
        )
        if steps.any():
            self.boards[0].pulse_array(steps.to(torch.int32))
        pulses = torch.zeros(self.shape, dtype=torch.int32)
        for _ in range(self._lines):
            line = int(self.line)
            read = self.boards[0].read_slice(line, "bit")
            pulses[:, line] = self._transfer(line, read, float(unit), known)
            if torch.rand((), generator=generator) < self._options.chop:
                self.chopper[line] *= -1
                self.reference[:, line] = read
            self.line = (self.line + 1) % self.shape[1]
        layer.pulse(pulses, known)

    def _transfer(self, line: int, read: Tensor, unit: float, known: Known) -> Tensor:
        """Take what a bit line of A reads into the buffer; the pulses (rows,) its weights are due."""
        off = read - self.reference[:, line]
        updates = self.shape[1] / self._lines  # since this line was read
        scale = self._options.rate * updates * unit / self._step * int(self.chopper[line])
        held = self.buffer[:, line] + scale * off
        step = torch.where(held > 0, known.up.step[:, line], known.down.step[:, line])
        whole = torch.trunc(held / step)
        self.buffer[:, line] = held - whole * step
        return whole

    def state(self) -> dict[str, Tensor]:
        """Buffer, reference, running maximum, chopper signs and the line that is next."""
        names = "buffer", "reference", "largest", "chopper", "line"
        return {name: getattr(self, name) for name in names}

    def restore(self, state: dict[str, Tensor]) -> None:
        """See `Policy.restore`."""
        self.buffer, self.reference = state["buffer"], state["reference"]
        self.largest, self.chopper, self.line = (
            state[name] for name in ("largest", "chopper", "line")
        )


def has_symmetry_point(model: DeviceModel) -> bool:
    """Whether SET is the larger step at the bottom of the window, and RESET at its top."""
    ends = torch.tensor([model.g_min_siemens, model.g_max_siemens], dtype=torch.float64)
    excess = model.step_siemens(ends, torch.ones(2)) - model.step_siemens(ends, -torch.ones(2))
    return bool(excess[0] > 0) and bool(excess[1] < 0)


def find_symmetry_points(board: EmulatedBoard) -> Tensor:
    """What the devices of a board read at their symmetry points, siemens, shape of the board.

    From the middle of the window, SET and RESET take turns. Then the board is read several times:
    the mean is where the devices are left, within a few steps of their symmetry points, so that no
    device holds anything at first. A fine-grained device gets bursts of half a percent of its window.
    """
    model, shape = board.model, board.info.shape
    middle = torch.full(shape, (model.g_min_siemens + model.g_max_siemens) / 2)
    board.program(middle)
    step = float(model.step_siemens(middle[:1, :1], torch.ones(1, 1)))
    burst = math.ceil(model.window_siemens / step / 200)
    for _ in range(_PAIRS):
        for way in (1, -1):
            board.pulse_array(torch.full(shape, way * burst, dtype=torch.int32))
    return torch.stack([board.read_all() for _ in range(_READS)]).mean(0)
