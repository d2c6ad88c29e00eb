"""PULSe: programming pulses. Volts above 0 SET, volts below 0 RESET, word lines are rows."""

import numpy as np
from numpy.typing import NDArray

from ..limits import MOST_PULSES
from ..protocol import PulseBatch, PulseShape
from .bench import Context
from .command import (
    BIT_LINE,
    WORD_LINE,
    Answer,
    Command,
    Parameter,
    between,
    channels,
    number,
    whole,
    whole_block,
)
from .errors import ScpiError
from .parser import Block, Number, Value, Word
from .reads import AXIS, LINE, READ_VOLTS, along, read_one

OWN = {"UP": 1, "DOWN": -1}


def _amplitude(c: Context, value: Value) -> tuple[int, float | None]:
    """Direction and magnitude of signed volts; UP and DOWN are the board's own SET and RESET."""
    if isinstance(value, Word) and value.text in OWN:
        return OWN[value.text], None
    volts, most = number(value, "V"), c.bench.settings.limits.volts
    if volts == 0.0:
        raise ScpiError(
            -222, f"0 V is no pulse; SET has up to {most:g} V, RESET down to -{most:g} V"
        )
    if not abs(volts) <= most:
        raise ScpiError(-222, f"{volts:g} V is not within +-{most:g} V")
    return (1 if volts > 0.0 else -1), abs(volts)


def _magnitude(c: Context, value: Value) -> float | None:
    """Volts of SET or RESET pulses, positive; DEF is the board's own."""
    if isinstance(value, Word) and value.text in ("DEF", "DEFAULT"):
        return None
    return _above_zero(c, between("amplitude", "V", 0.0, _most_volts), value)


def _width(c: Context, value: Value) -> float | None:
    """Seconds; DEF is the board's own width."""
    if isinstance(value, Word) and value.text in ("DEF", "DEFAULT"):
        return None
    return _above_zero(c, between("width", "S", 0.0, _most_seconds), value)


def _above_zero(c: Context, kind: Parameter, value: Value) -> float:
    """A number of which 0 makes no pulse."""
    result = float(kind.convert(c, value))
    if result == 0.0:
        raise ScpiError(-222, f"0 is no {kind.name} of a pulse; it is above 0")
    return result


def _most_volts(c: Context) -> float:
    return c.bench.settings.limits.volts


def _most_seconds(c: Context) -> float:
    return c.bench.settings.limits.seconds


def _compliance(c: Context, value: Value) -> float | None:
    """Largest current of a SET; DEF is `SENSe:CURRent:PROTection`."""
    if isinstance(value, Word) and value.text in ("DEF", "DEFAULT"):
        return None
    return float(between("compliance", "A", 1e-12, _most_amperes).convert(c, value))


def _most_amperes(c: Context) -> float:
    return c.bench.most_amperes


AMPLITUDE = Parameter("amplitude", _amplitude)
WIDTH = Parameter("width", _width)
COMPLIANCE = Parameter("compliance", _compliance, is_optional=True)
COUNT = whole("count", 1, MOST_PULSES, is_optional=True)


def pulse_one(
    c: Context,
    word: int,
    bit: int,
    amplitude: tuple[int, float | None],
    seconds: float | None,
    amperes: float | None = None,
    count: int = 1,
) -> Answer:
    """Pulse one cell."""
    device = np.array([word * c.bench.board.info.shape[1] + bit])
    _send(c, device, amplitude, seconds, amperes, count)
    return None


def pulse_slice(
    c: Context,
    axis: str,
    line: int,
    amplitude: tuple[int, float | None],
    seconds: float | None,
    *given: Value,
) -> Answer:
    """Pulse the cells along a line, or those of them that a mask chooses."""
    device, amperes, left = along(c, axis, line), None, list(given)
    if left and isinstance(left[0], Number | Word):
        amperes = COMPLIANCE.convert(c, left.pop(0))
    if left:
        device = device[channels("mask").convert(c, left.pop(0)).reshape(-1)[device]]
    if left:
        raise ScpiError(-108, "PULS:SLIC takes axis, line, volts, width, compliance, mask")
    _send(c, device, amplitude, seconds, amperes, 1)
    return None


