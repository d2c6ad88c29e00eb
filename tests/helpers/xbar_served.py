"""An emulated board, served over TCP by a thread of this process."""

import asyncio
import threading
from contextlib import contextmanager

from crossbar.boards.scpi.serving import ServedBoard, Service
from device_models.presets import load_device


@contextmanager
def served(device, rows, columns, *, port=0, state=None, token=None, **settings):
    """The address of a board of a kind of device; port, state and token are those of `Service`."""
    board = ServedBoard(rows=rows, columns=columns, **settings)
    service = Service(load_device(device), board, state=state, token=token)
    ready, stop = threading.Event(), {}

    async def serve():
        stop["loop"], stop["event"] = asyncio.get_running_loop(), asyncio.Event()
        await service.server.start("127.0.0.1", port)
        ready.set()
        await stop["event"].wait()
        await service.server.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(60)
        host, port = service.server.address
        yield f"tcp://{host}:{port}"
    finally:
        stop["loop"].call_soon_threadsafe(stop["event"].set)
        thread.join()
        service.close()
