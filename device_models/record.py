"""One declaration per field: it checks, it explains itself, it feeds the tests.

A parameter dataclass derives from `Record`. A number is declared with `quantity`, a name out of a
table with `choice`, a record whose class a name selects with `tagged`. A field holds an int, float,
bool, str, Literal or record, one of those or None, a `tuple[X, ...]` or a `dict[str, X]`. Files are
read and written by `device_models.schema`, texts of the command line by `device_models.overrides`;
this module knows no format.
"""

import dataclasses
import difflib
import math
import numbers
import re
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from .errors import ConfigError

Table = Mapping[str, Any] | Callable[[], Mapping[str, Any]]
_declared: dict[type, Mapping[str, tuple[Field[Any], Any]]] = {}  # classes do not change

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
LONGEST_NAME = 200  # characters of a text that may be a name mistyped


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
    return _field({"range": Range(unit, low, high, why)}, default)


def _field(metadata: Mapping[str, Any], default: Any) -> Any:
    """A dataclass field with its declaration."""
    if isinstance(default, dict):  # every record gets its own copy
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Choice:
    """The names of a table, as they are at each use: what was registered later counts too."""

    table: Table | Collection[str]

    def entries(self) -> Any:
        """The table, or the names alone."""
        return self.table() if callable(self.table) else self.table


def choice(table: Table | Collection[str], *, default: Any = MISSING) -> Any:
    """A dataclass field of type `str` that only holds names out of a table.

    Args:
        table: The table whose keys are allowed, or names alone; or a function that returns the
            table, for a module that cannot be imported yet.
        default: The value of a field that is not given; without it the field is required.
    """
    return _field({"choice": Choice(table)}, default)


@dataclass(frozen=True)
class Tagged(Choice):
    """A table of record classes, and the key of a file that names the class.

    An entry is a record class, or a class whose attribute `Options` is one.
    """

    key: str = "kind"

    def classes(self) -> dict[str, type[Any]]:
        """Name -> record class.

        Raises:
            TypeError: Two names share a class, or a class has a field named as the key.
        """
        classes = {n: getattr(entry, "Options", entry) for n, entry in self.entries().items()}
        if len(set(classes.values())) < len(classes):
            raise TypeError(f"two of {', '.join(classes)} share a record class; give each its own")
        for cls in classes.values():
            if self.key in cls.__dataclass_fields__:
                raise TypeError(f"{cls.__name__} has a field {self.key}, the key that names it")
        return classes

    def name_of(self, record: Any) -> str:
        """The name of the class of a record that came out of the table."""
        return next(name for name, cls in self.classes().items() if cls is type(record))

    def short(self, name: str) -> Any:
        """The record of all defaults of a name; the name itself where there is none."""
        cls = self.classes().get(name)
        return name if cls is None or missing(cls, ()) else cls()

    def refusal(self, name: str, value: Any, words: str) -> str:
        """Why `value` is no such record, as a sentence about `name`; `words`: what is allowed."""
        cls = self.classes().get(value) if isinstance(value, str) else None
        if cls is None:
            near = did_you_mean(value, self.entries())
            return f"{name} must be {words}, not {shown(value)}{near}"
        keys = "".join(f", {field}: ..." for field in missing(cls, ()))
        return f"{name} must be a mapping {{{self.key}: {value}{keys}}}, not {shown(value)}"

    def __str__(self) -> str:
        """What is allowed, in words."""
        return f"one of {', '.join(self.entries())}, or a mapping with the key {self.key}"


def tagged(table: Table, *, key: str = "kind", default: Any = MISSING) -> Any:
    """A dataclass field that holds a record whose class is chosen by name out of a table.

    The type of the field is a common base of the classes (`Record` will do), that or None, or a
    tuple of it. A file says `{kind: NAME, ...}`, or `NAME` alone where no field is required.

    Args:
        table: Name -> record class, or name -> class whose attribute `Options` is one; or a
            function that returns that.
        key: Of the file that holds the name; no field of the records.
        default: The value of a field that is not given, a record or a name; without it the field is
            required.
    """
    spec = Tagged(table, key)
    if not isinstance(default, str):
        return _field({"tagged": spec}, default)
    return dataclasses.field(default_factory=lambda: spec.short(default), metadata={"tagged": spec})


