"""The instrument on a TCP socket: many clients, one thread.

Commands of all clients run one after the other in one event loop, so a command never meets half of
another one's. Between two commands of a message the loop looks after the other clients.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from device_models.errors import ConfigError
from device_models.record import Record, quantity

from ..ports import refused_port
from .common import WRONG_TOKENS
from .errors import ScpiError
from .framing import BLOCKS, LINE, Framer, Unframed
from .instrument import Instrument
from .session import Session

LOG = logging.getLogger(__name__)
HERE = ("127.0.0.1", "::1", "localhost")
SHORTEST_TOKEN = 8  # characters
PIECE = 256 * 1024  # bytes that are taken from a socket at a time
TURN = 0.01  # seconds after which other clients get their turn
ANSWER = 64 * 1024 * 1024  # bytes that one message may be answered


@dataclass(frozen=True, kw_only=True)
class ServerLimits(Record):
    """What clients may ask of a server.

    Attributes:
        clients: Connections at a time.
        line_bytes: Of a message without its blocks.
        block_bytes: Of the blocks of a message.
        waiting_bytes: Of all incomplete messages and answers of all clients.
        commands_per_second: Messages of one client; beyond, it has to wait.
        idle_seconds: Silence after which a client is let go.
        message_seconds: Time that a message or its answer may take on the wire, or a token to come.
    """

    clients: int = quantity("clients", 1, 10_000, default=128)
    line_bytes: int = quantity("B", 64, 1 << 24, default=LINE)
    block_bytes: int = quantity("B", 64, 1 << 30, default=BLOCKS)
    waiting_bytes: int = quantity("B", 64, 1 << 34, default=256 * 1024 * 1024)
    commands_per_second: float = quantity("1/s", 1.0, 1e9, default=50_000.0)
    idle_seconds: float = quantity("s", 1e-3, 1e9, default=3600.0)
    message_seconds: float = quantity("s", 1e-3, 1e9, default=30.0)


class Server:
    """Serves an instrument.

    Attributes:
        address: (host, port) once `start` returned.
        clients: Connections now.
    """

    def __init__(
        self,
        instrument: Instrument,
        limits: ServerLimits | None = None,
        *,
        sync: Callable[[], None] | None = None,
    ) -> None:
        """Take an instrument.

        Args:
            instrument: What runs the commands.
            limits: Of clients.
            sync: Called before anything is answered: makes what was done last.
        """
        self._instrument, self._limits = instrument, limits or ServerLimits()
        self._sync = sync or (lambda: None)
        instrument.bench.block_bytes = self._limits.block_bytes
        self.address, self.clients = ("", 0), 0
        self._waiting = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one.

        Raises:
            ConfigError: The port is in use or not allowed, or there is no such interface.
        """
        check_interface(host, self._instrument.token)
        try:
            self._server = await asyncio.start_server(
                self._serve, host, port, limit=PIECE, backlog=256
            )
        except (OSError, OverflowError) as e:
            raise refused_port(host, port, e) from e
        self.address = self._server.sockets[0].getsockname()[:2]

    async def stop(self) -> None:
        """Hang up; what runs is finished."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, from its connection to its end."""
        if self.clients >= self._limits.clients:
            writer.close()
            return
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        host, port = writer.get_extra_info("peername")[:2]
        session = self._instrument.session(f"{host}:{port}")
        framer = Framer(self._limits.line_bytes, self._limits.block_bytes)
        self.clients += 1
        try:
            await self._talk(session, framer, reader, writer)
        except (OSError, TimeoutError, Unframed, asyncio.CancelledError) as e:
            LOG.debug("%s: %r", session.name, e)
        finally:
            self.clients -= 1
            self._waiting -= framer.size
            self._instrument.leave(session)
            writer.transport.abort()

    async def _talk(
        self,
        session: Session,
        framer: Framer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Messages in, answers out, until the client or a limit ends it.

        Raises:
            TimeoutError: The client was silent, or did not take its answer.
            OSError: It is gone, or what it did cannot be made to last.
            Unframed: A block is longer than is allowed.
        """
        limits, pace = self._limits, Pace(self._limits.commands_per_second)
        since = time.monotonic()
        while session.wrong_tokens < WRONG_TOKENS:
            patience = limits.idle_seconds
            if framer.size or not session.is_trusted:
                patience = max(since + limits.message_seconds - time.monotonic(), 0.0)
            async with asyncio.timeout(patience):
                data = await reader.read(PIECE)
            if not data:
                return
            before = framer.size
            try:
                messages = framer.feed(data)
            finally:
                self._waiting += framer.size - before
            if (messages or not before) and session.is_trusted:
                since = time.monotonic()
            for message in messages:
                await pace.wait()
                await self._answer(session, message, writer)
            if self._waiting > limits.waiting_bytes:
                return

    async def _answer(
        self, session: Session, message: bytes | ScpiError, writer: asyncio.StreamWriter
    ) -> None:
        """Run one message and send what it answers."""
        answers, size, turn = list[bytes](), 0, time.monotonic()
        for answer in self._instrument.run(session, message):
            answers.append(answer)
            size += len(answer) + 1
            if size > ANSWER:
                session.refuse(ScpiError(-430, f"an answer has at most {ANSWER} bytes"))
                answers = []
                break
            if time.monotonic() - turn > TURN:
                await asyncio.sleep(0)
                turn = time.monotonic()
        self._sync()
        if answers:
            await self._send(writer, b";".join(answers) + b"\n")

    async def _send(self, writer: asyncio.StreamWriter, answer: bytes) -> None:
        """Send an answer; it counts among what waits until the client takes it.

        Raises:
            TimeoutError: It does not, or too much waits already.
        """
        if self._waiting + len(answer) > self._limits.waiting_bytes:
            raise TimeoutError("too much waits for clients")
        self._waiting += len(answer)
        try:
            writer.write(answer)
            async with asyncio.timeout(self._limits.message_seconds):
                await writer.drain()
        finally:
            self._waiting -= len(answer)


class Pace:
    """Lets one client give so many messages per second, in bursts of a tenth of that."""

    def __init__(self, per_second: float) -> None:
        """Start with a full burst."""
        self._per_second, self._burst = per_second, max(per_second / 10.0, 1.0)
        self._left, self._last = self._burst, time.monotonic()

    async def wait(self) -> None:
        """Take one message; sleeps where there is none left."""
        now = time.monotonic()
        self._left = min(self._left + (now - self._last) * self._per_second, self._burst) - 1.0
        self._last = now
        if self._left < 0.0:
            await asyncio.sleep(-self._left / self._per_second)


def check_interface(host: str, token: str | None) -> None:
    """Refuse to serve an interface that others reach without a token.

    Raises:
        ConfigError: They would, or the token is too short.
    """
    if token is None and host not in HERE:
        raise ConfigError(
            f"--host {host} is reached from other machines and needs --token; nothing was served"
        )
    if token is not None and not (SHORTEST_TOKEN <= len(token) <= 200 and token.isprintable()):
        raise ConfigError(
            f"a token has {SHORTEST_TOKEN} to 200 printable characters; nothing was served"
        )
