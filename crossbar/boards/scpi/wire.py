"""The client's end of the socket: whole answers, each within its time."""

import selectors
import socket
import time
from collections.abc import Callable, Sequence

from device_models.errors import HardwareError

PIECE = 1 << 18  # bytes
UNKNOWN = "what was sent last may or may not have been done"


class Wire:
    """A connection to an instrument.

    Attributes:
        address: `tcp://HOST:PORT`, for errors.
    """

    def __init__(self, host: str, port: int, timeout_seconds: float) -> None:
        """Connect.

        Raises:
            HardwareError: Nobody answers there.
        """
        name = f"[{host}]" if ":" in host else host
        self.address, self._timeout = f"tcp://{name}:{port}", timeout_seconds
        try:
            self._socket = socket.create_connection((host, port), timeout_seconds)
        except (OSError, OverflowError) as e:
            reason = "no answer in time" if isinstance(e, TimeoutError) else _reason(e)
            raise HardwareError(
                f"no board at {self.address} ({reason}); nothing was sent; xbar serve starts one"
            ) from e
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._ready = selectors.DefaultSelector()
        self._ready.register(self._socket, selectors.EVENT_READ)
        self._received, self._is_open = bytearray(), True

    def exchange(self, messages: Sequence[bytes], is_last: Callable[[bytes], bool]) -> list[bytes]:
        """Send messages and take answers, both at once, up to the answer that `is_last`.

        Args:
            messages: With their line ends.
            is_last: Whether an answer is the last one.

        Raises:
            HardwareError: The connection is lost, or an answer takes longer than the timeout.
        """
        if not self._is_open:
            raise HardwareError(f"{self.address}: the connection is closed; nothing was sent")
        left, answers = memoryview(b"".join(messages)), list[bytes]()
        deadline = time.monotonic() + self._timeout
        try:
            while not answers or not is_last(answers[-1]):
                left = left[self._sent(left) :]
                answer = self._take()
                if answer is not None:
                    answers.append(answer)
                    deadline = time.monotonic() + self._timeout
                elif not self._receive():
                    self._wait(deadline, is_sending=len(left) > 0)
        except (OSError, EOFError) as e:
            self.close()
            lost = "the connection was lost" if not isinstance(e, TimeoutError) else str(e)
            raise HardwareError(f"{self.address}: {lost}; {UNKNOWN}") from e
        return answers

    def close(self) -> None:
        """Hang up; idempotent."""
        if self._is_open:
            self._is_open = False
            self._ready.close()
            self._socket.close()

    def _sent(self, data: memoryview) -> int:
        """Send what goes out at once; how many bytes that was."""
        try:
            return self._socket.send(data[:PIECE]) if data else 0
        except BlockingIOError:
            return 0

    def _receive(self) -> bool:
        """Take what has arrived; whether there was something."""
        try:
            data = self._socket.recv(PIECE)
        except BlockingIOError:
            return False
        if not data:
            raise EOFError
        self._received += data
        return True

    def _wait(self, deadline: float, *, is_sending: bool) -> None:
        """Wait until something can be received, or sent."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if is_sending else 0)
        self._ready.modify(self._socket, events)
        left = deadline - time.monotonic()
        if left <= 0.0 or not self._ready.select(left):
            raise TimeoutError(f"no answer within {self._timeout:g} s")

    def _take(self) -> bytes | None:
        """One whole answer without its line end, a block without its header; None: not yet."""
        data = self._received
        if data[:1] == b"#":
            digits = int(data[1:2] or b"0")
            start = 2 + digits
            if digits == 0 or len(data) < start:
                return None
            end = start + int(data[2:start])
            if len(data) <= end:
                return None
            answer = bytes(data[start:end])
            del data[: end + 1]
            return b"#" + answer
        end = data.find(b"\n")
        if end < 0:
            return None
        answer = bytes(data[:end])
        del data[: end + 1]
        return answer


def _reason(error: Exception) -> str:
    """What the system said."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.lower()
