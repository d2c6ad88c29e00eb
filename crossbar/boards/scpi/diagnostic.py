"""DIAGnostic:EMULator: what only an emulator knows or can do; a real board refuses all of it."""

import numpy as np
from numpy.typing import NDArray

from device_models.model import DeviceModel

from ...array.faults import stuck_levels
from ..protocol import Emulator
from .bench import Context
from .command import BIT_LINE, WORD_LINE, Answer, Command, between, one_of
from .errors import ScpiError
from .parser import quoted

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


def set_fault(c: Context, word: int, bit: int, kind: str) -> Answer:
    """SA0: stuck at the low conductance of the kind; SA1: at the high one; OK: healthy.

    A stuck cell reads its conductance, and pulses to it are counted and lost. A healed one is where
    it was before.
    """
    low, high = stuck_levels(_sheet(c))
    siemens = {"SA0": low, "SA1": high, "OK": np.nan}[kind]
    c.bench.stick(np.array([word * c.bench.board.info.shape[1] + bit]), np.array([siemens]))
    return None


def get_fault(c: Context, word: int, bit: int) -> Answer:
    """SA0, SA1 or OK."""
    return str(_kinds(c)[word, bit])


def list_faults(c: Context) -> Answer:
    """All stuck cells, `"w!b SA0"` each."""
    kinds = _kinds(c)
    words, bits = np.nonzero(kinds != "OK")
    cells = zip(words.tolist(), bits.tolist(), strict=True)
    return ",".join(quoted(f"{w}!{b} {kinds[w, b]}") for w, b in cells) or '""'


def clear_faults(c: Context) -> Answer:
    """Heal all stuck cells, those of manufacture too; open lines stay open."""
    words, bits = np.nonzero(_kinds(c) != "OK")
    if len(words):
        c.bench.stick(words * c.bench.board.info.shape[1] + bits, np.full(len(words), np.nan))
    return None


def _kinds(c: Context) -> NDArray[np.str_]:
    """OK, or where each cell is stuck: SA1 above the middle of the window; (word, bit lines)."""
    faults, shape = emulator(c).faults, c.bench.board.info.shape
    sheet = _sheet(c)
    stuck = np.full(shape, np.nan) if faults is None else faults.stuck_siemens
    middle = (sheet.g_min_siemens + sheet.g_max_siemens) / 2.0
    return np.where(np.isnan(stuck), "OK", np.where(stuck > middle, "SA1", "SA0"))


def _sheet(c: Context) -> DeviceModel:
    """The kind of device.

    Raises:
        ScpiError: The board is real, or nobody said.
    """
    emulator(c)
    if c.bench.sheet is None:
        raise ScpiError(-241, "the kind of device of this board is not known")
    return c.bench.sheet


COMMANDS = [
    Command("DIAGnostic:EMULator:SEED?", seed),
    Command("DIAGnostic:EMULator:CONDuctance?", conductance),
    Command("DIAGnostic:EMULator:TIME:ADVance", advance, (SECONDS,), writes=True),
    Command("DIAGnostic:EMULator:TEMPerature", set_kelvin, (KELVIN,), writes=True),
    Command("DIAGnostic:EMULator:TEMPerature?", get_kelvin),
    Command("DIAGnostic:EMULator:FAULt", set_fault,
            (WORD_LINE, BIT_LINE, one_of("fault", "SA0", "SA1", "OK")), writes=True),
    Command("DIAGnostic:EMULator:FAULt?", get_fault, (WORD_LINE, BIT_LINE)),
    Command("DIAGnostic:EMULator:FAULt:LIST?", list_faults),
    Command("DIAGnostic:EMULator:FAULt:CLEar", clear_faults, writes=True),
    Command("DIAGnostic:EMULator:ENERgy?", energy),
    Command("DIAGnostic:EMULator:COUNt?", count),
    Command("DIAGnostic:EMULator:SNAPshot", snapshot, writes=True),
]  # fmt: skip
