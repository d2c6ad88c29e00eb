"""What a data set is: facts that need no file, and samples that do."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from device_models.errors import DataError

from .fetch import Notice
from .files import FileSet
from .locate import Environment, locate


class Half(NamedTuple):
    """Training or test half: samples, and (samples,) uint8 the class of each.

    Samples are images, (samples, ...) uint8; sounds, (samples, length) int16; or `SpikeTrains`.
    """

    samples: Any
    labels: NDArray[np.uint8]


@dataclass(frozen=True, eq=False, kw_only=True)
class LoadedDataset:
    """Both halves of a data set.

    Args:
        title: The data set's name in messages.
        class_names: What the labels count in.
        train: What is learned.
        test: What tells how well.
        origin: Where the files were found.
    """

    title: str
    class_names: tuple[str, ...]
    train: Half
    test: Half
    origin: str

    def __post_init__(self) -> None:
        """Check that labels belong to samples.

        Raises:
            DataError: A half has no sample, or not as many labels; a label is no class or no whole
                number; or samples of the two halves differ in shape.
        """
        for name, (samples, labels) in (("training", self.train), ("test", self.test)):
            kinds = [getattr(part, "dtype", type(part).__name__) for part in (samples, labels)]
            if isinstance(kinds[0], str) or getattr(kinds[1], "kind", "") not in ("i", "u"):
                self._refuse(
                    f"the {name} half has samples of {kinds[0]} and labels of {kinds[1]}; they "
                    "are arrays, the labels of whole numbers"
                )
            if not len(samples) or labels.shape != (len(samples),):
                counts = f"{len(samples):,} samples and {labels.size:,} labels"
                self._refuse(f"the {name} half has {counts}; each sample has one label")
            outside = (labels < 0) | (labels >= len(self.class_names))
            if outside.any():
                label = f"label {labels[outside][0]} at sample {outside.argmax()}"
                allowed = f"there are {len(self.class_names)} classes, from 0 on"
                self._refuse(f"the {name} half has {label}; {allowed}")
        if self.test.samples.shape[1:] != self.sample_shape:
            shapes = (half.samples.shape[1:] for half in (self.train, self.test))
            train, test = (" x ".join(map(str, shape)) for shape in shapes)
            self._refuse(f"training samples are {train}, test samples {test}; they must be alike")

    def _refuse(self, reason: str) -> None:
        """Raise DataError."""
        raise DataError(f"{self.title} ({self.origin}): {reason}; nothing was loaded")

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return tuple(self.train.samples.shape[1:])


class Dataset(Protocol):
    """A data set: one file, and one line in `DATASETS`.

    Attributes:
        title: Its name in messages.
        class_names: What its labels count in.
        sample_shape: Of one sample, (rows, columns) of a grey image, (channels, rows, columns) of
            a colour image, (length,) of a sound, (channels,) of recorded spikes.
        samples: How many there are to learn, and to test on.
        licence: On what terms it may be used.
        source: Who made it, and where that is published.
        files: Its files and who offers them; None: nothing is looked for.
    """

    @property
    def title(self) -> str:
        """See the class."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """See the class."""

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """See the class."""

    @property
    def samples(self) -> tuple[int, int]:
        """See the class."""

    @property
    def licence(self) -> str:
        """See the class."""

    @property
    def source(self) -> str:
        """See the class."""

    @property
    def files(self) -> FileSet | None:
        """See the class."""

    def load(
        self,
        data_dir: Path | None = None,
        *,
        notice: Notice,
        environment: Environment | None = None,
    ) -> LoadedDataset:
        """Find or fetch the set, check it and decode it.

        Args:
            data_dir: Folder with the files, plain or `.gz`, or with a sub-folder of them; beats the
                environment variable XBAR_DATA. With neither, see `locate` for the order.
            notice: Told in one line what is about to take long, for stderr.
            environment: The machine; this one if None.

        Raises:
            DataError: See `locate.locate`; or a file is not what it should be.
        """


@dataclass(frozen=True, kw_only=True)
class FiledFacts:
    """What a `Dataset` of files states before one of them is read.

    Args:
        files: Its files and who offers them.
        class_names: See `Dataset`.
        licence: See `Dataset`.
        source: See `Dataset`.
        samples: See `Dataset`.
        sample_shape: See `Dataset`.
    """

    files: FileSet
    class_names: tuple[str, ...]
    licence: str
    source: str
    samples: tuple[int, int]
    sample_shape: tuple[int, ...]

    @property
    def title(self) -> str:
        """See `Dataset`."""
        return self.files.title


class FiledDataset(FiledFacts, ABC):
    """A `Dataset` whose halves are read from its files."""

    @abstractmethod
    def halves(self, contents: Mapping[str, bytes]) -> tuple[Half, Half]:
        """What is learned and what is tested.

        Args:
            contents: File name to content.

        Raises:
            ConfigError: A library that the files need is not installed.
            DataError: A file is not what it should be.
        """

    def loaded_title(self, contents: Mapping[str, bytes]) -> str:
        """The name in messages of what was found; `title` unless said otherwise."""
        return self.title

    def load(
        self,
        data_dir: Path | None = None,
        *,
        notice: Notice,
        environment: Environment | None = None,
    ) -> LoadedDataset:
        """See `Dataset.load`.

        Raises:
            ConfigError: See `halves`.
        """
        contents, origin = locate(self.files, data_dir, notice=notice, environment=environment)
        train, test = self.halves(contents)
        return LoadedDataset(
            title=self.loaded_title(contents),
            class_names=self.class_names,
            train=train,
            test=test,
            origin=origin,
        )
