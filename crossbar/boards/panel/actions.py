"""What the panel can do: SCPI commands that it gives as one more client of the instrument."""

import math
from collections.abc import Callable
from typing import Any

from ..scpi.errors import ScpiError
from ..scpi.instrument import Instrument
from . import views
from .history import WatchedBoard
from .messages import HttpError, Response, answer

MOST_COUNT = 10_000  # pulses of one click


class Actions:
    """Read a cell, pulse a cell, switch the output.

    A panel holds the right to write only while its command runs: it never keeps a script waiting.

    Attributes:
        by_path: What a POST may ask.
    """

    def __init__(
        self, instrument: Instrument, watched: WatchedBoard, sync: Callable[[], None]
    ) -> None:
        """Take an instrument, its board, and what makes last what was done."""
        self._instrument, self._watched, self._sync = instrument, watched, sync
        self._session = instrument.session("panel")
        self._session.is_trusted = True  # the server asks for the token, before it comes here
        self.by_path: dict[str, Callable[[dict[str, Any]], Response]] = {
            "/api/read": self.read,
            "/api/pulse": self.pulse,
            "/api/output": self.output,
        }

    def read(self, wish: dict[str, Any]) -> Response:
        """Read one cell: `word`, `bit`. It counts, as every read does."""
        word, bit = self._cell(wish)
        return self._run(word, bit, f"READ:ONE? {word},{bit}")

    def pulse(self, wish: dict[str, Any]) -> Response:
        """Pulse one cell: `word`, `bit`, `volts` (above 0 SET, below 0 RESET), `seconds`, `count`.

        An amplitude or width of null is the board's own; `direction` 1 or -1 then says which.
        """
        word, bit = self._cell(wish)
        volts, seconds = _number(wish, "volts"), _number(wish, "seconds")
        count = _whole(wish, "count", 1)
        if not 1 <= count <= MOST_COUNT:
            raise HttpError(409, f"{count} pulses: 1 to {MOST_COUNT} a click; nothing was sent")
        amplitude = repr(volts)
        if volts is None:
            amplitude = "UP" if _whole(wish, "direction", 1) > 0 else "DOWN"
        width = "DEF" if seconds is None else repr(seconds)
        cell = f"{word},{bit},{amplitude},{width},DEF,{count}"
        return self._run(word, bit, f"PULS:ONE {cell}")

    def output(self, wish: dict[str, Any]) -> Response:
        """Let pulses out, or none: `is_on`, true or false."""
        is_on = wish.get("is_on")
        if not isinstance(is_on, bool):
            raise HttpError(400, "is_on must be true or false; nothing was done")
        self._command(f"OUTP {'ON' if is_on else 'OFF'}")
        return answer({"is_output": self._instrument.bench.settings.is_output})

    def _run(self, word: int, bit: int, command: str) -> Response:
        """Run a command on a cell; what is known of it then, and warnings."""
        warnings = self._command(command)
        return answer({"warnings": warnings, "cell": views.cell(self._watched, word, bit)})

    def _command(self, command: str) -> list[str]:
        """Run a command; the warnings that it left.

        Raises:
            HttpError: It was refused, or cannot be made to last.
        """
        session = self._session
        session.clear()
        try:
            self._instrument.ask(session, command)
        finally:
            self._instrument.bench.release(session)
        try:
            self._sync()
        except OSError as e:
            raise HttpError(500, f"{e.strerror}: what was sent may not last") from e
        errors: list[ScpiError] = []
        while len(session.errors):
            errors.append(session.errors.next())
        for error in errors:
            if error.code < 0:
                raise HttpError(409, _in_words(error))
        return [str(error) for error in errors]

    def _cell(self, wish: dict[str, Any]) -> tuple[int, int]:
        """A cell of the array.

        Raises:
            HttpError: There is none.
        """
        word, bit = _whole(wish, "word"), _whole(wish, "bit")
        words, bits = self._watched.info.shape
        if not (0 <= word < words and 0 <= bit < bits):
            raise HttpError(
                409, f"there is no cell {word}, {bit}; the array has {words} x {bits}; "
                "nothing was sent"
            )  # fmt: skip
        return word, bit


def _in_words(error: ScpiError) -> str:
    """A refusal for people: the list of errors has it as SCPI says it."""
    text = error.detail or str(error)
    return text if "nothing was" in text else f"{text}; nothing was sent"


def _whole(wish: dict[str, Any], name: str, default: int | None = None) -> int:
    """A whole number of a wish."""
    value = wish.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise HttpError(400, f"{name} must be a whole number; nothing was done")
    return value


def _number(wish: dict[str, Any], name: str) -> float | None:
    """A finite number of a wish, or None."""
    value = wish.get(name)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or abs(value) > 1e300 or not math.isfinite(value):
        raise HttpError(400, f"{name} must be a finite number or null; nothing was done")
    return float(value)
