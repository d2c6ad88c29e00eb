"""Gradients on a fast array around its symmetry point, carried over line by line."""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from device_models.model import DeviceModel
from device_models.record import Record, quantity

from ...boards.operations import pulse_array
from ...boards.protocol import Board, PulseBatch
from ...boards.write_verify import program
from ..estimate import WeightEstimate
from ..pulse_router import route
from ..synapses import Synapses
from .policy import MakeArray, Policy

_PAIRS = 200  # of alternating pulses that lead to the symmetry point
_READS = 32  # that the reference is the mean of
_MEMORY = 0.99  # of the running maximum, per update
_NOISE = 10.0  # variance that A may add per update, in units of (mean |wanted|)^2
_UP = torch.ones(1)


class TikiTaka(Policy):
    """Two arrays: A takes every gradient, the layer C moves only by what stays on A.

    With m the running maximum of mean |wanted| and c the chopper signs of the bit lines, an update
    sends A the pulses c wanted / unit, unit = m / pulses, rounded at random. Then the next lines
    of A are read:

        H += (1 - keep) c (g - reference) / step * unit,    n = trunc(H / step_C),    H -= n step_C

    n pulses go to C; `step` is that of A at its symmetry point. Then the chopper changes the sign
    of a line with the probability chop, and what was just read is its new reference. Between two
    reads of a line, T updates apart, A so keeps its content with the probability 1 - chop, less
    what its pulses let it forget (`forgetting`):

        keep = (1 - chop) exp(-forgetting pulses T)

    A content is read 1 / (1 - keep) times: the factor before it brings C the wanted changes once,
    so that a learning rate means what it does for other policies. With chop = 1, the default, a
    reference is one read old. Nothing is then left for A to forget or to saturate with, and its
    drift towards the symmetry point, wherever that is, cancels in the mean. With chop = 0 it is the
    symmetry point, found once by alternating pulses, and what a weight gets falls with its pulses.

    The digital side keeps H and the reference. A is a perfect array of the layer's kind of device:
    it has neither faults nor wires, and it is not part of the layer's read-backs.

    Source:
        T. Gokmen and W. Haensch, Front. Neurosci. 14:103, 2020; with the buffer H: T. Gokmen,
        Front. Artif. Intell. 4:699148, 2021; with the chopper and its dynamic reference: M. J.
        Rasch et al., Nat. Commun. 15:7133, 2024. A flip at every read, both scales and the
        default of `pulses` are ours.
    """

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """How gradients go to the fast array and from there to the layer. The defaults are ours.

        `pulses` are what a device of the fast array gets per update, in the mean over the layer;
        left open, they follow from the device file (`default_pulses`). After each update `lines` of
        its bit lines are read, in turn; left open, all. After its read a line changes the sign in
        which it is written and read with the probability `chop`; 0 is the form without chopper.
        """

        pulses: float | None = quantity("pulses", 1e-4, 1000.0, default=None)
        lines: int | None = quantity("lines", 1, 65_536, default=None)
        chop: float = quantity("", 0.0, 1.0, default=1.0)

    needs_symmetry_point = True

    def __init__(
        self, shape: tuple[int, int], fast: Board, sheet: DeviceModel, options: Options
    ) -> None:
        """Bring `fast`, a board of `shape`, to where it starts; the buffer is empty.

        Without chopper that must be the symmetry point of every device, else that of the kind.
        `sheet` is of the devices of `fast`.
        """
        self.shape, self.boards, self._chop = shape, (fast,), options.chop
        self._lines = min(options.lines or shape[1], shape[1])
        point, updates = symmetry_point(sheet), shape[1] / self._lines
        self._step = step_at(sheet, point)
        self._pulses = options.pulses or default_pulses(sheet, point, updates)
        lost = forgetting(sheet, point) * self._pulses * updates
        self._share = 1.0 - (1.0 - options.chop) * math.exp(-lost)
        if options.chop == 0.0:
            self.reference = find_symmetry_points(fast, sheet)
        else:
            program(fast, sheet, torch.full(shape, point), every_device(fast))
            self.reference = fast.read()
        self.buffer, self.largest = torch.zeros(shape), torch.zeros(1)
        self.chopper = torch.ones(shape[1], dtype=torch.int8)
        self.line = torch.zeros(1, dtype=torch.int64)

    @classmethod
    def build(cls, layer: Synapses, options: Options, make_array: MakeArray) -> Self:
        """See `Policy.build`."""
        return cls(layer.mapping.shape, make_array(), layer.sheet, options)

    def update(
        self, wanted: Tensor, estimate: WeightEstimate, *, generator: torch.Generator
    ) -> PulseBatch | None:
        """See `Policy.update`; the fast array is pulsed and read at once."""
        self.largest = torch.maximum(_MEMORY * self.largest, wanted.abs().mean())
        if self.largest == 0.0:
            return None
        unit = float(self.largest) / self._pulses  # weight that one pulse to A stands for
        steps = wanted / unit * self.chopper
        steps = (
            steps.abs().add_(torch.rand(self.shape, generator=generator)).floor_() * steps.sign()
        )
        if steps.any():
            pulse_array(self.boards[0], steps.to(torch.int32))
        rows, outputs = self.shape
        lines = (self.line + torch.arange(self._lines)) % outputs
        read = self.boards[0].read((torch.arange(rows)[:, None] * outputs + lines).numpy())
        pulses = self._transfer(lines, read, unit, estimate)
        flips = torch.rand(self._lines, generator=generator) < self._chop
        self.chopper[lines[flips]] *= -1
        self.reference[:, lines[flips]] = read[:, flips]
        self.line = (self.line + self._lines) % outputs
        return route(pulses, estimate)

    def _transfer(
        self, lines: Tensor, read: Tensor, unit: float, estimate: WeightEstimate
    ) -> Tensor:
        """Take what bit lines of A read (rows, lines) into the buffer; the pulses that C is due."""
        scale = self._share * unit / self._step * self.chopper[lines]
        held = self.buffer[:, lines] + scale * (read - self.reference[:, lines])
        up, down = estimate.up.step[:, lines], estimate.down.step[:, lines]
        step = torch.where(held > 0, up, down)
        whole = torch.trunc(held / step)
        self.buffer[:, lines] = held - whole * step
        pulses = torch.zeros(self.shape, dtype=torch.int32)
        pulses[:, lines] = whole.to(torch.int32)
        return pulses

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
    return _excess(model, model.g_min_siemens) > 0 > _excess(model, model.g_max_siemens)


