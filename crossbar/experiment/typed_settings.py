"""Settings by the names that people type: the short ones of `xbar train`, or dotted ones."""

from collections.abc import Callable, Mapping
from pathlib import Path

from device_models.errors import ConfigError
from device_models.overrides import override

from ..nir.files import is_nir
from .config import SIMULATED, Training
from .network_settings import check_file, with_network, with_short_forms

# option -> settings it stands for; others are named like their setting
FIELDS = {
    "learning_rate": ("optimizer.learning_rate",),
    "lr": ("optimizer.learning_rate",),  # as the option is typed; a study may say either
    "hidden_w_max": ("tiles.hidden_w_max",),
    "readout_w_max": ("tiles.readout_w_max",),
    "wires": ("wires.word_ohms", "wires.bit_ohms"),
    "adc_bits": ("periphery.adc_bits",),
    "data_set": ("data.set",),
    "encoding": ("data.encoding",),
    "accelerator": ("engine.device",),
}
IMPLIED = {"adc_bits": ("periphery.kind", "adc"), "accelerator": ("engine.kind", "dense")}
SHORT_FORMS = ("hidden", "ei", "recurrent", "sigma_init")  # of a network


def settings_of(
    given: Mapping[str, str],
    base: Training,
    network: str | None = None,
    *,
    label: Callable[[str], str] = str,
    on_boards: bool = False,
) -> Training:
    """Settings with a network, and with what was typed, over others.

    Args:
        given: Name -> text; a name of FIELDS or SHORT_FORMS, or of a setting, dotted.
        base: The others.
        network: A preset or a file of layers.
        label: A name as it was typed, for messages.
        on_boards: Whether boards compute all; so they do where the settings name one.

    Raises:
        ConfigError: A name is unknown, a value is none of its setting, or layers do not fit.
    """
    texts = {field: (text, label(name)) for name, (field, text) in IMPLIED.items() if name in given}
    typed = {name: (text, label(name)) for name, text in given.items()}
    short = {name: typed.pop(name) for name in SHORT_FORMS if name in typed}
    for name, text in typed.items():
        texts |= dict.fromkeys(FIELDS.get(name, (name,)), text)
    if network is not None:
        dt = None
        if is_nir(Path(network)):  # its numbers follow the data, a preset may say which
            _check_short_forms(given, network, label)
            base = override(base, {n: text for n, text in texts.items() if n.startswith("data.")})
            dt = base.data.dt_seconds if "data.dt_seconds" in texts else None
        base = with_network(base, network, dt)
    settings = override(with_short_forms(base, short), texts)
    if network is not None:
        check_file(settings, network, on_boards=on_boards or settings.board != SIMULATED)
    return settings


def _check_short_forms(given: Mapping[str, str], network: str, label: Callable[[str], str]) -> None:
    """Refuse short forms, and windows of all layers, beside a network that comes with its weights.

    Raises:
        ConfigError: There are some.
    """
    if short := [label(n) for n in SHORT_FORMS if n in given]:
        raise ConfigError(
            f"{network} comes with its weights, which {', '.join(short)} would not fit; leave "
            f"{'it' if len(short) == 1 else 'them'} out"
        )
    windows = "hidden_w_max", "readout_w_max"
    for name in (*windows, *(f"tiles.{each}" for each in windows)):
        if name in given:
            raise ConfigError(
                f"{label(name)} would hold for no layer: {network} comes with weights, after which "
                "each has a window of its own; --set network.layers.0.w_max=X sets one"
            )
