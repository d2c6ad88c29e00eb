"""DIAGnostic:EMULator: what only an emulator knows or can do; a real board refuses all of it."""

from ..protocol import Emulator
from .bench import Context
from .command import Answer, Command, between
from .errors import ScpiError

SECONDS = between("time", "S", 0.0, 1e12)
KELVIN = between("temperature", "K", 1.0, 2000.0)


def emulator(c: Context) -> Emulator:
    """The truths.

    Raises:
        ScpiError: The board is real.
    """
    if c.bench.emulator is None:
        raise ScpiError(-241, "this board is no emulator")
    return c.bench.emulator


def seed(c: Context) -> Answer:
    """The seed that the devices were made from."""
    emulator(c)
    return str(c.bench.seed)


def conductance(c: Context) -> Answer:
    """Siemens of all cells without noise; costs no read."""
    return c.session.numbers(emulator(c).array_siemens().numpy())


def advance(c: Context, seconds: float) -> Answer:
    """Let device time pass, at the temperature that was set."""
    emulator(c)
    c.bench.wait(seconds)
    return None


def set_kelvin(c: Context, kelvin: float) -> Answer:
    """Temperature of the cells while time is advanced."""
    emulator(c)
    c.bench.settings.kelvin = kelvin
    return None


def get_kelvin(c: Context) -> Answer:
    """As set; without, 9.91E+37: that of the device file."""
    emulator(c)
    kelvin = c.bench.settings.kelvin
    return "9.910000E+37" if kelvin is None else f"{kelvin:.6E}"


def energy(c: Context) -> Answer:
    """Joules of all pulses, and of all reads."""
    counters = emulator(c).counters
    return f"{counters.write_joules:.6E},{counters.read_joules:.6E}"


def count(c: Context) -> Answer:
    """SET pulses, RESET pulses, reads of single cells, driven word lines."""
    n = emulator(c).counters
    return f"{n.set_pulses},{n.reset_pulses},{n.device_reads},{n.row_activations}"


def snapshot(c: Context) -> Answer:
    """Save the state."""
    emulator(c)
    if c.bench.save is None:
        raise ScpiError(-241, "the server was started without --state")
    c.bench.save()
    return None


COMMANDS = [
    Command("DIAGnostic:EMULator:SEED?", seed),
    Command("DIAGnostic:EMULator:CONDuctance?", conductance),
    Command("DIAGnostic:EMULator:TIME:ADVance", advance, (SECONDS,), writes=True),
    Command("DIAGnostic:EMULator:TEMPerature", set_kelvin, (KELVIN,), writes=True),
    Command("DIAGnostic:EMULator:TEMPerature?", get_kelvin),
    Command("DIAGnostic:EMULator:ENERgy?", energy),
    Command("DIAGnostic:EMULator:COUNt?", count),
    Command("DIAGnostic:EMULator:SNAPshot", snapshot, writes=True),
]