def symmetry_point(model: DeviceModel) -> float:
    """Where SET and RESET steps of a device of median gain are equal, siemens; by bisection."""
    low, high = model.g_min_siemens, model.g_max_siemens
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _excess(model, middle) > 0 else (low, middle)
    return (low + high) / 2


def step_at(model: DeviceModel, g_siemens: float) -> float:
    """Mean of the expected SET and RESET steps at a conductance, siemens."""
    return sum(_steps(model, g_siemens)) / 2


def forgetting(model: DeviceModel, point_siemens: float) -> float:
    """Share of its distance from the symmetry point that a device loses with one pulse.

    With s the steps, that of SET falls and that of RESET rises with g, so pulses of either sign,
    equally often, move g by (s_SET - s_RESET) / 2 in the mean: minus half of its slope at the
    point.
    """
    nudge = 0.05 * model.window_siemens
    below, above = (_excess(model, point_siemens + way * nudge) for way in (-1, 1))
    return (below - above) / (4 * nudge)


def default_pulses(model: DeviceModel, point_siemens: float, updates: float) -> float:
    """The fewest pulses per update at which A adds no more noise than `_NOISE`.

    Per update, rounding to p pulses in the mean adds a variance of about p, and reads of spread
    sigma steps every `updates` updates, each a part of two differences, 4 sigma^2 / updates; the
    mean |wanted| is p. So p + 4 sigma^2 / updates = noise p^2. The rule and its number are ours: a
    third of the pulses cost the default device a point in 30 epochs, three times as many won none.
    """
    sigma = model.read_sigma_siemens(torch.tensor([point_siemens]))
    steps = 0.0 if sigma is None else float(sigma) / step_at(model, point_siemens)
    return (1.0 + math.sqrt(1.0 + 16.0 * _NOISE * steps**2 / updates)) / (2.0 * _NOISE)


def _steps(model: DeviceModel, g_siemens: float) -> tuple[float, float]:
    """Expected SET and RESET step at a conductance, siemens."""
    g = torch.tensor([g_siemens], dtype=torch.float64)
    set_step, reset_step = (float(model.step_siemens(g, way)) for way in (_UP, -_UP))
    return set_step, reset_step


def _excess(model: DeviceModel, g_siemens: float) -> float:
    """By how much a SET step exceeds a RESET step, siemens."""
    set_step, reset_step = _steps(model, g_siemens)
    return set_step - reset_step


def every_device(board: Board) -> Tensor:
    """A selection of all devices, bool (word lines, bit lines)."""
    return torch.ones(board.info.shape, dtype=torch.bool)


def find_symmetry_points(board: Board, sheet: DeviceModel) -> Tensor:
    """What the devices of a board read at their symmetry points, siemens, shape of the board.

    From the middle of the window, SET and RESET take turns. Then the board is read several times:
    the mean is where the devices are left, within a few steps of their symmetry points, so that no
    device holds anything at first. A fine-grained device gets bursts of half a percent of its
    window.
    """
    shape = board.info.shape
    middle = torch.full(shape, (sheet.g_min_siemens + sheet.g_max_siemens) / 2)
    program(board, sheet, middle, every_device(board))
    step = float(sheet.step_siemens(middle[:1, :1], torch.ones(1, 1)))
    burst = math.ceil(sheet.window_siemens / step / 200)
    for _ in range(_PAIRS):
        for way in (1, -1):
            pulse_array(board, torch.full(shape, way * burst, dtype=torch.int32))
    return torch.stack([board.read() for _ in range(_READS)]).mean(0)
