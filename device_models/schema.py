"""Reading and writing YAML files of parameters, with every mistake named by its line.

Files are read from `yaml.compose`, whose nodes have places and whose scalars are text, never with
`safe_load`: that one reads `80:20` as 4820, `1e-6` as text, `no` as false and keeps the last of two
equal keys. The declarations (`Record`, `quantity`, `choice`, `tagged`) live in
`device_models.record`, `override` in `device_models.overrides`; they are re-exported here, the one
place to import them from.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import Field
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin

import yaml

from .errors import ConfigError
from .overrides import override
from .record import (
    NULLS,
    Range,
    Record,
    Tagged,
    choice,
    declared,
    describe,
    did_you_mean,
    kind,
    missing,
    nearest,
    parse,
    problem,
    quantity,
    raise_all,
    shown,
    tagged,
    variants,
    without_none,
)

__all__ = [
    "Range",
    "Record",
    "choice",
    "describe",
    "dump",
    "load",
    "load_tagged",
    "override",
    "quantity",
    "tagged",
]

T = TypeVar("T")
KEY, VALUE, MISSING = range(3)  # what a problem is about: the order in which problems are told
RARE_BREAKS = "\x85\u2028\u2029"


def load(path: str | PathLike[str], cls: type[T]) -> T:
    """Read one YAML file into a record.

    Args:
        path: The file, UTF-8. An empty one gives the record of all defaults, if there is one.
        cls: A dataclass derived from `Record`.

    Returns:
        A valid `cls`.

    Raises:
        ConfigError: The file cannot be read (one line), or does not fit: one line
            `file:line:column: text` for every problem in it, causes first: unknown and doubled
            keys, then wrong values, then all that one mapping lacks on one line.
    """
    return _read(path, lambda reader, root: reader.record(root, cls, ""))


def load_tagged(path: str | PathLike[str], tag: str, classes: Mapping[str, type[T]]) -> T:
    """Read one YAML file into the record class that the file itself names.

    Args:
        path: The file, UTF-8.
        tag: The key whose value selects the class, for example `model`. It is not passed on.
        classes: Value of the tag -> dataclass derived from `Record`.

    Returns:
        A valid record of the selected class.

    Raises:
        ConfigError: As for `load`; also for a missing or unknown tag.
    """
    spec = Tagged(classes, tag)
    return cast(T, _read(path, lambda reader, root: reader.tagged(root, spec, "")))


def dump(record: Any, tag: tuple[str, str] | None = None) -> str:
    """A record as YAML text that `load` reads back equal.

    Args:
        record: Any record; numpy scalars are written as the numbers they are, in full precision.
        tag: Key and value to write first, for `load_tagged`.
    """
    tree = dict([tag] if tag else []) | _record_tree(record)
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf)


class _Dumper(yaml.SafeDumper):
    """PyYAML's own, save that it writes rare line breaks as escapes; raw, they are read as ' '."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = '"' if any(c in text for c in RARE_BREAKS) else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _Dumper.represent_text)


def _record_tree(record: Any) -> dict[str, Any]:
    """A record in the plain types that YAML writes."""
    return {
        name: _tree(field, hint, getattr(record, name))
        for name, (field, hint) in declared(type(record)).items()
    }


def _tree(field: Field[Any], hint: Any, value: Any) -> Any:
    """A value of a record in the plain types that YAML writes."""
    hint, _ = without_none(hint)
    if value is None:
        return None
    if spec := variants(field, hint):
        return {spec.key: spec.name_of(value)} | _record_tree(value)
    if dataclasses.is_dataclass(hint):
        return _record_tree(value)
    if get_origin(hint) is tuple:
        return [_tree(field, get_args(hint)[0], item) for item in value]
    if get_origin(hint) is dict:
        return {str(key): _tree(field, get_args(hint)[1], item) for key, item in value.items()}
    return hint(value) if hint in (int, float, str) else value  # numpy scalars become Python's


