"""Boards by their address, one entry of `SCHEMES` for each kind of board.

`tcp://HOST:PORT` is an instrument, `recorded:FILE` a session that is played back and
`python:MODULE.FUNCTION` what a function of one's own opens.
"""

from typing import Protocol

from device_models.errors import ConfigError

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


def open_board(
    address: str, *, token: str | None = None, timeout_seconds: float = TIMEOUT_SECONDS
) -> Board:
    """Open a board by its address.

    Args:
        address: `tcp://127.0.0.1:5025` and the like; see `SCHEMES`.
        token: What its server asks for; None: nothing.
        timeout_seconds: Of every answer.

    Raises:
        ConfigError: It is no address, or there is no such function.
        DataError: There is no such session.
        HardwareError: Nobody answers there.
    """
    for scheme, opener in SCHEMES.items():
        if address.startswith(scheme):
            where = address.removeprefix(scheme)
            return opener(where, token=token, timeout_seconds=timeout_seconds)
    known = ", ".join(f"{scheme}..." for scheme in SCHEMES)
    raise ConfigError(f"{address!r} is no board; boards are at {known}; nothing was sent")