def _send(
    c: Context,
    device: NDArray[np.integer],
    amplitude: tuple[int, float | None],
    seconds: float | None,
    amperes: float | None,
    count: int,
) -> None:
    """Pulse some cells alike."""
    sign, volts = amplitude
    counts = np.full(device.size, sign * count, np.int32)
    shape = PulseShape(volts, seconds, amperes)
    c.bench.send(c.session, PulseBatch(device.astype(np.int32), counts), shape)


def pulse_and_read(
    c: Context,
    word: int,
    bit: int,
    amplitude: tuple[int, float | None],
    seconds: float | None,
    read_volts: float | None = None,
) -> Answer:
    """Pulse one cell, then answer its siemens."""
    pulse_one(c, word, bit, amplitude, seconds)
    return read_one(c, word, bit, read_volts)


def pulse_array(
    c: Context,
    device: NDArray[np.int32],
    count: NDArray[np.int32],
    volts: NDArray[np.float64] | float | None = None,
    seconds: NDArray[np.float64] | float | None = None,
    amperes: float | None = None,
) -> Answer:
    """Give some cells their own signed numbers of pulses, in one programming operation."""
    if device.size != count.size:
        raise ScpiError(-222, f"{device.size} devices have {count.size} counts; nothing was sent")
    if np.unique(device).size != device.size:
        raise ScpiError(-222, "a device is named twice; nothing was sent")
    for name, values in (("amplitudes", volts), ("widths", seconds)):
        if isinstance(values, np.ndarray) and values.size != device.size:
            raise ScpiError(-222, f"{device.size} devices have {values.size} {name}")
    c.bench.send(c.session, PulseBatch(device, count), PulseShape(volts, seconds, amperes))
    return None


def pulse_outer(
    c: Context,
    word_sign: NDArray[np.int32],
    bit_sign: NDArray[np.int32],
    set_volts: float | None,
    reset_volts: float | None,
    seconds: float | None,
    amperes: float | None = None,
) -> Answer:
    """Pulse every cell by the product of the signs of its lines: SET where it is 1, RESET at -1."""
    words, bits = c.bench.board.info.shape
    if (word_sign.size, bit_sign.size) != (words, bits):
        raise ScpiError(
            -222, f"{word_sign.size} and {bit_sign.size} signs for {words} x {bits} lines"
        )
    signs = np.multiply.outer(np.sign(word_sign), np.sign(bit_sign)).reshape(-1)
    device = np.flatnonzero(signs).astype(np.int32)
    count = signs[device].astype(np.int32)
    info = c.bench.board.info
    pair = set_volts or info.set_volts, reset_volts or info.reset_volts
    volts = None
    if set_volts is not None or reset_volts is not None:
        if pair[0] is None or pair[1] is None:
            raise ScpiError(-221, "this board has no pulses of its own; give both amplitudes")
        volts = np.where(count > 0, pair[0], pair[1])
    c.bench.send(c.session, PulseBatch(device, count), PulseShape(volts, seconds, amperes))
    return None


def _each(convert: Parameter) -> Parameter:
    """One number for all devices, DEF, or a block of one each."""

    def converted(c: Context, value: Value) -> NDArray[np.float64] | float | None:
        if isinstance(value, Block):
            return c.session.floats(value.data)
        result: float | None = convert.convert(c, value)
        return result

    return Parameter(convert.name, converted, is_optional=True)


MAGNITUDE = Parameter("amplitude", _magnitude)
CELL = (WORD_LINE, BIT_LINE, AMPLITUDE, WIDTH)
COMMANDS = [
    Command("PULSe:ONE", pulse_one, (*CELL, COMPLIANCE, COUNT), writes=True),
    Command("PULSe:SLICe", pulse_slice, (AXIS, LINE, AMPLITUDE, WIDTH), writes=True,
            rest=Parameter("compliance or mask", lambda _, value: value)),
    Command("PULSe:OUTer", pulse_outer,
            (whole_block("word signs"), whole_block("bit signs"), MAGNITUDE, MAGNITUDE, WIDTH,
             COMPLIANCE),
            writes=True),
    Command("PULSe:ARRay", pulse_array,
            (whole_block("devices"), whole_block("counts"), _each(MAGNITUDE), _each(WIDTH),
             COMPLIANCE),
            writes=True),
    Command("PULSe:READ?", pulse_and_read, (*CELL, READ_VOLTS), writes=True),
]  # fmt: skip
