"""Emulated boards behind an instrument, with and without a socket."""

import asyncio
import socket
import threading
from contextlib import contextmanager

from crossbar.boards.scpi.serving import ServedBoard, Service, emulated_board
from device_models.presets import load_device


def served(rows=4, columns=5, **changes):
    return ServedBoard(rows=rows, columns=columns, **changes)


def service(device="oxram", size=None, **given):
    return Service(load_device(device), size or served(), **given)


def same_board(device="oxram", size=None):
    """What a `service` of the same arguments serves, in this process."""
    return emulated_board(load_device(device), size or served())


@contextmanager
def running(made):
    """A service on a free port; gives (host, port)."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    failures = []
    loop.set_exception_handler(lambda _, context: failures.append(context))

    def turn():
        asyncio.set_event_loop(loop)
        loop.run_until_complete(made.server.start("127.0.0.1", 0))
        ready.set()
        loop.run_forever()
        loop.run_until_complete(made.server.stop())
        loop.close()

    thread = threading.Thread(target=turn)
    thread.start()
    assert ready.wait(30)
    try:
        yield made.server.address
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        assert not thread.is_alive()
    assert not failures, failures


class Raw:
    """A socket and lines, for what no proper client does."""

    def __init__(self, address, timeout=20):
        self.socket = socket.create_connection(address, timeout)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        return self.file.readline().decode("latin-1").removesuffix("\n")

    def ask(self, text):
        self.send(text.encode("latin-1") + b"\n")
        return self.line()

    def is_hung_up(self):
        """Whether the server closes; waits for it."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
