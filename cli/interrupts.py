"""Ctrl-C and SIGTERM end a command within a second, whatever it is doing.

Python acts on a signal only between two of its own instructions, and a kernel is compiled in calls
of half a minute, some of which swallow what a signal raises. Every file that a command writes is
whole or absent at any moment, so what does not come back within a second, or does not end within
five, is ended on the spot. Where Python swallows what is raised (in a finaliser, as a weak
reference ends), it is raised again. A command that holds a board is waited for: it sees the signal
as a KeyboardInterrupt, and lets go of the board.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from types import FrameType

ENDED = 130  # exit code: 128 + SIGINT, as a shell reports it
PATIENCE_SECONDS, TO_END = 1.0, 4.0  # until it is seen; then that many times as long
POLL_SECONDS = 0.02  # of what the handler notes: it may run inside any call, so it takes no lock


@dataclass
class _State:
    """What the main thread did with signals."""

    seen: bool = False  # one came
    swallowed: bool = False  # what the last one raised went nowhere


_state = _State()


def watch(patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Let both signals raise KeyboardInterrupt in the main thread, or end the process.

    Args:
        patience_seconds: How long the main thread is waited for; for ever once a board is opened.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup: that stays
            signal.signal(number, _interrupt)
    sys.unraisablehook = _unraisable
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)  # written to by the system at once
    waiting = threading.Thread(target=_end, args=(read, patience_seconds), daemon=True)
    waiting.start()


def was_interrupted() -> bool:
    """Whether a signal came; a library may have swallowed what it raised."""
    return _state.seen


def end() -> None:
    """End the process that has said so: libraries take seconds, or for ever, to take leave."""
    if not _holds_board():
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(ENDED)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """The main thread has come to it; what is raised while the hook below runs would be lost."""
    _state.seen = True
    while frame is not None:
        if frame.f_code is _unraisable.__code__:
            _state.swallowed = True
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def _unraisable(args: "sys.UnraisableHookArgs") -> None:
    """Say nothing of a KeyboardInterrupt that Python swallowed; all else as it does."""
    if args.exc_type is KeyboardInterrupt:
        _state.swallowed = True
    else:
        sys.__unraisablehook__(args)


def _wait(seconds: float, number: int) -> None:
    """Let some time pass; a signal whose KeyboardInterrupt is swallowed meanwhile is sent anew."""
    end_seconds = time.monotonic() + seconds
    while time.monotonic() < end_seconds:
        time.sleep(min(POLL_SECONDS, seconds))
        if _state.swallowed:
            _state.swallowed = False
            signal.pthread_kill(threading.main_thread().ident or 0, number)


def _holds_board() -> bool:
    """Whether a board was opened by its address; nothing is imported for it."""
    address = sys.modules.get("crossbar.boards.address")
    return bool(address and address.OPENED)


def _end(read: int, patience_seconds: float) -> None:
    """End the process if the main thread has not seen a signal in time."""
    while True:
        (number,) = os.read(read, 1)
        if number in (signal.SIGINT, signal.SIGTERM):
            _wait(patience_seconds, number)
            if _state.seen:
                _wait(TO_END * patience_seconds, number)
            if not _holds_board():
                sys.stderr.write("\nInterrupted.\n")
                sys.stderr.flush()
                os._exit(ENDED)
