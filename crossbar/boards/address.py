"""Boards by their address: `tcp://HOST:PORT`. One entry of `SCHEMES` for each kind of board."""

from typing import Protocol

from device_models.errors import ConfigError

from .protocol import Board
from .scpi.client import TIMEOUT_SECONDS, open_tcp


class Opener(Protocol):
    """Opens the boards of one scheme."""

    def __call__(self, where: str, *, token: str | None, timeout_seconds: float) -> Board:
        """The board of what follows the scheme in an address."""


# What an address begins with -> what opens the rest.
SCHEMES: dict[str, Opener] = {"tcp://": open_tcp}


def open_board(
    address: str, *, token: str | None = None, timeout_seconds: float = TIMEOUT_SECONDS
) -> Board:
    """Open a board by its address.

    Args:
        address: `tcp://127.0.0.1:5025`; port 5025 where none is given.
        token: What its server asks for; None: nothing.
        timeout_seconds: Of every answer.

    Raises:
        ConfigError: It is no address.
        HardwareError: Nobody answers there.
    """
    for scheme, opener in SCHEMES.items():
        if address.startswith(scheme):
            where = address.removeprefix(scheme)
            return opener(where, token=token, timeout_seconds=timeout_seconds)
    known = ", ".join(f"{scheme}..." for scheme in SCHEMES)
    raise ConfigError(f"{address!r} is no board; boards are at {known}; nothing was sent")
