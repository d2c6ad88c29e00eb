"""One declared range per field: it checks, it explains itself, it feeds the tests.

A parameter dataclass derives from `Record`; each number is declared with `quantity`. A field holds
an int, float, bool, str or Literal, one of those or None, a nested record, a `tuple[X, ...]` or a
`dict[str, X]`. Files are read and written by `device_models.schema`; this module knows no format.
"""

import dataclasses
import difflib
import math
import numbers
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import ConfigError

T = TypeVar("T")

TYPES: dict[Any, Any] = {int: numbers.Integral, float: numbers.Real}  # numpy scalars are welcome
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
NUMBERS = {
    # Narrower than int() and float(), which also take '1_000', ' 1' and other alphabets' digits.
    int: re.compile(r"[+-]?[0-9]+"),
    float: re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"),
}
TRUTH = {"true": True, "false": False}  # because bool("false") is True
NULLS = ("null", "~")
LONGEST_SHOWN = 60  # characters of a wrong value that an error repeats


@dataclass(frozen=True)
class Range:
    """Allowed closed interval of one number, and the physics that sets it."""

    unit: str
    low: float
    high: float
    why: str = ""

    def __contains__(self, value: float) -> bool:
        """Whether `value` lies inside; nan never does."""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        """The interval as messages print it: `[0.001, 0.5] V`."""
        return f"[{number(self.low)}, {number(self.high)}] {self.unit}".rstrip()


def quantity(unit: str, low: float, high: float, *, why: str = "", default: Any = MISSING) -> Any:
    """A dataclass field that only holds numbers of one `Range`.

    Args:
        unit: SI unit of the value and both limits, or '' for a plain number.
        low: Smallest allowed value.
        high: Largest allowed value.
        why: What sets the limits; ends the message when they are passed.
        default: The value of a field that is not given; without it the field is required.
    """
    metadata = {"range": Range(unit, low, high, why)}
    if isinstance(default, dict):  # every record gets its own copy
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


class Record:
    """Base of every parameter dataclass: a record that exists is valid.

    A rule between two fields goes into `__post_init__`, after `super().__post_init__()`, and raises
    ConfigError.
    """

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            ConfigError: One line for each field that is outside its declaration.
        """
        owner = type(self).__name__
        found = (
            problem(f"{owner}.{name}", field, hint, getattr(self, name))
            for name, (field, hint) in declared(type(self)).items()
        )
        raise_all(filter(None, found))


def declared(cls: type) -> Mapping[str, tuple[Field[Any], Any]]:
    """The fields of a record class with their types, in order."""
    hints = get_type_hints(cls)
    return {field.name: (field, hints[field.name]) for field in dataclasses.fields(cls)}


def problem(name: str, field: Field[Any], hint: Any, value: Any) -> str:
    """What is wrong with `value`, as one sentence about `name`; empty if nothing is."""
    hint, optional = without_none(hint)
    if value is None and optional:
        return ""
    parts = members(name, hint, value)
    if parts is not None:
        inner = get_args(hint)[-1] if get_origin(hint) is dict else get_args(hint)[0]
        return next(filter(None, (problem(at, field, inner, v) for at, v in parts)), "")
    if not fits(hint, value):
        refused = f"{name} must be {kind(field, hint, optional=optional)}, not {shown(value)}"
        return refused + did_you_mean(value, get_args(hint) if get_origin(hint) is Literal else ())
    allowed: Range | None = field.metadata.get("range")
    if allowed and value not in allowed:
        reason = f": {allowed.why}" if allowed.why else ""
        return f"{name} = {shown(value)} is outside {allowed}{reason}"
    if hint is float and not math.isfinite(value):
        return f"{name} must be a finite number, not {shown(value)}"
    return ""


def without_none(hint: Any) -> tuple[Any, bool]:
    """The `X` of `X | None`, and whether None is allowed."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    rest = [arg for arg in get_args(hint) if arg is not types.NoneType]
    if len(rest) != 1 or len(rest) == len(get_args(hint)):
        raise TypeError(f"a record cannot hold {hint}; the only union is 'X | None'")
    return rest[0], True


def members(name: str, hint: Any, value: Any) -> list[tuple[str, Any]] | None:
    """The named items of a list or mapping that may be one; None for anything else."""
    if get_origin(hint) is tuple and isinstance(value, tuple):
        return [(f"{name}[{i}]", v) for i, v in enumerate(value)]
    if get_origin(hint) is dict and isinstance(value, dict) and all(map(is_text, value)):
        return [(f"{name}.{k}", v) for k, v in value.items()]
    return None


def is_text(key: Any) -> bool:
    """Whether a key of a mapping is text."""
    return isinstance(key, str)


def fits(hint: Any, value: Any) -> bool:
    """Whether `value`, which is no list and no mapping, is of the type `hint`."""
    origin, args = get_origin(hint), get_args(hint)
    if isinstance(value, bool) and hint is not bool:
        return False  # True would pass for the number 1
    if origin is Literal:
        return isinstance(value, str | int) and value in args
    return origin is None and isinstance(value, TYPES.get(hint, hint))


