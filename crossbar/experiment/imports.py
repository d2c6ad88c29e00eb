"""Files of one's own that fill tables, imported before settings that name their kinds are read."""

import hashlib
import importlib.util
import sys
import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from device_models.errors import ConfigError
from device_models.record import Record
from device_models.schema import load, load_part

from .config import Training


@dataclass(frozen=True, kw_only=True)
class Imports(Record):
    """The one setting that is needed before all others."""

    imports: tuple[str, ...] = ()


def import_files(names: Iterable[str], folder: Path, where: str) -> tuple[str, ...]:
    """Import Python files, each once in a process.

    Args:
        names: Of the files.
        folder: What their paths start from.
        where: Who names them, for the message.

    Returns:
        Their absolute paths.

    Raises:
        ConfigError: There is no such file, or it fails; its own error is the cause.
    """
    paths = [(folder / name).resolve() for name in names]
    for path in paths:
        if not path.is_file():
            raise ConfigError(f"{where}: there is no file {path} to import")
    for path in paths:
        files = [getattr(module, "__file__", None) for module in [*sys.modules.values()]]
        if str(path) in [str(Path(file).resolve()) for file in files if file]:
            continue
        digits = hashlib.sha256(str(path).encode()).hexdigest()[:8]
        spec = importlib.util.spec_from_file_location(f"{path.stem}_{digits}", path)
        if spec is None or spec.loader is None:
            raise ConfigError(f"{where}: {path} must be a Python file, NAME.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # records look their own module up
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as e:
            del sys.modules[spec.name]
            raise ConfigError(
                f"{where}: importing {path} failed{_line_of(e, path)}: {type(e).__name__}: "
                f"{' '.join(str(e).split())}; nothing was written"
            ) from e
    return tuple(map(str, paths))


def _line_of(error: BaseException, path: Path) -> str:
    """Where in a file an error arose, for a message; empty where it is not known."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    number = getattr(error, "lineno", None) or (lines[-1] if lines else None)
    return f" in line {number}" if number else ""


def with_imports(config: Training, names: Iterable[str]) -> Training:
    """The settings with further files, imported now; their paths start from the working folder."""
    return replace(config, imports=(*config.imports, *import_files(names, Path(), "--import")))


def load_training(path: Path) -> Training:
    """The settings of a file, the files that it names imported first, from its own folder.

    Raises:
        ConfigError: A file is not there, or the settings are wrong.
    """
    try:
        names = load_part(path, Imports).imports
    except ConfigError:
        load(path, Training)  # says all that is wrong with the file
        raise
    imports = import_files(names, path.parent, f"{path}: imports")
    return replace(load(path, Training), imports=imports)


def versions_of(files: Iterable[str]) -> dict[str, str]:
    """What names the content of imported files, by their names.

    Files that share a name go by their paths.
    """
    paths = [Path(name) for name in files]
    times = Counter(path.name for path in paths)
    return {
        path.name if times[path.name] == 1 else str(path): digest_of(path.read_bytes())
        for path in paths
    }


def digest_of(content: bytes) -> str:
    """Twelve hexadecimal digits that name a content."""
    return hashlib.sha256(content).hexdigest()[:12]
