"""`xbar serve`: an emulated board as an SCPI instrument on a TCP socket."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from device_models.errors import ConfigError, consequence
from device_models.overrides import override
from device_models.record import Record, quantity

from .text import echo

if TYPE_CHECKING:
    from crossbar.boards.scpi.serving import Service

PORT = 5025  # of raw SCPI sockets
PANEL_PORT = 8025
COMPILING = "compiling the kernels for this machine, once (up to half a minute) ..."


@dataclass(frozen=True, kw_only=True)
class Listening(Record):
    """Where to listen."""

    port: int = quantity("", 0, 65_535, default=PORT)
    panel_port: int = quantity("", 0, 65_535, default=PANEL_PORT)


@click.command()
@click.option("--device", metavar="FILE", default="oxram.yaml", show_default=True,
              help="Device or preset.")  # fmt: skip
@click.option("--rows", metavar="N", help="Word lines.  [default: 32]")
@click.option("--columns", metavar="N", help="Bit lines.  [default: 32]")
@click.option("--seed", metavar="N", help="Of everything random.  [default: 0]")
@click.option("--port", metavar="N", help=f"TCP port; 0 takes a free one.  [default: {PORT}]")
@click.option("--host", metavar="H", default="127.0.0.1", show_default=True, help="Interface.")
@click.option("--token", metavar="T", envvar="XBAR_TOKEN", show_envvar=True,
              help="What clients give first; needed on other interfaces.")  # fmt: skip
@click.option("--limits", metavar="FILE", help="Limits of pulses.  [default: by the device]")
@click.option("--state", metavar="FILE", help="Keeps the cells; pulses survive a power cut.")
@click.option("--panel", is_flag=True, help="Show the array on a local web page too.")
@click.option("--panel-port", metavar="N", help=f"Its port.  [default: {PANEL_PORT}]")
@click.option("--folder", metavar="DIR", help="Where clients may store logs.  [default: nowhere]")
@click.option("--commands", is_flag=True, help="Print what it understands, and serve nothing.")
def serve(
    device: str,
    host: str,
    token: str | None,
    limits: str | None,
    state: str | None,
    folder: str | None,
    panel: bool,
    commands: bool,
    **typed: str | None,
) -> None:
    """Serve an emulated board as an SCPI-99 instrument; Ctrl-C ends it.

    PyVISA opens it as TCPIP0::127.0.0.1::5025::SOCKET with read_termination and write_termination
    "\\n"; --commands prints what it understands. With --state every pulse that was acknowledged is
    there after a crash, and counts against the limits. The output goes off when the connection of
    who writes ends. Only this machine reaches it, unless --host and --token say otherwise.

    --panel shows the array on http://127.0.0.1:8025/, and never to another machine: looking reads
    no cell; a click reads or pulses one, within the limits and the output switch of the instrument.
    With --token the page asks for it as a password.

    \b
    Examples:
      xbar serve --device oxram.yaml --port 5025
      xbar serve --device my.yaml --rows 128 --columns 128 --seed 7 --state array.state
      xbar serve --panel --rows 64 --columns 64
      xbar serve --limits limits.yaml --port 0
      XBAR_TOKEN=... xbar serve --host 0.0.0.0
    """
    if commands:
        from crossbar.boards.scpi.table import listing

        echo(listing())
        return
    with consequence("nothing was served"):
        given = {
            name: (text, f"--{name.replace('_', '-')}")
            for name, text in typed.items()
            if text is not None
        }
        ports = {name: text for name, text in given.items() if name.endswith("port")}
        listening = override(Listening(), ports)
        if "panel_port" in ports and not panel:
            raise ConfigError("--panel-port needs --panel")
        from crossbar.boards.scpi.serving import serve as serve_board

        panel_port = listening.panel_port if panel else None
        check_place(host, token, [listening.port, panel_port])
        sizes = {name: text for name, text in given.items() if name not in ports}
        service = _service(device, sizes, limits, state, folder, token)
        serve_board(service, host, listening.port, echo, panel_port=panel_port)


def _service(
    device: str,
    sizes: dict[str, tuple[str, str]],
    limits: str | None,
    state: str | None,
    folder: str | None,
    token: str | None,
) -> "Service":
    """The board to serve, once nothing can be wrong with what was asked; see `serve`."""
    from crossbar.boards.limits import load_limits
    from crossbar.boards.scpi.serving import ServedBoard, Service, check_state
    from device_models.jit import is_compiled
    from device_models.presets import load_device

    model, served = load_device(device), override(ServedBoard(), sizes)
    held = load_limits(limits) if limits else None
    if state is not None:
        check_state(Path(state), model, served)
    if not is_compiled("pulse_kernels"):
        echo(COMPILING, err=True)
    return Service(
        model,
        served,
        limits=held,
        state=Path(state) if state else None,
        folder=Path(folder) if folder else None,
        token=token,
    )


def check_place(host: str, token: str | None, ports: list[int | None]) -> None:
    """Refuse what can be refused at once: interface and ports.

    Raises:
        ConfigError: The interface needs a token, or a port is in use.
    """
    from crossbar.boards.panel.server import HOST
    from crossbar.boards.ports import check_free
    from crossbar.boards.scpi.server import check_interface

    check_interface(host, token)
    for interface, port in zip((host, HOST), ports, strict=True):
        if port is not None:
            check_free(interface, port)