class Record:
    """Base of every parameter dataclass: a record that exists is valid.

    A rule between two fields goes into `__post_init__`, after `super().__post_init__()`, and raises
    ConfigError.
    """

    def __post_init__(self) -> None:
        """Check every field; a numpy scalar becomes the number of Python that it is.

        Raises:
            ConfigError: One line for each field that is outside its declaration.
        """
        owner = type(self).__name__
        for name, value in vars(self).items():
            if isinstance(value, numbers.Number) and hasattr(value, "item"):
                object.__setattr__(self, name, value.item())
        problems = (
            problem(f"{owner}.{name}", field, hint, getattr(self, name))
            for name, (field, hint) in declared(type(self)).items()
        )
        raise_all(filter(None, problems))


def declared(cls: type) -> Mapping[str, tuple[Field[Any], Any]]:
    """The fields of a record class with their types, in order."""
    if cls not in _declared:
        hints = get_type_hints(cls)
        found = {field.name: (field, hints[field.name]) for field in dataclasses.fields(cls)}
        _declared[cls] = found
    return _declared[cls]


def missing(cls: type, given: Iterable[str]) -> list[str]:
    """The fields of a record class that must be given and are not."""
    return [
        field.name
        for field in dataclasses.fields(cls)
        if field.default is field.default_factory is MISSING and field.name not in given
    ]


def problem(name: str, field: Field[Any], hint: Any, value: Any) -> str:
    """What is wrong with `value`, as one sentence about `name`; empty if nothing is."""
    hint, optional = without_none(hint)
    if value is None and optional:
        return ""
    parts = members(name, hint, value)
    if parts is not None:
        inner = item_hint(hint)
        if wrong := next((k for k in value if isinstance(value, dict) and not encodable(k)), None):
            return f"{name} has a key that UTF-8 cannot hold: {shown(wrong)}"
        return next(filter(None, (problem(at, field, inner, v) for at, v in parts)), "")
    if not fits(field, hint, value):
        words = kind(field, hint, optional=optional)
        if spec := variants(field, hint):
            return spec.refusal(name, value, words)
        near = did_you_mean(value, names(field, hint) or ())
        return f"{name} must be {words}, not {shown(value)}{near}"
    allowed: Range | None = field.metadata.get("range")
    if allowed and value not in allowed:
        reason = f": {allowed.why}" if allowed.why else ""
        return f"{name} = {shown(value)} is outside {allowed}{reason}"
    if hint is float and not math.isfinite(value):
        return f"{name} must be a finite number, not {shown(value)}"
    if isinstance(value, str) and not encodable(value):
        return f"{name} must be text that UTF-8 can hold, not {shown(value)}"
    return ""


def encodable(text: str) -> bool:
    """Whether a text can be written to a file: no half of a surrogate pair stands alone in it."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def item_hint(hint: Any) -> Any:
    """The type of the items of a list or mapping."""
    return get_args(hint)[-1 if get_origin(hint) is dict else 0]


def names(field: Field[Any], hint: Any) -> tuple[Any, ...] | None:
    """The values that a field of a few names may hold; None for any other field."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    spec: Choice | None = field.metadata.get("choice")
    return tuple(spec.entries()) if spec and hint is str else None


def variants(field: Field[Any], hint: Any) -> Tagged | None:
    """The table of a field that holds a record out of one; None for any other, and for a list."""
    return None if get_origin(hint) in (tuple, dict) else field.metadata.get("tagged")


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
    is_dict = get_origin(hint) is dict and isinstance(value, dict)
    if is_dict and all(isinstance(key, str) for key in value):
        return [(f"{name}.{k}", v) for k, v in value.items()]
    return None


