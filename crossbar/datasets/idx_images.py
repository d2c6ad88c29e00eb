"""MNIST and its successors: images and labels of both halves in four IDX files."""

from collections.abc import Mapping
from dataclasses import dataclass

from .dataset import FiledDataset, Half
from .idx import parse_idx

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"


@dataclass(frozen=True, kw_only=True)
class IdxImages(FiledDataset):
    """A `Dataset` of 28 x 28 grey values, 0 (background) to 255, in four files."""

    sample_shape: tuple[int, ...] = (28, 28)
    samples: tuple[int, int] = (60_000, 10_000)

    def halves(self, contents: Mapping[str, bytes]) -> tuple[Half, Half]:
        """See `FiledDataset.halves`."""
        arrays = {name: parse_idx(content, where=name) for name, content in contents.items()}
        return (
            Half(arrays[TRAIN_IMAGES], arrays[TRAIN_LABELS]),
            Half(arrays[TEST_IMAGES], arrays[TEST_LABELS]),
        )
