"""A row of the table of commands, and what its parameters may be."""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bench import Context
from .errors import ScpiError
from .parser import Block, Channels, Number, Text, Value, Word

Answer = bytes | str | None
EXPONENTS = {"": 0, "T": 12, "G": 9, "K": 3, "M": -3, "U": -6, "N": -9, "P": -12, "F": -15}
SYMBOLS = {"S": "s", "SIE": "S"}  # of units whose suffix is another one's symbol
_NODE = re.compile(r"(\[?):?([A-Za-z*]+)(\]?)")


class Parameter(NamedTuple):
    """One parameter: its name for errors, and what turns it into a value."""

    name: str
    convert: Callable[[Context, Value], Any]
    is_optional: bool = False


class Command(NamedTuple):
    """One command or query.

    Attributes:
        header: As SCPI writes it, `SOURce:VOLTage[:LEVel]`, with `?` for a query.
        run: Takes the context and the parameters; answers a query.
        parameters: Its parameters in their order; optional ones last.
        writes: Whether only the one client that writes may give it.
        rest: Takes any number of further values of this kind.
    """

    header: str
    run: Callable[..., Answer]
    parameters: tuple[Parameter, ...] = ()
    writes: bool = False
    rest: Parameter | None = None

    def spellings(self) -> Iterator[str]:
        """Every header in upper case that means it, without the question mark."""
        choices = []
        for opened, node, _ in _NODE.findall(self.header.removesuffix("?")):
            short = "".join(c for c in node if not c.islower())
            names = {f":{short}", f":{node.upper()}"}
            choices.append(names | {""} if opened else names)
        for parts in product(*choices):
            yield "".join(parts).removeprefix(":")

    def values(self, context: Context, given: tuple[Value, ...]) -> list[Any]:
        """The parameters of one use.

        Raises:
            ScpiError: One is missing, too many, or not what it must be.
        """
        needed = sum(not p.is_optional for p in self.parameters)
        if len(given) < needed:
            missing = self.parameters[len(given)].name
            raise ScpiError(-109, f"{self.header} needs {missing}")
        if len(given) > len(self.parameters) and self.rest is None:
            raise ScpiError(-108, f"{self.header} takes {len(self.parameters)}, not {len(given)}")
        kinds = [*self.parameters, *[self.rest] * len(given)] if self.rest else self.parameters
        return [_converted(context, kind, value) for kind, value in zip(kinds, given, strict=False)]


def _converted(context: Context, kind: Parameter | None, value: Value) -> Any:
    """One parameter, its name in what is said of it."""
    if kind is None:
        return value
    try:
        return kind.convert(context, value)
    except ScpiError as e:
        raise ScpiError(e.code, f"{kind.name}: {e.detail}") from e


def number(value: Value, unit: str = "") -> float:
    """A finite number in SI units, with or without its suffix.

    Raises:
        ScpiError: It is none, or of another unit.
    """
    if not isinstance(value, Number):
        raise ScpiError(-104, f"{_shown(value)} is no number")
    if not value.suffix:
        return value.value
    if not unit:
        raise ScpiError(-138, f"it has no unit, not {value.suffix[:16]}")
    prefix = value.suffix.removesuffix(unit)
    if not value.suffix.endswith(unit) or prefix not in EXPONENTS:
        raise ScpiError(-131, f"{value.suffix[:16]} is no unit of it; {unit} is")
    # In decimal: 100 ns are 1e-7 s, as a device file has it, and 100 times 1e-9 is not.
    return float(Decimal(repr(value.value)).scaleb(EXPONENTS[prefix]))


def between(
    name: str, unit: str, low: float, most: float | Callable[[Context], float], **optional: bool
) -> Parameter:
    """A number in [low, most]; MIN and MAX stand for these."""

    def convert(context: Context, value: Value) -> float:
        high = most(context) if callable(most) else most
        named = {"MIN": low, "MINIMUM": low, "MAX": high, "MAXIMUM": high}
        if isinstance(value, Word) and value.text in named:
            return named[value.text]
        result = number(value, unit)
        if not low <= result <= high:
            shown = SYMBOLS.get(unit, unit)
            raise ScpiError(-222, f"{result:g} {shown} is outside [{low:g}, {high:g}] {shown}")
        return result

    return Parameter(name, convert, **optional)


