"""Columns of tables: their names and units, and what a laboratory calls them.

A reader declares the columns it takes. A file may give them in another unit and under another
name, where it says the unit: `current_uA`, `R (kOhm)`, `Conductance [uS]`, `Time / ms`. They are
then brought to SI. A column that is nearly called like one, or that states no unit, is refused by
name: it would be missed without a word.
"""

import difflib
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from ..record import shown

TEXT = "text"  # "unit" of a column of words
LONGEST_LABEL = 100  # characters: a longer name is none of those known here
INDEX = ("", "unnamed:_0", "index", "no", "point", "pt")  # of rows, as spreadsheets write them
NEAR = 0.8  # likeness from which a name counts as another one, mistyped


class Column(NamedTuple):
    """One column that a reader takes.

    Attributes:
        name: As the reader calls it, with its SI unit.
        holds: What is in it.
        unit: "S", "ohm", "A", "V", "s", "K"; "" of a plain number; `TEXT` of words.
        optional: Whether a table may lack it.
    """

    name: str
    holds: str
    unit: str = ""
    optional: bool = True


DEVICE = (
    Column("device", "name of the device; or word_line and bit_line; one device without", TEXT),
    Column("word_line", "with bit_line instead of device", TEXT),
    Column("bit_line", "with word_line instead of device", TEXT),
)
READING = (
    Column("g_siemens", "conductance; this, r_ohms or i_amperes is needed", "S"),
    Column("r_ohms", "resistance instead", "ohm"),
    Column("i_amperes", "current at v_read_volts instead", "A"),
    Column("v_read_volts", "read voltage; or one for all: --read-volts", "V"),
)


class Meaning(NamedTuple):
    """What a name in a header means: value * factor + offset is what column `name` holds."""

    name: str
    factor: float = 1.0
    offset: float = 0.0


SUFFIX = {
    "S": "siemens", "ohm": "ohms", "A": "amperes", "V": "volts", "s": "seconds", "K": "kelvin",
}  # fmt: skip
STEMS: dict[str, tuple[str, tuple[str, ...]]] = {  # stem -> dimensions, other names
    "t": ("s", ("time", "elapsed_time", "timestamp")),
    "g": ("S", ("conductance", "cond", "g_read")),
    "r": ("ohm", ("resistance", "r_read")),
    "i": ("A", ("current", "i_read", "read_current")),
    "v_read": ("V", ("vread", "read_voltage", "v_r")),
    "v": ("V", ("voltage", "amplitude", "pulse_amplitude", "pulse_voltage", "v_pulse", "vpulse")),
    "width": ("s", ("pulse_width", "t_pulse", "duration", "pulse_duration")),
    "target": ("S ohm", ("g_target", "target_g", "r_target", "target_r", "target_conductance",
                         "target_resistance")),
    "low": ("S ohm", ("lower", "range_low", "g_low", "r_low")),
    "high": ("S ohm", ("upper", "range_high", "g_high", "r_high")),
    "initial": ("S", ("g_initial", "initial_conductance")),
    "lrs": ("S ohm", ("r_lrs", "g_lrs", "lrs_resistance", "lrs_conductance", "r_on", "ron")),
    "hrs": ("S ohm", ("r_hrs", "g_hrs", "hrs_resistance", "hrs_conductance", "r_off", "roff")),
    "temperature": ("K", ("temp",)),
    "up": ("S", ("potentiation", "ltp")),
    "down": ("S", ("depression", "ltd")),
}  # fmt: skip
WORDS = {  # columns without a unit
    "device": ("dev", "device_id", "cell"), "word_line": ("wl",), "bit_line": ("bl",),
    "op": ("operation", "polarity"), "series": (), "stuck": (),
    "cycle": ("cycle_number", "cycle_no", "cycle_#"),
    "pulse": ("pulse_number", "pulse_no", "pulse_#", "pulse_index", "n_pulse"),
    "cycles": (), "success": ("successful",), "pulses": ("pulse_count", "n_pulses"),
}  # fmt: skip
STEM_OF = {name: stem for stem, (_, others) in STEMS.items() for name in (stem, *others)}
WORD_OF = {name: word for word, others in WORDS.items() for name in (word, *others)}
KNOWN = (*(f"{stem}_{SUFFIX[d]}" for stem, (ds, _) in STEMS.items() for d in ds.split()), *WORDS)

PREFIX = {"": 1.0, "k": 1e3, "m": 1e-3, "u": 1e-6, "\N{MICRO SIGN}": 1e-6,
          "\N{GREEK SMALL LETTER MU}": 1e-6, "n": 1e-9, "p": 1e-12, "milli": 1e-3, "micro": 1e-6,
          "nano": 1e-9, "kilo": 1e3, "mega": 1e6}  # fmt: skip
