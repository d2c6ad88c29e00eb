"""Limits, connections and the output: what pulses may do and where they go."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bench import Context
from .command import Answer, Command, between, boolean, channels, one_of, whole
from .errors import ScpiError

CELLS = 1024  # most that are connected one by one


def limit_commands(header: str, name: str, attribute: str, unit: str) -> list[Command]:
    """A limit that may be made narrower than that of the bench: command and query."""

    def widest(c: Context) -> float:
        return float(getattr(c.bench.limits, attribute))

    def put(c: Context, value: float) -> Answer:
        settings = c.bench.settings
        changed: Any = {attribute: value}
        settings.limits = dataclasses.replace(settings.limits, **changed)
        return None

    def get(c: Context) -> Answer:
        return f"{getattr(c.bench.settings.limits, attribute):.6E}"

    least = {"V": 1e-3, "S": 1e-12}[unit]
    bound = between(name, unit, least, widest)
    return [Command(header, put, (bound,), writes=True), Command(f"{header}?", get)]


def set_compliance(c: Context, amperes: float) -> Answer:
    """The largest current of a pulse or a reading: a SET ends there, what meets it is reported."""
    c.bench.settings.compliance_amperes = amperes
    return None


def is_tripped(c: Context) -> Answer:
    """Whether the compliance was met since it was last asked."""
    answer, c.bench.settings.is_tripped = c.bench.settings.is_tripped, False
    return str(int(answer))


def close(c: Context, mask: NDArray[np.bool_]) -> Answer:
    """Connect some cells and no others."""
    words, bits = np.nonzero(mask)
    if len(words) > CELLS:
        raise ScpiError(-223, f"at most {CELLS} cells are connected, not {len(words)}")
    c.bench.settings.closed = tuple(zip(words.tolist(), bits.tolist(), strict=True))
    return None


def is_closed(c: Context, mask: NDArray[np.bool_] | None = None) -> Answer:
    """Which cells are connected; with a list, 1 or 0 for each of its cells."""
    closed = c.bench.settings.closed
    if mask is None:
        return "(@" + ",".join(f"{word}!{bit}" for word, bit in closed) + ")"
    chosen = set(closed)
    cells = zip(*(lines.tolist() for lines in np.nonzero(mask)), strict=True)
    return ",".join("1" if cell in chosen else "0" for cell in cells)


def open_all(c: Context) -> Answer:
    """Connect nothing."""
    c.bench.settings.closed = ()
    return None


def select_tile(c: Context, tile: int) -> Answer:
    """Remember a tile; all cells are reached whatever it is."""
    c.bench.settings.tile = tile
    return None


def tiles(c: Context) -> int:
    """How many tiles the array is cut into."""
    info = c.bench.board.info
    down, across = (-(-n // m) for n, m in zip(info.shape, info.tile_shape, strict=True))
    return down * across


def set_idle(c: Context, state: str) -> Answer:
    """What lines do between operations; HGND grounds them, and refuses pulses."""
    c.bench.settings.idle = state
    return None


def set_output(c: Context, on: bool) -> Answer:
    """Whether pulses may go out; off again when the connection of who switched it on ends.

    Anyone may switch it off, whoever writes.
    """
    if on:
        c.bench.claim(c.session)
    c.bench.settings.is_output = on
    c.bench.switched_on_by = c.session if on else None
    return None


COMPLIANCE = between("compliance", "A", 1e-12, lambda c: c.bench.most_amperes)
COMMANDS = [
    *limit_commands("SOURce:VOLTage:LIMit[:AMPLitude]", "amplitude", "volts", "V"),
    *limit_commands("SOURce:PULSe:WIDTh:LIMit", "width", "seconds", "S"),
    Command("SENSe:CURRent[:DC]:PROTection[:LEVel]", set_compliance, (COMPLIANCE,), writes=True),
    Command("SENSe:CURRent[:DC]:PROTection[:LEVel]?",
            lambda c: f"{c.bench.compliance_amperes:.6E}"),
    Command("SENSe:CURRent[:DC]:PROTection:TRIPped?", is_tripped),
    Command("ROUTe:CLOSe", close, (channels("cells"),), writes=True),
    Command("ROUTe:CLOSe?", is_closed, (channels("cells", is_optional=True),)),
    Command("ROUTe:OPEN:ALL", open_all, writes=True),
    Command("ROUTe:TILE", select_tile, (whole("tile", 1, tiles),), writes=True),
    Command("ROUTe:TILE?", lambda c: str(c.bench.settings.tile)),
    Command("ROUTe:IDLE", set_idle, (one_of("state", "FLOat", "SGND", "HGND"),), writes=True),
    Command("ROUTe:IDLE?", lambda c: c.bench.settings.idle),
    Command("OUTPut[:STATe]", set_output, (boolean("output"),)),
    Command("OUTPut[:STATe]?", lambda c: str(int(c.bench.settings.is_output))),
]  # fmt: skip
