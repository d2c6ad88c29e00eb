"""Boards of one's own, by the name of a function that opens them."""

import sys
from importlib import import_module
from pathlib import Path

from device_models.errors import ConfigError

from .protocol import Board


def open_driver(
    where: str, *, token: str | None = None, timeout_seconds: float | None = None
) -> Board:
    """What a function without arguments returns, for example `my_lab.open_board`.

    Args:
        where: Its module and name; modules in the present folder are found too.
        token: Not looked at: the function knows how to open its board.
        timeout_seconds: Likewise.

    Raises:
        ConfigError: There is no such module or function.
    """
    module, dot, name = where.rpartition(".")
    if not dot:
        raise ConfigError(f"python:{where} names no function, as MODULE.FUNCTION does")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        opener = getattr(import_module(module), name)
    except (ImportError, AttributeError) as e:
        raise ConfigError(f"python:{where}: {e}; nothing was sent") from e
    board: Board = opener()
    return board
