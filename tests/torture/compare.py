"""Whether two folders hold the same, but for what clocks said and which process wrote."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

CLOCKS = {"seconds"}


def without_clocks(value: Any) -> Any:
    """A JSON value without what clocks said."""
    if isinstance(value, dict):
        return {name: without_clocks(part) for name, part in value.items() if name not in CLOCKS}
    return [without_clocks(part) for part in value] if isinstance(value, list) else value


def content(path: Path) -> Any:
    """What a file says: two that are to be the same have equal ones."""
    raw = path.read_bytes()
    if path.suffix == ".json":
        return without_clocks(json.loads(raw))
    if path.suffix == ".jsonl":
        return [without_clocks(json.loads(line)) for line in raw.splitlines()]
    if path.suffix == ".npz":
        return arrays(raw)
    return raw


def arrays(raw: bytes) -> dict[str, tuple[str, bytes]]:
    """The arrays of an npz file; what a checkpoint says of itself without its checksum."""
    parts: dict[str, Any] = {}
    with np.load(io.BytesIO(raw), allow_pickle=False) as file:
        for name in file.files:
            array = file[name]
            parts[name] = f"{array.dtype} {array.shape}", array.tobytes()
    if "sha256" in parts:
        del parts["sha256"]
        parts["about"] = without_clocks(json.loads(parts["about"][1]))
    return parts


def contents(folder: Path) -> dict[str, Any]:
    """Every file below a folder by its path, and every folder; compared by `difference`."""
    return {
        path.relative_to(folder).as_posix(): content(path) if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def difference(there: dict[str, Any], wanted: dict[str, Any]) -> str:
    """What differs, in a line; empty if nothing does."""
    parts = []
    if left := [name for name in there if name not in wanted]:
        parts.append(f"left over: {', '.join(left)}")
    if missing := [name for name in wanted if name not in there]:
        parts.append(f"missing: {', '.join(missing)}")
    if other := [name for name in wanted if name in there and there[name] != wanted[name]]:
        parts.append(f"other content: {', '.join(other)}")
    return "; ".join(parts)
