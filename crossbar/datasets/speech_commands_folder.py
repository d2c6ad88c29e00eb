"""All of Speech Commands v0.02, the publisher's folder: ten words, `unknown` and `silence`.

The split is the publisher's: `testing_list.txt` is tested, `validation_list.txt` is left out, the
rest is learned. A tenth as many clips of the other words are `unknown`, evenly chosen by the hashes
of their names, and as many seconds of `_background_noise_` at a volume of up to one are `silence`.
The publisher chooses both at random; its test set of 4,890 clips has as many of each.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device_models.errors import DataError
from device_models.record import shown

from . import sound
from .dataset import FiledFacts, Half, LoadedDataset
from .fetch import Notice
from .files import FileSet
from .locate import Environment, locate
from .speech_commands import SAMPLES, WORDS

RATE_HERTZ = 16_000
NOISE = "_background_noise_"
TESTED, LEFT_OUT = "testing_list.txt", "validation_list.txt"
UNKNOWN, SILENCE = len(WORDS), len(WORDS) + 1  # labels
EXTRA = 0.1  # clips of each of the two, of those of the words


@dataclass(frozen=True, kw_only=True)
class SpokenCommands(FiledFacts):
    """A `Dataset` of sounds of one second at 16 kHz, int16, from a folder for each word.

    The files are the lists, beside which those folders are.
    """

    sample_shape: tuple[int, ...] = (SAMPLES,)

    def load(
        self,
        data_dir: Path | None = None,
        *,
        notice: Notice,
        environment: Environment | None = None,
    ) -> LoadedDataset:
        """See `Dataset.load`.

        Raises:
            ConfigError: soundfile is not installed.
            DataError: See `halves_of_folder`; or a folder cannot be read.
        """
        lists, origin = locate(self.files, data_dir, notice=notice, environment=environment)
        named = Path(origin) / self.files.folder
        folder = named if (named / TESTED).is_file() else Path(origin)
        notice(f"reading the clips of {folder} (about half a minute)")
        try:
            train, test = halves_of_folder(folder, lists)
        except OSError as e:
            raise DataError(f"{e.filename or folder}: {e.strerror}; nothing was loaded") from e
        return LoadedDataset(
            title=self.title, class_names=self.class_names, train=train, test=test, origin=origin
        )


def halves_of_folder(folder: Path, lists: Mapping[str, bytes]) -> tuple[Half, Half]:
    """What is learned and what is tested.

    Args:
        folder: With a folder of `.wav` files for each word, and `NOISE`.
        lists: Content of `TESTED` and `LEFT_OUT`: one `word/clip.wav` a line.

    Raises:
        ConfigError: soundfile is not installed.
        DataError: A word or the noise is not there, a list names no clip, or a clip is no sound of
            16 kHz.
    """
    words = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name != NOISE)
    if missing := [word for word in WORDS if word not in words]:
        raise DataError(f"{folder} has no folder {', '.join(missing)}; nothing was loaded")
    there = {f"{word}/{path.name}" for word in words for path in (folder / word).glob("*.wav")}
    tested, left_out = (_named(lists[name], folder / name, there) for name in (TESTED, LEFT_OUT))
    learned = there - tested - left_out
    if not learned:
        raise DataError(
            f"{folder}: {TESTED} and {LEFT_OUT} name all {len(there):,} clips, so none is left to "
            "learn; nothing was loaded"
        )
    noises = [_clip(path, whole=True) for path in sorted((folder / NOISE).glob("*.wav"))]
    if not noises:
        raise DataError(f"{folder / NOISE} holds no .wav file; nothing was loaded")
    return (
        _half(folder, learned, noises, seed=0),
        _half(folder, tested, noises, seed=1),
    )


def _half(folder: Path, clips: set[str], noises: list[NDArray[np.int16]], *, seed: int) -> Half:
    """Clips of the words in the order of their names, then unknown ones, then silence."""
    label = {word: number for number, word in enumerate(WORDS)}
    wanted = sorted(clip for clip in clips if clip.partition("/")[0] in label)
    extra = math.ceil(EXTRA * len(wanted))
    others = sorted(clips.difference(wanted), key=_hash)
    chosen = [*wanted, *others[:extra]]
    labels = [label.get(clip.partition("/")[0], UNKNOWN) for clip in chosen] + [SILENCE] * extra
    samples = np.empty((len(labels), SAMPLES), np.int16)
    for row, clip in enumerate(chosen):
        samples[row] = _clip(folder / clip)
    for row, part in zip(range(len(chosen), len(labels)), _silences(noises, seed), strict=False):
        samples[row] = part
    return Half(samples, np.array(labels, np.uint8))


def _hash(clip: str) -> bytes:
    """Of a name: an order that has nothing to do with speakers or words."""
    return hashlib.sha1(clip.encode(), usedforsecurity=False).digest()


def _silences(noises: list[NDArray[np.int16]], seed: int) -> Iterator[NDArray[np.int16]]:
    """Seconds of noise, one after the other, as long as they are asked for."""
    generator = np.random.default_rng([2, seed])
    while True:
        noise = noises[generator.integers(len(noises))]
        first = generator.integers(max(len(noise) - SAMPLES, 0) + 1)
        yield _second((generator.random() * noise[first : first + SAMPLES]).astype(np.int16))


def _clip(path: Path, *, whole: bool = False) -> NDArray[np.int16]:
    """A clip; of one that is `whole` all samples, else a second, filled up with zeros."""
    said = sound.header(path)
    if said.rate_hertz != RATE_HERTZ:
        raise DataError(
            f"{path}: {said.rate_hertz:,} samples a second; {RATE_HERTZ:,} are taken; nothing was "
            "loaded"
        )
    samples = sound.part(path, 0, said.frames if whole else min(said.frames, SAMPLES))
    integers = np.round(samples * 32768.0).astype(np.int16)
    return integers if whole else _second(integers)


def _second(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Filled up with zeros."""
    return np.pad(samples, (0, SAMPLES - len(samples)))


def _named(content: bytes, path: Path, there: set[str]) -> set[str]:
    """The clips of a list, all of which are there."""
    try:
        names = content.decode().splitlines()
    except UnicodeDecodeError as e:
        raise DataError(f"{path}: no list of clips ({e}); nothing was loaded") from e
    for number, name in enumerate(names, 1):
        if name and name not in there:
            raise DataError(
                f"{path}:{number}: there is no clip {shown(name)}; each line is word/clip.wav of "
                "this folder; nothing was loaded"
            )
    if not any(names):
        raise DataError(f"{path} names no clip; nothing was loaded")
    return set(names)


SPEECH_COMMANDS = SpokenCommands(
    files=FileSet(
        title="Speech Commands v0.02, 12 classes",
        folder="speech_commands_v0.02",
        md5={TESTED: "", LEFT_OUT: ""},
        page="https://arxiv.org/abs/1804.03209",
        recipe=(
            "unpack https://storage.googleapis.com/download.tensorflow.org/data/"
            "speech_commands_v0.02.tar.gz (2.4 GB, SHA-256 "
            "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58) into the folder"
        ),
    ),
    class_names=(*WORDS, "unknown", "silence"),
    licence="CC BY 4.0 (P. Warden)",
    source=(
        'P. Warden, "Speech Commands: a dataset for limited-vocabulary speech recognition", '
        "arXiv:1804.03209, 2018"
    ),
    samples=(36_923, 4_890),
)