OHM_PREFIX = PREFIX | {"K": 1e3, "M": 1e6, "G": 1e9, "Mega": 1e6}
OMEGA = "\N{GREEK CAPITAL LETTER OMEGA}|\N{GREEK SMALL LETTER OMEGA}|\N{OHM SIGN}"
SPELLED = {
    "S": r"s|siemens", "ohm": f"ohms?|{OMEGA}",
    "A": r"a|amps?|amperes?", "V": r"v|volts?", "s": r"s|secs?|seconds?", "K": r"k|kelvin",
}  # fmt: skip
CLOCK = {"min": 60.0, "minutes": 60.0, "h": 3600.0, "hours": 3600.0, "d": 86400.0, "days": 86400.0}
CELSIUS = re.compile("(\N{DEGREE SIGN}|deg_?)?(c|celsius)|\N{DEGREE CELSIUS}", re.IGNORECASE)
BRACKETS = re.compile(r"(.*?)[\s_]*[(\[]\s*([^)\]]*?)\s*[)\]]")
SLASH = re.compile(r"(.*?)\s*/\s*(\S+)")
LAST = re.compile(r"(.*)[\s_]+(\S+?)")


def scale(unit: str, dimension: str) -> tuple[float, float] | None:
    """Factor and offset that bring a unit to SI; None if it is no unit of that dimension.

    Capital prefixes count as small ones (`MS` is no megasiemens), but for ohms: `mohm` is a
    milliohm.
    """
    if dimension == "K" and CELSIUS.fullmatch(unit):
        return 1.0, 273.15
    if dimension == "s" and unit.lower() in CLOCK:
        return CLOCK[unit.lower()], 0.0
    match = re.fullmatch(f"(.*?)(?i:{SPELLED[dimension]})", unit)
    if match is None:
        return None
    prefixes, prefix = (OHM_PREFIX, match[1]) if dimension == "ohm" else (PREFIX, match[1].lower())
    factor = prefixes.get(prefix)
    return None if factor is None or (dimension == "K" and prefix) else (factor, 0.0)


def bare(unit: str) -> str:
    """A unit without brackets; "" of a dash."""
    return unit.strip("()[]- ")


def is_unit(text: str) -> bool:
    """Whether a cell is the unit of any column, perhaps in brackets."""
    return bool(bare(text)) and any(scale(bare(text), dimension) for dimension in SUFFIX)


def meaning(label: str) -> Meaning | None:
    """What a name in a header means, or None: unknown, or without the unit that it needs."""
    word = WORD_OF.get(plain(label))
    if word:
        return Meaning(word)
    for stem, unit in _parted(label):
        for dimension in STEMS[stem][0].split():
            scaled = scale(unit, dimension)
            if scaled is not None:
                return Meaning(f"{stem}_{SUFFIX[dimension]}", *scaled)
    return None


def _parted(label: str) -> list[tuple[str, str]]:
    """The ways in which a label is the name of a quantity and a unit."""
    if len(label) > LONGEST_LABEL:  # the rules take time with the square of it
        return []
    parts = [match.groups() for rule in (BRACKETS, SLASH, LAST) if (match := rule.fullmatch(label))]
    stems = [(STEM_OF[plain(base)], unit) for base, unit in parts if plain(base) in STEM_OF]
    return stems + [("temperature", unit) for base, unit in parts if base == "T"]


def plain(name: str) -> str:
    """A name in small letters, its words joined by underscores."""
    return re.sub(r"[\s\-.]+", "_", name.strip().lower())


def fault(label: str, wanted: Collection[str], present: Collection[str]) -> str:
    """Why a name that no reader knows is refused; "" if it is simply another column.

    Args:
        label: As the file has it.
        wanted: Columns that would be read.
        present: Those that the file has.
    """
    stem = STEM_OF.get(plain(label)) or next((stem for stem, _ in _parted(label)), "")
    missing = [name for name in wanted if name not in present and len(label) <= LONGEST_LABEL]
    if stem:
        group = {"g", "r", "i"} if stem in "gri" else {stem}
        lacks = not any(name.rpartition("_")[0] in group for name in present)
        name = next((n for n in missing if n.rpartition("_")[0] == stem), "")
        if not (lacks and name):
            return ""
        unit = next(d for d, suffix in SUFFIX.items() if name.endswith(suffix))
        alone = shown(label.split("(")[0].strip())[1:-1]
        fault = "states no unit" if plain(label) in STEM_OF else f"has no unit of {SUFFIX[unit]}"
        return (
            f"{fault}; call it {name}, or write a unit: {alone} ({unit}), or "
            f"give --columns {shown(f'{label}={name}')}"
        )
    near = max(missing, key=lambda name: _likeness(plain(label), name), default="")
    return f"is unknown; did you mean {near!r}?" if _likeness(plain(label), near) >= NEAR else ""


def _likeness(a: str, b: str) -> float:
    """Of two names, from 0 to 1; what they share behind the last underscore does not count."""
    (stem_a, _, end_a), (stem_b, _, end_b) = a.rpartition("_"), b.rpartition("_")
    pair = (stem_a, stem_b) if end_a == end_b and stem_a and stem_b else (a, b)
    return difflib.SequenceMatcher(None, *pair).ratio()


def names(columns: Sequence[Column]) -> list[str]:
    """The names of some columns."""
    return [column.name for column in columns]
