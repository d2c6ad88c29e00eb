"""Settings of a source-measure unit that are given back as they were set, and change nothing here.

Drivers read back what they set. An emulated array has no autozero, no line frequency and no front
terminals, but it remembers what it was told.
"""

from typing import NamedTuple

from .bench import Context
from .command import Answer, Command, Parameter, between, boolean, one_of
from .parser import Value, Word


class Remembered(NamedTuple):
    """A setting: its parameter, how it is answered, what it is after `*RST`."""

    parameter: Parameter
    form: str
    default: str


def _number(default: float, low: float, high: float) -> Remembered:
    return Remembered(between("value", "", low, high), "{:.6E}", f"{default:.6E}")


def _flag(default: int) -> Remembered:
    return Remembered(boolean("value"), "{:d}", str(default))


def _word(*choices: str) -> Remembered:
    first = "".join(c for c in choices[0] if not c.islower())
    return Remembered(one_of("value", *choices), "{}", first)


def _flag_or_once() -> Remembered:
    """On, off, or once, which leaves it off."""
    flag, word = boolean("value"), one_of("value", "ON", "OFF", "ONCE")

    def convert(c: Context, value: Value) -> int:
        if isinstance(value, Word):
            return int(word.convert(c, value) == "ON")
        return int(flag.convert(c, value))

    return Remembered(Parameter("value", convert), "{:d}", "1")


REMEMBERED: dict[str, Remembered] = {
    "SOURce:DELay": _number(0.0, 0.0, 999.9999),
    "SOURce:DELay:AUTO": _flag(1),
    "SOURce:CLEar:AUTO": _flag(0),
    "SOURce:VOLTage:RANGe": _number(20.0, -210.0, 210.0),
    "SOURce:VOLTage:RANGe:AUTO": _flag(1),
    "SENSe:CURRent[:DC]:RANGe[:UPPer]": _number(1e-3, -1.05, 1.05),
    "SENSe:CURRent[:DC]:RANGe:AUTO": _flag(1),
    "SENSe:CURRent[:DC]:NPLCycles": _number(1.0, 0.01, 10.0),
    "SENSe:VOLTage[:DC]:RANGe[:UPPer]": _number(20.0, -210.0, 210.0),
    "SENSe:VOLTage[:DC]:RANGe:AUTO": _flag(1),
    "SENSe:VOLTage[:DC]:NPLCycles": _number(1.0, 0.01, 10.0),
    "SENSe:VOLTage[:DC]:PROTection[:LEVel]": _number(20.0, -210.0, 210.0),
    "SENSe:RESistance:MODE": _word("MANual", "AUTO"),
    "SENSe:RESistance:RANGe[:UPPer]": _number(2.1e5, 0.0, 2.1e9),
    "SENSe:RESistance:RANGe:AUTO": _flag(1),
    "SENSe:RESistance:NPLCycles": _number(1.0, 0.01, 10.0),
    "SENSe:FUNCtion:CONCurrent": _flag(1),
    "SENSe:AVERage[:STATe]": _flag(0),
    "SENSe:AVERage:TCONtrol": _word("REPeat", "MOVing"),
    "SENSe:AVERage:COUNt": _number(10.0, 1.0, 100.0)._replace(form="{:.0f}", default="10"),
    "SYSTem:AZERo[:STATe]": _flag_or_once(),
    "SYSTem:RSENse": _flag(0),
    "SYSTem:LFRequency": _number(50.0, 50.0, 60.0)._replace(form="{:.0f}", default="50"),
    "SYSTem:LFRequency:AUTO": _flag(1),
    "DISPlay:ENABle": _flag(1),
    "ROUTe:TERMinals": _word("FRONt", "REAR"),
    "OUTPut:SMODe": _word("NORMal", "HIMPedance", "ZERO", "GUARd"),
    "TRIGger:DELay": _number(0.0, 0.0, 999.9999),
    "TRIGger:SOURce": _word("IMMediate", "TLINk"),
    "TRIGger:OUTPut": _word("NONE", "SOURce", "DELay", "SENSe"),
    **{
        f"{layer}:{line}": _number(1.0, 1.0, 4.0)._replace(form="{:.0f}", default="1")
        for layer in ("TRIGger", "ARM")
        for line in ("ILINe", "OLINe")
    },
    "ARM:OUTPut": _word("NONE", "TENTer", "TEXit"),
    "ARM:COUNt": _number(1.0, 1.0, 2500.0)._replace(form="{:.0f}", default="1"),
    "ARM:SOURce": _word("IMMediate", "TLINk", "TIMer", "MANual", "BUS"),
    "ARM:TIMer": _number(0.1, 0.001, 99999.99),
}


def _commands(header: str, setting: Remembered) -> tuple[Command, Command]:
    """Set and ask for one."""

    def put(c: Context, value: object) -> Answer:
        c.bench.settings.remembered[header] = setting.form.format(value)
        return None

    def get(c: Context) -> Answer:
        return c.bench.settings.remembered.get(header, setting.default)

    return (
        Command(header, put, (setting.parameter,), writes=True),
        Command(f"{header}?", get),
    )


COMMANDS = [command for row in REMEMBERED.items() for command in _commands(*row)]
