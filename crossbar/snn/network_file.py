"""A network in a file of its own: layers, and what it was published with; presets by name."""

from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path

from device_models.errors import ConfigError
from device_models.record import did_you_mean
from device_models.schema import load

from .network import Network


@dataclass(frozen=True, kw_only=True)
class NetworkFile(Network):
    """A `Network`, and settings of the run that the experiment was published with.

    Attributes:
        data: Settings of the data by name, `steps: 25`.
        training: Other settings by name, dotted where they are nested, as `--set` takes them.
    """

    data: dict[str, str] = field(default_factory=dict)
    training: dict[str, str] = field(default_factory=dict)

    @property
    def network(self) -> Network:
        """The network alone."""
        return Network(**{f.name: getattr(self, f.name) for f in fields(Network)})

    @property
    def settings(self) -> dict[str, str]:
        """All other settings by dotted name, as `override` takes them."""
        return {f"data.{name}": text for name, text in self.data.items()} | self.training


def presets() -> dict[str, Path]:
    """The networks that ship with the package, by name."""
    folder = Path(str(resources.files("crossbar.snn") / "presets"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_network(name: str | Path) -> NetworkFile:
    """A network by the name of a preset, or from a YAML file.

    Raises:
        ConfigError: There is neither, or the file is wrong: where, and what is allowed.
    """
    known = presets()
    path = known.get(str(name).removesuffix(".yaml"), Path(name))
    if Path(name).is_file():
        path = Path(name)
    if not path.is_file():
        raise ConfigError(
            f"there is no network file {str(name)!r} and no preset of that name; presets: "
            f"{', '.join(known)}{did_you_mean(str(name), known)}"
        )
    return load(path, NetworkFile)
