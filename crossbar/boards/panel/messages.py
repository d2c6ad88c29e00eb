"""HTTP/1.1 as far as the panel needs it: small requests in, whole answers out.

Source: RFC 9112 (framing) and RFC 9110 (status codes). What is not needed is refused: no transfer
encodings, no upgrades, nothing longer than `HEAD` and `BODY`.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

HEAD, BODY = 8192, 4096  # bytes
HEADERS = 64
SAFE = {  # of every answer
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_REQUEST = re.compile(r"([A-Z]{1,10}) (/[!-~]*) HTTP/1\.([01])")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([ -~\t]*?)[ \t]*")


class HttpError(Exception):
    """A request that is not answered as it wishes."""

    def __init__(self, status: int, text: str, **headers: str) -> None:
        """Take a status code, what was wrong, and headers with `_` for `-`."""
        super().__init__(status, text)
        self.status, self.text = status, text
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    @property
    def is_last(self) -> bool:
        """Whether the connection ends: what follows can no longer be told from a request."""
        return self.status in (400, 401, 408, 411, 413, 431, 501)


@dataclass(frozen=True)
class Request:
    """What a browser asks.

    Attributes:
        method: GET, POST, ...
        path: Without the query.
        query: Its last value for each name.
        headers: By name in lower case.
        body: What came with it.
        is_last: Whether the connection ends after it.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    is_last: bool

    def json(self) -> dict[str, Any]:
        """The object in the body.

        Raises:
            HttpError: There is none.
        """
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise HttpError(415, "a POST carries application/json")
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            raise HttpError(400, "the body is no JSON") from None
        if not isinstance(value, dict):
            raise HttpError(400, "the body is no JSON object")
        return value


@dataclass(frozen=True)
class Response:
    """What is answered."""

    body: bytes
    kind: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self, *, is_last: bool, is_head: bool = False) -> bytes:
        """The bytes to send; a HEAD is answered without its body."""
        headers = SAFE | {
            "Content-Type": f"{self.kind}; charset=utf-8",
            "Content-Length": str(len(self.body)),
            "Connection": "close" if is_last else "keep-alive",
        }
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in {**headers, **self.headers}.items()]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        return head if is_head else head + self.body


def answer(value: Mapping[str, Any], status: int = 200) -> Response:
    """JSON; numbers that are not finite have to be None."""
    return Response(json.dumps(value, allow_nan=False).encode(), status=status)


def refusal(error: HttpError) -> Response:
    """What is said of a request that is refused."""
    body = json.dumps({"error": error.text}).encode()
    return Response(body, status=error.status, headers=error.headers)


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request; None where the connection ends before one begins.

    Raises:
        HttpError: It is malformed, too long, or asks for what is not spoken here.
        ConnectionError, asyncio.IncompleteReadError: The client is gone.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise HttpError(431, f"a request has at most {HEAD} bytes before its body") from None
    except asyncio.IncompleteReadError as e:
        if not e.partial:
            return None
        raise
    if len(head) > HEAD:
        raise HttpError(431, f"a request has at most {HEAD} bytes before its body")
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    match = _REQUEST.fullmatch(first)
    if match is None:
        raise HttpError(400, "the first line is no request of HTTP/1.1")
    headers = _headers(lines)
    body = await reader.readexactly(_length(headers))
    try:
        target = urlsplit(match[2])
        query = dict(parse_qsl(target.query, max_num_fields=16))
    except ValueError:
        raise HttpError(400, "the target of the request is malformed") from None
    is_last = match[3] == "0" or "close" in headers.get("connection", "").lower()
    return Request(match[1], target.path, query, headers, body, is_last)


def _headers(lines: list[str]) -> dict[str, str]:
    """Headers by name in lower case; each may come once."""
    if len(lines) > HEADERS:
        raise HttpError(431, f"a request has at most {HEADERS} headers")
    headers: dict[str, str] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise HttpError(400, "a header is malformed")
        name = match[1].lower()
        if name in headers:
            raise HttpError(400, "a header is given twice")
        headers[name] = match[2]
    return headers


def _length(headers: Mapping[str, str]) -> int:
    """Bytes of the body."""
    if "transfer-encoding" in headers:
        raise HttpError(501, "transfer encodings are not spoken here")
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()):
        raise HttpError(400, "Content-Length is no number")
    if len(text) > 9 or int(text) > BODY:
        raise HttpError(413, f"a body has at most {BODY} bytes")
    return int(text)
