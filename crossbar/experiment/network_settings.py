"""Networks from files, presets, graphs and short forms, laid over the settings of a run."""

import functools
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from device_models.errors import ConfigError
from device_models.nodes import compose, place_of_item
from device_models.overrides import override
from device_models.record import quantity
from device_models.schema import load
from device_models.shipped import Presets

from ..datasets import DATASETS
from ..datasets.settings import DataSettings
from ..nir.files import is_nir
from ..nir.reading import read_network
from ..snn.encodings import encoding_of
from ..snn.network import Network, ShortForms
from ..snn.plan import Plan, plan
from ..snn.plan_checks import check_held, check_on_boards
from .config import Training

LAYER = re.compile(r"layers\[(\d+)\]")  # as `Network.title` begins
NETWORKS = Presets("network", "crossbar.snn", "presets/*.yaml")
HEADROOM = 2.0  # window of a network that comes with its weights, over the largest of them; ours


@dataclass(frozen=True, kw_only=True)
class NetworkFile(Network):
    """A `Network` in a file of its own, and settings that the experiment was published with.

    Attributes:
        data: Data set and its code; None: those of the run.
        inputs: Lines of data, which may be in no table: then it is estimated, never run.
        training: Other settings by name, dotted where they are nested, as `--set` takes them.
    """

    data: DataSettings | None = None
    inputs: int | None = quantity("lines", 1, 65_535, default=None)
    training: dict[str, str] = field(default_factory=dict)

    @property
    def network(self) -> Network:
        """The network alone."""
        return Network(**{f.name: getattr(self, f.name) for f in fields(Network)})

    def plan(self) -> Plan:
        """What follows from the network, for data of its own or of the table.

        Raises:
            ConfigError: A layer does not fit the one before, or the last one the classes.
        """
        data = self.data or DataSettings()
        dataset, shape = DATASETS[data.set], data.input_shape
        has_inputs = self.inputs not in (None, math.prod(shape))
        return plan(
            self.network,
            inputs=self.inputs if self.inputs and has_inputs else shape,
            classes=self.layers[-1].neurons if has_inputs else len(dataset.class_names),  # type: ignore[attr-defined]  # the last layer has some
            steps=data.steps,
            dt_seconds=data.dt_seconds,
        )


def load_network(name_or_path: str | Path, dt_seconds: float | None = None) -> NetworkFile:
    """A network from a YAML file or a graph of NIR, or a preset by its name.

    Args:
        name_or_path: Which.
        dt_seconds: Of the steps that a graph takes; None: as `crossbar.nir.reading` has it.

    Raises:
        ConfigError: There is none, or the file is wrong: line and column, what is allowed.
    """
    path = NETWORKS.find(str(name_or_path))
    if is_nir(path):
        return _of_graph(path, dt_seconds)
    return _of_file(path, path.read_bytes())


@functools.lru_cache(maxsize=8)  # the trials of a study have the same few
def _of_file(path: Path, content: bytes) -> NetworkFile:
    """The network of a file of this content."""
    try:
        file = load(path, NetworkFile)
    except ConfigError as e:
        raise located(e, path) from e
    if not compose(path).value:
        raise ConfigError(f"{path} is empty; a network file gives layers; nothing was written")
    return file


def _of_graph(path: Path, dt_seconds: float | None) -> NetworkFile:
    """The network of a graph, its weights as those that training begins with."""
    read = read_network(path, dt_seconds)
    windows = {
        f"network.layers.{i}.w_max": repr(min(max(HEADROOM * most, 1e-6), 1e3))
        for i, most in enumerate(read.largest)
    }
    return NetworkFile(
        layers=read.network.layers,
        loss=read.network.loss,
        inputs=math.prod(read.shape),
        training={
            "init_from": str(path),
            "data.dt_seconds": repr(read.dt_seconds),
            **windows,
        },
    )


def stated_dt(config: Training) -> float | None:
    """The step of settings that do not leave it at the default, which no graph is of."""
    dt = config.data.dt_seconds
    return None if dt == DataSettings().dt_seconds else dt


def with_network(config: Training, name_or_path: str, dt_seconds: float | None = None) -> Training:
    """The settings with the network of a file or preset, and what it was published with.

    Args:
        config: Settings.
        name_or_path: See `load_network`.
        dt_seconds: The same; None: `stated_dt` of the settings.

    Raises:
        ConfigError: There is no such file, or it is wrong, or it is of data that no table has.
    """
    file = load_network(name_or_path, dt_seconds or stated_dt(config))
    data = file.data or config.data
    if file.inputs is not None and file.inputs != (lines := math.prod(data.input_shape)):
        raise ConfigError(
            f"{name_or_path}: inputs = {file.inputs}, but samples of {data.set} have {lines} "
            "lines; such a network can be estimated, not trained"
        )
    texts = {name: (text, f"{name_or_path}: {name}") for name, text in file.training.items()}
    return override(replace(config, network=file.network, data=data), texts)


def check_file(config: Training, name_or_path: str, *, on_boards: bool = False) -> None:
    """Refuse settings whose layers do not fit each other or the data; says where in the file.

    Args:
        config: The settings, with the network of the file and all that was typed.
        name_or_path: The file, or a preset.
        on_boards: Whether boards that are given compute it.

    Raises:
        ConfigError: Line and column of the layer, shapes, what is allowed.
    """
    dataset, data = DATASETS[config.data.set], config.data
    try:
        network = plan(
            config.network,
            inputs=data.input_shape,
            classes=len(dataset.class_names),
            steps=data.steps,
            dt_seconds=data.dt_seconds,
        )
        if encoding_of(data.encoding).is_held:
            check_held(network)
        if on_boards:
            check_on_boards(network)
    except ConfigError as e:
        raise located(e, NETWORKS.find(name_or_path)) from e


@contextmanager
def located_in(name_or_path: str | None) -> Iterator[None]:
    """Let what is said of a layer name its place in a file or a preset; None: there is none.

    Raises:
        ConfigError: That of the block.
    """
    try:
        yield
    except ConfigError as e:
        if name_or_path is None or not LAYER.match(str(e)):
            raise
        raise located(e, NETWORKS.find(name_or_path)) from e


def located(error: ConfigError, path: Path) -> ConfigError:
    """An error with the place of the layer that it names first, or of the file."""
    text = str(error).removeprefix(f"{path}:1:1: ")  # where a rule of the whole file is told
    named = None if is_nir(path) else LAYER.match(text)
    if named is None:
        return error if str(error).startswith(str(path)) else ConfigError(f"{path}: {error}")
    return ConfigError(f"{place_of_item(path, 'layers', int(named[1]))}: {text}")


def with_short_forms(config: Training, texts: Mapping[str, tuple[str, str]]) -> Training:
    """The settings with hidden layers as the short forms say.

    Args:
        config: Settings.
        texts: Field of `ShortForms` -> what was typed, and the option as it was typed.

    Raises:
        ConfigError: A value is wrong.
    """
    if not texts:
        return config
    try:
        return replace(config, network=override(ShortForms(), texts).of(config.network))
    except ConfigError as e:  # a rule of the network names the field, not the option
        name, _, rest = str(e).partition(" ")
        label = texts[name][1] if name in texts else name
        raise ConfigError(f"{label} {rest}") from e
