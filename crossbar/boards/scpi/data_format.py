"""FORMat, TRACe and MMEMory: the form of numbers, the log of what was sent."""

import re

from device_models import atomic

from .bench import Context
from .command import Answer, Command, one_of, text, whole
from .errors import ScpiError
from .parser import quoted

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}\.csv")
BITS = (32, 64)


def set_format(c: Context, kind: str, bits: int | None = None) -> Answer:
    """ASCii, or REAL with 32 or 64 bits (64 where none are given)."""
    if kind == "ASC":
        c.session.float_bits = 0
        return None
    if (bits or 64) not in BITS:
        raise ScpiError(-224, f"REAL has 32 or 64 bits, not {bits}")
    c.session.float_bits = bits or 64
    return None


def get_format(c: Context) -> Answer:
    """The form of numbers."""
    return f"REAL,{c.session.float_bits}" if c.session.float_bits else "ASC"


def set_border(c: Context, border: str) -> Answer:
    """NORMal: the byte of most weight first; SWAPped: last."""
    c.session.is_swapped = border == "SWAP"
    return None


def log(c: Context) -> Answer:
    """The last programming operations, oldest first."""
    return ",".join(map(quoted, c.bench.events)) or '""'


def clear_log(c: Context) -> Answer:
    """Forget them."""
    c.bench.events.clear()
    return None


def store(c: Context, name: str) -> Answer:
    """Write the log into the folder of the server, and nowhere else."""
    if c.bench.folder is None:
        raise ScpiError(-241, "the server was given no folder for files; nothing was written")
    if not FILE_NAME.fullmatch(name):
        raise ScpiError(
            -257, "a name has letters, digits, _ and - and ends in .csv; nothing was written"
        )
    lines = "".join(f"{event}\n" for event in ["event", *c.bench.events])
    atomic.write(c.bench.folder / name, lines.encode())
    return None


COMMANDS = [
    Command("FORMat[:DATA]", set_format,
            (one_of("form", "ASCii", "REAL"), whole("bits", 0, 64, is_optional=True))),
    Command("FORMat[:DATA]?", get_format),
    Command("FORMat:BORDer", set_border, (one_of("border", "NORMal", "SWAPped"),)),
    Command("FORMat:BORDer?", lambda c: "SWAP" if c.session.is_swapped else "NORM"),
    Command("TRACe:DATA?", log),
    Command("TRACe:POINts?", lambda c: str(len(c.bench.events))),
    Command("TRACe:CLEar", clear_log, writes=True),
    Command("MMEMory:STORe", store, (text("file name", 80),), writes=True),
]  # fmt: skip
