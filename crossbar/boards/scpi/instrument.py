"""The instrument: messages in, answers out. It knows nothing of sockets."""

import re
from collections.abc import Iterator

from device_models.errors import LimitError, ShapeError, XbarError

from . import parser
from .bench import Bench, Context
from .command import Command
from .common import WRONG_TOKENS, check_token
from .errors import ScpiError
from .session import Session
from .table import spellings

TOKEN = "SYST:TOK"
OF_STRANGERS = ("SYST:ERR", "SYST:ERR:ALL")  # and the token: all that they may ask
_SUFFIX = re.compile(r"([A-Z])([0-9]+)(?=:|$)")


class Instrument:
    """An SCPI-99 instrument over a bench.

    Attributes:
        bench: The board and its settings.
        token: What clients have to give first; None: nothing.
    """

    def __init__(self, bench: Bench, *, token: str | None = None) -> None:
        """Take a bench."""
        self.bench, self.token = bench, token
        self._commands = spellings()
        self._of_strangers = [self._commands[name, True] for name in OF_STRANGERS]

    def session(self, name: str = "local") -> Session:
        """A new client."""
        is_trusted = self.token is None
        return Session(name, is_trusted=is_trusted, on_refuse=self.bench.note_refusal)

    def leave(self, session: Session) -> None:
        """A client goes; others may write, and nothing it switched on stays on."""
        self.bench.leave(session)

    def run(self, session: Session, message: bytes | ScpiError) -> Iterator[bytes]:
        """Run the commands of a message one by one; what each query answers.

        A command that cannot be understood (-1xx) ends its message; one that cannot be done does
        not, as IEEE 488.2 has it. Both are queued.
        """
        if isinstance(message, ScpiError):
            session.refuse(message)
            return
        units = parser.parse(message)
        while True:
            try:
                unit = _following(units)
                answer = None if unit is None else self._execute(session, unit)
            except ScpiError as e:
                session.refuse(e)
                if -199 <= e.code <= -100:
                    return
                continue
            if unit is None:
                return
            if answer is not None:
                yield answer

    def ask(self, session: Session, message: str) -> str:
        """The answers to a message as text, for those who have no socket."""
        return b";".join(self.run(session, message.encode("latin-1"))).decode("latin-1")

    def _execute(self, session: Session, unit: parser.Unit) -> bytes | None:
        """Run one command."""
        command = self._find(unit)
        context = Context(self.bench, session)
        if not session.is_trusted and command not in self._of_strangers:
            self._admit(context, command, unit)
            return None
        try:
            values = command.values(context, unit.parameters)
            if command.writes:
                self.bench.claim(session)
            answer = command.run(context, *values)
        except ScpiError as e:
            is_read = unit.is_query and not command.writes
            raise e.ending("nothing was read" if is_read else "nothing was sent") from e
        except (LimitError, ShapeError) as e:
            raise ScpiError(-222, str(e)) from e
        except XbarError as e:
            raise ScpiError(-300, str(e)) from e
        except MemoryError as e:
            raise ScpiError(-321, "nothing was sent") from e
        except OSError as e:
            raise ScpiError(-310, f"{e.strerror}") from e
        return answer.encode("latin-1") if isinstance(answer, str) else answer

    def _find(self, unit: parser.Unit) -> Command:
        """The command of a header; the suffix 1 means nothing, and there is no other."""
        key = unit.header, unit.is_query
        if command := self._commands.get(key):
            return command
        plain = _SUFFIX.sub(lambda match: match[1], unit.header)
        command = self._commands.get((plain, unit.is_query))
        if command is None:
            mark = "?" if unit.is_query else ""
            raise ScpiError(-113, f"{unit.header[:80]}{mark}")
        if any(int(digits) != 1 for _, digits in _SUFFIX.findall(unit.header)):
            raise ScpiError(-114, f"{unit.header[:80]}: there is one of each")
        return command

    def _admit(self, context: Context, command: Command, unit: parser.Unit) -> None:
        """Trust a client that gives the token."""
        if command is not self._commands[TOKEN, False]:
            raise ScpiError(-203, "SYST:TOK 'token' comes first; nothing was sent")
        (token,), session = command.values(context, unit.parameters), context.session
        session.is_trusted = self.token is None or check_token(self.token, token)
        if not session.is_trusted:
            session.wrong_tokens += 1
            raise ScpiError(-203, f"token {session.wrong_tokens} of {WRONG_TOKENS} is wrong")


def _following(units: Iterator[parser.Unit]) -> parser.Unit | None:
    """The next command of a message; None behind the last."""
    try:
        return next(units, None)
    except ScpiError as e:
        raise e.ending("nothing was sent") from e
