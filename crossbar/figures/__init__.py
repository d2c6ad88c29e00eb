"""The figures: the only place that knows matplotlib.

Every function takes plain numbers and returns a `matplotlib.figure.Figure`, which
`crossbar.figures.style.save` writes. Nothing here touches pyplot or the global settings.
"""

import os
from pathlib import Path

from device_models.atomic import can_be_written

_FOLDERS = {"XDG_CONFIG_HOME": ".config", "XDG_CACHE_HOME": ".cache"}  # as matplotlib looks


def _can_keep_fonts() -> bool:
    """Whether matplotlib has folders of this user for its list of fonts."""
    try:
        folders = [Path(os.environ.get(n) or Path.home() / d) for n, d in _FOLDERS.items()]
    except RuntimeError:  # no home
        return False
    return all(can_be_written(folder / "matplotlib") for folder in folders)


if "MPLCONFIGDIR" not in os.environ and not _can_keep_fonts():
    # Else every process lists all fonts anew, for seconds, and says so in two lines.
    from device_models.jit import base_folder

    os.environ["MPLCONFIGDIR"] = str(base_folder() / "matplotlib")