def _read(path: str | PathLike[str], build: "Callable[[_Reader, Any], T | None]") -> T:
    """Compose the file, let `build` walk it, and raise what it found."""
    text, reader, record = _text(path), _Reader(), None
    try:
        root = yaml.compose(text, yaml.SafeLoader) or yaml.compose("{}", yaml.SafeLoader)
        record = build(reader, root)
    except yaml.MarkedYAMLError as e:
        place = e.problem_mark or e.context_mark
        before = f"{e.context} " if str(e.problem).startswith("but ") else ""
        reader.note(place, VALUE, f"not YAML: {before}{e.problem}")
    except yaml.reader.ReaderError as e:
        line = text.count("\n", 0, e.position) + 1
        column = e.position - text.rfind("\n", 0, e.position)
        what = f"not YAML: character {chr(int(e.character))!r} is not allowed"
        reader.problems.append((VALUE, line, column, what))
    except (RecursionError, ValueError) as e:  # the latter: an escape such as \U7fffffff
        reason = "nested too deeply" if isinstance(e, RecursionError) else str(e)
        raise ConfigError(f"{path}: not YAML: {reason}") from e
    raise_all(f"{path}:{line}:{col}: {what}" for _, line, col, what in sorted(reader.problems))
    return cast(T, record)  # None comes only with a problem


def _text(path: str | PathLike[str]) -> str:
    """The text of a file, or a ConfigError of one line."""
    try:
        return Path(path).read_text("utf-8-sig")
    except UnicodeDecodeError as e:
        byte = f"byte 0x{e.object[e.start]:02x} at offset {e.start}"
        raise ConfigError(f"{path}: not UTF-8 text ({byte}); nothing was read") from e
    except OSError as e:
        raise ConfigError(f"{path}: {e.strerror or e}; nothing was read") from e


