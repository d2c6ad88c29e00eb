"""Commands of IEEE 488.2, SYSTem and STATus."""

import dataclasses
import hmac
import json
from importlib import metadata

from .bench import Context
from .command import Answer, Command, between, raw, text, whole
from .errors import ScpiError
from .parser import quoted
from .session import COMPLETE

SCPI_VERSION = "1999.0"
WRONG_TOKENS = 3  # then the connection ends


def identify(c: Context) -> Answer:
    """Maker, model, serial number (the seed), version."""
    name, (words, bits) = c.bench.board.info.name.replace(",", " "), c.bench.board.info.shape
    return f"xbar,{name} {words}x{bits},{c.bench.seed},{metadata.version('xbar-hil')}"


def reset(c: Context) -> Answer:
    """Settings of the instrument and the form of answers; cells stay as they are."""
    c.bench.reset()
    c.session.reset_format()
    return None


def clear(c: Context) -> Answer:
    """Errors and events of this client."""
    c.session.clear()
    return None


def complete(c: Context) -> Answer:
    """Commands are done when the next one begins."""
    c.session.events |= COMPLETE
    return None


def events(c: Context) -> Answer:
    """The events since they were last asked for."""
    answer, c.session.events = str(c.session.events), 0
    return answer


def mask_commands(header: str, attribute: str, most: int) -> list[Command]:
    """A mask register of the session: command and query."""

    def put(c: Context, value: int) -> Answer:
        setattr(c.session, attribute, value)
        return None

    def get(c: Context) -> Answer:
        return str(getattr(c.session, attribute))

    return [Command(header, put, (whole("mask", 0, most),)), Command(f"{header}?", get)]


def preset_masks(c: Context) -> Answer:
    """STATus:PRESet."""
    c.session.operation_mask = c.session.question_mask = 0
    return None


def next_error(c: Context) -> Answer:
    """The oldest error."""
    return str(c.session.errors.next())


def all_errors(c: Context) -> Answer:
    """All errors, oldest first, one after the other."""
    answers = [next_error(c)]
    while len(c.session.errors):
        answers.append(next_error(c))
    return ",".join(map(str, answers))


def count_errors(c: Context) -> Answer:
    """How many errors wait."""
    return str(len(c.session.errors))


def clear_errors(c: Context) -> Answer:
    """Forget errors, keep events."""
    c.session.errors.clear()
    return None


def give_token(c: Context, token: str) -> Answer:
    """Nothing to do: who is trusted needs none. See `check_token`."""
    return None


def check_token(session_token: str, token: str) -> bool:
    """Whether a client knows the token, in a time that tells nothing about it."""
    return hmac.compare_digest(session_token.encode(), token.encode())


def request_lock(c: Context) -> Answer:
    """1 where this client now writes, 0 where another one does."""
    try:
        c.bench.claim(c.session)
    except ScpiError:
        return "0"
    return "1"


def release_lock(c: Context) -> Answer:
    """Let others write."""
    c.bench.release(c.session)
    return None


def lock_owner(c: Context) -> Answer:
    """Who writes, or NONE."""
    return quoted("NONE" if c.bench.writer is None else c.bench.writer.name)


def describe(c: Context) -> Answer:
    """`BoardInfo` as JSON, with the bits of its numbers and the limit of blocks in a message."""
    about = dataclasses.asdict(c.bench.board.info)
    return quoted(json.dumps(about | {"bits": c.bench.bits, "block_bytes": c.bench.block_bytes}))


def counters(c: Context) -> Answer:
    """`Counters` as JSON."""
    return quoted(json.dumps(c.bench.board.counters.as_dict()))


def wait(c: Context, seconds: float) -> Answer:
    """Let device time pass."""
    c.bench.board.wait(seconds)
    return None


def nothing(c: Context, *_: object) -> Answer:
    """Accepted and of no consequence here."""
    return None


def says(answer: str) -> Command:
    """A query that always answers the same, to be given its header."""
    return Command("", lambda c: answer)


COMMANDS = [
    Command("*IDN?", identify),
    Command("*RST", reset, writes=True),
    Command("*CLS", clear),
    Command("*OPC", complete),
    says("1")._replace(header="*OPC?"),
    Command("*WAI", nothing),
    Command("*ESR?", events),
    *mask_commands("*ESE", "event_mask", 255),
    *mask_commands("*SRE", "request_mask", 255),
    Command("*STB?", lambda c: str(c.session.status_byte())),
    says("0")._replace(header="*TST?"),
    says("0")._replace(header="*OPT?"),
    Command("SYSTem:ERRor[:NEXT]?", next_error),
    Command("SYSTem:ERRor:ALL?", all_errors),
    Command("SYSTem:ERRor:COUNt?", count_errors),
    says(SCPI_VERSION)._replace(header="SYSTem:VERSion?"),
    Command("SYSTem:TOKen", give_token, (text("token"),)),
    Command("SYSTem:LOCK:REQuest?", request_lock),
    Command("SYSTem:LOCK:RELease", release_lock),
    Command("SYSTem:LOCK:OWNer?", lock_owner),
    Command("SYSTem:BOARd?", describe),
    Command("SYSTem:COUNters?", counters),
    Command("SYSTem:WAIT", wait, (between("time", "S", 0.0, 1e12),), writes=True),
    Command("SYSTem:BEEPer[:IMMediate]", nothing, (raw("frequency"), raw("duration"))),
    Command("STATus:PRESet", preset_masks),
    Command("STATus:QUEue[:NEXT]?", next_error),
    Command("STATus:QUEue:CLEar", clear_errors),
    *[
        command
        for name, attribute in (("OPERation", "operation"), ("QUEStionable", "question"))
        for command in (
            says("0")._replace(header=f"STATus:{name}[:EVENt]?"),
            says("0")._replace(header=f"STATus:{name}:CONDition?"),
            *mask_commands(f"STATus:{name}:ENABle", f"{attribute}_mask", 32_767),
        )
    ],
]
