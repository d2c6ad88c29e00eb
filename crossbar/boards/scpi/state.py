"""The state of an emulated board in files, so that no acknowledged pulse is lost.

FILE is a snapshot: the devices, the counters, what was sent for the limits that add up, and the
number of the random streams that its journal was drawn from. FILE.N.journal is what was done since.
The same seed draws the same numbers, so playing the journal over the snapshot gives the devices bit
for bit. A new snapshot is complete before the old journal goes: at every moment the two files that
belong together are there.
"""

import contextlib
import hashlib
import io
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from device_models import atomic, npz
from device_models.errors import ConfigError, DataError, XbarError
from device_models.model import DeviceModel
from device_models.npz import UNREADABLE, reason
from device_models.registry import name_of
from device_models.schema import dump

from ...array.counters import Counters
from ...array.faults import FaultMap
from ...wires.wires import Floats
from ..budget import Meter, costs
from ..protocol import BoardInfo, Indices, PulseBatch, PulseShape
from .journal import Event, Journal, Pulsing, Sticking, Waiting, events

STUCK = "stuck_siemens"
SENT = "sent."  # before the names of `Meter.state`
# What reading a damaged file raises: a zip file has many fields that may say anything.
LONGEST_JOURNAL = 1 << 30  # bytes; then a snapshot is taken