class _Reader:
    """Walks the nodes of one file; keeps every problem instead of stopping at the first."""

    def __init__(self) -> None:
        self.problems: list[tuple[int, int, int, str]] = []

    def say(self, node: Any, text: str, about: int = VALUE) -> None:
        """Note one problem at the start of a node, in one line."""
        self.note(node.start_mark, about, text)

    def note(self, mark: Any, about: int, text: str) -> None:
        """Note one problem at a place, counted from 1."""
        self.problems.append((about, mark.line + 1, mark.column + 1, text))

    def tagged(self, node: Any, spec: Tagged, at: str) -> Any:
        """A record of the class that a key of the mapping names, or None after saying why not."""
        classes, name = spec.classes(), _join(at, spec.key)
        if not isinstance(node, yaml.MappingNode):
            what = f"a mapping with the key {spec.key!r}"
            self.say(node, f"{_bare(at) or 'the file'} must be {what}, not {_found(node)}")
            return None
        named = [child for key, child in node.value if _is_key(key, spec.key)]
        if not named:
            self.no_tag(node, spec, at)
        elif not isinstance(named[0], yaml.ScalarNode) or named[0].value not in classes:
            near = did_you_mean(named[0].value, classes)
            known = ", ".join(classes)
            self.say(
                named[0], f"{_bare(name)} must be one of {known}, not {_found(named[0])}{near}"
            )
        else:
            return self.record(node, classes[named[0].value], at, tag=spec.key)
        return None

    def no_tag(self, node: Any, spec: Tagged, at: str) -> None:
        """Say that the key which names the class is missing, or misspelt."""
        fields = {name for cls in spec.classes().values() for name in declared(cls)}
        texts = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        strangers = [key for key in texts if key.value not in fields]
        if typo := next((key for key in strangers if nearest(key.value, [spec.key])), None):
            name = shown(_join(at, typo.value))
            self.say(typo, f"unknown key {name}; did you mean {spec.key!r}?", KEY)
        else:
            names = ", ".join(spec.classes())
            self.say(node, f"missing key {_bare(_join(at, spec.key))}: one of {names}", MISSING)

    def record(self, node: Any, cls: type[T], at: str, *, tag: str | None = None) -> T | None:
        """A `cls`, or None after saying why not; the key `tag` is none of its fields."""
        fields, values, before = declared(cls), dict[str, Any](), len(self.problems)
        children = self.mapping(node, at, f"a mapping of {', '.join(fields)}")
        if children is None:
            return None
        meant = set()
        for name, (key, child) in children.items():
            if name in fields:
                values[name] = self.value(child, *fields[name], _join(at, name))
            elif name != tag:
                meant.add(near := nearest(name, fields))
                hint = f"did you mean {near!r}?" if near else f"known: {', '.join(fields)}"
                self.say(key, f"unknown key {shown(_join(at, name))}; {hint}", KEY)
        # What a misspelt key stands for is not missing as well.
        if absent := [_bare(_join(at, n)) for n in missing(cls, {*children, *meant})]:
            what = "missing key" if len(absent) == 1 else "missing keys"
            self.say(node, f"{what} {', '.join(absent)}", MISSING)
        try:
            return cls(**values) if len(self.problems) == before else None
        except ConfigError as e:  # a rule between two fields, checked by the record itself
            self.say(node, f"{_bare(at)}: {e}" if at else str(e))
            return None

    def mapping(self, node: Any, at: str, wanted: str) -> dict[str, tuple[Any, Any]] | None:
        """Key -> its nodes, each key once; None after saying that it is no mapping."""
        if not isinstance(node, yaml.MappingNode):
            self.say(node, f"{_bare(at) or 'the file'} must be {wanted}, not {_found(node)}")
            return None
        children: dict[str, tuple[Any, Any]] = {}
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.say(
                    key, f"a key of {_bare(at) or 'the file'} must be text, not {_found(key)}", KEY
                )
            elif key.value in children:
                first = f"(first on line {children[key.value][0].start_mark.line + 1})"
                self.say(key, f"{_bare(_join(at, key.value))} is given twice {first}", KEY)
            else:
                children[key.value] = (key, child)
        return children

    def value(self, node: Any, field: Field[Any], hint: Any, name: str) -> Any:
        """A `hint`; anything else only after saying what is wrong."""
        plain, optional = without_none(hint)
        origin, args = get_origin(plain), get_args(plain)
        # Bare, for in quotes `null` is text like any other.
        bare = isinstance(node, yaml.ScalarNode) and node.style is None
        if optional and bare and node.value in NULLS:
            return None
        if spec := variants(field, plain):
            if isinstance(node, yaml.MappingNode):
                return self.tagged(node, spec, name)
        elif dataclasses.is_dataclass(plain):
            return self.record(node, plain, name)  # type: ignore[arg-type]  # it is a class
        wanted = kind(field, plain, optional=optional)
        if origin is tuple and isinstance(node, yaml.SequenceNode):
            items = ((f"{name}[{i}]", n) for i, n in enumerate(node.value))
            return tuple(self.value(n, field, args[0], at) for at, n in items)
        if origin is tuple and bare and node.value:  # one item needs no brackets
            return (self.value(node, field, args[0], name),)
        if origin is dict:
            found = (self.mapping(node, name, wanted) or {}).items()
            return {k: self.value(n, field, args[1], _join(name, k)) for k, (_, n) in found}
        if not isinstance(node, yaml.ScalarNode) or (bare and not node.value):
            self.say(node, f"{_bare(name)} must be {wanted}, not {_found(node)}")
            return None
        value = parse(field, plain, node.value)
        if text := problem(_bare(name), field, hint, value):
            self.say(node, text)
        return value


def _is_key(node: Any, name: str) -> bool:
    """Whether the key of a mapping is this text."""
    return isinstance(node, yaml.ScalarNode) and node.value == name


def _found(node: Any) -> str:
    """What stands in the file, as the end of "must be ..., not"."""
    if isinstance(node, yaml.ScalarNode):
        return shown(node.value) if node.value or node.style else "empty"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"


def _join(at: str, name: str) -> str:
    """The full name of a key."""
    return f"{at}.{name}" if at else name


def _bare(name: str) -> str:
    """A name as messages print it: as it is, unless it would break the line."""
    return name if name.isprintable() else shown(name)
