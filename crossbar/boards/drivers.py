"""Boards of one's own, by the name of a function that opens them."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from device_models.errors import ConfigError, HardwareError, XbarError

from .checked import in_one_line, kind_of
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
        ConfigError: There is no such module or function, or the module cannot be imported.
        HardwareError: The function raises something else than an `XbarError`.
    """
    module, dot, name = where.rpartition(".")
    if not dot:
        raise ConfigError(f"python:{where} names no function, as MODULE.FUNCTION does")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    opener = _opener(where, module, name)
    try:
        board: Board = opener()
    except XbarError:
        raise
    except (Exception, SystemExit) as e:  # whatever the libraries of a driver have
        raise HardwareError(f"python:{where}: {in_one_line(e)}") from e
    return board


def _opener(where: str, module: str, name: str) -> Callable[[], Board]:
    """The function of that name.

    Raises:
        ConfigError: There is none.
    """
    try:
        opener = getattr(import_module(module), name)
    except (ImportError, AttributeError) as e:
        text = " ".join(str(e).split())
        raise ConfigError(f"python:{where}: {text}; nothing was sent") from e
    except (Exception, SystemExit) as e:  # the module is run, and may do anything
        text = f"importing {module} failed: {in_one_line(e)}"
        raise ConfigError(f"python:{where}: {text}; nothing was sent") from e
    if not callable(opener):
        raise ConfigError(f"python:{where} is {kind_of(opener)}, no function; nothing was sent")
    function: Callable[[], Board] = opener
    return function
