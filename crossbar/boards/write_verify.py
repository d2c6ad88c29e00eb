"""Writing by a closed loop: read, pulse towards the target, and read again before accepting."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from device_models.errors import LimitError, ShapeError
from device_models.model import DeviceModel
from device_models.pulsed import Pulsed
from device_models.record import Record, quantity

from ..array.counters import Counters
from .operations import pulse_array
from .protocol import Board, PulseBatch

# Writes some devices of a board: (board, data sheet, targets in siemens, which devices are ever
# programmed, which of them are written or None for all) -> what the last reads were, siemens, the
# targets where nothing was read; all of the shape of the board.
Algorithm = Callable[[Board, DeviceModel, Tensor, Tensor, Tensor | None], Tensor]

PROGRAM_PASSES = 20
BINS = 1024  # of the window, in an open loop
MOST_WIDTHS = 200  # pulses of a device whose pulses differ in width
_MOST = 2**30  # pulses, so that counts stay within 32 bit
_UP = torch.ones(())


@dataclass(frozen=True, kw_only=True)
class WriteVerify(Record):
    """Settings of `write_verify`.

    Attributes:
        tolerance: Half the width of the band, share of the conductance window.
        confirm: Consecutive reads in the band that accept a device.
        max_pulses: Of one device in one pass; None for twice the pulses across the window.
        passes: Outer passes.
        relax_seconds: Device time before each pass but the first.
    """

    tolerance: float = quantity("of the window", 1e-6, 0.5, default=0.01)
    confirm: int = quantity("reads", 1, 1000, default=2)
    max_pulses: int | None = quantity("pulses", 1, _MOST, default=None)
    passes: int = quantity("passes", 1, 1000, default=2)
    relax_seconds: float = quantity("s", 0.0, 1e9, default=1.0)

    def most(self, model: DeviceModel) -> int:
        """Pulses that a device gets at most in one pass."""
        if self.max_pulses is not None:
            return self.max_pulses
        return min(math.ceil(2.0 * model.pulses_across), _MOST if counted(model) else MOST_WIDTHS)


class WriteVerifyResult(NamedTuple):
    """What a closed loop did; arrays have the shape of the board.

    Attributes:
        siemens: The last read of every device; the target, where nothing was read.
        targets: What was aimed at: the targets, held within the window.
        chosen: Which devices were written, bool.
        accepted: Which were accepted in the last pass, bool.
        pulses: Of each device, int32.
        reads: Of each device, int32.
        serial_seconds: Pulses and reads of all devices, one after the other.
        parallel_seconds: The devices of a word line side by side, its SET pulses before its RESET
            pulses, one word line after the other.
        waited_seconds: Device time between the passes.
        spent: Events and energies.
    """

    siemens: Tensor
    targets: Tensor
    chosen: Tensor
    accepted: Tensor
    pulses: Tensor
    reads: Tensor
    serial_seconds: float
    parallel_seconds: float
    waited_seconds: float
    spent: Counters


def program(
    board: Board,
    sheet: DeviceModel,
    targets: Tensor,
    selected: Tensor,
    only: Tensor | None = None,
) -> Tensor:
    """Bring every selected device near its target by pulses and verifying reads; an `Algorithm`.

    Each pass reads every device, with noise, and sends one that is off by more than half of its
    finer step the pulses the gap is worth, at least one: where SET is coarse and RESET fine, a
    device is set beyond its target and trimmed down to it; a pass sends no more than cross the
    window. It ends when a pass leaves no fewer devices off than the one before: what remains is
    noise, or out of reach. A few devices may all be far from their targets for several passes: with
    `only`, the pulses that are still wanted are counted instead.

    Args:
        board: Where.
        sheet: Window and expected steps of its devices.
        targets: Siemens, (word lines, bit lines).
        selected: Which devices are ever programmed, bool.
        only: Which of them are read and programmed, bool; None for all, and all devices are read.
    Returns:
        What the last reads were, siemens; the targets, where nothing was read.

    Raises:
        ShapeError: Targets are not finite, or of another shape than the board; nothing was sent.
    """
    _check(board, targets, selected)
    index = None if only is None else np.flatnonzero((only & selected).numpy()).astype(np.int32)
    device = slice(None) if index is None else torch.from_numpy(index).long()
    aim, idle = targets.reshape(-1)[device], ~selected.reshape(-1)[device].numpy()
    siemens, before, most = aim, math.inf, math.ceil(sheet.pulses_across)
    for _ in range(PROGRAM_PASSES):
        siemens = board.read(index).view(-1)
        gap = (aim - siemens).numpy()
        up, down = (step.numpy() for step in sheet.both_steps(siemens))
        steps = np.abs(gap / np.where(gap > 0, up, down))
        pulses = np.copysign(np.rint(steps).clip(1.0, most), gap)
        pulses[(np.abs(gap) <= np.minimum(up, down) / 2) | idle] = 0.0
        left = int(np.count_nonzero(pulses) if only is None else np.abs(pulses).sum())
        if not 0 < left < before:
            break
        before = left
        some = np.flatnonzero(pulses)
        which = some.astype(np.int32) if index is None else index[some]
        board.pulse(PulseBatch(which, pulses[some].astype(np.int32)))
    read = targets.clone().view(-1)
    read[device] = siemens.to(read.dtype)
    return read.view(targets.shape)


def _check(board: Board, targets: Tensor, chosen: Tensor) -> None:
    """Refuse targets that are none of the board; see `program`."""
    shape = board.info.shape
    for name, array in (("targets", targets), ("chosen devices", chosen)):
        if not isinstance(array, Tensor) or array.shape != shape:
            given = f"{type(array).__name__} of shape {tuple(np.shape(array))}"
            raise ShapeError(f"{name}: {given}, not a tensor of shape {shape}; nothing was sent")
    if not targets.is_floating_point() or not np.isfinite(targets.numpy()).all():
        raise ShapeError(f"targets of {targets.dtype} must be finite numbers; nothing was sent")
    if chosen.dtype != torch.bool:
        raise ShapeError(f"chosen devices are {chosen.dtype}, not bool; nothing was sent")


def write_open_loop(board: Board, sheet: DeviceModel, targets: Tensor, chosen: Tensor) -> None:
    """Send the pulses that the data sheet says lead to the targets; nothing is read.

    Every device is reset by as many pulses as lead across the window and then set by

        n = integral from g_min to its target of dg / step(g),      step: `DeviceModel.step_siemens`

    pulses, rounded.

    Args:
        board: Where.
        sheet: Window and expected steps of its devices.
        targets: Siemens, (word lines, bit lines); beyond the window its edge is aimed at.
        chosen: Which devices, bool.

    Raises:
        LimitError: One SET switches these devices, so no count leads anywhere; nothing was sent.
    """
    if isinstance(sheet, Pulsed) and sheet.set_kind == "abrupt":
        raise LimitError(
            f"an open loop has no counts for {type(sheet).__name__} with set_kind = abrupt: "
            "one SET switches it; nothing was sent"
        )
    edges = torch.linspace(sheet.g_min_siemens, sheet.g_max_siemens, BINS + 1, dtype=torch.float64)
    middles, width = (edges[1:] + edges[:-1]) / 2.0, sheet.window_siemens / BINS
    up, down = (width / sheet.step_siemens(middles, way * _UP.double()) for way in (1.0, -1.0))
    rising = np.concatenate([[0.0], up.cumsum(0).numpy()])
    counts = np.round(np.interp(targets.double().numpy(), edges.numpy(), rising))
    pulse_array(board, torch.where(chosen, -math.ceil(float(down.sum())), 0))
    pulse_array(board, torch.where(chosen, torch.from_numpy(counts).to(torch.int32), 0))


def counted(model: DeviceModel) -> bool:
    """Whether a count is that many pulses, and not one pulse of that width."""
    return not model.count_is_width


def write_verify(
    board: Board, sheet: DeviceModel, targets: Tensor, chosen: Tensor, p: WriteVerify
) -> WriteVerifyResult:
    """Bring devices into the band [target - tol, target + tol] by pulses and noisy reads.

    tol = tolerance (g_max - g_min). Every round reads the devices that are not yet done. One in the
    band is read again without a pulse and accepted after `confirm` such reads in a row: a single
    read lets pass what only its noise brought into the band. One outside gets a staircase of 1, 2,
    4, ... pulses as long as it stays on one side, 1 again after it has crossed its target, and
    never more than the gap is worth on the data sheet (`DeviceModel.step_siemens`); devices of one
    pulse amplitude have no staircase of volts. A device that has had its `max_pulses` and reads
    outside is given up, in this pass and the later ones. A later pass begins after `relax_seconds`
    and reads all others anew: what relaxed out of the band is written again.

    Args:
        board: Where.
        sheet: Window and expected steps of its devices.
        targets: Siemens, (word lines, bit lines); beyond the window its edge is aimed at.
        chosen: Which devices, bool.
        p: Settings.
    Raises:
        ShapeError: As `program`.
    Source:
        F. Alibart et al., Nanotechnology 23, 075201, 2012, and the read before accepting of W. Wan
        et al., Nature 608, 504-512, 2022. Staircase of counts, budget and giving up are ours.
    """
    _check(board, targets, chosen)
    aim = targets.clamp(sheet.g_min_siemens, sheet.g_max_siemens)
    loop = _Loop(board, sheet, aim.flatten(), p)
    before, left, accepted = board.counters, chosen.flatten().nonzero()[:, 0], None
    for number in range(p.passes):
        if number:
            board.wait(p.relax_seconds)
        accepted = loop.run(left)
        left = left[accepted]
    done = torch.zeros(aim.numel(), dtype=torch.bool)
    done[left] = True
    shape = aim.shape
    return WriteVerifyResult(
        torch.where(loop.reads > 0, loop.last_read, loop.aim).view(shape), aim, chosen,
        done.view(shape), loop.pulses.view(shape), loop.reads.view(shape),
        int(loop.pulses.sum()) * loop.width_seconds
        + int(loop.reads.sum()) * board.info.read_seconds,
        loop.parallel_seconds, (p.passes - 1) * p.relax_seconds, board.counters - before,
    )  # fmt: skip


class _Loop:
    """What a closed loop keeps of all devices of a board, by flat index."""

    def __init__(self, board: Board, sheet: DeviceModel, aim: Tensor, p: WriteVerify) -> None:
        """Start with nothing sent and nothing read."""
        self.board, self.sheet, self.aim, self.p = board, sheet, aim, p
        self.tolerance = p.tolerance * sheet.window_siemens
        self.most, self.counted = p.most(sheet), counted(sheet)
        self.width_seconds = sheet.width_seconds if isinstance(sheet, Pulsed) else 0.0
        self.last_read = torch.zeros_like(aim)
        self.pulses = torch.zeros(aim.numel(), dtype=torch.int32)
        self.reads = torch.zeros_like(self.pulses)
        self.parallel_seconds = 0.0

    def run(self, device: Tensor) -> Tensor:
        """One pass over devices at rising flat indices; returns which were accepted, bool."""
        count = len(device)
        hits, spent = (torch.zeros(count, dtype=torch.int32) for _ in range(2))
        stair, side = torch.ones(count), torch.zeros(count)
        busy = torch.arange(count)
        while busy.numel():
            gap = self._gap(device[busy])
            inside = gap.abs() <= self.tolerance
            hits[busy] = torch.where(inside, hits[busy] + 1, 0)
            keep = torch.where(inside, hits[busy] < self.p.confirm, spent[busy] < self.most)
            off = keep & ~inside
            pulsed, way = busy[off], gap[off].sign()
            # A device that was never pulsed has no side yet and starts at 1, as after a crossing.
            stair[pulsed] = torch.where(way == side[pulsed], 2.0 * stair[pulsed], 1.0)
            side[pulsed] = way
            size = self._size(device[pulsed], gap[off], stair[pulsed])
            if self.counted:
                size = torch.minimum(size, self.most - spent[pulsed])
            stair[pulsed] = torch.minimum(stair[pulsed], size)
            spent[pulsed] += self._send(device[pulsed], way * size)
            busy = busy[keep]
        return hits >= self.p.confirm

    def _gap(self, device: Tensor) -> Tensor:
        """Read devices once: how far their targets lie above them, siemens."""
        siemens = self.board.read(device.numpy()).to(self.aim.dtype)
        self.last_read[device] = siemens
        self.reads[device] += 1
        rows = len(torch.unique_consecutive(device // self.board.info.shape[1]))
        self.parallel_seconds += rows * self.board.info.read_seconds
        return self.aim[device] - siemens

    def _size(self, device: Tensor, gap: Tensor, most: Tensor) -> Tensor:
        """The staircase, held to what the gap is worth on the data sheet and at least 1."""
        ways = torch.where(gap > 0, _UP, -_UP)
        step = self.sheet.step_siemens(self.last_read[device], ways)
        return torch.minimum(most, (gap.abs() / step).round_()).clamp_(1.0, _MOST)

    def _send(self, device: Tensor, counts: Tensor) -> Tensor:
        """Send signed pulses to devices; how many each got, int32."""
        if not device.numel():
            return torch.zeros(0, dtype=torch.int32)
        whole = counts.to(torch.int32)
        self.board.pulse(PulseBatch(device.numpy().astype(np.int32), whole.numpy()))
        if not self.counted:
            whole = whole.sign()
        everywhere = torch.zeros(self.board.info.shape, dtype=torch.int32)
        everywhere.view(-1)[device] = whole
        longest = everywhere.amax(1).clamp_(min=0) - everywhere.amin(1).clamp_(max=0)
        self.parallel_seconds += int(longest.sum()) * self.width_seconds
        sizes = whole.abs()
        self.pulses[device] += sizes
        return sizes


def unreadable(model: DeviceModel, p: WriteVerify, *, wanted: float = 0.98) -> Tensor:
    """Conductances, siemens, at which read noise alone keeps a device from being accepted.

    There, `confirm` reads of a device that stands exactly on its target all lie in the band with a
    probability below `wanted`. Of 512 conductances, evenly spaced in the logarithm.
    """
    floor = max(model.g_min_siemens, model.g_max_siemens / 1e6)
    g = torch.logspace(math.log10(floor), math.log10(model.g_max_siemens), 512)
    sigma = model.read_sigma_siemens(g)
    if sigma is None:
        return g[:0]
    one = torch.erf(p.tolerance * model.window_siemens / (sigma * math.sqrt(2.0)))
    return g[one**p.confirm < wanted]
