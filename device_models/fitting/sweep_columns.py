"""Which columns of a table are voltages and currents of sweeps, as instruments call them.

Names of instruments often lack a unit; they are then in volts and amperes, as these write them:

    Keysight B1500, 4155/4156   DataName, V1, I1, Time;  VTE, ITE
    Keithley 4200               AnodeV, AnodeI;  AV, AI;  DrainV(1), DrainI(1)
    Keithley 2400, 2600         Smu1.V[1][1], Smu1.I[1][1];  SourceValue, Reading;  Voltage, Current
    Keithley 2450               Source, Reading, ...

Columns of one number or of one electrode belong together; several pairs are sweeps one after the
other.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from .columns import BRACKETS, LONGEST_LABEL, Meaning, meaning, scale

INDEX = re.compile(r"[\[(]\s*(\d+)\s*[\])]")
UNIT = {"V": "v_volts", "A": "i_amperes"}
VOLTAGES = re.compile(
    r"(?:(?P<stem>[a-z]*?)(?:_?(?:v|voltage|volts?|bias))|v_?(?P<end>te|top|meas|app|app?lied|source|"
    r"anode|a|d|drain|f|force|bias)|u|(?P<source>source)(?:_?value)?)"
)
CURRENTS = re.compile(
    r"(?:(?P<stem>[a-z]*?)(?:_?(?:i|current|amps?))|i_?(?P<end>te|top|meas|source|anode|a|d|drain|f|"
    r"force|cell)|(?P<source>reading|measured_?value)|abs\(i\)|\|i\||i_?abs|absi)"
)
ELECTRODES = ("", "anode", "top", "te", "a", "drain", "d", "source", "meas", "measured", "measure",
              "applied", "applie", "app", "f", "force", "ch", "smu", "cell", "set", "output",
              "forced", "bottom", "cathode", "c", "be", "gate", "g", "bulk")  # fmt: skip


class SweepPair(NamedTuple):
    """A column of voltages and one of currents: label, and factor to SI."""

    volts: tuple[str, float]
    amperes: tuple[str, float]


class _Role(NamedTuple):
    """What a column holds, of which electrode, and its number."""

    label: str
    dimension: str
    factor: float
    key: tuple[str, ...]


def sweep_pairs(labels: Sequence[str]) -> list[SweepPair]:
    """The columns of sweeps among the columns of a table; [] if there is no pair."""
    roles = [role for label in labels if (role := _role(label))]
    volts, amperes = ([r for r in roles if r.dimension == d] for d in "VA")
    if not volts or not amperes:
        return []
    by_key = {role.key: role for role in reversed(amperes)}
    pairs = [SweepPair(_column(v), _column(by_key[v.key])) for v in volts if v.key in by_key]
    return pairs or [SweepPair(_column(volts[0]), _column(amperes[0]))]


def is_plain(labels: Sequence[str]) -> bool:
    """Whether every name of a pair says its unit, or is one of ours."""
    return all(meaning(pair[0]) for each in sweep_pairs(labels) for pair in each)


def mapped(pairs: Sequence[SweepPair]) -> dict[str, Meaning]:
    """Labels of pairs -> `v0`, `i0`, `v1`, ..., in volts and amperes."""
    result = {}
    for k, pair in enumerate(pairs):
        for name, (label, factor) in zip("vi", pair, strict=True):
            result[label] = Meaning(f"{name}{k}", factor)
    return result


def _column(role: _Role) -> tuple[str, float]:
    """Label and factor."""
    return role.label, role.factor


def _role(label: str) -> _Role | None:
    """Voltage or current of an electrode; None if it is neither."""
    quantity = meaning(label)
    if quantity is not None:
        dimension = next((d for d, name in UNIT.items() if name == quantity.name), "")
        return _Role(label, dimension, quantity.factor, _key("", label)) if dimension else None
    if len(label) > LONGEST_LABEL:  # the rules take time with the square of it
        return None
    base, unit = label, ""
    if (match := BRACKETS.fullmatch(label)) and not match[2].strip().isdigit():
        base, unit = match.groups()
    plain = re.sub(r"[\s.\-]+", "_", INDEX.sub("", base).lower()).strip("_")
    plain = re.sub(r"^smu_?\d*_|^ch_?\d+_", "", plain)
    plain = re.sub(r"_?\d+$", "", plain)
    for dimension, rule in (("V", VOLTAGES), ("A", CURRENTS)):
        match = rule.fullmatch(plain)
        stem = next((s for s in match.groups() if s), "").strip("_") if match else None
        if stem is None or stem not in (*ELECTRODES, "reading", "measured_value", "measuredvalue"):
            continue
        scaled = scale(unit, dimension) if unit else (1.0, 0.0)
        if scaled is not None:
            return _Role(label, dimension, scaled[0], _key(stem, base))
    return None


def _key(stem: str, base: str) -> tuple[str, ...]:
    """Electrode and number of a column: those of a pair are equal."""
    alike = {"a": "anode", "te": "top", "d": "drain", "measured_value": "source", "app": "applied",
             "reading": "source", "measuredvalue": "source", "g": "gate",
             "c": "cathode"}  # fmt: skip
    number = re.search(r"(\d+)$", INDEX.sub("", base).strip(" _"))
    smu = re.match(r"(smu|ch)[\s_\-]*\d*", base.lower())
    return (
        alike.get(stem, stem), *INDEX.findall(base), number[1] if number else "",
        smu[0] if smu else "",
    )  # fmt: skip
