"""An emulated board behind an instrument behind a server: what `xbar serve` runs."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from device_models.atomic import can_be_written
from device_models.errors import ConfigError, LimitError
from device_models.model import DeviceModel
from device_models.record import Record, quantity

from ...array.tile import Tiling
from ..board_info import info_of
from ..limited import LimitedBoard
from ..limits import Limits, limits_of
from ..panel.server import PanelServer
from ..protocol import Board, PulseBatch, PulseShape
from ..simulated import SimulatedBoard
from .bench import Bench
from .instrument import Instrument
from .server import Server, ServerLimits
from .state import StoredBoard, digest, snapshot_of


@dataclass(frozen=True, kw_only=True)
class ServedBoard(Record):
    """An emulated board to serve.

    Attributes:
        rows: Word lines.
        columns: Bit lines.
        tile_rows: Word lines that are read together.
        tile_columns: Bit lines that are read together.
        read_volts: Of a read.
        read_seconds: Its duration.
        seed: Of everything random.
    """

    rows: int = quantity("word lines", 1, 4096, default=32)
    columns: int = quantity("bit lines", 1, 4096, default=32)
    tile_rows: int = quantity("word lines", 1, 65_536, default=128)
    tile_columns: int = quantity("bit lines", 1, 65_536, default=128)
    read_volts: float = quantity("V", 1e-3, 0.5, why="more disturbs the state", default=0.2)
    read_seconds: float = quantity("s", 1e-10, 1.0, default=100e-9)
    seed: int = quantity("", 0, 2**63 - 1, default=0)


class Service:
    """An emulated board as an instrument.

    Attributes:
        instrument: The instrument.
        server: Its server, not started yet.
        sync: Makes what was done last; None where no state is kept.
    """

    def __init__(
        self,
        model: DeviceModel,
        served: ServedBoard,
        *,
        limits: Limits | None = None,
        state: Path | None = None,
        folder: Path | None = None,
        token: str | None = None,
        clients: ServerLimits | None = None,
    ) -> None:
        """Manufacture the board, or restore it.

        Args:
            model: Its kind of device.
            served: Its size and seed.
            limits: Of pulses; by default those of the device file.
            state: File that its state is kept in; None: it is lost when the server stops.
            folder: Where clients may store logs; None: nowhere.
            token: What clients have to give.
            clients: What clients may ask.

        Raises:
            ConfigError, DataError: See `StoredBoard`, `LimitedBoard`; or there is no such folder.
        """
        if folder is not None and not folder.is_dir():
            raise ConfigError(f"there is no folder {folder}; nothing was served")
        emulated = emulated_board(model, served)
        name = digest(model, emulated.info, served.seed)
        most = model.g_max_siemens
        self._stored = (
            None if state is None else StoredBoard(emulated, state, name, most_siemens=most)
        )
        compile_kernels(model)
        limits = limits or limits_of(model)
        # Within the limits outside the journal: what is refused is not written down.
        inner: Board = self._stored or emulated
        meter = self._stored.meter if self._stored else None
        board = LimitedBoard(inner, limits, most_siemens=most, meter=meter)
        changed = self._stored or emulated
        bench = Bench(
            board,
            limits,
            emulator=emulated,
            sheet=model,
            seed=served.seed,
            folder=folder,
            save=self._stored.save if self._stored else None,
            stick=changed.stick,
            wait_at=lambda seconds, kelvin: changed.wait(seconds, temperature_kelvin=kelvin),
        )
        self.instrument = Instrument(bench, token=token)
        self.sync = self._stored.sync if self._stored else None
        self.server = Server(self.instrument, clients, sync=self.sync)

    def close(self) -> None:
        """Save the state, if it is kept; idempotent."""
        if self._stored is not None:
            self._stored.close()


def emulated_board(model: DeviceModel, served: ServedBoard) -> SimulatedBoard:
    """A board of new devices, every one of them programmable."""
    return SimulatedBoard(
        model,
        tiling_of(served),
        torch.ones((served.rows, served.columns), dtype=torch.bool),
        v_read_volts=served.read_volts,
        t_read_seconds=served.read_seconds,
        seed=served.seed,
        index=0,
    )


def tiling_of(served: ServedBoard) -> Tiling:
    """The size of a board and how it is cut."""
    return Tiling(served.rows, served.columns, served.tile_rows, served.tile_columns)


def check_state(path: Path, model: DeviceModel, served: ServedBoard) -> None:
    """Refuse a state that this board cannot go on from, before anything takes long.

    Raises:
        ConfigError: It is of another board, or no file can be there.
        DataError: The file is no state.
    """
    if not (path.parent.is_dir() and can_be_written(path.parent)):
        raise ConfigError(f"--state {path}: {path.parent} is no folder that can be written")
    if path.exists():
        info = info_of(model, tiling_of(served), served.read_volts, served.read_seconds)
        snapshot_of(path, digest(model, info, served.seed))


def compile_kernels(model: DeviceModel) -> None:
    """Compile what pulses and time run, on a device that is thrown away; once on a machine.

    It takes seconds, in which a server would answer nobody.
    """
    board = emulated_board(model, ServedBoard(rows=1, columns=1))
    pulses = PulseBatch(np.zeros(1, np.int32), np.ones(1, np.int32))
    board.pulse(pulses)
    if board.info.set_volts is not None:
        with contextlib.suppress(LimitError):  # a device without a law for other pulses
            board.pulse(pulses, PulseShape(1.1 * board.info.set_volts))
    board.wait(1.0)
    board.read()


def serve(
    service: Service,
    host: str,
    port: int,
    notice: Callable[[str], object],
    *,
    panel_port: int | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then save the state.

    Args:
        service: What to serve.
        host: Interface.
        port: 0 takes a free one.
        notice: Told the address once clients can connect, and that of the panel.
        panel_port: Of the panel, on the loopback interface; 0 takes a free one; None: no panel.

    Raises:
        ConfigError: See `Server.start`.
    """
    try:
        asyncio.run(_serve(service, host, port, notice, panel_port))
    finally:
        service.close()


async def _serve(
    service: Service,
    host: str,
    port: int,
    notice: Callable[[str], object],
    panel_port: int | None,
) -> None:
    """See `serve`.

    Torch has one thread, as in a training: a sum over more could differ in its last bit.
    """
    torch.set_num_threads(1)
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(service.server.stop)
        await service.server.start(host, port)
        where, number_of_port = service.server.address
        info = service.instrument.bench.board.info
        shape = f"{info.shape[0]} x {info.shape[1]}"
        name = f"[{where}]" if ":" in where else where
        lines = [f"{info.name}, {shape}, at tcp://{name}:{number_of_port}"]
        if panel_port is not None:
            panel = panel_of(service)
            stack.push_async_callback(panel.stop)
            await panel.start(panel_port)
            lines.append("panel at http://{}:{}/".format(*panel.address))
        for line in lines:
            notice(line)
        await stopped.wait()


def panel_of(service: Service) -> PanelServer:
    """The panel of a service, not started yet."""
    clients = service.server
    return PanelServer(service.instrument, sync=service.sync, scpi_clients=lambda: clients.clients)
