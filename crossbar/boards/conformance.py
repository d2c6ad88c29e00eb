"""What every board must answer, whether its devices are simulated or real: one list of checks.

A check sees the members of a board and nothing else, and says in one line what is wrong. Those that
send pulses are marked: they wear devices, and are run on a board that is no emulator only if asked.
Distances are in standard errors of repeated reads; LIMIT of them are a false alarm in 1e9 devices.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from device_models.errors import LimitError, ShapeError, XbarError

from . import lab
from .checked import in_one_line
from .comparison import (
    LAST_BITS,
    LIMIT,
    Cells,
    Floats,
    Moments,
    far_apart,
    lines_of,
    moments,
    moments_of,
    spread_over,
    step_amperes,
    step_siemens,
)
from .protocol import Board, PulseBatch, PulseShape

REPEATS = 24  # reads of which a mean and a spread are made
MOVED = 0.95  # of the cells must follow their pulses
DRIFT = 0.01  # in `DRIFT_READS` reads
DRIFT_READS = 1000
PULSES = (1, 4, 16, 64)  # tried one after another until the cells move visibly


@dataclass(frozen=True)
class Check:
    """One thing that a board must do.

    Attributes:
        name: What, as a sentence.
        is_destructive: Whether it sends pulses.
        check: What is wrong, or None, of a board and the cells that may be used (flat indices).
    """

    name: str
    is_destructive: bool
    check: Callable[[Board, Cells], str | None]

    def run(self, board: Board, cells: Sequence[int] | None = None) -> str | None:
        """What is wrong with a board, one line; None if nothing is.

        Args:
            board: Which.
            cells: Flat indices of the devices that may be used; None for any.
        """
        try:
            usable = np.arange(np.prod(board.info.shape)) if cells is None else cells
            return self.check(board, spread_over(usable))
        except Exception as e:  # noqa: BLE001  # whatever a driver raises is the finding
            return in_one_line(e)


class CheckResult(NamedTuple):
    """The outcome of a check.

    Attributes:
        check: Which.
        problem: What is wrong; None if nothing is, or if it was not run.
        was_run: Whether it was.
    """

    check: Check
    problem: str | None
    was_run: bool


def run_checks(
    board: Board,
    *,
    allow_pulses: bool | None = None,
    cells: Sequence[int] | None = None,
    report: Callable[[CheckResult], object] = lambda _: None,
) -> list[CheckResult]:
    """Run all checks on a board, which is closed by the last of them.

    Args:
        board: Which.
        allow_pulses: Whether to run those that pulse; None: on an emulator alone.
        cells: Flat indices of the devices that may be used; None for any.
        report: Called with each result as it comes.
    """
    may_pulse = board.info.is_emulator if allow_pulses is None else allow_pulses
    results = []
    for check in CHECKS:
        was_run = may_pulse or not check.is_destructive
        problem = check.run(board, cells) if was_run else None
        results.append(CheckResult(check, problem, was_run))
        report(results[-1])
    return results


# Reads


def _contract(board: Board, cells: Cells) -> str | None:
    """Shapes, kinds of numbers and units of what comes back."""
    words, bits = board.info.shape
    v = board.info.read_volts
    if not (v > 0 and board.info.read_seconds > 0):
        return f"read_volts = {v} and read_seconds = {board.info.read_seconds} must be above 0"
    answers = {
        "read()": (board.read(), (words, bits)),
        "read of (1, n) devices": (board.read(cells[None]), (1, len(cells))),
        "vmm of 2 vectors": (board.vmm(torch.full((2, words), v)), (2, bits)),
    }
    for name, (answer, shape) in answers.items():
        if not isinstance(answer, torch.Tensor) or not answer.is_floating_point():
            return f"{name} gives {type(answer).__name__}, not a tensor of floating-point numbers"
        if tuple(answer.shape) != shape:
            return f"{name} has shape {tuple(answer.shape)}, not {shape}"
    siemens = answers["read()"][0]
    if not (siemens.nan_to_num(nan=0.0).abs() < 1.0).all():
        return "read() gives 1 S or more: is it in ohms or microsiemens?"
    return None


def _agreement(board: Board, cells: Cells) -> str | None:
    """Cells, slices and the array read the same devices."""
    columns = board.info.shape[1]
    every = moments(lambda: lab.read_all(board).reshape(-1)[cells], REPEATS)
    ways = {
        "read_one": lambda: np.array(
            [lab.read_one(board, *divmod(int(c), columns)) for c in cells]
        ),
        "word slices": lambda: _by_slices(board, cells, "word"),
        "bit slices": lambda: _by_slices(board, cells, "bit"),
    }
    for name, way in ways.items():
        if text := far_apart(board, moments(way, REPEATS), every, cells):
            return f"{name} and read_all differ: {text}"
    return None


def _by_slices(board: Board, cells: Cells, axis: lab.Axis) -> Floats:
    """Cells, each out of its own slice."""
    place = np.array(np.divmod(cells, board.info.shape[1]))
    line, other = place if axis == "word" else place[::-1]
    slices = {n: lab.read_slice(board, int(n), axis) for n in np.unique(line)}
    return np.array([slices[n][o] for n, o in zip(line, other, strict=True)])


def _masked(board: Board, cells: Cells) -> str | None:
    """A masked slice is nan outside the mask, and only the rest is read."""
    line = int(cells[0]) // board.info.shape[1]
    whole = lab.read_slice(board, line, "word")
    mask = np.zeros(board.info.shape[1], np.bool_)
    mask[::2] = True
    before = board.counters
    part = lab.read_slice(board, line, "word", mask)
    if not np.isnan(part[~mask]).all():
        return f"a masked slice of word line {line} gives numbers outside its mask"
    if (np.isnan(part[mask]) != np.isnan(whole[mask])).any():
        return f"a masked slice of word line {line} gives nan inside its mask"
    return _miscounted((board.counters - before).device_reads, int(mask.sum()), "devices were read")


def _missing(board: Board, cells: Cells) -> str | None:
    """A device or a vector that the array has not is refused, and nothing is counted."""
    size, words = int(np.prod(board.info.shape)), board.info.shape[0]
    asked: dict[str, Callable[[], object]] = {
        f"device {size} is read": lambda: board.read(np.array([size])),
        "device -1 is read": lambda: board.read(np.array([-1])),
        f"{words + 1} word lines are driven": lambda: board.vmm(torch.zeros(1, words + 1)),
    }
    return next((text for name in asked if (text := _unrefused(board, name, asked[name]))), None)


def _unrefused(board: Board, name: str, ask: Callable[[], object]) -> str | None:
    """What is wrong where a board has to refuse; None if it does, and counts nothing."""
    before = board.counters
    try:
        ask()
    except (LimitError, ShapeError):
        return None if board.counters == before else f"{name} is refused, and the counters changed"
    except XbarError:  # of a board that does not answer, for example
        raise
    except Exception as e:  # noqa: BLE001  # whatever a driver raises here is the finding
        return f"{name}: {in_one_line(e)}; a LimitError or ShapeError is expected"
    return f"{name}, and no LimitError or ShapeError is raised"


def _unit_vectors(board: Board, cells: Cells) -> str | None:
    """The product with one driven word line is the read of that line, times the voltage."""
    words, bits = board.info.shape
    v = board.info.read_volts
    for line in lines_of(cells // bits):
        unit = np.zeros((REPEATS, words))
        unit[:, line] = v
        product = moments_of(lab.vmm(board, unit) / v)
        reads = moments(partial(lab.read_slice, board, line, "word"), REPEATS)
        devices = line * bits + np.arange(bits)
        if text := far_apart(board, product, reads, devices):
            return f"vmm of word line {line} alone, over its volts, is not its read: {text}"
    return None


def _linear(board: Board, cells: Cells) -> str | None:
    """Half the voltages give half the currents, and products of parts add up."""
    words, bits = board.info.shape
    v = np.full(words, board.info.read_volts)
    parts = np.where(np.arange(words) % 2, v, 0.0), np.where(np.arange(words) % 2, 0.0, v)
    whole, half, odd, even = (
        moments_of(lab.vmm(board, np.tile(volts, (REPEATS, 1)))) for volts in (v, v / 2, *parts)
    )
    twice = Moments(2 * half.mean, 2 * half.error)
    both = Moments(odd.mean + even.mean, np.hypot(odd.error, even.error))
    columns, grid = np.arange(bits), board.info.grid
    # Half the volts may lie half a step off the grid of the voltages.
    dac_volts = 0.0 if grid is None else grid.dac_volts or 0.0
    rounding = LAST_BITS + dac_volts / board.info.read_volts
    for name, other in (("twice the currents of half the volts", twice), ("the parts", both)):
        if text := far_apart(board, whole, other, columns, tolerance=rounding, amperes=True):
            return f"vmm is not linear: the whole and {name} differ: {text}"
    return None


def _zero(board: Board, cells: Cells) -> str | None:
    """Without a voltage there is no current, but for the offset of the converters."""
    words = board.info.shape[0]
    full = np.abs(lab.vmm(board, np.full((1, words), board.info.read_volts)))
    zero = moments_of(lab.vmm(board, np.zeros((REPEATS, words))))
    allowed = LIMIT * zero.error + step_amperes(board) + 1e-3 * np.nanmax(full)
    worst = int(np.nanargmax(np.abs(zero.mean) - allowed))
    if np.abs(zero.mean[worst]) <= allowed[worst]:
        return None
    return f"vmm of 0 V gives {zero.mean[worst]:.3g} A on bit line {worst}"


def _drift(board: Board, cells: Cells) -> str | None:
    """Many reads leave a device where it was."""
    device = cells[:8]
    reads = np.stack([board.read(device).double().numpy() for _ in range(DRIFT_READS)])
    first, last = moments_of(reads[:100]), moments_of(reads[-100:])
    allowed = DRIFT * np.abs(first.mean) + LIMIT * np.hypot(first.error, last.error)
    far = np.abs(last.mean - first.mean) > allowed + step_siemens(board)
    if not far.any():
        return None
    at = int(np.flatnonzero(far)[0])
    return (
        f"{DRIFT_READS} reads moved device {device[at]} from {first.mean[at]:.4g} to "
        f"{last.mean[at]:.4g} S"
    )


def _count_reads(board: Board, cells: Cells) -> str | None:
    """Counters rise by the reads that were asked for, and by no pulse."""
    for device, wanted in ((cells, len(cells)), (None, int(np.prod(board.info.shape)))):
        before = board.counters
        board.read(device)
        spent = board.counters - before
        if text := _miscounted(spent.device_reads, wanted, "devices were read"):
            return text
        if spent.set_pulses or spent.reset_pulses:
            return "a read counts pulses"
    return None


# Pulses


def _follow(board: Board, cells: Cells) -> str | None:
    """SET raises and RESET lowers the conductance."""
    text = ""
    for count in PULSES:
        _pulse(board, cells, -count)
        low = _means(board, cells)
        _pulse(board, cells, count)
        high = _means(board, cells)
        _pulse(board, cells, -count)
        rose, fell = np.mean(high > low), np.mean(_means(board, cells) < high)
        if min(rose, fell) >= MOVED:
            return None
        text = f"{count} SET pulses raised {rose:.0%} of the cells, RESET lowered {fell:.0%}"
    return f"{text}; at least {MOVED:.0%} must follow"


def _stay(board: Board, cells: Cells) -> str | None:
    """A pulse to one cell moves no other."""
    words, bits = board.info.shape
    if words * bits == 1:
        return None
    every = np.arange(words * bits)
    device = cells[len(cells) // 2]
    others = every[every != device]
    before = moments(lambda: lab.read_all(board).reshape(-1)[others], REPEATS)
    _pulse(board, np.array([device]), 1)
    _pulse(board, np.array([device]), -1)
    after = moments(lambda: lab.read_all(board).reshape(-1)[others], REPEATS)
    text = far_apart(board, before, after, others, tolerance=DRIFT)
    return f"pulses to device {device} moved another: {text}" if text else None


def _refused(board: Board, cells: Cells) -> str | None:
    """A refused pulse changes nothing: no device, no counter."""
    size = int(np.prod(board.info.shape))
    one = np.array([1], np.int32)
    device = np.array([cells[0]], np.int32)
    asked: dict[str, tuple[PulseBatch, PulseShape | None]] = {
        f"device {size} is pulsed": (PulseBatch(np.array([size], np.int32), one), None),
        "device -1 is pulsed": (PulseBatch(np.array([-1], np.int32), one), None),
        "a device of the array and one that it has not are pulsed": (
            PulseBatch(np.array([cells[0], size], np.int32), np.array([64, 1], np.int32)),
            None,
        ),
        "a device is pulsed by nan V": (PulseBatch(device, one), PulseShape(volts=np.nan)),
    }
    before = moments(lambda: board.read(cells).double().numpy(), REPEATS)
    for name, (batch, shape) in asked.items():
        if text := _unrefused(board, name, partial(board.pulse, batch, shape)):
            return text
    after = moments(lambda: board.read(cells).double().numpy(), REPEATS)
    text = far_apart(board, before, after, cells)
    return f"refused pulses moved a device: {text}" if text else None


def _count_pulses(board: Board, cells: Cells) -> str | None:
    """Counters rise by the pulses that were sent, SET and RESET apart."""
    counts = np.where(np.arange(len(cells)) % 3 == 0, -1, 1).astype(np.int32)
    before = board.counters
    board.pulse(PulseBatch(cells.astype(np.int32), counts))
    board.pulse(PulseBatch(cells.astype(np.int32), -counts))
    spent, wanted = board.counters - before, len(cells)
    for way, count in (("SET", spent.set_pulses), ("RESET", spent.reset_pulses)):
        if text := _miscounted(count, wanted, f"{way} pulses were sent"):
            return text
    if spent.set_pulses != spent.reset_pulses:
        return f"as many SET as RESET pulses were sent, {spent} is counted"
    return "pulses are counted as reads" if spent.device_reads else None


def _miscounted(counted: int, wanted: int, what: str) -> str | None:
    """Whether a count is wrong; a board that holds several copies of a device counts each."""
    if counted >= wanted and counted % wanted == 0:
        return None
    return f"{wanted} {what}, {counted} are counted"


def _close(board: Board, cells: Cells) -> str | None:
    """A board may be closed twice."""
    for time in ("first", "second"):
        try:
            board.close()
        except Exception as e:  # noqa: BLE001  # whatever a driver raises here is the finding
            return f"the {time} close raises {type(e).__name__}: {e}"
    return None


CHECKS: tuple[Check, ...] = (
    Check("answers have their shapes, kinds and units", False, _contract),
    Check("read_one, read_slice and read_all agree within noise", False, _agreement),
    Check("masked is nan, and is not read", False, _masked),
    Check("what the array has not is refused", False, _missing),
    Check("vmm of a unit vector is the read of its word line", False, _unit_vectors),
    Check("vmm is linear in the voltages", False, _linear),
    Check("zero in gives zero out", False, _zero),
    Check("1000 reads drift by less than 1 %", False, _drift),
    Check("reads are counted", False, _count_reads),
    Check("SET raises and RESET lowers", True, _follow),
    Check("a pulse moves no other device", True, _stay),
    Check("a refused pulse changes nothing", True, _refused),
    Check("pulses are counted", True, _count_pulses),
    Check("close is idempotent", False, _close),  # last: it closes the board
)


# Devices


def _means(board: Board, cells: Cells) -> Floats:
    """Mean conductances of some devices."""
    return moments(lambda: board.read(cells).double().numpy(), 8).mean


def _pulse(board: Board, cells: Cells, count: int) -> None:
    """The board's own pulses to some devices."""
    counts = np.full(len(cells), count, np.int32)
    board.pulse(PulseBatch(cells.astype(np.int32), counts))
