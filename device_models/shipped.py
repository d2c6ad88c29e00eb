"""Finding a YAML file by name: a path where there is one, else a preset that ships in a package."""

from dataclasses import dataclass
from importlib.resources import files
from os import PathLike
from pathlib import Path

from .errors import ConfigError
from .record import nearest, shown

ENDING = ".yaml"  # of a name, which may go without


@dataclass(frozen=True)
class Presets:
    """The files of one kind that ship in a package.

    Attributes:
        what: The kind, for messages: `device`.
        package: The package that holds them.
        pattern: Where they lie in it, with a star for the name: `chips/*.yaml`, `*/model.yaml`.
    """

    what: str
    package: str
    pattern: str

    def names(self) -> list[str]:
        """Names of the presets, without an ending."""
        before, after = self.pattern.split("*")
        paths = (path.relative_to(self._folder) for path in self._folder.glob(self.pattern))
        return sorted(p.as_posix().removeprefix(before).removesuffix(after) for p in paths)

    def find(self, name_or_path: str, naming: Path | None = None) -> Path:
        """The file of a name.

        Args:
            name_or_path: A path, or a preset with or without `.yaml`.
            naming: The file that says so, if one does: paths are relative to its folder, and it
                never means itself where there is a preset of its name.

        Raises:
            ConfigError: There is no such file and no such preset; tells the nearest, or all.
        """
        if not isinstance(name_or_path, str | PathLike) or not str(name_or_path).strip():
            raise ConfigError(f"{shown(name_or_path)} is no name of a {self.what} file or preset")
        name_or_path = str(name_or_path)
        path = Path(name_or_path) if naming is None else naming.parent / name_or_path
        name, names = name_or_path.removesuffix(ENDING), self.names()
        is_itself = naming is not None and _exists(path) and path.resolve() == naming.resolve()
        if _exists(path) and not (is_itself and name in names):
            return path
        if name in names:
            return self._folder / self.pattern.replace("*", name)
        near = nearest(name, names)
        presets = ", ".join(f"{name}{ENDING}" for name in names)
        hint = f"did you mean {near + ENDING!r}?" if near else f"presets: {presets}"
        raise ConfigError(f"no {self.what} file and no preset {shown(name_or_path)}; {hint}")

    @property
    def _folder(self) -> Path:
        return Path(str(files(self.package)))


def _exists(path: Path) -> bool:
    """Whether there is a file or folder; what can be no path is none."""
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or characters that no path holds
        return False
