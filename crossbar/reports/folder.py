"""The folder of a report: what may be replaced in it, and files that are whole or absent."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from device_models import atomic
from device_models.claim import Claim, is_free
from device_models.errors import RunError


def check(folder: Path, numbers: str, kind: str) -> None:
    """Refuse a folder that holds something other than a report; nothing is made.

    Args:
        folder: Where the report will be.
        numbers: The JSON file that marks a report.
        kind: How the `format` in that file begins.

    Raises:
        RunError: It is a file, holds other things, or cannot be written.
    """
    above = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not above.is_dir():
        raise RunError(f"{above} is a file; name a folder; no report was written")
    if not atomic.can_be_written(folder):
        raise RunError(f"{folder} cannot be written; no report was written")
    try:
        foreign = not is_free(folder, kind)
    except OSError as e:
        raise RunError(f"{folder}: {e.strerror or e}; no report was written") from e
    if foreign and not _is_report(folder / numbers, kind):
        raise RunError(f"{folder} holds something other than a report; no report was written")


def _is_report(path: Path, kind: str) -> bool:
    """Whether an earlier report lies there."""
    try:
        numbers = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(numbers, dict) and str(numbers.get("format", "")).startswith(kind)


def write(
    folder: Path, files: Mapping[str, bytes], pictures: Sequence[str], kind: str
) -> list[Path]:
    """Write the files, each whole and in order, and remove pictures of an earlier report.

    Args:
        folder: Made if it does not exist. A report that was not finished is replaced.
        files: Name -> content. The one that marks a report, a JSON file, comes last.
        pictures: File names of all pictures there can be.
        kind: As in `check`.

    Raises:
        RunError: As for `check`, or another command writes there, or a file cannot be written.
    """
    check(folder, list(files)[-1], kind)
    with Claim(folder, kind):
        try:
            for name, data in files.items():
                atomic.write(folder / name, data)
            for name in pictures:
                if name not in files:
                    (folder / name).unlink(missing_ok=True)
        except OSError as e:
            raise RunError(f"{folder}: {e.strerror or e}; the report is not whole") from e
    return [folder / name for name in files]


def as_json(numbers: Mapping[str, Any]) -> bytes:
    """Numbers as a JSON file: null for nan and infinity."""
    return (json.dumps(plain(numbers), indent=1, allow_nan=False) + "\n").encode()


def plain(value: Any) -> Any:
    """A value that JSON can hold: None for nan and infinity, lists for tuples."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
