"""Networks from files and short forms, laid over the settings of a run."""

from collections.abc import Mapping
from dataclasses import replace

from device_models.overrides import override

from ..snn.network import ShortForms
from ..snn.network_file import load_network
from .config import Training


def with_network(config: Training, name_or_path: str) -> Training:
    """The settings with the network of a file or preset, and what it was published with.

    Raises:
        ConfigError: There is no such file, or it is wrong: line and column, what is allowed.
    """
    file = load_network(name_or_path)
    texts = {name: (text, f"{name_or_path}: {name}") for name, text in file.settings.items()}
    return override(replace(config, network=file.network), texts)


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
    return replace(config, network=override(ShortForms(), texts).of(config.network))
