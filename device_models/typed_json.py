"""JSON that anyone may have written, as the types that the code which uses it declares."""

import dataclasses
import json
import math
import types
from typing import Any, NoReturn, Union, get_args, get_origin, get_type_hints, is_typeddict

from .record import shown

LARGEST = 2**63 - 1  # of a whole number: more do not fit into arrays
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def parse(content: str | bytes) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: It is none, or nested too deeply.
    """
    try:
        return json.loads(content)
    except RecursionError as e:
        raise ValueError("nested too deeply") from e


def checked(hint: Any, value: Any, name: str, *, finite: bool = True) -> Any:
    """A value of JSON as a `hint`; JSON knows no tuple and no record.

    Args:
        hint: bool, int, float, str, one of those or None; `tuple[X, ...]`, `tuple[X, Y]`,
            `dict[str, X]`; a NamedTuple or a dataclass, which is made; or a TypedDict, beside whose
            keys there may be others. Any is taken as it is.
        value: As the file has it.
        name: Of it, for the message.
        finite: Whether nan and infinities are refused.

    Raises:
        ValueError: It is none.
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        (hint,) = (arg for arg in args if arg is not types.NoneType)
        return checked(hint, value, name, finite=finite)
    if hint is Any:
        return value
    if hint in WORDS:
        return _scalar(hint, value, name, finite=finite)
    if origin is tuple:
        return _tuple(args, value, name, finite=finite)
    if isinstance(value, list | tuple) and hasattr(hint, "_fields"):  # as JSON writes a NamedTuple
        if len(value) > len(hint._fields):
            raise ValueError(f"{name} must have {len(hint._fields)} items, not {len(value)}")
        value = dict(zip(hint._fields, value, strict=False))
    if not isinstance(value, dict):
        _refuse(name, "a mapping", value)
    if origin is dict:
        return {k: checked(args[1], v, f"{name}.{k}", finite=finite) for k, v in value.items()}
    return _fields(hint, value, name, finite=finite)


def _scalar(hint: Any, value: Any, name: str, *, finite: bool) -> Any:
    """A number, a truth value or a text."""
    takes: Any = (int, float) if hint is float else hint
    if not isinstance(value, takes) or (isinstance(value, bool) and hint is not bool):
        _refuse(name, WORDS[hint], value)
    if isinstance(value, int) and abs(value) > LARGEST:
        _refuse(name, f"at most {LARGEST}", value)
    if hint is float and finite and not math.isfinite(float(value)):
        _refuse(name, "a finite number", value)
    return value


def _tuple(args: tuple[Any, ...], value: Any, name: str, *, finite: bool) -> tuple[Any, ...]:
    """A list of one kind, or of so many kinds."""
    if not isinstance(value, list | tuple):
        _refuse(name, "a list", value)
    kinds = [args[0]] * len(value) if args[1:] == (...,) else list(args)
    if len(kinds) != len(value):
        raise ValueError(f"{name} must have {len(kinds)} items, not {len(value)}")
    named = enumerate(zip(kinds, value, strict=True))
    return tuple(checked(k, v, f"{name}[{i}]", finite=finite) for i, (k, v) in named)


def _fields(hint: Any, value: dict[str, Any], name: str, *, finite: bool) -> Any:
    """A record, or a mapping of a TypedDict."""
    hints = get_type_hints(hint)
    if is_typeddict(hint):
        needed, only = hint.__required_keys__, False
    elif dataclasses.is_dataclass(hint):
        fields = dataclasses.fields(hint)
        needed = {f.name for f in fields if f.default is dataclasses.MISSING}
        only = True
    else:
        needed, only = set(hints) - hint._field_defaults.keys(), True
    if missing := sorted(needed - value.keys()):
        raise ValueError(f"{name} lacks {missing[0]}")
    if only and (strange := sorted(value.keys() - hints.keys())):
        raise ValueError(f"{name} has no {shown(strange[0])}")
    values = {
        key: checked(hints[key], each, f"{name}.{key}", finite=finite) if key in hints else each
        for key, each in value.items()
    }
    return hint(**values) if only else values


def _refuse(name: str, words: str, value: Any) -> NoReturn:
    """Say what is allowed."""
    raise ValueError(f"{name} must be {words}, not {shown(value)}")
