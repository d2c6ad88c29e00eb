"""What belongs to one client: its errors, its status registers, the form of its answers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import parser
from .errors import ErrorQueue, ScpiError

POWER_ON, COMPLETE = 128, 1  # bits of the standard event status register
QUEUE_BIT, EVENT_BIT, SUMMARY_BIT = 4, 32, 64  # bits of the status byte
ELEMENTS = ("VOLT", "CURR", "RES", "TIME", "STAT")  # of a reading, as a 2400 names them
NOT_A_NUMBER = 9.91e37  # SCPI-99, volume 1, 7.2.1.5


@dataclass
class Session:
    """One client.

    Each has its own queue and registers: the errors of a script are not those of a panel that
    looks on.

    Attributes:
        name: Where it comes from, for others who ask who writes.
        is_trusted: Whether it may do more than give its token.
        wrong_tokens: How many it gave.
        errors: Its error queue.
        events: Standard event status register, `*ESR?`.
        event_mask: `*ESE`.
        request_mask: `*SRE`.
        operation_mask: `STATus:OPERation:ENABle`.
        question_mask: `STATus:QUEStionable:ENABle`.
        float_bits: 32 or 64 where numbers are sent as blocks; 0 as text.
        is_swapped: Whether blocks begin with the byte of least weight.
        elements: Of `READ?`, from `ELEMENTS`.
        on_refuse: Told the name and each error; None: nobody is.
    """

    name: str = "local"
    is_trusted: bool = True
    wrong_tokens: int = 0
    errors: ErrorQueue = field(default_factory=ErrorQueue)
    events: int = POWER_ON
    event_mask: int = 0
    request_mask: int = 0
    operation_mask: int = 0
    question_mask: int = 0
    float_bits: int = 0
    is_swapped: bool = False
    elements: tuple[str, ...] = ELEMENTS
    on_refuse: Callable[[str, ScpiError], None] | None = None

    def refuse(self, error: ScpiError) -> None:
        """Queue an error and set its event."""
        self.errors.put(error)
        self.events |= error.event
        if self.on_refuse is not None:
            self.on_refuse(self.name, error)

    def status_byte(self) -> int:
        """`*STB?`."""
        summary = QUEUE_BIT * bool(len(self.errors))
        summary |= EVENT_BIT * bool(self.events & self.event_mask)
        return summary | SUMMARY_BIT * bool(summary & self.request_mask & ~SUMMARY_BIT)

    def clear(self) -> None:
        """`*CLS`."""
        self.errors.clear()
        self.events = 0

    def reset_format(self) -> None:
        """What `*RST` does to the form of answers."""
        self.float_bits, self.is_swapped, self.elements = 0, False, ELEMENTS

    def dtype(self, kind: str, bits: int) -> np.dtype[Any]:
        """Of numbers in blocks: kind `f` or `i`, in the byte order of the client."""
        return np.dtype(f"{'<' if self.is_swapped else '>'}{kind}{bits // 8}")

    def numbers(self, values: NDArray[np.floating]) -> bytes:
        """An answer of numbers: comma-separated text, or a block; rows after one another."""
        if self.float_bits:
            return parser.block(values.astype(self.dtype("f", self.float_bits)).tobytes())
        flat = np.nan_to_num(values.ravel().astype(np.float64), nan=NOT_A_NUMBER)
        return (",".join(["%.6E"] * flat.size) % tuple(flat.tolist())).encode()

    def floats(self, data: bytes) -> NDArray[np.float64]:
        """Numbers of a block that the client sent; 64 bits each where it reads text.

        Raises:
            ScpiError: The block ends within a number.
        """
        return self._array(data, self.dtype("f", self.float_bits or 64)).astype(np.float64)

    def integers(self, data: bytes) -> NDArray[np.int32]:
        """Whole numbers of a block that the client sent, 32 bits each.

        Raises:
            ScpiError: The block ends within a number.
        """
        return self._array(data, self.dtype("i", 32)).astype(np.int32)

    def _array(self, data: bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
        """The numbers in some bytes."""
        if len(data) % dtype.itemsize:
            raise ScpiError(
                -161, f"a block of {len(data)} bytes holds no numbers of {dtype.itemsize} bytes"
            )
        return np.frombuffer(data, dtype)
