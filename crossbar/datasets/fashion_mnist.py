"""Fashion-MNIST: 70 000 grey images of clothes, 28 x 28, ten classes.

Source:
    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms", arXiv:1708.07747, 2017. MIT licence, (c) 2017 Zalando SE.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .fetch import Notice
from .files import FileSet
from .idx import parse_idx
from .locate import Surroundings, find

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"

FILES = FileSet(
    title="Fashion-MNIST",
    folder="fashion-mnist",
    md5={
        TRAIN_IMAGES: "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        TRAIN_LABELS: "9018921c3c673c538a1fc5bad174d6f9",
        TEST_IMAGES: "8181f5470baa50b63fa0f6fddb340f0a",
        TEST_LABELS: "15d484375f8d13e6eb1aabb0c3f46965",
    },
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    page="https://github.com/zalandoresearch/fashion-mnist",
    debian_package="dataset-fashion-mnist",
    debian_folder="usr/share/datasets/fashion-mnist",
)


@dataclass(frozen=True, eq=False, kw_only=True)
class FashionMnist:
    """The whole set.

    Args:
        train_images: Grey values 0 (background) to 255, uint8, shape (60000, 28, 28).
        train_labels: Index into `class_names`, uint8, shape (60000,).
        test_images: As `train_images`, shape (10000, 28, 28).
        test_labels: As `train_labels`, shape (10000,).
        origin: Where the files were found.
    """

    class_names: ClassVar[tuple[str, ...]] = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    origin: str

    def test_half(self) -> "FashionMnist":
        """The same without training images, which take 47 MB."""
        none = self.train_images[:0].copy()
        return replace(self, train_images=none, train_labels=self.train_labels[:0].copy())


def load(
    data_dir: Path | None = None, *, notice: Notice, around: Surroundings | None = None
) -> FashionMnist:
    """Find or fetch Fashion-MNIST, check it and decode it.

    Args:
        data_dir: Folder with the four files, plain or `.gz`, or with a sub-folder `fashion-mnist`
            of them; beats the environment variable XBAR_DATA. With neither, see `ladder` for the
            order.
        notice: Told in one line what is about to take long, for stderr.
        around: The machine; this one if None.

    Returns:
        The set; every file has the publisher's MD5, so the shapes are those of `FashionMnist`.

    Raises:
        DataError: See `ladder.find`.
    """
    contents, origin = find(FILES, data_dir, notice=notice, around=around)
    return FashionMnist(
        train_images=parse_idx(contents[TRAIN_IMAGES], where=TRAIN_IMAGES),
        train_labels=parse_idx(contents[TRAIN_LABELS], where=TRAIN_LABELS),
        test_images=parse_idx(contents[TEST_IMAGES], where=TEST_IMAGES),
        test_labels=parse_idx(contents[TEST_LABELS], where=TEST_LABELS),
        origin=origin,
    )
