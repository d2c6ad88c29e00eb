"""Settings changed by what a person typed: dotted names, and text for values."""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import Field
from typing import Any, TypeVar, cast, get_args, get_origin

from .describe import describe
from .errors import ConfigError
from .record import (
    NULLS,
    Tagged,
    declared,
    default_of,
    item_hint,
    missing,
    nearest,
    parse,
    problem,
    raise_all,
    variants,
    without_none,
)

T = TypeVar("T")


def override(record: T, texts: Mapping[str, str | tuple[str, str]]) -> T:
    """A copy of `record` in which some fields hold what the user typed.

    All changes are made at once: a rule between two fields sees both.

    Args:
        record: The record to start from. Not modified.
        texts: Field -> text, or (text, label as the user typed it, for example `--epochs`); without
            a label the name of the field is it. Dots lead into nested records, lists and mappings:
            `wires.word_ohms`, `layers.0.neurons`. A list is typed with commas: `100,10`. The name
            of a kind, `neuron=lif` or `neuron.kind=lif`, keeps what a record of that kind holds;
            another kind starts from its own defaults.

    Returns:
        The changed record.

    Raises:
        ConfigError: One line per wrong value, with its label; also where the values break a rule
            between fields.
    """
    typed = _Typed()
    for name, text in texts.items():
        typed.add(name.split("."), *((text, name) if isinstance(text, str) else text))
    changes = _Changes(record)
    changed = changes.record(record, type(record), "", typed)
    raise_all(changes.problems)
    return cast(T, changed)


class _Typed:
    """What was typed for one name, and for the names below it."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.label = ""
        self.below: dict[str, _Typed] = {}

    def add(self, path: Iterable[str], text: str, label: str) -> None:
        """Take one text to its name."""
        node = self
        for name in path:
            node = node.below.setdefault(name, _Typed())
        node.text, node.label = text, label

    def leaves(self, at: str) -> Iterator[tuple[str, str]]:
        """Every name with a text, here and below, and its label."""
        if self.text is not None:
            yield at, self.label
        for name, node in self.below.items():
            yield from node.leaves(dotted(at, name))

    @property
    def labels(self) -> str:
        """The labels of all that was typed here and below."""
        return ", ".join(label for _, label in self.leaves(""))


class _Changes:
    """Changes a record; keeps every problem instead of stopping at the first.

    A method returns the new value, or anything at all after noting a problem.
    """

    def __init__(self, root: Any) -> None:
        self.root = root
        self.problems: list[str] = []

    def record(
        self, old: Any, cls: type[Any], at: str, typed: _Typed, *, key: str | None = None
    ) -> Any:
        """A `cls`: `old` with changed fields, or the defaults with them; `key` is no field."""
        fields, values, before = declared(cls), dict[str, Any](), len(self.problems)
        for name, node in typed.below.items():
            if name in fields:
                field, hint = fields[name]
                value = default_of(field) if old is None else getattr(old, name)
                values[name] = self.value(value, field, hint, dotted(at, name), node)
            elif name != key:
                self.unknown(at, name, node, fields)
            for inner, below in node.below.items() if name == key else ():  # it has no fields
                self.unknown(dotted(at, name), inner, below, ())
        if old is None and (absent := missing(cls, values)):
            keys = ", ".join(dotted(at, name) for name in absent)
            self.problems.append(f"{typed.labels} needs {keys} too")
        if len(self.problems) > before:
            return None
        try:
            return cls(**values) if old is None else dataclasses.replace(old, **values)
        except ConfigError as e:  # a rule between two fields, checked by the record itself
            self.problems.append(f"{at}: {e}" if at else str(e))
            return None

    def value(self, old: Any, field: Field[Any], hint: Any, at: str, typed: _Typed) -> Any:
        """What a field holds."""
        plain, optional = without_none(hint)
        if spec := variants(field, plain):
            return self.tagged(old, spec, at, typed, optional=optional)
        if typed.text is None:
            return self.inside(old, field, plain, at, typed)
        value = _parse_list(field, hint, typed.text)
        self.problems += filter(None, [problem(typed.label, field, hint, value)])
        if typed.below:
            self.problems.append(f"{typed.labels} exclude each other: all of them set {at}")
        return value

    def inside(self, old: Any, field: Field[Any], hint: Any, at: str, typed: _Typed) -> Any:
        """A record, list or mapping with changes inside; nothing else has an inside."""
        if dataclasses.is_dataclass(hint):
            return self.record(old, cast(type[Any], hint), at, typed)
        is_dict = get_origin(hint) is dict  # which takes new keys too
        items = dict(old or {}) if is_dict else {}
        if isinstance(old, tuple):
            items = {str(i): item for i, item in enumerate(old)}
        for name, node in typed.below.items():
            if is_dict or name in items:
                value = items.get(name)
                items[name] = self.value(value, field, item_hint(hint), dotted(at, name), node)
            else:
                self.unknown(at, name, node, items)
        return items if is_dict else tuple(items.values())

    def tagged(self, old: Any, spec: Tagged, at: str, typed: _Typed, *, optional: bool) -> Any:
        """A record out of a table: of the kind that was typed, or that it is."""
        named = [n for n in (typed, typed.below.get(spec.key)) if n and n.text is not None]
        classes, cls = spec.classes(), type(old)
        if len(named) > 1:
            self.problems.append(f"{typed.labels} exclude each other: all of them set {at}")
        elif named and named[0].text in NULLS and optional and not typed.below:
            return None
        elif named and named[0].text not in classes:
            words = f"one of {', '.join(classes)}" + " or null" * optional
            self.problems.append(spec.refusal(named[0].label, named[0].text, words))
        elif not named and old is None:
            what = f"{dotted(at, spec.key)}, one of {', '.join(classes)}"
            self.problems.append(f"{typed.labels} needs {what} too")
        else:
            cls = classes[str(named[0].text)] if named else cls
            same = old if type(old) is cls else None
            return self.record(same, cls, at, typed, key=spec.key)
        return None

    def unknown(self, at: str, name: str, typed: _Typed, names: Collection[str]) -> None:
        """Say that there is no such field, and which may be meant: one here, or one elsewhere."""
        for full, label in typed.leaves(dotted(at, name)):
            rest = full.removeprefix(dotted(at, name))
            if near := nearest(name, names):
                meant = dotted(at, near) + rest
            else:
                rows = (row[0] for row in describe(self.root))
                leaf = full.rpartition(".")[2]
                meant = next((row for row in rows if row.rpartition(".")[2] == leaf), "")
            hint = f"; known: {', '.join(names)}" if names else ""
            hint = f"; did you mean {meant!r}?" if meant else hint
            self.problems.append(f"{label} sets an unknown field {full!r}{hint}")


def _parse_list(field: Field[Any], hint: Any, text: str) -> Any:
    """`parse` for the command line, where a list is typed with commas."""
    plain, optional = without_none(hint)
    if get_origin(plain) is not tuple or (optional and text in NULLS):
        return parse(field, hint, text)
    items = text.split(",") if text.strip() else []
    return tuple(parse(field, get_args(plain)[0], item.strip()) for item in items)


def dotted(at: str, name: str) -> str:
    """The full name of a field."""
    return f"{at}.{name}" if at else name
