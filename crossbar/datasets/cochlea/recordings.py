"""The recordings of spoken digits in a folder, in one of two forms.

1. `index.csv` beside sound files that each hold many recordings: columns `file`, `start` and
   `length` (samples), `label` (0 to 9 English, 10 to 19 German), `speaker`, `split` (train, test)
2. the publisher's: one `lang-english_speaker-00_trial-0_digit-0.flac` a recording, in the folder or
   in `audio/`; those that `test_filenames.txt` names are tested, without it speakers 4 and 5
"""

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from device_models.errors import DataError
from device_models.record import shown

from ..sound import SoundHeader, header
from .model import check_form

INDEX = "index.csv"
COLUMNS = ("file", "start", "length", "label", "speaker", "split")
TEST_NAMES = "test_filenames.txt"
PUBLISHED = re.compile(r"lang-(english|german)_speaker-(\d{1,2})_trial-(\d{1,3})_digit-(\d)\.flac")
TEST_SPEAKERS = (4, 5)
CLASSES = 20
MOST_BYTES = 1 << 23  # of an index: eight times that of the whole set
MOST_RECORDINGS = 50_000
LONGEST_NAME = 100


class Recording(NamedTuple):
    """One spoken digit: a part of a sound file."""

    path: Path
    start: int
    frames: int
    rate_hertz: int
    label: int
    speaker: int
    is_test: bool


def recordings(folder: Path) -> list[Recording]:
    """All recordings of a folder, in an order that depends on nothing but the folder.

    Every one is looked at before the first is converted: its file, its rate, its length.

    Raises:
        DataError: There are none, the index is wrong, or the inner ear cannot take one of them.
        ConfigError: soundfile is not installed.
    """
    try:
        index = folder / INDEX
        if not folder.is_dir():
            raise DataError(f"there is no folder {folder}")
        rows = _of_index(index) if index.is_file() else _of_names(folder)
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise DataError(f"{folder}: {getattr(e, 'strerror', None) or e}") from e
    if not rows:
        raise DataError(
            f"{folder} holds no recordings of spoken digits: neither {INDEX} nor files "
            "lang-english_speaker-00_trial-0_digit-0.flac"
        )
    return rows


def _of_index(path: Path) -> list[Recording]:
    """Form 1."""
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise DataError(f"{path}: more than {MOST_BYTES:,} bytes; no such index is that large")
    table = csv.DictReader(io.StringIO(content.decode()))
    if missing := [name for name in COLUMNS if name not in (table.fieldnames or ())]:
        raise DataError(f"{path} has no column {', '.join(missing)}; {', '.join(COLUMNS)} are read")
    headers: dict[str, SoundHeader] = {}
    rows = [_of_row(path, number, row, headers) for number, row in enumerate(table, 2)]
    if len(rows) > MOST_RECORDINGS:
        raise DataError(f"{path}: {len(rows):,} recordings; at most {MOST_RECORDINGS:,} are taken")
    return rows


def _of_row(
    path: Path, line: int, row: Mapping[str, str | None], headers: dict[str, SoundHeader]
) -> Recording:
    """A line of the index; headers of files are read once."""
    where, name = f"{path}:{line}", row["file"] or ""
    if not 0 < len(name) <= LONGEST_NAME or Path(name).name != name or "\\" in name:
        raise DataError(f"{where}: file = {shown(name)}; a name without folders is allowed")
    numbers = {
        key: _number(where, key, row[key]) for key in ("start", "length", "label", "speaker")
    }
    if numbers["label"] >= CLASSES:
        raise DataError(f"{where}: label = {numbers['label']}; 0 to {CLASSES - 1} are allowed")
    if row["split"] not in ("train", "test"):
        raise DataError(f"{where}: split = {shown(row['split'])}; train or test is allowed")
    if name not in headers:
        headers[name] = header(path.parent / name)
    rate, frames = headers[name]
    start, length = numbers["start"], numbers["length"]
    if start + length > frames:
        raise DataError(f"{where}: samples {start:,} to {start + length:,}; {name} has {frames:,}")
    check_form(length, rate, where=where)
    label, speaker, is_test = numbers["label"], numbers["speaker"], row["split"] == "test"
    return Recording(path.parent / name, start, length, rate, label, speaker, is_test)


def _number(where: str, key: str, text: str | None) -> int:
    """A whole number of at least 0."""
    if not re.fullmatch("[0-9]{1,9}", text or ""):
        raise DataError(f"{where}: {key} = {shown(text)}; a whole number from 0 on is allowed")
    return int(text or "")


def _of_names(folder: Path) -> list[Recording]:
    """Form 2."""
    place = folder / "audio" if (folder / "audio").is_dir() else folder
    tested = None
    for listed in (folder / TEST_NAMES, folder.parent / TEST_NAMES):
        if tested is None and listed.is_file():
            with listed.open("rb") as file:
                tested = set(file.read(MOST_BYTES).decode().split())
    rows = []
    for path in sorted(place.iterdir()):
        if match := PUBLISHED.fullmatch(path.name):
            language, speaker, digit = match[1], int(match[2]), int(match[4])
            rate, frames = header(path)
            check_form(frames, rate, where=str(path))
            label = digit + 10 * (language == "german")
            is_test = speaker in TEST_SPEAKERS if tested is None else path.name in tested
            rows.append(Recording(path, 0, frames, rate, label, speaker, is_test))
        if len(rows) > MOST_RECORDINGS:
            raise DataError(f"{place}: more than {MOST_RECORDINGS:,} recordings")
    return rows
