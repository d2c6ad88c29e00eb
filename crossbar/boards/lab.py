"""What a laboratory asks of an array of devices: cells, slices, whole arrays, products.

Plain functions over the members of any `Board`. Lines count from 0; a device is (word line, bit
line). Arrays come back as float64 in SI units, nan where a device is masked or absent. Volts are
signed: above 0 is SET, below 0 is RESET, in the convention of the cell; the amplitude is |volts|.
Whatever is refused, with LimitError or ShapeError, sends nothing.
"""

from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from device_models.errors import LimitError, ShapeError
from device_models.model import DeviceModel

from . import operations
from .protocol import Board, PulseBatch, PulseShape
from .write_verify import WriteVerify, WriteVerifyResult, write_verify

Axis = Literal["word", "bit"]
Floats = NDArray[np.float64]
Mask = ArrayLike  # of bool, True where a device takes part
MOST_PULSES = 2**30  # of one device in one call, so that counts stay within 32 bit


# Reads


def read_one(board: Board, word: int, bit: int) -> float:
    """Conductance of one device, siemens, with the noise of one read."""
    return float(board.read(_cell(board, word, bit))[0])


def read_slice(board: Board, line: int, axis: Axis, mask: Mask | None = None) -> Floats:
    """Conductances along a line, siemens, (devices of the line,); nan where masked.

    Args:
        board: Where.
        line: Its number.
        axis: Whether `line` is a word line, (bit lines,) comes back, or a bit line, (word lines,).
        mask: Which devices are read, bool (devices of the line,); None for all.
    """
    device = along(board, line, axis)
    chosen = _chosen(mask, device.shape)
    siemens = np.full(device.shape, np.nan)
    if chosen.any():
        siemens[chosen] = _numpy(board.read(device[chosen]))
    return siemens


def read_all(board: Board) -> Floats:
    """Conductances of the array, siemens, (word lines, bit lines), one noisy read each."""
    return _numpy(board.read())


def vmm(board: Board, volts: ArrayLike, axis: Axis = "word") -> Floats:
    """Currents of the lines that are not driven, amperes, (vectors, lines).

    Args:
        board: Where.
        volts: Of the driven lines, (vectors, lines) or (lines,).
        axis: Which lines are driven. A board drives word lines. Products of the other direction
            are I_w = sum_b V_b G_wb of single reads, one of each device on a driven bit line per
            vector: the noise is that of a product, the time and the energy are those of reads.
    """
    words, bits = board.info.shape
    lines = words if axis == "word" else bits
    v = np.atleast_2d(np.asarray(volts, np.float64))
    if v.ndim != 2 or v.shape[1] != lines:
        raise ShapeError(
            f"voltages have shape {np.shape(volts)}, not (vectors, {lines} {axis} lines); "
            "nothing was read"
        )
    if not np.isfinite(v).all():
        raise LimitError(f"a voltage is {v[~np.isfinite(v)][0]}; nothing was read")
    if axis == "word":
        return _numpy(board.vmm(torch.from_numpy(v)))
    amperes = np.zeros((len(v), words))
    for number, vector in enumerate(v):
        driven = np.flatnonzero(vector)
        if driven.size:
            siemens = board.read(_indices(board)[:, driven])
            amperes[number] = _numpy(siemens) @ vector[driven]
    return amperes


# Pulses


def pulse_one(
    board: Board,
    word: int,
    bit: int,
    volts: float,
    seconds: float | None = None,
    count: int = 1,
    compliance_amperes: float | None = None,
) -> None:
    """Pulse one device.

    Args:
        board: Where.
        word: Its word line.
        bit: Its bit line.
        volts: Signed amplitude.
        seconds: Width; None: the board's own.
        count: Equal pulses, at least 1.
        compliance_amperes: Current at which a SET pulse ends; None: the board's own, or none.
    """
    _send(board, _cell(board, word, bit), volts, count, seconds, compliance_amperes)


def pulse_slice(
    board: Board,
    line: int,
    axis: Axis,
    volts: ArrayLike,
    seconds: float | None = None,
    mask: Mask | None = None,
    count: int = 1,
    compliance_amperes: float | None = None,
) -> None:
    """Pulse the devices of a line, in one programming operation.

    Args:
        board: Where.
        line: Its number.
        axis: See `read_slice`.
        volts: Signed amplitude, of all or (devices of the line,) one of each.
        seconds: Width; None: the board's own.
        mask: Which devices are pulsed, bool (devices of the line,); None for all.
        count: Equal pulses of each, at least 1.
        compliance_amperes: See `pulse_one`.
    """
    device = along(board, line, axis)
    chosen = _chosen(mask, device.shape)
    amplitude = np.broadcast_to(np.asarray(volts, np.float64), device.shape)
    _send(board, device[chosen], amplitude[chosen], count, seconds, compliance_amperes)


