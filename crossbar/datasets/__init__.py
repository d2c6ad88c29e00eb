"""Loaders of data sets, one file each.

`locate` is the order in which the ways to the files are tried, `files` checks a set of files,
`fetch` gets them over the network, `idx` decodes one format, and `encode` makes spikes of samples.
"""

from pathlib import Path

from device_models.errors import ConfigError
from device_models.record import did_you_mean, shown

from .cifar10 import CIFAR10
from .dataset import Dataset, Half, LoadedDataset
from .fashion_mnist import FASHION_MNIST
from .fetch import Notice
from .locate import Environment
from .mnist import MNIST
from .shd import SHD
from .speech_commands import SPEECH_COMMANDS_KW10
from .speech_commands_folder import SPEECH_COMMANDS

DATASETS: dict[str, Dataset] = {
    "fashion_mnist": FASHION_MNIST,
    "mnist": MNIST,
    "cifar10": CIFAR10,
    "speech_commands_kw10": SPEECH_COMMANDS_KW10,
    "speech_commands": SPEECH_COMMANDS,
    "shd": SHD,
}


def dataset_of(name: str) -> Dataset:
    """A data set of the table.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in DATASETS:
        names = ", ".join(DATASETS)
        near = did_you_mean(name, DATASETS)
        raise ConfigError(f"the data set must be one of {names}, not {shown(name)}{near}")
    return DATASETS[name]


def load_dataset(
    name: str,
    data_dir: Path | None = None,
    *,
    notice: Notice,
    environment: Environment | None = None,
) -> LoadedDataset:
    """Load a data set of the table; see `Dataset.load`.

    Raises:
        ConfigError: There is none of that name.
        DataError: See `Dataset.load`.
    """
    return dataset_of(name).load(data_dir, notice=notice, environment=environment)


__all__ = ["DATASETS", "Dataset", "Half", "LoadedDataset", "dataset_of", "load_dataset"]
