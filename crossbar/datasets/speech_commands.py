"""Ten words of Speech Commands, a second each; the split is of this project."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device_models.errors import DataError

from . import sound
from .dataset import FiledDataset, Half
from .files import FileSet

SAMPLES = 16_000  # one second
INDEX = "index.csv"


@dataclass(frozen=True, kw_only=True)
class SpokenWords(FiledDataset):
    """A `Dataset` of sounds of one second at 16 kHz, int16; a file holds all clips of a word.

    `index.csv` says of each clip its `file`, number `clip` in it, `label` and `split`.
    """

    sample_shape: tuple[int, ...] = (SAMPLES,)

    def halves(self, contents: Mapping[str, bytes]) -> tuple[Half, Half]:
        """See `FiledDataset.halves`; in the order of the index.

        Raises:
            ConfigError: soundfile is not installed.
            DataError: The index names a clip that is not there, or a sound is damaged.
        """
        try:
            rows = list(csv.DictReader(io.StringIO(contents[INDEX].decode())))
            clips = [
                (row["file"], int(row["clip"]), int(row["label"]), row["split"]) for row in rows
            ]
        except (KeyError, ValueError, csv.Error) as e:
            raise DataError(f"{INDEX}: no index of clips ({e}); nothing was loaded") from e
        counts = {
            name: sum(file == name for file, *_ in clips) for name in contents if name != INDEX
        }
        words = {name: _clips(contents[name], count, name) for name, count in counts.items()}
        result = []
        for split in ("train", "test"):
            chosen = [(file, clip, label) for file, clip, label, of in clips if of == split]
            try:
                sounds = [words[file][clip] for file, clip, _ in chosen]
            except LookupError as e:
                raise DataError(
                    f"{INDEX}: a clip that is not there ({e}); nothing was loaded"
                ) from e
            labels = np.array([label for *_, label in chosen], np.uint8)
            result.append(Half(np.array(sounds, np.int16).reshape(-1, SAMPLES), labels))
        return result[0], result[1]


def _clips(content: bytes, count: int, name: str) -> NDArray[np.int16]:
    """The clips of a file, (count, samples)."""
    return sound.whole(content, frames=count * SAMPLES, where=name).reshape(count, SAMPLES)


WORDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
SPEECH_COMMANDS_KW10 = SpokenWords(
    files=FileSet(
        title="Speech Commands, 10 words, own split",
        folder="speech_commands_kw10",
        md5={
            "down.flac": "3a8b573f096688f075fcfd68f9054841",
            "go.flac": "3d0bb493d2c5641fdde56234f9eef2df",
            "index.csv": "54999b433a4198fbc73ba435fbf4d22b",
            "left.flac": "df7a3ea360a089b10bfcf933e59e3b1d",
            "no.flac": "44380c915be9c1312ddae3027a830cf3",
            "off.flac": "cd171b2c2859c74b63735367071cb19c",
            "on.flac": "6fafb847f9b5553847a57282bf070d6e",
            "right.flac": "41adf4a7eaa51ce315058d2f6e319b17",
            "stop.flac": "f8c094a5e324796c6a2a56eb3ca6da23",
            "up.flac": "73597109ff4c07cdc891122019eb1349",
            "yes.flac": "3cd4d6b32dc5fb78a9435df7a5fd2778",
        },
        page="https://arxiv.org/abs/1804.03209",
        recipe=(
            "copy its folder from whoever shared results on it: nobody publishes this pack (4,074 "
            "clips of Google's speech_commands_test_set_v0.02, one FLAC a word, index.csv)"
        ),
    ),
    class_names=WORDS,
    licence="CC BY 4.0 (P. Warden)",
    source=(
        'P. Warden, "Speech Commands: a dataset for limited-vocabulary speech recognition", '
        "arXiv:1804.03209, 2018; its official test set (v0.02), split by speaker"
    ),
    samples=(3_278, 796),
)
