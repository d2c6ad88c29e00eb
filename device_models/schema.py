"""Reading and writing YAML files of parameters, with every mistake named by its line.

Files are read as nodes: see `device_models.nodes`. The declarations (`Record`, `quantity`,
`choice`, `tagged`) live in `device_models.record`, `override` in `device_models.overrides`; they
are re-exported here, the one place to import them from.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin

import yaml

from .errors import ConfigError
from .nodes import Origin, compose, compose_chain, in_words, is_key, location
from .overrides import dotted, override
from .record import (
    NULLS,
    Range,
    Record,
    Tagged,
    choice,
    declared,
    did_you_mean,
    inside,
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
    "Origin",
    "Range",
    "Record",
    "choice",
    "dump",
    "load",
    "load_based",
    "load_part",
    "load_tagged",
    "override",
    "quantity",
    "tagged",
]

T = TypeVar("T")
KEY, VALUE, MISSING = range(3)  # what a problem is about: the order in which problems are told
RARE_BREAKS = "\x85\u2028\u2029"
MOST_PROBLEMS = 100  # of one file; to look for what is meant takes time for each


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
            keys, then wrong values, then all that one mapping lacks on one line; the first hundred.
    """
    root = compose(Path(path))
    return cast(T, _build((Path(path),), lambda reader: reader.record(root, cls, "")))


def load_part(path: str | PathLike[str], cls: type[T]) -> T:
    """`load` of the keys alone that `cls` has; what else the file holds is not looked at."""
    root = compose(Path(path))
    if isinstance(root, yaml.MappingNode):
        root.value = [pair for pair in root.value if any(is_key(pair[0], n) for n in declared(cls))]
    return cast(T, _build((Path(path),), lambda reader: reader.record(root, cls, "")))


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
    root, spec = compose(Path(path)), Tagged(classes, tag)
    return cast(T, _build((Path(path),), lambda reader: reader.tagged(root, spec, "")))


def load_based(
    path: Path, tag: str, classes: Mapping[str, type[T]], find: Callable[[str, Path], Path]
) -> tuple[T, Origin]:
    """`load_tagged` of a file that may start from another one, which it names with `base`.

    Its keys replace those of the base, and within a mapping the keys of that. The base may have a
    base. All have one tag, which only one of them must give.

    Args:
        path: The file, UTF-8.
        tag: As for `load_tagged`.
        classes: As for `load_tagged`.
        find: The file of a name, and of the file that says the name; may raise ConfigError.

    Returns:
        A valid record of the selected class, and where its values come from.

    Raises:
        ConfigError: As for `load_tagged`, with the file that is to blame; also for a base that is
            not there, that leads back, or that has another tag.
    """
    spec, (root, origin) = Tagged(classes, tag), compose_chain(path, find, tag)
    record = _build(origin.files, lambda reader: reader.tagged(root, spec, ""))
    return cast(T, record), origin


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


def _build(paths: Sequence[Path], build: "Callable[[_Reader], Any]") -> Any:
    """What `build` makes of the nodes of some files.

    Raises:
        ConfigError: It noted problems; one line each.
    """
    reader, record, more = _Reader([str(path) for path in paths]), None, list[str]()
    try:
        record = build(reader)
    except _EnoughError:
        more = [f"{paths[0]}: there may be more; mend these first"]
    raise_all([text for *_, text in sorted(reader.problems)] + more)
    return record


class _EnoughError(Exception):
    """There are `MOST_PROBLEMS`: the rest of the files is not looked at."""


