"""Numbered errors of SCPI-99 and the queue that holds them.

Source: SCPI-99, volume 2, chapter 21 (numbers and texts); numbers above 0 are ours.
"""

from collections import deque

TEXTS = {
    0: "No error",
    -101: "Invalid character",
    -102: "Syntax error",
    -103: "Invalid separator",
    -104: "Data type error",
    -108: "Parameter not allowed",
    -109: "Missing parameter",
    -112: "Program mnemonic too long",
    -113: "Undefined header",
    -114: "Header suffix out of range",
    -121: "Invalid character in number",
    -123: "Exponent too large",
    -124: "Too many digits",
    -131: "Invalid suffix",
    -138: "Suffix not allowed",
    -151: "Invalid string data",
    -161: "Invalid block data",
    -171: "Invalid expression",
    -203: "Command protected",
    -221: "Settings conflict",
    -222: "Data out of range",
    -223: "Too much data",
    -224: "Illegal parameter value",
    -241: "Hardware missing",
    -257: "File name error",
    -300: "Device-specific error",
    -310: "System error",
    -321: "Out of memory",
    -350: "Queue overflow",
    -363: "Input buffer overrun",
    -430: "Query DEADLOCKED",
    801: "Compliance tripped",
    802: "Endurance exceeded",
}
LONGEST = 255  # characters of a text with its details, as SCPI-99 allows
QUEUE = 64  # entries


class ScpiError(Exception):
    """One entry of the queue: the command was refused, and the rest of its line is not run."""

    def __init__(self, code: int, detail: str = "") -> None:
        """Take a number of `TEXTS`, and what was wrong where."""
        super().__init__(code, detail)
        self.code, self.detail = code, detail

    def __str__(self) -> str:
        """As `SYSTem:ERRor?` answers it, in ASCII: `-222,"Data out of range;3 V ..."`."""
        text = TEXTS[self.code] + (f";{self.detail}" if self.detail else "")
        text = text.encode("ascii", "replace").decode().replace('"', "'")
        printable = "".join(c if " " <= c <= "~" else "?" for c in text)
        return f'{self.code},"{printable[:LONGEST]}"'

    def ending(self, consequence: str) -> "ScpiError":
        """With what did not happen at its end, unless it says so already."""
        if "nothing was" in self.detail:
            return self
        return ScpiError(self.code, f"{self.detail}; {consequence}")

    @property
    def event(self) -> int:
        """Its bit in the standard event status register."""
        if self.code > 0 or -399 <= self.code <= -300:
            return 8  # device-dependent
        return {1: 32, 2: 16, 4: 4}[-self.code // 100]


class ErrorQueue:
    """First in, first out; a full queue says so in its last entry and forgets the newest."""

    def __init__(self) -> None:
        """Start empty."""
        self._entries: deque[ScpiError] = deque()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._entries)

    def put(self, error: ScpiError) -> None:
        """Append an error."""
        if len(self._entries) < QUEUE:
            self._entries.append(error)
        else:
            self._entries[-1] = ScpiError(-350)

    def next(self) -> ScpiError:
        """Take the oldest; code 0 where there is none."""
        return self._entries.popleft() if self._entries else ScpiError(0)

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
