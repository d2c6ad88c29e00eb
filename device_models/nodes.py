"""YAML files as nodes, which have marks and whose scalars are text; files that start from others.

Never `safe_load`: that one reads `80:20` as 4820, `1e-6` as text, `no` as false and keeps the last
of two equal keys.
"""

import io
from collections.abc import Callable, Collection, Sequence
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from .errors import ConfigError
from .record import shown

BASE = "base"  # the key that names the file to start from
TOO_DEEP = "nested too deeply"
PLAIN = {  # how what the parser says begins -> what a person can do about it
    "mapping values are not allowed here": "a second key where a value or the next line belongs: "
    "is the line indented as its neighbours, and a text that holds ': ' quoted?",
    "found character '\\t' that cannot start any token": "a tab: indent with spaces",
    "expected <block end>, but found": "this line is indented unlike those before it",
}
MOST_BYTES, MOST_NODES, MOST_DEEP = 1 << 18, 10_000, 32  # several times those of any device


class Origin(NamedTuple):
    """Which file of a chain gave what.

    Attributes:
        files: The file itself, its base, the base of that, ...
        given: Key, or key.key of a mapping -> index in `files` of the file whose value holds.
    """

    files: tuple[Path, ...]
    given: dict[str, int]


def compose(path: Path) -> Any:
    """The root node of a file; its marks bear the name of the file. An empty file is a mapping.

    Raises:
        ConfigError: It cannot be read, or is no YAML.
    """
    text = _text(path)
    try:
        return _root(text, path) or _root("{}", path)
    except yaml.MarkedYAMLError as e:
        mark: Any = e.problem_mark or e.context_mark
        problem = f"{e.context} {e.problem}" if str(e.problem).startswith("but ") else e.problem
        plain = (words for start, words in PLAIN.items() if str(problem).startswith(start))
        at, reason = f":{mark.line + 1}:{mark.column + 1}", next(plain, str(problem))
    except yaml.reader.ReaderError as e:
        line = text.count("\n", 0, e.position) + 1
        column = e.position - text.rfind("\n", 0, e.position)
        at, reason = f":{line}:{column}", f"character {chr(int(e.character))!r} is not allowed"
    except RecursionError:
        at, reason = "", TOO_DEEP
    except ValueError as e:  # an escape such as \\U7fffffff
        at, reason = "", str(e)
    raise ConfigError(f"{path}{at}: not YAML: {reason}")


def first_scalars(path: Path, names: Collection[str]) -> dict[str, str]:
    """The scalars of some keys of a valid file that is a mapping, read no further than the last."""
    found, depth, key = dict[str, str](), 0, ""
    for event in yaml.parse(_text(path), yaml.SafeLoader):
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent) and depth == 1 and not key:
            key = event.value
            continue
        elif isinstance(event, yaml.ScalarEvent) and depth == 1 and key in names:
            found[key] = event.value
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        key = key if depth > 1 else ""
        if len(found) == len(names):
            break
    return found


def _root(text: str, path: Path) -> Any:
    """The root node of a text; None of an empty one."""
    loader = _Loader(text)
    loader.name = str(path)
    return loader.get_single_node()


class _Loader(yaml.SafeLoader):
    """PyYAML's own, save that it stops at depths and sizes that no file of parameters has.

    An alias counts as all that it stands for: readers walk it each time.
    """

    def __init__(self, text: str) -> None:
        """Begin with nothing counted."""
        super().__init__(text)
        self._depth, self._count = 0, 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """A node and those inside it.

        Raises:
            MarkedYAMLError: There are too many, or an alias stands inside what it stands for.
        """
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        before, is_alias = self._count, isinstance(event, yaml.AliasEvent)
        self._depth, self._count = self._depth + 1, before + 1
        if self._depth > MOST_DEEP:
            raise yaml.MarkedYAMLError(None, None, TOO_DEEP, event.start_mark)
        node: Any = super().compose_node(parent, index)
        if is_alias and id(node) not in self._sizes:
            problem = f"*{event.anchor} stands inside what it stands for"
            raise yaml.MarkedYAMLError(None, None, problem, event.start_mark)
        self._count += self._sizes[id(node)] if is_alias else 0
        if self._count > MOST_NODES:
            problem = f"more than {MOST_NODES:,} values"
            raise yaml.MarkedYAMLError(None, None, problem, event.start_mark)
        self._depth, self._sizes[id(node)] = self._depth - 1, self._count - before
        return node


