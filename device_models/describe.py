"""Records as tables for people."""

import dataclasses
from dataclasses import Field
from typing import Any, get_args

from .record import NUMBERS, declared, kind, printed, variants, without_none


def describe(record: Any, prefix: str = "") -> list[tuple[str, str, str, str]]:
    """Every setting of a record as (name, value, unit, allowed), for printing.

    Args:
        record: The record; nested ones become rows with dotted names, as `override` takes them.
        prefix: Put before every name.
    """
    rows = []
    for name, (field, hint) in declared(type(record)).items():
        rows += _rows(prefix + name, field, hint, getattr(record, name))
    return rows


def _rows(name: str, field: Field[Any], hint: Any, value: Any) -> list[tuple[str, str, str, str]]:
    """`describe` of one field."""
    plain, optional = without_none(hint)
    if dataclasses.is_dataclass(value):
        spec, rows = variants(field, plain), describe(value, f"{name}.")
        if spec is None:
            return rows
        return [(f"{name}.{spec.key}", spec.name_of(value), "", ", ".join(spec.entries())), *rows]
    if isinstance(value, tuple) and any(map(dataclasses.is_dataclass, value)):
        items = (_rows(f"{name}.{i}", field, get_args(plain)[0], v) for i, v in enumerate(value))
        return [row for rows in items for row in rows]
    allowed = field.metadata.get("range")
    words = kind(field, plain, optional=optional).removeprefix("one of ")
    if allowed and plain in NUMBERS:
        words = str(dataclasses.replace(allowed, unit="")) + (" or null" if optional else "")
    return [(name, printed(value), allowed.unit if allowed else "", words)]