def kind(field: Field[Any], hint: Any, *, optional: bool = False) -> str:
    """What a field of this type takes, in words: `a number in [0, 1] V`."""
    origin, args, allowed = get_origin(hint), get_args(hint), field.metadata.get("range")
    if origin is Literal:
        words = f"one of {', '.join(map(str, args))}"
    elif origin is tuple and args[1:] == (...,):
        words = f"a list, each item {kind(field, args[0])}"
    elif origin is dict and args[0] is str:
        words = f"a mapping of text to {kind(field, args[1])}"
    elif dataclasses.is_dataclass(hint):
        words = f"a mapping of {', '.join(declared(hint))}"  # type: ignore[arg-type]  # is a class
    elif hint in KINDS:
        words = KINDS[hint] + (f" in {allowed}" if allowed else "")
    else:
        raise TypeError(f"a record cannot hold {hint}; see device_models.record for what it can")
    return words + (" or null" if optional else "")


def parse(hint: Any, text: str) -> Any:
    """`text` as a `hint`; where it is none, `text` itself, for `problem` to refuse."""
    hint, optional = without_none(hint)
    if optional and text in NULLS:
        return None
    if hint in NUMBERS:
        try:
            return hint(text) if NUMBERS[hint].fullmatch(text) else text
        except ValueError:  # Python refuses whole numbers of more than 4300 digits
            return text
    if get_origin(hint) is Literal:
        return {str(choice): choice for choice in get_args(hint)}.get(text, text)
    return TRUTH.get(text, text) if hint is bool else text


def parse_option(hint: Any, text: str) -> Any:
    """`parse` for the command line, where a list is written with commas."""
    plain, optional = without_none(hint)
    if get_origin(plain) is not tuple or (optional and text in NULLS):
        return parse(hint, text)
    items = text.split(",") if text.strip() else []
    return tuple(parse(get_args(plain)[0], item.strip()) for item in items)


def override(record: T, texts: Mapping[str, tuple[str, str]]) -> T:
    """A copy of `record` in which some fields hold what the user typed.

    Args:
        record: The record to start from. Not modified.
        texts: Field name -> (text, label as the user typed it, for example `--epochs`). A list is
            typed with commas: `--layers 100,10`.

    Returns:
        The changed record.

    Raises:
        ConfigError: One line per wrong value, with its label; also where the values break a rule
            between fields.
    """
    fields, values, found = declared(type(record)), dict[str, Any](), list[str]()
    for name, (text, label) in texts.items():
        if name not in fields:
            found.append(f"{label} sets an unknown field {name!r}" + did_you_mean(name, fields))
            continue
        field, hint = fields[name]
        values[name] = parse_option(hint, text)
        found += filter(None, [problem(label, field, hint, values[name])])
    raise_all(found)
    return dataclasses.replace(record, **values)  # type: ignore[type-var]  # as in `declared`


def describe(record: Any, prefix: str = "") -> list[tuple[str, str, str, str]]:
    """Every setting of a record as (name, value, unit, allowed), for printing.

    Args:
        record: The record; nested ones become rows with dotted names.
        prefix: Put before every name.
    """
    rows = []
    for name, (field, hint) in declared(type(record)).items():
        value = getattr(record, name)
        if dataclasses.is_dataclass(value):
            rows += describe(value, f"{prefix}{name}.")
            continue
        plain, optional = without_none(hint)
        allowed = field.metadata.get("range")
        unit = allowed.unit if allowed else ""
        words = kind(field, plain, optional=optional).removeprefix("one of ")
        if allowed and plain in NUMBERS:
            words = str(dataclasses.replace(allowed, unit="")) + (" or null" if optional else "")
        rows.append((prefix + name, printed(value), unit, words))
    return rows


def printed(value: Any) -> str:
    """A value of a record as a person would write it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(printed, value))
    if isinstance(value, dict):
        return ", ".join(f"{k}: {printed(v)}" for k, v in value.items())
    return number(value) if isinstance(value, numbers.Real) else str(value)


def number(value: Any) -> str:
    """A number in as few characters as still mean exactly it (numpy scalars too)."""
    if isinstance(value, numbers.Integral):
        # Python refuses to print whole numbers of more than 4300 digits in base ten.
        return str(value) if abs(int(value)) < 10**LONGEST_SHOWN else hex(int(value))
    short = f"{float(value):g}"
    return short if float(short) == value else str(value)


def shown(value: Any) -> str:
    """A wrong value as an error repeats it: one line, not too long."""
    plain = isinstance(value, numbers.Real) and not isinstance(value, bool)
    text = number(value) if plain else repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def did_you_mean(value: Any, known: Iterable[Any]) -> str:
    """The nearest of some names, as the end of a message; empty if none is near."""
    near = difflib.get_close_matches(value, map(str, known), n=1) if isinstance(value, str) else []
    return f"; did you mean {near[0]!r}?" if near else ""


def raise_all(found: Iterable[str] | Iterator[str]) -> None:
    """Raise one ConfigError of all problems, one a line; do nothing if there is none."""
    if text := "\n".join(found):
        raise ConfigError(text)