def whole(name: str, low: int, most: int | Callable[[Context], int], **optional: bool) -> Parameter:
    """A whole number in [low, most]."""

    def convert(context: Context, value: Value) -> int:
        result, high = number(value), most(context) if callable(most) else most
        if not low <= result <= high or result != int(result):
            raise ScpiError(-222, f"{result:g} is no whole number in [{low}, {high}]")
        return int(result)

    return Parameter(name, convert, **optional)


def one_of(name: str, *choices: str, **optional: bool) -> Parameter:
    """A word, in its short or long form: `SGND`, `FLOat`; the short one is the value."""
    short = {"".join(c for c in choice if not c.islower()): choice.upper() for choice in choices}

    def convert(_: Context, value: Value) -> str:
        text = value.text.upper() if isinstance(value, Word | Text) else ""
        for brief, full in short.items():
            if text in (brief, full):
                return brief
        raise ScpiError(-224, f"{_shown(value)} is none of {', '.join(choices)}")

    return Parameter(name, convert, **optional)


def boolean(name: str) -> Parameter:
    """ON, OFF, or a number that is 0 or is not."""

    def convert(_: Context, value: Value) -> bool:
        if isinstance(value, Word) and value.text in ("ON", "OFF"):
            return value.text == "ON"
        return round(number(value)) != 0

    return Parameter(name, convert)


def text(name: str, most: int = 200) -> Parameter:
    """What stands between quotes."""

    def convert(_: Context, value: Value) -> str:
        if not isinstance(value, Text):
            raise ScpiError(-104, f"{_shown(value)} is no text in quotes")
        if len(value.text) > most:
            raise ScpiError(-223, f"it has more than {most} characters")
        return value.text

    return Parameter(name, convert)


def whole_block(name: str) -> Parameter:
    """A block of whole numbers, 32 bits each: int32 (numbers,)."""

    def convert(context: Context, value: Value) -> NDArray[np.int32]:
        if not isinstance(value, Block):
            raise ScpiError(-104, f"{_shown(value)} is no block of whole numbers")
        return context.session.integers(value.data)

    return Parameter(name, convert)


def channels(name: str, **optional: bool) -> Parameter:
    """A channel list as a mask: bool (word lines, bit lines)."""

    def convert(context: Context, value: Value) -> NDArray[np.bool_]:
        if not isinstance(value, Channels):
            raise ScpiError(-104, f"{_shown(value)} is no channel list (@w!b)")
        shape = context.bench.board.info.shape
        mask = np.zeros(shape, dtype=bool)
        for first, last in value.ranges:
            for corner in (first, last):
                if corner[0] >= shape[0] or corner[1] >= shape[1]:
                    raise ScpiError(
                        -222,
                        f"there is no channel {corner[0]}!{corner[1]}; the array has "
                        f"{shape[0]} x {shape[1]}, from 0!0",
                    )
            if first[0] > last[0] or first[1] > last[1]:
                raise ScpiError(-171, "a range ends before it begins")
            mask[first[0] : last[0] + 1, first[1] : last[1] + 1] = True
        return mask

    return Parameter(name, convert, **optional)


def raw(name: str, **optional: bool) -> Parameter:
    """Whatever was given, for commands that take several kinds."""
    return Parameter(name, lambda _, value: value, **optional)


WORD_LINE = whole("word line", 0, lambda c: c.bench.board.info.shape[0] - 1)
BIT_LINE = whole("bit line", 0, lambda c: c.bench.board.info.shape[1] - 1)


def _shown(value: Value) -> str:
    """A value in an error."""
    if isinstance(value, Block):
        return f"a block of {len(value.data)} bytes"
    if isinstance(value, Channels):
        return "a channel list"
    return repr(str(value[0])[:40])
