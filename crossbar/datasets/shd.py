"""The Spiking Heidelberg Digits: the official files, or what `xbar data build-shd` made."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_models import npz
from device_models.errors import ConfigError, DataError

from ..snn.encodings.spike_trains import SpikeTrains
from .cochlea.membrane import CHANNELS
from .dataset import FiledDataset, Half
from .files import FileSet

CLASSES = 20
RATE_HERTZ = 24_000  # of the times of a file that was built
BUILT = "shd_equivalent.npz"
OFFICIAL = {"train": "shd_train.h5", "test": "shd_test.h5"}
MOST_SPIKES = 200_000_000  # of a file: three times the official training half
MOST_SAMPLES = 50_000
MOST_SECONDS = 60.0  # of a recording


@dataclass(frozen=True, kw_only=True)
class SpikingDigits(FiledDataset):
    """A `Dataset` of `SpikeTrains`."""

    samples: tuple[int, int] = (8_156, 2_264)
    sample_shape: tuple[int, ...] = (CHANNELS,)

    def halves(self, contents: Mapping[str, bytes]) -> tuple[Half, Half]:
        """See `FiledDataset.halves`.

        Raises:
            ConfigError: The files are the official ones, and h5py is not installed.
        """
        if BUILT in contents:
            return halves_of_built(contents[BUILT], where=BUILT)
        train, test = (half_of_hdf5(contents[name], where=name) for name in OFFICIAL.values())
        return train, test

    def loaded_title(self, contents: Mapping[str, bytes]) -> str:
        """See `FiledDataset.loaded_title`."""
        return "SHD-equivalent" if BUILT in contents else "Spiking Heidelberg Digits"


def halves_of_built(content: bytes, *, where: str) -> tuple[Half, Half]:
    """The halves of a file of `cochlea.build`.

    Its arrays are `times` (spikes,) uint16 in samples of 24 kHz, `units` (spikes,) uint16,
    `offsets` (samples + 1,) int64, and of each sample `labels` and `is_test`, uint8.

    Raises:
        DataError: It is no such file, or damaged.
    """
    try:
        arrays = npz.read(content, ("times", "units", "offsets", "labels", "is_test"))
    except npz.UNREADABLE as e:
        raise _refused(where, npz.reason(e)) from e
    kinds = {"times": "u2", "units": "u2", "offsets": "i8", "labels": "u1", "is_test": "u1"}
    for name, kind in kinds.items():
        if arrays[name].dtype != np.dtype(kind) or arrays[name].ndim != 1:
            raise _refused(where, f"{name} is {arrays[name].dtype} of {arrays[name].shape}")
    seconds = arrays["times"].astype(np.float32) * np.float32(1.0 / RATE_HERTZ)
    trains = _trains(seconds, arrays["units"], arrays["offsets"], where)
    labels, tested = arrays["labels"], arrays["is_test"] == 1
    if not len(trains) == len(labels) == len(tested):
        raise _refused(where, "it has not as many labels as samples")
    if tested.all() or not tested.any():
        raise _refused(where, f"{tested.sum()} of its {len(tested)} samples are tested")
    return Half(trains[~tested], labels[~tested]), Half(trains[tested], labels[tested])


def half_of_hdf5(content: bytes, *, where: str) -> Half:
    """A half as published: `spikes/times`, `spikes/units` (one array a sample) and `labels`.

    Raises:
        ConfigError: h5py is not installed.
        DataError: It is no such file, or damaged.
    """
    h5py = _h5py(where)
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            times, units = (
                _inside(h5py, file, f"spikes/{name}", where) for name in ("times", "units")
            )
            labels = _inside(h5py, file, "labels", where)
            if not 0 < len(times) == len(units) == len(labels) <= MOST_SAMPLES:
                counts = f"{len(times):,} times, {len(units):,} units, {len(labels):,} labels"
                raise _refused(where, f"{counts}; each sample has one of all")
            seconds, channels = _joined(times, np.float32, where), _joined(units, np.uint16, where)
            marks = np.asarray(labels[:])
    except npz.UNREADABLE as e:
        raise _refused(where, npz.reason(e)) from e
    sizes = [len(sample) for sample in seconds]
    if sizes != [len(sample) for sample in channels]:
        raise _refused(where, "a sample has not as many units as times")
    if marks.dtype.kind not in "iu" or marks.ndim != 1 or ((marks < 0) | (marks >= CLASSES)).any():
        raise _refused(where, f"labels are whole numbers from 0 to {CLASSES - 1}")
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    trains = _trains(np.concatenate(seconds), np.concatenate(channels), offsets, where)
    return Half(trains, marks.astype(np.uint8))


def _joined(samples: Any, kind: Any, where: str) -> list[NDArray[Any]]:
    """The arrays of all samples; no more spikes are read than such files hold."""
    result, total = [], 0
    for number in range(len(samples)):
        sample = np.asarray(samples[number])
        if sample.dtype.kind not in "fiu" or sample.ndim != 1:
            raise _refused(where, f"sample {number} is {sample.dtype} of {sample.shape}")
        total += len(sample)
        if total > MOST_SPIKES:
            raise _refused(where, f"more than {MOST_SPIKES:,} spikes")
        if (
            kind is np.uint16
            and len(sample)
            and not (sample.min() >= 0 and sample.max() < CHANNELS)
        ):
            raise _refused(where, f"a unit of sample {number} is none of {CHANNELS}")
        result.append(sample.astype(kind))
    return result


def _trains(
    seconds: NDArray[np.float32], units: NDArray[np.uint16], offsets: NDArray[np.int64], where: str
) -> SpikeTrains:
    """Spikes that are what they should be."""
    in_order = len(offsets) > 1 and offsets[0] == 0 and (np.diff(offsets) >= 0).all()
    if not (in_order and offsets[-1] == len(units) == len(seconds)):
        raise _refused(where, "its samples are not one after the other")
    if not len(units):
        raise _refused(where, "it has no spikes")
    if units.max() >= CHANNELS:
        raise _refused(where, f"unit {units.max()}; there are {CHANNELS} from 0 on")
    if not ((seconds >= 0.0) & (seconds <= MOST_SECONDS)).all():
        raise _refused(where, f"a time outside of 0 to {MOST_SECONDS:g} s")
    return SpikeTrains(seconds=seconds, units=units, offsets=offsets, channels=CHANNELS)


def _inside(h5py: Any, file: Any, path: str, where: str) -> Any:
    """A data set of an HDF5 file, in the file itself."""
    at = file
    for name in path.split("/"):
        if not isinstance(at, h5py.Group) or name not in at:
            raise _refused(where, f"it has no {path}")
        if not isinstance(at.get(name, getlink=True), h5py.HardLink):
            raise _refused(where, f"{path} is a link")
        at = at[name]
    if not isinstance(at, h5py.Dataset) or at.ndim != 1 or at.external or at.is_virtual:
        raise _refused(where, f"{path} is no list")
    return at


def _h5py(where: str) -> ModuleType:
    """The library; imported when a file is read."""
    try:
        import h5py
    except ImportError as e:
        raise ConfigError(
            f"{where}: an HDF5 file needs h5py: pip install 'xbar-hil[hdf5]'; nothing was loaded"
        ) from e
    return h5py  # type: ignore[no-any-return]  # no stubs


def _refused(where: str, reason: str) -> DataError:
    """What is said of a file that is not what it should be."""
    return DataError(f"{where}: no spikes of the Heidelberg digits: {reason}; nothing was loaded")


_PAGE, _FOLDER, _MOST_BYTES = "https://zenkelab.org/datasets/", "shd", 1 << 30
FILES = FileSet(
    title="Spiking Heidelberg Digits, or SHD-equivalent",
    folder=_FOLDER,
    md5=dict.fromkeys(OFFICIAL.values(), ""),
    page=_PAGE,
    most_bytes=_MOST_BYTES,
    recipe=(
        f"shd_train.h5 and shd_test.h5 from {_PAGE}, unpacked, or xbar data build-shd of the "
        "Heidelberg digits"
    ),
    instead=FileSet(
        title="SHD-equivalent",
        folder=_FOLDER,
        md5={BUILT: ""},
        page=_PAGE,
        most_bytes=_MOST_BYTES,
    ),
)
SHD = SpikingDigits(
    files=FILES,
    class_names=tuple(f"{language} {digit}" for language in ("en", "de") for digit in range(10)),
    licence="CC BY 4.0 (B. Cramer, Y. Stradmann, J. Schemmel, F. Zenke)",
    source=(
        'B. Cramer et al., "The Heidelberg spiking data sets for the systematic evaluation of '
        'spiking neural networks", IEEE Trans. Neural Netw. Learn. Syst. 33(7), 2744-2757, 2022'
    ),
)