def pulse_array(
    board: Board,
    counts: ArrayLike,
    volts: float | None = None,
    seconds: float | None = None,
    compliance_amperes: float | None = None,
) -> None:
    """Send every device its own signed number of pulses; see `operations.pulse_array`.

    Args:
        board: Where.
        counts: Whole numbers, SET > 0, RESET < 0, (word lines, bit lines).
        volts: Amplitude of SET and RESET alike, positive; None: the board's own.
        seconds: Width; None: the board's own.
        compliance_amperes: See `pulse_one`.
    """
    whole = np.asarray(counts)
    if not np.isfinite(whole).all() or (whole != np.round(whole)).any():
        raise LimitError("counts of pulses are not whole numbers; nothing was sent")
    if whole.size and np.abs(whole).max() > MOST_PULSES:
        raise LimitError(f"more than {MOST_PULSES} pulses for one device; nothing was sent")
    shape = _shape_of(volts, seconds, compliance_amperes)
    operations.pulse_array(board, torch.from_numpy(whole.astype(np.int32)), shape)


def pulse_outer(
    board: Board,
    word_signs: ArrayLike,
    bit_signs: ArrayLike,
    set_volts: float | None = None,
    reset_volts: float | None = None,
    seconds: float | None = None,
    count: int = 1,
    compliance_amperes: float | None = None,
) -> None:
    """Pulse device (w, b) by the sign of word_signs[w] bit_signs[b]: SET > 0, RESET < 0, 0 none.

    Args:
        board: Where.
        word_signs: Numbers of which the sign counts, (word lines,).
        bit_signs: Likewise, (bit lines,).
        set_volts: Amplitude of the SET pulses, positive; None: the board's own.
        reset_volts: Amplitude of the RESET pulses, positive; None: the board's own.
        seconds: Width of both; None: the board's own.
        count: Equal pulses of each device, at least 1.
        compliance_amperes: See `pulse_one`.
    """
    words, bits = (np.sign(np.asarray(s, np.float64)) for s in (word_signs, bit_signs))
    if (words.shape, bits.shape) != tuple((n,) for n in board.info.shape):
        raise ShapeError(
            f"signs have shapes {words.shape} and {bits.shape}, {board.info.name} has "
            f"{board.info.shape[0]} word and {board.info.shape[1]} bit lines; nothing was sent"
        )
    counts = np.outer(words, bits)
    if not np.isfinite(counts).all():
        raise LimitError("a sign is nan; nothing was sent")
    batch = PulseBatch.of(torch.from_numpy(counts * _whole(count)))
    if set_volts == reset_volts:
        board.pulse(batch, _shape_of(set_volts, seconds, compliance_amperes))
        return
    amplitudes = [
        _amplitude(given, standing, way)
        for given, standing, way in (
            (set_volts, board.info.set_volts, "SET"),
            (reset_volts, board.info.reset_volts, "RESET"),
        )
    ]
    volts = np.where(batch.count > 0, *amplitudes)
    board.pulse(batch, _shape_of(volts, seconds, compliance_amperes))


# Pulses, and what reads see after them


def pulseread_one(
    board: Board,
    word: int,
    bit: int,
    volts: float,
    seconds: float | None = None,
    count: int = 1,
    compliance_amperes: float | None = None,
) -> float:
    """`pulse_one`, then `read_one`, siemens."""
    pulse_one(board, word, bit, volts, seconds, count, compliance_amperes)
    return read_one(board, word, bit)


def pulseread_slice(
    board: Board,
    line: int,
    axis: Axis,
    volts: ArrayLike,
    seconds: float | None = None,
    mask: Mask | None = None,
    count: int = 1,
    compliance_amperes: float | None = None,
) -> Floats:
    """`pulse_slice`, then `read_slice` of the same devices, siemens, nan where masked."""
    pulse_slice(board, line, axis, volts, seconds, mask, count, compliance_amperes)
    return read_slice(board, line, axis, mask)


def pulseread_all(
    board: Board,
    volts: float,
    seconds: float | None = None,
    count: int = 1,
    compliance_amperes: float | None = None,
) -> Floats:
    """Pulse every device, then `read_all`, siemens, (word lines, bit lines)."""
    _send(board, _indices(board).reshape(-1), volts, count, seconds, compliance_amperes)
    return read_all(board)


def program(
    board: Board,
    sheet: DeviceModel,
    target_siemens: ArrayLike,
    tolerance_siemens: float,
    mask: Mask | None = None,
) -> WriteVerifyResult:
    """Bring devices to their targets by pulses and verifying reads; see `write_verify`.

    Args:
        board: Where.
        sheet: Window and expected steps of its devices.
        target_siemens: Of all devices, or (word lines, bit lines) one of each.
        tolerance_siemens: Half the width of the band that is accepted.
        mask: Which devices are written, bool (word lines, bit lines); None for all.
    """
    shape = board.info.shape
    chosen = _chosen(mask, shape)
    targets = np.asarray(target_siemens, np.float64)
    if targets.shape not in ((), shape):
        raise ShapeError(f"targets have shape {targets.shape}, the array {shape}; nothing was sent")
    targets = np.where(chosen, targets, sheet.g_min_siemens)
    if not np.isfinite(targets).all():
        raise LimitError("the target of a device is not finite; nothing was sent")
    most = sheet.window_siemens / 2
    if not 1e-6 * sheet.window_siemens <= tolerance_siemens <= most:
        raise LimitError(
            f"a tolerance of {tolerance_siemens:g} S: the window of the devices allows "
            f"{1e-6 * sheet.window_siemens:g} to {most:g} S; nothing was sent"
        )
    settings = WriteVerify(tolerance=tolerance_siemens / sheet.window_siemens)
    aims = torch.from_numpy(targets).to(torch.float32)
    return write_verify(board, sheet, aims, torch.from_numpy(chosen), settings)


