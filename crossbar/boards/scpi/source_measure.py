"""The dialect of source-measure units, as a Keithley 2400 speaks it: one cell, source and measure.

A cycle (`READ?`, `MEASure?`, `INITiate`, `*TRG`) at a level within the read limit is a read of the
cell that `ROUTe:CLOSe` connected. At a level above it, it is one pulse of `SOURce:PULSe:WIDTh` and
then a read: a level that stays on a cell is not emulated, and turning the output on sends nothing.
`SENSe:CURRent:PROTection` ends a SET at the current limit, as every pulse of the instrument.
"""

import time

import numpy as np

from ..protocol import PulseBatch, PulseShape
from .bench import Context, Reading
from .command import Answer, Command, between, one_of, raw, text, whole
from .common import nothing
from .errors import ScpiError
from .parser import Text, Value, Word, quoted
from .session import ELEMENTS, NOT_A_NUMBER

AT_COMPLIANCE = 8  # bit 3 of the status word of a 2400
CYCLES = 2500  # most of one trigger
NAMES = ("VOLTage", "CURRent", "RESistance", "TIME", "STATus")


def cycle(c: Context) -> Reading:
    """Source the level, measure the current: volts, amperes, ohms, seconds, status."""
    settings, info = c.bench.settings, c.bench.board.info
    if not settings.is_output:
        raise ScpiError(-221, "OUTP is OFF; nothing was sent")
    if len(settings.closed) != 1:
        raise ScpiError(
            -221, f"{len(settings.closed)} cells are connected, not 1: ROUT:CLOS (@w!b)"
        )
    (word, bit), volts = settings.closed[0], settings.level_volts
    device = np.array([word * info.shape[1] + bit])
    if abs(volts) > c.bench.read_volts:
        sign = np.array([1 if volts > 0.0 else -1], np.int32)
        shape = PulseShape(abs(volts), settings.pulse_seconds)
        c.bench.send(c.session, PulseBatch(device.astype(np.int32), sign), shape)
    siemens = float(c.bench.board.read(device)[0])
    amperes, status = volts * siemens, 0
    if abs(amperes) > c.bench.compliance_amperes:
        amperes = float(np.copysign(c.bench.compliance_amperes, volts))
        settings.is_tripped, status = True, AT_COMPLIANCE
    ohms = 1.0 / siemens if siemens else NOT_A_NUMBER
    return volts, amperes, ohms, time.monotonic() - c.bench.started, float(status)


def initiate(c: Context) -> Answer:
    """As many cycles as `TRIGger:COUNt` says; `FETCh?` answers them."""
    cycles = int(c.bench.settings.remembered.get(COUNT, "1"))
    c.bench.settings.readings = []
    for _ in range(cycles):
        c.bench.settings.readings.append(cycle(c))
    return None


def fetch(c: Context) -> Answer:
    """The chosen elements of the last cycles, one cycle after the other."""
    if not c.bench.settings.readings:
        raise ScpiError(-221, "there is no reading; INIT first")
    chosen = [ELEMENTS.index(name) for name in c.session.elements]
    return c.session.numbers(np.array(c.bench.settings.readings)[:, chosen])


def measure(c: Context) -> Answer:
    """Cycles, and what came out."""
    initiate(c)
    return fetch(c)


def choose_elements(c: Context, *given: Value) -> Answer:
    """Which elements of a reading are answered; a 2400 keeps them in its own order."""
    kind = one_of("element", *NAMES)
    names = {kind.convert(c, value) for value in given}
    if not names:
        raise ScpiError(-109, "FORM:ELEM needs one of " + ", ".join(NAMES))
    c.session.elements = tuple(name for name in ELEMENTS if name in names)
    return None


def set_function(c: Context, function: str) -> Answer:
    """What is sourced: volts."""
    if function != "VOLT":
        raise ScpiError(-221, "this board sources volts alone")
    return None


def set_level(c: Context, volts: float) -> Answer:
    """The level of the next cycles."""
    most = c.bench.settings.limits.volts
    if abs(volts) > most:
        raise ScpiError(-222, f"{volts:g} V is not within +-{most:g} V")
    c.bench.settings.level_volts = volts
    return None


def set_width(c: Context, seconds: float) -> Answer:
    """The width of the pulses of cycles."""
    c.bench.settings.pulse_seconds = seconds
    return None


def set_cycles(c: Context, cycles: int) -> Answer:
    """Cycles of one trigger."""
    c.bench.settings.remembered[COUNT] = str(cycles)
    return None


def sense(c: Context, *given: Value) -> Answer:
    """Which quantities are measured; all of them are, always."""
    kind = one_of("function", "VOLTage", "CURRent", "RESistance")
    names = [
        kind.convert(c, type(value)(value.text.upper().removesuffix(":DC")))
        if isinstance(value, Text | Word) else kind.convert(c, value)
        for value in given
    ]  # fmt: skip
    if not names:
        raise ScpiError(-109, "SENS:FUNC needs a function")
    c.bench.settings.remembered[FUNCTIONS] = ",".join(quoted(name) for name in names)
    return None


COUNT, FUNCTIONS = "TRIGger:COUNt", "SENSe:FUNCtion"
LEVEL = "SOURce:VOLTage[:LEVel][:IMMediate][:AMPLitude]"
COMMANDS = [
    Command("SOURce:FUNCtion[:MODE]", set_function, (one_of("function", "VOLTage", "CURRent"),),
            writes=True),
    Command("SOURce:FUNCtion[:MODE]?", lambda c: "VOLT"),
    Command(LEVEL, set_level, (between("level", "V", -1e3, 1e3),), writes=True),
    Command(f"{LEVEL}?", lambda c: f"{c.bench.settings.level_volts:.6E}"),
    Command("SOURce:PULSe:WIDTh", set_width,
            (between("width", "S", 1e-12, lambda c: c.bench.settings.limits.seconds),),
            writes=True),
    Command("SOURce:PULSe:WIDTh?", lambda c: f"{c.bench.settings.pulse_seconds:.6E}"),
    Command("SENSe:FUNCtion[:ON]", sense, rest=raw("function"), writes=True),
    Command("SENSe:FUNCtion[:ON]?",
            lambda c: c.bench.settings.remembered.get(FUNCTIONS, '"CURR"')),
    Command("SENSe:FUNCtion:ALL", nothing, writes=True),
    Command("SENSe:FUNCtion:OFF", nothing, (text("function"),), writes=True),
    Command("FORMat:ELEMents", choose_elements, rest=raw("element")),
    Command("FORMat:ELEMents?", lambda c: ",".join(c.session.elements)),
    Command(COUNT, set_cycles, (whole("cycles", 1, CYCLES),), writes=True),
    Command(f"{COUNT}?", lambda c: c.bench.settings.remembered.get(COUNT, "1")),
    Command("INITiate[:IMMediate]", initiate),
    Command("*TRG", initiate),
    Command("FETCh?", fetch),
    Command("READ?", measure),
    Command("TRIGger:CLEar", nothing),
    *[Command(f"MEASure:{name}[:DC]?", measure) for name in NAMES[:3]],
]  # fmt: skip
