"""Ports to serve on: whether one is free, and what is said of one that is not."""

import asyncio

from device_models.errors import ConfigError


def check_free(host: str, port: int) -> None:
    """Refuse a port that cannot be served on; nobody can connect meanwhile.

    Raises:
        ConfigError: It is in use or not allowed, or there is no such interface.
    """
    try:
        asyncio.run(_bind(host, port))
    except (OSError, OverflowError) as e:
        raise refused_port(host, port, e) from e


async def _bind(host: str, port: int) -> None:
    """Take the port and let go of it."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, host, port, start_serving=False)
    server.close()


def refused_port(host: str, port: int, error: OSError | OverflowError) -> ConfigError:
    """What to raise where a port cannot be served on."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    reason = "it is in use" if "in use" in reason else reason.lower()
    return ConfigError(f"cannot serve {host}:{port}: {reason}; nothing was served")