# Devices and their pulses


def along(board: Board, line: int, axis: Axis) -> NDArray[np.int64]:
    """Flat indices of the devices of a word or bit line, in the order of the other lines."""
    if axis not in ("word", "bit"):
        raise LimitError(f"an axis is 'word' or 'bit', not {axis!r}; nothing was sent")
    _check_line(board, line, axis)
    everywhere = _indices(board)
    return everywhere[line] if axis == "word" else everywhere[:, line]


def _cell(board: Board, word: int, bit: int) -> NDArray[np.int64]:
    """The flat index of one device, (1,)."""
    _check_line(board, word, "word")
    _check_line(board, bit, "bit")
    return np.array([word * board.info.shape[1] + bit])


def _check_line(board: Board, line: int, axis: Axis) -> None:
    """Raise LimitError for a line that the array has not; a negative number is none."""
    lines = board.info.shape[axis == "bit"]
    if not 0 <= line < lines or line != int(line):
        raise LimitError(
            f"there is no {axis} line {line}, {board.info.name} has 0 to {lines - 1}; "
            "nothing was sent"
        )


def _indices(board: Board) -> NDArray[np.int64]:
    """Flat index of every device, (word lines, bit lines)."""
    words, bits = board.info.shape
    return np.arange(words * bits).reshape(words, bits)


def _chosen(mask: Mask | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A mask as an array of bool, all True by default."""
    if mask is None:
        return np.ones(shape, np.bool_)
    chosen = np.asarray(mask)
    if chosen.dtype != np.bool_ or chosen.shape != shape:
        raise ShapeError(
            f"a mask of {chosen.dtype} {chosen.shape} is given for {shape} devices, it takes one "
            "bool for each; nothing was sent"
        )
    return chosen


def _send(
    board: Board,
    device: NDArray[np.int64],
    volts: ArrayLike,
    count: int,
    seconds: float | None,
    amperes: float | None,
) -> None:
    """Send some devices, each named once, equal pulses of signed amplitudes."""
    signed = np.broadcast_to(np.asarray(volts, np.float64), device.shape)
    refused = ~(np.isfinite(signed) & (signed != 0.0))
    if refused.any():
        raise LimitError(
            f"a pulse of {signed[refused][0]:g} V is neither SET nor RESET; nothing was sent"
        )
    counts = np.sign(signed) * _whole(count)
    if device.size:
        shape = _shape_of(np.abs(signed), seconds, amperes)
        board.pulse(PulseBatch(device.astype(np.int32), counts.astype(np.int32)), shape)


def _shape_of(
    volts: float | Floats | None, seconds: float | None, amperes: float | None
) -> PulseShape | None:
    """Amplitudes, positive, a width and a compliance; one number where all amplitudes are equal."""
    if seconds is not None and not 0.0 < seconds < np.inf:
        raise LimitError(f"a pulse of {seconds:g} s has no width; nothing was sent")
    if amperes is not None and not 0.0 < amperes < np.inf:
        raise LimitError(f"a compliance of {amperes:g} A lets no current pass; nothing was sent")
    if isinstance(volts, np.ndarray):
        equal = volts.size > 0 and bool((volts == volts.flat[0]).all())
        volts = float(volts.flat[0]) if equal else volts
    elif volts is not None and not 0.0 < volts < np.inf:
        raise LimitError(f"an amplitude of {volts:g} V is not positive; nothing was sent")
    shape = PulseShape(volts, seconds, amperes)
    return None if all(value is None for value in shape) else shape


def _amplitude(volts: float | None, standing: float | None, way: str) -> float:
    """An amplitude, the board's own where none is given."""
    value = standing if volts is None else volts
    if value is None:
        raise LimitError(
            f"the board does not say its own {way} amplitude, give one; nothing was sent"
        )
    if not 0.0 < value < np.inf:
        raise LimitError(f"an amplitude of {value:g} V is not positive; nothing was sent")
    return value


def _whole(count: int) -> int:
    """A number of pulses, at least 1."""
    if not 1 <= count <= MOST_PULSES or count != int(count):
        raise LimitError(f"{count} pulses: give 1 to {MOST_PULSES}; nothing was sent")
    return int(count)


def _numpy(tensor: torch.Tensor) -> Floats:
    """A tensor as float64."""
    return tensor.detach().double().numpy()
