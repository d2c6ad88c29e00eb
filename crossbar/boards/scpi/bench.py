"""The board and the settings that all clients of an instrument share."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from device_models.errors import LimitError
from device_models.model import DeviceModel

from ...wires.wires import Floats
from ..budget import costs
from ..limits import MOST_PULSES, Limits, check_pulses
from ..protocol import Board, BoardInfo, Emulator, Indices, PulseBatch, PulseShape
from .errors import ScpiError
from .framing import BLOCKS
from .session import Session

LOGGED = 1000  # events
REFUSED = 100  # errors
MOST_AMPERES = 1.0
Reading = tuple[float, float, float, float, float]  # see `session.ELEMENTS`


@dataclass
class Settings:
    """What `*RST` puts back.

    Attributes:
        limits: Of now; never wider than those of the bench.
        compliance_amperes: `SENSe:CURRent:PROTection`; None: what the limits leave open.
        pulse_seconds: Width of the pulses of the source-measure dialect.
        is_output: Whether pulses may go out.
        idle: `FLO`, `SGND` or `HGND`.
        closed: Cells that are connected, (word line, bit line) each.
        tile: Which one is selected, from 1.
        level_volts: Of the source-measure dialect.
        is_tripped: Whether a SET or a reading met the compliance.
        readings: The last ones.
        kelvin: Temperature while time is advanced; None: that of the device file.
        remembered: Settings that are given back and change nothing, by header.
    """

    limits: Limits
    compliance_amperes: float | None
    pulse_seconds: float
    is_output: bool = False
    idle: str = "FLO"
    closed: tuple[tuple[int, int], ...] = ()
    tile: int = 1
    level_volts: float = 0.0
    is_tripped: bool = False
    readings: list[Reading] = field(default_factory=list)
    kelvin: float | None = None
    remembered: dict[str, str] = field(default_factory=dict)


@dataclass
class Programming:
    """What `PROGram` was told and did."""

    targets: np.ndarray | None = None
    tolerance_siemens: float | None = None
    algorithm: str = "ISPP"
    accepted: int = 0
    total: int = 0
    pulses: np.ndarray | None = None


class Refusal(NamedTuple):
    """An error of some client.

    Attributes:
        seconds: When, after the start of the instrument.
        client: Its name.
        text: As `SYSTem:ERRor?` answers it.
    """

    seconds: float
    client: str
    text: str


class Bench:
    """The board and what is set on it. One client at a time may change either.

    Attributes:
        board: What reads and pulses go to.
        emulator: The truths of it where it is emulated; None for a real board.
        sheet: Its kind of device; None where nobody said.
        limits: The widest limits that may be set. Those of the board itself (`LimitedBoard`) hold
            whatever clients set.
        read_volts: Largest voltage of a read; a level above it is a pulse.
        most_amperes: Largest compliance that may be set.
        seed: Of an emulated board.
        folder: Where `MMEMory:STORe` writes; None: nowhere.
        save: Saves the state; None where none is kept.
        settings: See `Settings`.
        programming: See `Programming`.
        events: What was sent last, one line each.
        refusals: The last errors of all clients, for those who look on.
        bits: Of the floating-point numbers that the board answers.
        block_bytes: Of the blocks of a message; the server says so.
        writer: Who may change something; None: whoever comes first.
        switched_on_by: Who switched the output on last; None: nobody.
    """

    def __init__(
        self,
        board: Board,
        limits: Limits,
        *,
        emulator: Emulator | None = None,
        sheet: DeviceModel | None = None,
        seed: int = 0,
        folder: Path | None = None,
        save: Callable[[], None] | None = None,
        wait_at: Callable[[float, float], None] | None = None,
        stick: Callable[[Indices, Floats], None] | None = None,
    ) -> None:
        """Take a board; settings are those after `*RST`.

        The arguments are the attributes, what lets seconds pass at kelvins (`wait_at`: None where
        the board has one temperature), and what makes cells stuck (`stick`: None where nothing can;
        see `SimulatedBoard.stick`).
        """
        self.board, self.limits, self.sheet, self.seed = board, limits, sheet, seed
        self.emulator = emulator
        self.read_volts = read_volts(board.info, limits)
        self.most_amperes = most_amperes(limits, sheet)
        self.bits = 8 * board.read(np.zeros(0, np.int64)).element_size()
        self.folder, self.save, self._wait_at, self._stick = folder, save, wait_at, stick
        self.programming = Programming()
        self.block_bytes = BLOCKS
        self.writer: Session | None = None
        self.switched_on_by: Session | None = None
        self.events: deque[str] = deque(maxlen=LOGGED)
        self.refusals: deque[Refusal] = deque(maxlen=REFUSED)
        self.started = time.monotonic()
        self.reset()

    def reset(self) -> None:
        """Put the settings back. Devices stay as they are: no reset heals a cell."""
        width = self.board.info.set_seconds or min(1e-7, self.limits.seconds)
        compliance = self.limits.compliance_amperes
        self.settings = Settings(self.limits, compliance, min(width, self.limits.seconds))

    @property
    def compliance_amperes(self) -> float:
        """What `SENSe:CURRent:PROTection?` answers."""
        amperes = self.settings.compliance_amperes
        return self.most_amperes if amperes is None else amperes

    def claim(self, session: Session) -> None:
        """Let a client change something.

        Raises:
            ScpiError: Another one does.
        """
        if self.writer not in (None, session):
            raise ScpiError(
                -203,
                f"{self.writer.name} writes; SYST:LOCK:OWN? tells when it is free; "
                "nothing was sent",
            )
        self.writer = session

    def release(self, session: Session) -> None:
        """Let others change something."""
        if self.writer is session:
            self.writer = None

    def leave(self, session: Session) -> None:
        """A client is gone, on purpose or not: what it may have left on is switched off.

        Where it wrote, or where nobody writes and it switched the output on, the output goes off,
        no cell stays connected, and the compliance is that of the limits again: who comes next
        would measure with it and not know. Cells, limits and the idle state of the lines stay.
        """
        is_alone = self.writer is None and self.switched_on_by is session
        if self.writer is session or is_alone:
            self.settings.is_output, self.settings.closed = False, ()
            self.settings.compliance_amperes = self.limits.compliance_amperes
            self.settings.is_tripped = False
            self.switched_on_by = None
        self.release(session)

    def note_refusal(self, client: str, error: ScpiError) -> None:
        """Remember an error of a client."""
        self.refusals.append(Refusal(time.monotonic() - self.started, client, str(error)))

    def send(
        self,
        session: Session,
        pulses: PulseBatch,
        shape: PulseShape | None = None,
    ) -> None:
        """Send pulses: the one way that any command takes.

        A SET ends at the compliance of its shape, or at that of the settings where it has none.

        Raises:
            ScpiError: Another client writes, the output is off, the lines are grounded.
            LimitError: They are beyond the limits, or the board refuses them.
        """
        self.claim(session)
        if not self.settings.is_output:
            raise ScpiError(-221, "OUTP is OFF; nothing was sent")
        if self.settings.idle == "HGND":
            raise ScpiError(-221, "the lines are grounded (ROUT:IDLE HGND); nothing was sent")
        shape = self._limited(shape)
        self._check(pulses, shape)
        self.board.pulse(pulses, shape)
        self._log(pulses, shape)
        self._report_compliance(session, pulses, shape)

    def _limited(self, shape: PulseShape | None) -> PulseShape | None:
        """A shape with the compliance that holds for it; None where all is the board's own."""
        given = PulseShape() if shape is None else shape
        amperes = given.compliance_amperes
        amperes = self.settings.compliance_amperes if amperes is None else amperes
        is_open = self.limits.compliance_amperes is self.board.info.compliance_amperes is None
        if is_open and amperes is not None and amperes >= self.most_amperes:
            amperes = None  # nothing limits, and no cell draws that much
        given = given._replace(compliance_amperes=amperes)
        return None if all(value is None for value in given) else given

    def _check(self, pulses: PulseBatch, shape: PulseShape | None) -> None:
        """Refuse pulses beyond the limits of the settings."""
        sheet, info = self.sheet, self.board.info
        each = costs(info, pulses, shape, None if sheet is None else sheet.g_max_siemens)
        is_width = sheet is not None and sheet.count_is_width
        total = len(each.count) if is_width else int(each.count.sum())
        if total > MOST_PULSES:
            raise LimitError(
                f"{total} pulses in one command exceed the {MOST_PULSES} that are allowed; "
                "nothing was sent"
            )
        check_pulses(self.settings.limits, info, each, shape)

    def wait(self, seconds: float) -> None:
        """Let device time pass at the temperature of the settings.

        Raises:
            ScpiError: The board has no other temperature than its own.
        """
        kelvin = self.settings.kelvin
        if kelvin is None:
            self.board.wait(seconds)
        elif self._wait_at is None:
            raise ScpiError(-241, "this board has no temperature to set")
        else:
            self._wait_at(seconds, kelvin)

    def stick(self, device: Indices, siemens: Floats) -> None:
        """Make cells stuck, or heal them (nan).

        Raises:
            ScpiError: This board cannot.
        """
        if self._stick is None:
            raise ScpiError(-241, "no cell of this board can be made stuck")
        self._stick(device, siemens)

    def _log(self, pulses: PulseBatch, shape: PulseShape | None) -> None:
        """Note a programming operation."""
        after = time.monotonic() - self.started
        where = f"{len(pulses.device)} devices"
        if len(pulses.device) == 1:
            word, bit = divmod(int(pulses.device[0]), self.board.info.shape[1])
            where = f"{word}!{bit}"
        given = PulseShape() if shape is None else shape
        volts, seconds = ("own" if v is None else _span(v) for v in given[:2])
        up, down = (int(np.maximum(sign * pulses.count, 0).sum()) for sign in (1, -1))
        limit = given.compliance_amperes
        icc = "" if limit is None else f" A {limit:g}"
        text = f"{where} SET {up} RESET {down} V {volts} s {seconds}{icc}"
        self.events.append(f"{after:.6f} s {text}")

    def _report_compliance(
        self, session: Session, pulses: PulseBatch, shape: PulseShape | None
    ) -> None:
        """Report, once per operation, that a SET would draw more than the compliance.

        The emulator knows the current: amplitude times conductance. A real board says so itself.
        Nothing limits a RESET.
        """
        is_set = pulses.count > 0
        if self.emulator is None or not is_set.any():
            return
        wanted = PulseShape() if shape is None else shape
        info, given = self.board.info, wanted.volts
        most = wanted.compliance_amperes or info.compliance_amperes or self.most_amperes
        given = (info.set_volts or 0.0) if given is None else given
        volts = np.broadcast_to(np.asarray(given), pulses.count.shape)
        g = self.emulator.array_siemens().reshape(-1).numpy()[pulses.device]
        largest = float(np.max(np.where(is_set, volts * g, 0.0)))
        if largest > most:
            self.settings.is_tripped = True
            session.refuse(ScpiError(801, f"{largest:.4g} A after a pulse, compliance {most:g} A"))


def read_volts(info: BoardInfo, limits: Limits) -> float:
    """Largest voltage of a read: half the smaller amplitude of the board's pulses; ours."""
    volts = [v for v in (info.set_volts, info.reset_volts) if v is not None]
    return min(max(info.read_volts, 0.5 * min(volts) if volts else 0.5), limits.volts)


def most_amperes(limits: Limits, sheet: DeviceModel | None) -> float:
    """Largest compliance: that of the limits, or what the largest amplitude can drive."""
    if limits.compliance_amperes is not None:
        return limits.compliance_amperes
    amperes = MOST_AMPERES if sheet is None else limits.volts * sheet.g_max_siemens
    return min(max(amperes, 1e-12), MOST_AMPERES)


class Context(NamedTuple):
    """What a command works on: the bench, and the client who asks."""

    bench: Bench
    session: Session


def _span(value: object) -> str:
    """A number, or the ends of several; a dash for none."""
    if np.size(np.asarray(value)) == 0:
        return "-"
    low, high = np.min(np.asarray(value)), np.max(np.asarray(value))
    return f"{low:g}" if low == high else f"{low:g}..{high:g}"
