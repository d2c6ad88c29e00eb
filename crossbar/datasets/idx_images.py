"""MNIST and its successors: images and labels of both halves in four IDX files."""

from dataclasses import dataclass
from pathlib import Path

from .dataset import Half, LoadedDataset
from .fetch import Notice
from .files import FileSet
from .idx import parse_idx
from .locate import Environment, locate

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"


@dataclass(frozen=True, kw_only=True)
class IdxImages:
    """A `Dataset` of 28 x 28 grey values, 0 (background) to 255.

    Args:
        files: Its four files and who offers them.
        class_names: See `Dataset`.
        licence: See `Dataset`.
        source: See `Dataset`.
    """

    files: FileSet
    class_names: tuple[str, ...]
    licence: str
    source: str
    sample_shape: tuple[int, ...] = (28, 28)
    samples: tuple[int, int] = (60_000, 10_000)

    @property
    def title(self) -> str:
        """See `Dataset`."""
        return self.files.title

    def load(
        self,
        data_dir: Path | None = None,
        *,
        notice: Notice,
        environment: Environment | None = None,
    ) -> LoadedDataset:
        """See `Dataset.load`."""
        contents, origin = locate(self.files, data_dir, notice=notice, environment=environment)
        arrays = {name: parse_idx(content, where=name) for name, content in contents.items()}
        return LoadedDataset(
            title=self.title,
            class_names=self.class_names,
            train=Half(arrays[TRAIN_IMAGES], arrays[TRAIN_LABELS]),
            test=Half(arrays[TEST_IMAGES], arrays[TEST_LABELS]),
            origin=origin,
        )
