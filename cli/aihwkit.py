"""`xbar devices --from-aihwkit`: a configuration of aihwkit as a device file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

from device_models.errors import ConfigError, DataError

if TYPE_CHECKING:
    from device_models.pulsed import Pulsed

WINDOW = "1e-6:1e-4"  # 1 Mohm to 10 kohm
PRESET = "oxram.yaml"
NOTHING = "nothing was written"


def convert(
    config: str, file: str | None, window: str | None, without: str | None, *, as_json: bool
) -> str:
    """Write the device file; what was written, as text or JSON.

    Args:
        config: JSON file of aihwkit.
        file: Device file to write; must not exist.
        window: LOW:HIGH, siemens.
        without: Keys to leave out, with commas.
        as_json: Whether the answer is JSON.

    Raises:
        ConfigError, DataError: As `device_models.aihwkit`; or there is no file to write, or one.
    """
    from device_models import aihwkit
    from device_models.atomic import write
    from device_models.presets import load_device
    from device_models.printable import printable
    from device_models.registry import name_of
    from device_models.schema import dump

    if file is None:
        raise ConfigError(
            "--from-aihwkit needs the device file to write, as in "
            f"xbar devices my_device.yaml --from-aihwkit {config}; {NOTHING}"
        )
    path = Path(file)
    if path.exists():
        raise ConfigError(f"{path} exists; name another device file; {NOTHING}")
    low, high = ends_of(window or WINDOW)
    preset = cast("Pulsed", load_device(PRESET))
    keys = tuple(key.strip() for key in (without or "").split(",") if key.strip())
    given = aihwkit.read_config(Path(config))
    model = aihwkit.from_aihwkit(given, preset, g_min_siemens=low, g_max_siemens=high, without=keys)
    name = " ".join(printable(Path(config).name).split())
    text = f"# From {name} of aihwkit; every number carries its source.\n"
    try:
        write(path, (text + dump(model, ("model", name_of(model)))).encode())
    except OSError as e:
        raise DataError(f"{path}: {e.strerror}; {NOTHING}") from e
    if as_json:
        return json.dumps({"file": file, "model": name_of(model), "without": list(keys)})
    return f"{file}: {name_of(model)} from {given['class']}"


def ends_of(window: str) -> tuple[float, float]:
    """Two ends of a window, siemens.

    Raises:
        ConfigError: They are no two numbers.
    """
    low, colon, high = window.partition(":")
    try:
        return float(low), float(high if colon else "")
    except ValueError as e:
        raise ConfigError(f"--window must be LOW:HIGH in siemens, not {window!r}; {NOTHING}") from e
