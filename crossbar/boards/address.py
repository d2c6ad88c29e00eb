"""Boards by their address, one entry of `SCHEMES` for each kind of board.

`tcp://HOST:PORT` is an instrument, `recorded:FILE` a session that is played back and
`python:MODULE.FUNCTION` what a function of one's own opens. An instrument may be named as VISA
names its socket, `TCPIP0::HOST::PORT::SOCKET`, too.
"""

import re
from typing import Protocol

from device_models.errors import ConfigError
from device_models.record import shown

from .drivers import open_driver
from .protocol import Board
from .recorded import open_recording
from .scpi.client import TIMEOUT_SECONDS, open_tcp


class Opener(Protocol):
    """Opens the boards of one scheme."""

    def __call__(self, where: str, *, token: str | None, timeout_seconds: float) -> Board:
        """The board of what follows the scheme in an address."""


# What an address begins with -> what opens the rest.
SCHEMES: dict[str, Opener] = {
    "tcp://": open_tcp,
    "recorded:": open_recording,
    "python:": open_driver,
}
VISA = re.compile(r"TCPIP\d*::(?P<host>.+)::(?P<port>\d+)::SOCKET", re.IGNORECASE)
BARE = re.compile(r"[\w.-]+:\d+")  # HOST:PORT
OPENED: list[str] = []  # boards of this process, which must let go of them before it ends


def open_board(
    address: str, *, token: str | None = None, timeout_seconds: float = TIMEOUT_SECONDS
) -> Board:
    """Open a board by its address.

    Args:
        address: `tcp://127.0.0.1:5025` or `TCPIP0::127.0.0.1::5025::SOCKET`; see `SCHEMES`.
        token: What its server asks for; None: nothing.
        timeout_seconds: Of every answer.

    Raises:
        ConfigError: It is no address, or there is no such function.
        DataError: There is no such session.
        HardwareError: Nobody answers there, or a function of one's own fails.
    """
    if visa := VISA.fullmatch(address):
        address = "tcp://{host}:{port}".format_map(visa)
    for scheme, opener in SCHEMES.items():
        if address.startswith(scheme):
            where = address.removeprefix(scheme)
            board = opener(where, token=token, timeout_seconds=timeout_seconds)
            OPENED.append(address)
            return board
    schemes = ", ".join([*(f"{scheme}..." for scheme in SCHEMES), "TCPIP0::HOST::PORT::SOCKET"])
    hint = (
        f"did you mean tcp://{address}?" if BARE.fullmatch(address) else f"boards are at {schemes}"
    )
    raise ConfigError(f"{shown(address)} is no board; {hint}; nothing was sent")
