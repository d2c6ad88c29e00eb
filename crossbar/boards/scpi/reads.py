"""READ: conductances in siemens and bit-line currents in amperes, without the source dialect."""

import numpy as np
import torch
from numpy.typing import NDArray

from .. import lab
from .bench import Context
from .command import (
    BIT_LINE,
    WORD_LINE,
    Answer,
    Command,
    Parameter,
    channels,
    number,
    one_of,
    raw,
    whole,
    whole_block,
)
from .errors import ScpiError
from .parser import Block, Number, Value

MOST_READS = 1 << 24  # of single cells in one command
AXIS = one_of("axis", "WL", "BL")


def _read_volts(c: Context, value: Value) -> float:
    """The voltage of reads; a board has one."""
    result, volts = number(value, "V"), c.bench.board.info.read_volts
    if abs(result - volts) > 1e-6 * volts:
        raise ScpiError(-221, f"this board reads at {volts:g} V, not {result:g} V")
    return result


READ_VOLTS = Parameter("read voltage", _read_volts, is_optional=True)


def read_one(c: Context, word: int, bit: int, _: float | None = None) -> Answer:
    """Siemens of one cell."""
    device = np.array([word * c.bench.board.info.shape[1] + bit])
    return c.session.numbers(c.bench.board.read(device).numpy())


def read_devices(c: Context, device: NDArray[np.int32]) -> Answer:
    """Siemens of some cells, by flat index word * columns + bit."""
    return c.session.numbers(c.bench.board.read(device).numpy())


def read_all(c: Context, _: float | None = None) -> Answer:
    """Siemens of all cells, word line by word line."""
    return c.session.numbers(c.bench.board.read().numpy())


def read_slice(c: Context, axis: str, line: int, *given: Value) -> Answer:
    """Siemens along a line; not a number where a mask leaves a cell out."""
    device, given = along(c, axis, line), tuple(given)
    if given and isinstance(given[0], Number):
        _read_volts(c, given[0])
        given = given[1:]
    mask = np.ones(device.size, bool)
    if given:
        mask = channels("mask").convert(c, given[0]).reshape(-1)[device]
    values = np.full(device.size, np.nan)
    values[mask] = c.bench.board.read(device[mask]).numpy()
    return c.session.numbers(values)


def along(c: Context, axis: str, line: int) -> NDArray[np.int64]:
    """Flat indices of the cells along one line.

    Raises:
        ScpiError: There is no such line.
    """
    words, bits = c.bench.board.info.shape
    if line >= (words if axis == "WL" else bits):
        raise ScpiError(-222, f"there is no line {line}; the array has {words} x {bits}, from 0")
    everywhere = np.arange(words * bits).reshape(words, bits)
    return everywhere[line] if axis == "WL" else everywhere[:, line]


def read_vmm(c: Context, axis: str, *given: Value) -> Answer:
    """Amperes of all other lines for vectors of volts of word or bit lines, vector by vector.

    A board drives word lines: products of bit lines are sums of single reads (`lab.vmm`).
    """
    shape, name = c.bench.board.info.shape, "word" if axis == "WL" else "bit"
    volts, lines = floats(c, given, "V"), shape[axis == "BL"]
    if not volts.size or volts.size % lines:
        raise ScpiError(-222, f"{volts.size} volts are no vectors of {lines} {name} lines")
    most = c.bench.read_volts
    if not (np.abs(volts) <= most).all():
        raise ScpiError(-222, f"reads take volts within +-{most:g} V; nothing was read")
    if axis == "BL":
        reads = np.count_nonzero(volts) * shape[0]
        if reads > MOST_READS:
            raise ScpiError(-223, f"{reads} reads in one command, at most {MOST_READS}")
        return c.session.numbers(lab.vmm(c.bench.board, volts.reshape(-1, lines), "bit"))
    dtype = torch.float32 if c.bench.bits == 32 else torch.float64
    vectors = torch.from_numpy(volts).to(dtype).view(-1, lines)
    return c.session.numbers(c.bench.board.vmm(vectors).numpy())


def floats(c: Context, given: tuple[Value, ...], unit: str) -> NDArray[np.float64]:
    """Numbers of one block, or one by one."""
    if len(given) == 1 and isinstance(given[0], Block):
        return c.session.floats(given[0].data)
    return np.array([number(value, unit) for value in given], np.float64)


LINE = whole("line", 0, 2**31 - 1)
COMMANDS = [
    Command("READ:ONE?", read_one, (WORD_LINE, BIT_LINE, READ_VOLTS)),
    Command("READ:SLICe?", read_slice,
            (AXIS, LINE, raw("read voltage or mask", is_optional=True),
             raw("mask", is_optional=True))),
    Command("READ:ALL?", read_all, (READ_VOLTS,)),
    Command("READ:DEVices?", read_devices, (whole_block("devices"),)),
    Command("READ:VMM?", read_vmm, (AXIS,), rest=raw("volts")),
]  # fmt: skip
