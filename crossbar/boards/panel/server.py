"""The panel behind HTTP on the loopback interface: what is asked, who may ask, and the answers.

Looking is free: no view reads a cell. Reading and pulsing are commands of SCPI that the panel gives
as one more client of the instrument, so they pass every check that a lab script passes. Four locks
keep other web pages out: the Host header (DNS rebinding), the Origin header, a token that only a
page of this server holds, and a body that a form of another site cannot send.
"""

import asyncio
import base64
import binascii
import contextlib
import hmac
import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from importlib.resources import files
from typing import Any

from ..ports import refused_port
from ..scpi.common import check_token
from ..scpi.instrument import Instrument
from . import views
from .actions import Actions
from .history import WatchedBoard
from .messages import HEAD, HttpError, Request, Response, answer, read_request, refusal

CLIENTS = 128  # connections
PATIENCE = 60.0  # seconds of silence, or that an answer may take on the wire
HOST = "127.0.0.1"


class PanelServer:
    """Serves the page and its data.

    Attributes:
        address: (host, port) once `start` returned.
        watched: The board of the instrument, with its memory.
    """

    def __init__(
        self,
        instrument: Instrument,
        *,
        sync: Callable[[], None] | None = None,
        scpi_clients: Callable[[], int] | None = None,
    ) -> None:
        """Watch the board of an instrument from now on.

        Args:
            instrument: What is shown, and what commands go to.
            sync: Called before a pulse is answered: makes what was done last.
            scpi_clients: How many connections the instrument has.
        """
        bench = instrument.bench
        self.watched = WatchedBoard(bench.board, bench.emulator, bench.started)
        bench.board = self.watched
        self._bench, self._token = bench, instrument.token
        self._actions = Actions(instrument, self.watched, sync or (lambda: None))
        self._scpi_clients = scpi_clients or (lambda: 0)
        self._secret = secrets.token_bytes(32)
        self.address = (HOST, 0)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._views: dict[str, Callable[[Request], Response]] = {
            "/": self._page,
            "/api/state": self._state,
            "/api/map": self._map,
            "/api/cell": self._cell,
        }

    async def start(self, port: int) -> None:
        """Listen on the loopback interface; port 0 takes a free one.

        Raises:
            ConfigError: The port is in use.
        """
        try:
            self._server = await asyncio.start_server(self._serve, HOST, port, limit=HEAD)
        except OSError as e:
            raise refused_port(HOST, port, e) from e
        self.address = (HOST, self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Hang up."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def handle(self, request: Request) -> Response:
        """Answer one request.

        Raises:
            HttpError: It is refused.
        """
        self._check_host(request)
        self._check_token(request)
        if request.method in ("GET", "HEAD"):
            if request.path not in self._views:
                raise HttpError(404, f"there is no {request.path[:80]}")
            return self._views[request.path](request)
        if request.method != "POST":
            raise HttpError(405, "GET and POST are spoken here", Allow="GET, HEAD, POST")
        action = self._actions.by_path.get(request.path)
        if action is None:
            raise HttpError(404, f"there is no {request.path[:80]} to post to")
        self._check_origin(request)
        return action(request.json())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its beginning to its end."""
        task = asyncio.current_task()
        if task is None or len(self._tasks) >= CLIENTS:
            writer.close()
            return
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, EOFError, TimeoutError, asyncio.CancelledError):
            pass  # the client is gone, silent, or the server stops
        finally:
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether another one may follow."""
        is_last, is_head = False, False
        try:
            async with asyncio.timeout(PATIENCE):
                request = await read_request(reader)
            if request is None:
                return False
            is_last, is_head = request.is_last, request.method == "HEAD"
            response = self.handle(request)
        except HttpError as e:
            response, is_last = refusal(e), is_last or e.is_last
        async with asyncio.timeout(PATIENCE):
            writer.write(response.encode(is_last=is_last, is_head=is_head))
            await writer.drain()
            if is_last:
                await _finish(reader, writer)
        return not is_last

    def _check_host(self, request: Request) -> None:
        """Refuse a request for another name: a page of that name would read the answer."""
        names = [f"{name}:{self.address[1]}" for name in (HOST, "localhost")]
        if request.headers.get("host") not in names:
            raise HttpError(421, f"this is http://{names[0]}/ and no other host; nothing was done")

    def _check_token(self, request: Request) -> None:
        """Where the instrument asks for a token, the panel does: the password of the browser."""
        if self._token is None:
            return
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        password = ""
        with contextlib.suppress(binascii.Error, ValueError):
            password = base64.b64decode(given, validate=True).decode().partition(":")[2]
        if kind.lower() != "basic" or not check_token(self._token, password):
            raise HttpError(
                401,
                "the password is the token of the server",
                WWW_Authenticate='Basic realm="xbar"',
            )

    def _check_origin(self, request: Request) -> None:
        """Refuse what no page of this server sends."""
        origin = request.headers.get("origin")
        if origin is not None and origin != f"http://{request.headers['host']}":
            raise HttpError(403, "another site asks; nothing was done")
        nonce, _, seal = request.headers.get("x-panel-token", "").partition(".")
        if not hmac.compare_digest(seal.encode(), self._seal(nonce).encode()):
            raise HttpError(403, "the token is not of this server: reload the page")

    def _seal(self, nonce: str) -> str:
        return hmac.new(self._secret, nonce.encode(), sha256).hexdigest()

    # Views

    def _page(self, request: Request) -> Response:
        """The page, with a token of its own."""
        nonce = secrets.token_urlsafe(18)
        text = files(__package__).joinpath("page.html").read_text("utf-8")
        text = text.replace("{{token}}", f"{nonce}.{self._seal(nonce)}")
        text = text.replace("{{nonce}}", nonce)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        headers = {"Content-Security-Policy": policy}
        return Response(text.encode(), kind="text/html", headers=headers)

    def _state(self, request: Request) -> Response:
        """See `views.state`."""
        now = time.monotonic() - self._bench.started
        clients = self._scpi_clients()
        return answer(views.state(self._bench, self.watched, now=now, clients=clients))

    def _map(self, request: Request) -> Response:
        """See `views.map_of`; beyond the array, the window moves to its edge."""
        place: dict[str, Any] = {name: _whole(request, name) for name in ("word", "bit", "known")}
        of_reads = request.query.get("of", "truth") == "reads"
        return answer(views.map_of(self._bench, self.watched, of_reads=of_reads, **place))

    def _cell(self, request: Request) -> Response:
        """See `views.cell`."""
        word, bit = _whole(request, "word"), _whole(request, "bit")
        words, bits = self.watched.info.shape
        if word >= words or bit >= bits:
            raise HttpError(404, f"there is no cell {word}, {bit}; the array has {words} x {bits}")
        return answer(views.cell(self.watched, word, bit))


def _whole(request: Request, name: str) -> int:
    """A whole number of the query; 0 where none is given."""
    text = request.query.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise HttpError(400, f"{name} is no whole number")
    return int(text)


async def _finish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """End a connection so that the client gets its answer, though it may still be sending."""
    writer.write_eof()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            while await reader.read(HEAD):
                pass