def _text(path: Path) -> str:
    """The text of a file, or a ConfigError of one line."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ConfigError(f"{path}: more than {MOST_BYTES:,} bytes; nothing was read")
        return io.TextIOWrapper(io.BytesIO(content), "utf-8-sig").read()
    except UnicodeDecodeError as e:
        byte = f"byte 0x{e.object[e.start]:02x} at offset {e.start}"
        raise ConfigError(f"{path}: not UTF-8 text ({byte}); nothing was read") from e
    except (OSError, ValueError) as e:  # a name with a zero in it
        raise ConfigError(f"{path}: {getattr(e, 'strerror', None) or e}; nothing was read") from e


def compose_chain(path: Path, find: Callable[[str, Path], Path], tag: str) -> tuple[Any, Origin]:
    """`compose` of a file that may name another one to start from: see `schema.load_based`."""
    paths, roots = [path], [compose(path)]
    while (name := _base(roots[-1])) is not None:
        try:
            paths.append(find(name.value, paths[-1]))
        except ConfigError as e:
            raise _error(name, f"{BASE}: {e}") from e
        if paths[-1].resolve() in [before.resolve() for before in paths[:-1]]:
            way = " -> ".join(map(str, paths))
            raise _error(name, f"{BASE} leads back to a file that starts from it: {way}")
        roots.append(compose(paths[-1]))
        if not isinstance(roots[-1], yaml.MappingNode):
            raise _error(roots[-1], f"a {BASE} must be a mapping, not {in_words(roots[-1])}")
    _check_tags(roots, tag)
    try:
        root = reduce(lambda far, near: _over(near, far), roots[::-1])
    except RecursionError as e:
        raise ConfigError(f"{path}: not YAML: {TOO_DEEP}") from e
    return root, Origin(tuple(paths), _given(roots))


def _base(root: Any) -> Any:
    """Take the key `base` out of a root: the node of its value, or None."""
    if not isinstance(root, yaml.MappingNode):
        return None
    named = [child for key, child in root.value if is_key(key, BASE)]
    root.value = [(key, child) for key, child in root.value if not is_key(key, BASE)]
    if len(named) > 1:
        raise _error(named[1], f"{BASE} is given twice")
    if named and not (isinstance(named[0], yaml.ScalarNode) and named[0].value):
        raise _error(named[0], f"{BASE} must be the name of a file, not {in_words(named[0])}")
    return named[0] if named else None


def _check_tags(roots: Sequence[Any], tag: str) -> None:
    """Refuse a file whose tag is another one than that of its base."""
    tags = [child for root in roots for key, child in _scalar_keys(root) if key == tag]
    for near, far in pairwise(node for node in tags if isinstance(node, yaml.ScalarNode)):
        if near.value != far.value:
            other = f"{tag} is {shown(near.value)}, but {shown(far.value)} in the {BASE}"
            raise _error(
                near, f"{other}, {location(far.start_mark)}; a file keeps that of its {BASE}"
            )


def _over(near: Any, far: Any) -> Any:
    """A mapping with what it does not say from another one; anything else as it is."""
    if not (isinstance(near, yaml.MappingNode) and isinstance(far, yaml.MappingNode)):
        return near
    below = dict(_scalar_keys(far))
    names = {name for name, _ in _scalar_keys(near)}
    pairs = [
        (key, _over(child, below.get(key.value)) if isinstance(key, yaml.ScalarNode) else child)
        for key, child in near.value
    ]
    pairs += [pair for pair in far.value if not any(is_key(pair[0], name) for name in names)]
    return yaml.MappingNode(near.tag, pairs, near.start_mark, near.end_mark)


def _given(roots: Sequence[Any]) -> dict[str, int]:
    """See `Origin.given`."""
    given = {}
    for i in reversed(range(len(roots))):
        for name, child in _scalar_keys(roots[i]):
            given[name] = i
            given |= {f"{name}.{inner}": i for inner, _ in _scalar_keys(child)}
    return given


def _scalar_keys(node: Any) -> list[tuple[str, Any]]:
    """The keys of a mapping that are text, with their nodes; nothing of anything else."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return [(key.value, child) for key, child in pairs if isinstance(key, yaml.ScalarNode)]


def place_of_item(path: Path, name: str, index: int) -> str:
    """Where an item of a list that a file holds begins, `FILE:LINE:COLUMN`; else the file."""
    lists = [value for key, value in compose(path).value if is_key(key, name)]
    items = lists[0].value if lists and isinstance(lists[0], yaml.SequenceNode) else []
    return location(items[index].start_mark) if index < len(items) else str(path)


def is_key(node: Any, name: str) -> bool:
    """Whether the key of a mapping is this text."""
    return isinstance(node, yaml.ScalarNode) and node.value == name


def in_words(node: Any) -> str:
    """What stands in the file, as the end of "must be ..., not"."""
    if isinstance(node, yaml.ScalarNode):
        return shown(node.value) if node.value or node.style else "empty"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"


def location(mark: Any) -> str:
    """A place in a file as messages print it, counted from 1."""
    return f"{mark.name}:{mark.line + 1}:{mark.column + 1}"


def _error(node: Any, text: str) -> ConfigError:
    """An error at the start of a node."""
    return ConfigError(f"{location(node.start_mark)}: {text}")