class _Reader:
    """Walks the nodes of some files; keeps every problem instead of stopping at the first."""

    def __init__(self, files: list[str]) -> None:
        self.files = files
        self.problems: list[tuple[int, int, int, int, str]] = []

    def say(self, node: Any, text: str, about: int = VALUE) -> None:
        """Note one problem at the start of a node, in one line."""
        mark = node.start_mark
        order = about, self.files.index(mark.name), mark.line, mark.column
        self.problems.append((*order, f"{location(mark)}: {text}"))
        if len(self.problems) == MOST_PROBLEMS:
            raise _EnoughError

    def tagged(self, node: Any, spec: Tagged, at: str) -> Any:
        """A record of the class that a key of the mapping names, or None after saying why not."""
        classes, name = spec.classes(), dotted(at, spec.key)
        if not isinstance(node, yaml.MappingNode):
            what = f"a mapping with the key {spec.key!r}"
            self.say(node, f"{_bare(at) or 'the file'} must be {what}, not {in_words(node)}")
            return None
        named = [child for key, child in node.value if is_key(key, spec.key)]
        if not named:
            self.no_tag(node, spec, at)
        elif not isinstance(named[0], yaml.ScalarNode) or named[0].value not in classes:
            near = did_you_mean(named[0].value, classes)
            names = ", ".join(classes)
            self.say(
                named[0], f"{_bare(name)} must be one of {names}, not {in_words(named[0])}{near}"
            )
        else:
            return self.record(node, classes[named[0].value], at, tag=spec.key)
        return None

    def no_tag(self, node: Any, spec: Tagged, at: str) -> None:
        """Say that the key which names the class is missing, or misspelt."""
        fields = {name for cls in spec.classes().values() for name in declared(cls)}
        texts = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        strangers = [key for key in texts if key.value not in fields][:MOST_PROBLEMS]
        if typo := next((key for key in strangers if nearest(key.value, [spec.key])), None):
            name = shown(dotted(at, typo.value))
            self.say(typo, f"unknown key {name}; did you mean {spec.key!r}?", KEY)
        else:
            names = ", ".join(spec.classes())
            self.say(node, f"missing key {_bare(dotted(at, spec.key))}: one of {names}", MISSING)

    def record(self, node: Any, cls: type[T], at: str, *, tag: str | None = None) -> T | None:
        """A `cls`, or None after saying why not; the key `tag` is none of its fields."""
        fields, values, before = declared(cls), dict[str, Any](), len(self.problems)
        children = self.mapping(node, at, f"a mapping of {', '.join(fields)}")
        if children is None:
            return None
        meant = set()
        for name, (key, child) in children.items():
            if name in fields:
                values[name] = self.value(child, *fields[name], dotted(at, name))
            elif name != tag:
                meant.add(near := nearest(name, fields))
                meaning = near or inside(cls, name)
                hint = f"did you mean {meaning!r}?" if meaning else f"known: {', '.join(fields)}"
                self.say(key, f"unknown key {shown(dotted(at, name))}; {hint}", KEY)
        # What a misspelt key stands for is not missing as well.
        if absent := [_bare(dotted(at, n)) for n in missing(cls, {*children, *meant})]:
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
            self.say(node, f"{_bare(at) or 'the file'} must be {wanted}, not {in_words(node)}")
            return None
        children: dict[str, tuple[Any, Any]] = {}
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.say(
                    key,
                    f"a key of {_bare(at) or 'the file'} must be text, not {in_words(key)}",
                    KEY,
                )
            elif key.value in children:
                first = f"(first on line {children[key.value][0].start_mark.line + 1})"
                self.say(key, f"{_bare(dotted(at, key.value))} is given twice {first}", KEY)
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
            pairs = (self.mapping(node, name, wanted) or {}).items()
            return {k: self.value(n, field, args[1], dotted(name, k)) for k, (_, n) in pairs}
        if not isinstance(node, yaml.ScalarNode) or (bare and not node.value):
            self.say(node, f"{_bare(name)} must be {wanted}, not {in_words(node)}")
            return None
        value = parse(field, plain, node.value)
        if text := problem(_bare(name), field, hint, value):
            self.say(node, text)
        return value


def _bare(name: str) -> str:
    """A name as messages print it: as it is, unless it would break the line."""
    return name if name.isprintable() else shown(name)