class Restorable(Protocol):
    """What is asked of an emulated board to keep its state: `Board`, and parts of `Emulator`."""

    counters: Counters

    @property
    def info(self) -> BoardInfo:
        """See `Board`."""

    @property
    def faults(self) -> FaultMap | None:
        """See `Emulator`."""

    def stick(self, device: Indices, siemens: Floats) -> None:
        """See `SimulatedBoard.stick`."""

    def read(self, device: Indices | None = None) -> Tensor:
        """See `Board`."""

    def vmm(self, volts: Tensor) -> Tensor:
        """See `Board`."""

    def pulse(self, pulses: PulseBatch, shape: PulseShape | None = None) -> None:
        """See `Board`."""

    def wait(self, seconds: float, *, temperature_kelvin: float | None = None) -> None:
        """See `Board`; None is the temperature of the device file."""

    def close(self) -> None:
        """See `Board`."""

    def begin_epoch(self, epoch: int) -> None:
        """See `Emulator`."""

    def state_dict(self) -> dict[str, Tensor]:
        """See `Emulator`."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """See `Emulator`."""


def digest(model: DeviceModel, info: BoardInfo, seed: int) -> str:
    """Names a board: its devices, shape and seed. A state belongs to one."""
    text = dump(model, ("model", name_of(model))) + f"{info.shape} {info.tile_shape} {seed}"
    return hashlib.sha256(text.encode()).hexdigest()


class StoredBoard:
    """A board that writes down what it is about to do before it does it.

    `sync` makes what was written last; whoever acknowledges a pulse calls it first. Reads change no
    device: their counts alone are lost where nothing was sent after them. They go on with fresh
    noise after a restart.

    Attributes:
        meter: What was sent since the state began, refused pulses not among it. Who sends pulses
            through this board adds them (`LimitedBoard`); a restart counts on. A file of before has
            no such counts: it goes on from the pulses that reached each device, and their energy.
    """

    def __init__(
        self, board: Restorable, path: Path, name: str, *, most_siemens: float | None = None
    ) -> None:
        """Restore the board from a file, or begin one.

        Args:
            board: As it was made.
            path: Of the snapshot, in a folder that exists.
            name: Of the board, see `digest`.
            most_siemens: Largest conductance that a device may have; None where unknown.

        Raises:
            ConfigError: The file is of another board, in use, or cannot be written.
            DataError: A file is damaged.
        """
        self._board, self._path, self._name, self._number = board, path, name, -1
        self._journal: Journal | None = None
        self.meter = Meter(board.info, most_siemens)
        self._lock = locked(path)
        try:
            if path.exists():
                self._restore()
            self.save()
        except OSError as e:
            self._lock.close()
            raise ConfigError(f"{path}: {e.strerror}; nothing was served") from e
        except XbarError:
            self._lock.close()
            raise

    @property
    def info(self) -> BoardInfo:
        """See `Board`."""
        return self._board.info

    @property
    def counters(self) -> Counters:
        """See `Board`."""
        return self._board.counters

    def read(self, device: Indices | None = None) -> Tensor:
        """See `Board.read`."""
        return self._board.read(device)

    def vmm(self, volts: Tensor) -> Tensor:
        """See `Board.vmm`."""
        return self._board.vmm(volts)

    def pulse(self, pulses: PulseBatch, shape: PulseShape | None = None) -> None:
        """See `Board.pulse`.

        Raises:
            OSError: It cannot be written down; nothing was sent.
        """
        self._write(Pulsing(pulses, shape, self.counters.as_dict()))
        self._board.pulse(pulses, shape)

    def wait(self, seconds: float, *, temperature_kelvin: float | None = None) -> None:
        """See `Board.wait`.

        Raises:
            OSError: As `pulse`.
        """
        self._write(Waiting(seconds, temperature_kelvin, self.counters.as_dict()))
        self._board.wait(seconds, temperature_kelvin=temperature_kelvin)

    def stick(self, device: Indices, siemens: Floats) -> None:
        """See `SimulatedBoard.stick`.

        Raises:
            OSError: As `pulse`.
        """
        self._write(Sticking(device, siemens, self.counters.as_dict()))
        self._board.stick(device, siemens)

    def sync(self) -> None:
        """Make all that was done last.

        Raises:
            OSError: It may not.
        """
        if self._journal is not None:
            self._journal.sync()

    def save(self) -> None:
        """Take a snapshot and begin a new journal and new random streams.

        Raises:
            OSError: It cannot be written; the former files hold.
        """
        number = self._number + 1
        journal = Journal(self._journal_path(number))
        try:
            atomic.write(self._path, self._content(number))
        except OSError:
            journal.close()
            raise
        old, self._journal, self._number = self._journal, journal, number
        self._board.begin_epoch(number)
        if old is not None:
            with contextlib.suppress(OSError):  # the snapshot holds what it could not
                old.close()
        self._forget_journals()

    def _content(self, number: int) -> bytes:
        """The bytes of a snapshot."""
        state = {name: array.numpy() for name, array in self._board.state_dict().items()}
        state |= {f"{SENT}{name}": array for name, array in self.meter.state().items()}
        if self._board.faults is not None:
            state[STUCK] = self._board.faults.stuck_siemens
        about = {"number": number, "board": self._name, "counters": self.counters.as_dict()}
        state["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        content = io.BytesIO()
        np.savez(content, **state)  # type: ignore[arg-type]  # numpy's stub wants the flag first
        return content.getvalue()

    def _forget_journals(self) -> None:
        """Remove all journals but that of the snapshot."""
        for path in self._path.parent.iterdir():
            middle = path.name.removeprefix(f"{self._path.name}.").removesuffix(".journal")
            is_journal = path.name == f"{self._path.name}.{middle}.journal" and middle.isdigit()
            if is_journal and int(middle) != self._number:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Save, and let go of the files; idempotent."""
        if self._journal is None:
            return
        self.save()
        self._journal.close()
        self._journal = None
        self._board.close()
        self._lock.close()

    def _write(self, event: Event) -> None:
        """Append to the journal; a long one first gives way to a snapshot."""
        if self._journal is None:
            raise OSError(9, "the board is closed")
        if self._journal.size > LONGEST_JOURNAL:
            self.save()
        self._journal.append(event)

    def _journal_path(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}.journal")

    def _restore(self) -> None:
        """Read the snapshot and play its journal."""
        arrays, about = snapshot_of(self._path, self._name)
        self._number = about["number"]
        path = self._journal_path(self._number)
        if not path.exists():
            raise DataError(f"{path} is missing beside its snapshot; nothing was served")
        try:
            self._board.load_state_dict(arrays)
            if STUCK in arrays:  # a file of before has those of the device file
                stuck = arrays[STUCK].numpy()
                if stuck.shape != self.info.shape or stuck.dtype != np.float64:
                    raise ValueError(
                        f"{STUCK} is {stuck.dtype} {stuck.shape}, not float64 {self.info.shape}"
                    )
                self._board.stick(np.arange(stuck.size), stuck.reshape(-1))
            self._board.begin_epoch(self._number)
            self._board.counters = counted(about["counters"])
            self.meter.restore(self._sent(arrays))
            for event in events(path):
                self._play(event)
        except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as e:
            why = reason(e).removesuffix("; nothing was sent")
            raise DataError(f"{self._path} is damaged ({why}); nothing was served") from e

    def _sent(self, arrays: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
        """What a snapshot says was sent; see `meter` for a file that does not say it."""
        of_device = (
            arrays["pulsed"].reshape(-1),
            torch.tensor(self.counters.write_joules, dtype=torch.float64),
        )
        return {
            name: arrays.get(f"{SENT}{name}", default).numpy()
            for name, default in zip(("pulses", "joules"), of_device, strict=True)
        }

    def _play(self, event: Event) -> None:
        """Do again what the journal says; what was refused then is refused again."""
        self._board.counters = Counters(**event.counters)
        with contextlib.suppress(XbarError):
            if isinstance(event, Pulsing):
                self._board.pulse(event.pulses, event.shape)
                self.meter.add(costs(self.info, event.pulses, event.shape, self.meter.most_siemens))
            elif isinstance(event, Sticking):
                self._board.stick(event.device, event.siemens)
            else:
                self._board.wait(event.seconds, temperature_kelvin=event.temperature_kelvin)


def snapshot(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The arrays of a snapshot, and what it says about itself.

    Raises:
        DataError: It is no snapshot.
    """
    try:
        arrays = npz.read(path)
        about: dict[str, Any] = json.loads(arrays.pop("about").tobytes())
        for key, kind in (("number", int), ("board", str), ("counters", dict)):
            if not isinstance(about[key], kind):
                raise TypeError(key)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}, about
    except UNREADABLE as e:
        raise DataError(f"{path} is no state of a board, or damaged; nothing was served") from e


def snapshot_of(path: Path, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """See `snapshot`; of the board of this `digest`.

    Raises:
        ConfigError: It is of another board.
        DataError: It is no snapshot.
    """
    arrays, about = snapshot(path)
    if about["board"] != name:
        raise ConfigError(
            f"{path} is the state of another board (device file, shape or seed); nothing was served"
        )
    return arrays, about


def counted(events: Mapping[str, Any]) -> Counters:
    """Counters of a snapshot.

    Raises:
        TypeError, ValueError: They are none.
    """
    for name, value in events.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"counters.{name} is {value}")
    return Counters(**events)


def locked(path: Path) -> io.BufferedWriter:
    """A file beside `path` that only one process holds; closing it lets go.

    Raises:
        ConfigError: Another process serves this state, or the folder cannot be written.
    """
    try:
        file = path.with_name(f"{path.name}.lock").open("wb")
    except OSError as e:
        raise ConfigError(f"{path}: {e.strerror}; nothing was served") from e
    if os.name == "posix":
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise ConfigError(f"{path} is in use by another server; nothing was served") from None
    return file
