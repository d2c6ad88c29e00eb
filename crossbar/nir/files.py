"""Files of NIR graphs: HDF5 that anyone may have written, by the library nir, which is optional."""

import io
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from device_models import atomic
from device_models.errors import ConfigError
from device_models.npz import MOST_BYTES, UNREADABLE, reason

ENDING, SIGNATURE = ".nir", b"\x89HDF\r\n\x1a\n"
MOST_DEPTH, MOST_OBJECTS = 16, 100_000  # of what a file holds


def is_nir(path: Path) -> bool:
    """Whether a name is that of a graph: it ends in .nir, or an HDF5 file lies there."""
    if path.suffix == ENDING:
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(SIGNATURE)) == SIGNATURE
    except (OSError, ValueError):
        return False


def library(where: str) -> ModuleType:
    """The library nir.

    Args:
        where: What needs it, for the message.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import nir
    except ImportError:
        raise ConfigError(
            f"{where}: an NIR graph needs nir: pip install 'xbar-hil[nir]'; nothing was read"
        ) from None
    return nir  # type: ignore[no-any-return]  # no stubs


def read_graph(path: Path) -> Any:
    """The `nir.NIRGraph` of a file; whether its nodes fit together is not looked at.

    Raises:
        ConfigError: There is no such file, it is no graph, or nir is not installed.
    """
    if not path.is_file():
        raise ConfigError(f"there is no file {path}")
    nir = library(str(path))
    import h5py  # nir brings it

    try:
        with np.errstate(all="ignore"), h5py.File(path, "r") as file:
            content = _Content(h5py).group(file["node"], 0)
            graph = nir.dict2NIRNode(content)
    except (*UNREADABLE, AssertionError) as e:
        raise ConfigError(f"{path} is no NIR graph: {reason(e)}") from e
    if not isinstance(graph, nir.NIRGraph):
        raise ConfigError(f"{path} is no NIR graph: it holds one node, {type(graph).__name__}")
    return graph


class _Content:
    """Reads what a file holds into dicts; no link leads out of it, no size is believed."""

    def __init__(self, h5py: ModuleType) -> None:
        self._h5py, self._objects, self._bytes = h5py, 0, 0

    def group(self, group: Any, depth: int) -> dict[str, Any]:
        """A group by name; graphs inside are not checked by nir, which would stop at the first."""
        if depth > MOST_DEPTH:
            raise ValueError(f"its groups are more than {MOST_DEPTH} deep")
        if not isinstance(group, self._h5py.Group):
            raise ValueError("it holds a value where a group is expected")
        content: dict[str, Any] = {}
        for name in group:
            self._objects += 1
            if self._objects > MOST_OBJECTS:
                raise ValueError(f"it holds more than {MOST_OBJECTS:,} values")
            if not isinstance(group.get(name, getlink=True), self._h5py.HardLink):
                raise ValueError(f"{name} is a link that leads elsewhere")
            item = group[name]
            is_group = isinstance(item, self._h5py.Group)
            content[name] = self.group(item, depth + 1) if is_group else self.value(name, item)
        if content.get("type") == "NIRGraph":
            content["type_check"] = False
        return content

    def value(self, name: str, item: Any) -> Any:
        """A value: an array of numbers, or text."""
        if not isinstance(item, self._h5py.Dataset) or item.external or item.is_virtual:
            raise ValueError(f"{name} holds no array of its own")
        self._bytes += math.prod(item.shape or ()) * item.dtype.itemsize
        if self._bytes > MOST_BYTES:
            raise ValueError(f"its arrays take more than {MOST_BYTES:.3g} bytes")
        found = item[()]
        return found.decode("utf8") if isinstance(found, bytes) else found


def write_graph(path: Path, graph: Any) -> None:
    """Write a `nir.NIRGraph` as a file, whole or not at all.

    Raises:
        ConfigError: nir is not installed.
        OSError: The file cannot be written.
    """
    file = io.BytesIO()
    library(str(path)).write(file, graph)
    atomic.write(path, file.getvalue())