def fits(field: Field[Any], hint: Any, value: Any) -> bool:
    """Whether `value`, which is no list and no mapping, is of the type of a field."""
    if spec := variants(field, hint):
        return type(value) in spec.classes().values()
    if isinstance(value, bool) and hint is not bool:
        return False  # True would pass for the number 1
    if (allowed := names(field, hint)) is not None:
        return isinstance(value, str | int) and value in allowed
    return get_origin(hint) is None and isinstance(value, TYPES.get(hint, hint))


def kind(field: Field[Any], hint: Any, *, optional: bool = False) -> str:
    """What a field of this type takes, in words: `a number in [0, 1] V`."""
    origin, args, allowed = get_origin(hint), get_args(hint), field.metadata.get("range")
    if (values := names(field, hint)) is not None:
        words = f"one of {', '.join(map(str, values))}"
    elif origin is tuple and args[1:] == (...,):
        words = f"a list, each item {kind(field, args[0])}"
    elif origin is dict and args[0] is str:
        words = f"a mapping of text to {kind(field, args[1])}"
    elif spec := variants(field, hint):
        words = str(spec)
    elif dataclasses.is_dataclass(hint):
        words = f"a mapping of {', '.join(declared(hint))}"  # type: ignore[arg-type]  # is a class
    elif hint in KINDS:
        words = KINDS[hint] + (f" in {allowed}" if allowed else "")
    else:
        raise TypeError(f"a record cannot hold {hint}; see device_models.record for what it can")
    return words + (" or null" if optional else "")


def parse(field: Field[Any], hint: Any, text: str) -> Any:
    """`text` as what a field of type `hint` holds; where it is none, itself, for `problem`."""
    hint, optional = without_none(hint)
    if optional and text in NULLS:
        return None
    if hint in NUMBERS:
        try:
            return hint(text) if NUMBERS[hint].fullmatch(text) else text
        except ValueError:  # Python refuses whole numbers of more than 4300 digits
            return text
    if spec := variants(field, hint):
        return spec.short(text)
    if (values := names(field, hint)) is not None:
        return {str(value): value for value in values}.get(text, text)
    return TRUTH.get(text, text) if hint is bool else text


def default_of(field: Field[Any]) -> Any:
    """What a field holds that is not given; None where it must be."""
    if field.default_factory is not MISSING:
        return field.default_factory()
    return None if field.default is MISSING else field.default


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


def nearest(value: Any, names: Iterable[Any]) -> str:
    """The nearest of some names to what was written; empty if none is near."""
    if not isinstance(value, str) or len(value) > LONGEST_NAME:
        return ""
    near = difflib.get_close_matches(value, map(str, names), n=1)
    return near[0] if near else ""


def inside(cls: type, name: str) -> str:
    """The dotted name of a field of that name inside a record that a class holds; else empty.

    A list of records counts as one of them: `network.layers.ei`.
    """
    below: list[tuple[str, type]] = []
    for outer, (field, hint) in declared(cls).items():
        plain, _ = without_none(hint)
        plain = item_hint(plain) if get_origin(plain) is tuple else plain
        spec = variants(field, plain)
        kinds = [*spec.classes().values()] if spec else [plain]
        below += [(outer, kind) for kind in kinds if dataclasses.is_dataclass(kind)]
    near = [outer for outer, kind in below if name in declared(kind)]
    deep = (f"{outer}.{inner}" for outer, kind in below if (inner := inside(kind, name)))
    return f"{near[0]}.{name}" if near else next(deep, "")


def did_you_mean(value: Any, names: Iterable[Any]) -> str:
    """The nearest of some names, as the end of a message; empty if none is near."""
    near = nearest(value, names)
    return f"; did you mean {near!r}?" if near else ""


def raise_all(problems: Iterable[str]) -> None:
    """Raise one ConfigError of all problems, one a line; do nothing if there is none."""
    if text := "\n".join(dict.fromkeys(problems)):  # one value may be that of two settings
        raise ConfigError(text)
