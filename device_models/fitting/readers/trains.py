"""A reading after every numbered pulse, as in figures of potentiation.

The first reading of a train precedes its pulses. Nothing in such a table says SET or RESET: the
user or the name of the file does, else every train is cut where it turns (by a quarter of all its
conductances), and a part that rises is one of SET. A number of a pulse that is not above the one
before it begins a new train.
"""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..columns import DEVICE, READING, Column
from ..conductance import conductances
from ..lines import Head
from ..measurements import Floats, Measurements, Pulses
from ..options import OF_READINGS, Options
from ..table import read_table
from .reader import (
    READS,
    Reader,
    devices,
    has_conductance,
    header_names,
    named_polarity,
    notes,
    polarity_remark,
    ramp_pulses,
    stated_shape,
)
from .trends import trend

TURN = 0.25  # of the conductances of a train, by which it must turn to be cut
COLUMNS = (*DEVICE, Column("pulse", "number of the pulse", optional=False), *READING)
TAKES = f"a table of trains has pulse, and {READS} with v_read_volts"
EXAMPLE = """pulse,g_siemens
0,1.0e-5
1,1.6e-5
2,2.1e-5
3,1.5e-5
4,1.1e-5
"""


def sniff(head: Head) -> bool:
    """Whether there are numbered pulses and readings, and neither operations nor voltages."""
    names = header_names(head)
    return "pulse" in names and has_conductance(names) and not names & {"op", "v_volts"}


def read(path: Path, options: Options) -> Measurements:
    """Read one table of trains; see `Reader`."""
    table = read_table(path, COLUMNS, names=options.columns)
    number = table.need("pulse", TAKES)
    readings = conductances(table, options, TAKES)
    device, names = devices(table)
    sign, why = named_polarity(path, options)
    shape = stated_shape(table.settings, path)
    parts, used = list[Pulses](), 0
    for i in range(len(names)):
        rows = np.flatnonzero((device == i) & readings.present)
        used += len(rows)
        ramp = 0
        for train in np.split(rows, 1 + np.flatnonzero(np.diff(number[rows]) <= 0.0)):
            g = readings.g_siemens[train]
            ends = [0, len(g) - 1] if sign else [0, *turns(g), len(g) - 1]
            for start, end in pairwise(ends):
                part = g[start : end + 1]
                polarity = sign or (1 if trend(part) >= 0.0 else -1)
                pulses = ramp_pulses(part, ramp, polarity, str(path), **shape)
                parts.append(replace(pulses, device=np.full(len(pulses), i)))
                ramp += 1
    pulses = Pulses.join(parts)
    rises = float((pulses.g_after_siemens - pulses.g_before_siemens).sum())
    count = [int((pulses.polarity == way).sum()) for way in (1, -1)]
    by_trend = f"{count[0]} SET and {count[1]} RESET pulses by where the trains turn"
    remark = polarity_remark(sign, why, rises) if sign else by_trend
    dropped = readings.dropped(np.ones(len(table), bool))
    note = notes(table, "trains", readings, used=used, dropped=dropped, remarks=(remark,))
    return Measurements(pulses=(pulses,) if len(pulses) else (), devices=names, notes=(note,))


def turns(g: Floats) -> list[int]:
    """Where a train turns: readings that are extreme until the train has come back by `TURN`.

    Args:
        g: Readings in their order, siemens, none missing.
    """
    least = TURN * float(np.ptp(g)) if len(g) else 0.0
    turning, low, high, way = list[int](), 0, 0, 0
    for i in range(1, len(g) if least > 0.0 else 0):
        low = i if g[i] < g[low] else low
        high = i if g[i] > g[high] else high
        if way >= 0 and g[high] - g[i] > least:
            turning += [high] if way else []
            way, low = -1, i
        elif way <= 0 and g[i] - g[low] > least:
            turning += [low] if way else []
            way, high = 1, i
    return turning


READER = Reader(
    "a reading after every numbered pulse", sniff, read, COLUMNS, EXAMPLE,
    options=(*OF_READINGS, "polarity"), wants=f"pulse, and {READS}",
)  # fmt: skip
