"""Which way trains of pulses lead, and trains that are listed backwards."""

from dataclasses import replace

import numpy as np

from ...errors import ConfigError
from ...record import shown
from ..measurements import Floats
from ..options import Options
from ..table import FileTable

FEWEST = 4  # readings of a train whose direction is believed


def trend(g: Floats) -> float:
    """By how much a train rises, siemens: its last quarter against its first; 0 of one reading."""
    g = g[np.isfinite(g)]
    quarter = max(1, len(g) // 4)
    return float(g[-quarter:].mean() - g[:quarter].mean()) if len(g) > 1 else 0.0


def against(g: Floats, polarity: int) -> float:
    """By how much a train of SET (1) or RESET (-1) pulses leads the wrong way, siemens."""
    enough = np.isfinite(g).sum() >= FEWEST
    return max(0.0, -polarity * trend(g)) if enough else 0.0


def turned(table: FileTable, options: Options) -> FileTable:
    """The table with the columns of `Options.backwards` listed from the first pulse to the last.

    Raises:
        ConfigError: It has no such column of numbers.
    """
    names = {label: name for name, label in table.labels.items()}
    wanted = [names.get(name, name) for name in options.backwards]
    for name in wanted:
        if name not in table.numbers:
            columns = ", ".join(table.labels.get(n, n) for n in table.numbers)
            raise ConfigError(
                f"{table.path}: --backwards {shown(name)} is no column of trains; it has "
                f"{columns}; nothing was read"
            )
    return replace(table, numbers=table.numbers | {n: _backwards(table.numbers[n]) for n in wanted})


def _backwards(values: Floats) -> Floats:
    """A column turned round up to its last value; blanks below it stay there."""
    filled = np.flatnonzero(np.isfinite(values))
    end = int(filled[-1]) + 1 if len(filled) else 0
    return np.concatenate([values[:end][::-1], values[end:]])
