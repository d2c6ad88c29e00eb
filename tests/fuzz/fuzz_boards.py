"""Readers of what boards and instruments write, and of what clients send to a served board."""

import asyncio
import functools
import importlib.util
import io
import json
import socket
import struct
import tempfile
import threading
import zlib
from contextlib import suppress
from pathlib import Path

import fuzz_mutations as damage
import numpy as np
import torch
from fuzz_reader import Reader

from crossbar.array.tile import Tiling
from crossbar.boards.budget import Meter
from crossbar.boards.limits import load_limits
from crossbar.boards.protocol import PulseBatch, PulseShape
from crossbar.boards.recorded import PlayedBoard, RecordingBoard
from crossbar.boards.scpi.serving import ServedBoard, Service
from crossbar.boards.scpi.state import StoredBoard
from crossbar.boards.scpi.table import spellings
from crossbar.boards.simulated import SimulatedBoard
from device_models.errors import LimitError, ShapeError
from device_models.fitting.options import Options
from device_models.fitting.readers import read as read_measurements
from device_models.presets import load_device

SHAPE = (2, 3)
DEVICES, COUNT = np.array([3, 1], np.int32), np.array([2, -1], np.int32)
BATCH = PulseBatch(DEVICES, COUNT)
BOARD = "a board of its own"  # in the place of a digest


def board():
    """A small emulated board, as it was made."""
    return SimulatedBoard(
        preset(), Tiling(*SHAPE, 8, 8), torch.ones(SHAPE, dtype=torch.bool), v_read_volts=0.2,
        t_read_seconds=1e-7, seed=1, index=0,
    )  # fmt: skip


@functools.cache
def preset():
    """Its devices."""
    return load_device("oxram.yaml")


# --- the state of a served board -----------------------------------------------------------------


@functools.cache
def saved():
    """A snapshot, and the journal of what was done since."""
    with tempfile.TemporaryDirectory(prefix="xbar-fuzz-") as name:
        stored = StoredBoard(board(), Path(name) / "x.state", BOARD)
        stored.pulse(BATCH)
        stored.pulse(BATCH, PulseShape(np.array([1.0, 1.1]), 1e-7))
        stored.wait(1.0)
        stored.stick(np.array([2]), np.array([1e-5]))
        files = (Path(name) / "x.state", Path(name) / "x.state.0.journal")
        contents = tuple(path.read_bytes() for path in files)
        stored.close()
    return contents


def restore(path, state, journal):
    """What `xbar serve --state` reads before it answers anybody."""
    for other in path.parent.iterdir():
        other.unlink()
    path = path.with_name("x.state")
    path.write_bytes(state)
    path.with_name("x.state.0.journal").write_bytes(journal)
    stored = StoredBoard(board(), path, BOARD)
    assert isinstance(stored.meter, Meter)
    stored.close()


def damaged_journal(random, content):
    """Records with their checksums, of which one says something else; or bytes damaged."""
    if random.random() < 0.3:
        return damage.damaged_bytes(random, content)
    records, at = [], 0
    while at < len(content):
        length = int.from_bytes(content[at + 4 : at + 8], "little")
        records.append(content[at + 12 : at + 12 + length])
        at += 12 + length
    at = random.randrange(len(records))
    about, _, data = records[at].partition(b"\n")
    if random.random() < 0.7:
        about = json.dumps(damage.damaged_json(random, json.loads(about))).encode()
    else:
        data = damage.damaged_bytes(random, data)
    records[at] = about + b"\n" + data
    if random.random() < 0.2:
        random.shuffle(records)
    heads = (struct.pack("<4sII", b"XBJ1", len(r), zlib.crc32(r)) for r in records)
    return b"".join(head + record for head, record in zip(heads, records, strict=True))


# --- limits, recordings --------------------------------------------------------------------------


def limits_files():
    """Limits of a board."""
    head = b"limits:\n  volts: 1.5\n  seconds: 1e-6\n  compliance_amperes: "
    return [
        head + b"null\n  pulses_per_cell: 1000\n  joules: null\n",
        b"model: oxram\n" + head + b"1e-3\n  pulses_per_cell: null\n  joules: 1e-3\nother: [1]\n",
    ]


def calls(played):
    """What is asked of the recorded board, one after the other."""
    yield played.read
    yield lambda: played.read(np.array([5]))
    yield lambda: played.pulse(BATCH, PulseShape(np.array([1.0, 1.1]), 1e-7, 1e-3))
    yield lambda: played.pulse(BATCH)
    yield lambda: played.vmm(torch.full((2, 2), 0.1))
    yield lambda: played.read(np.array([80]))
    yield lambda: played.wait(0.1)
    yield played.close


@functools.cache
def recordings():
    """A session, errors among it."""
    with tempfile.TemporaryDirectory(prefix="xbar-fuzz-") as name:
        path = Path(name) / "x.jsonl"
        for call in calls(RecordingBoard(board(), path)):
            with suppress(LimitError, ShapeError):
                call()
        return [path.read_bytes()]


def play(path):
    """What a training or a measurement on a recorded board asks."""
    for call in calls(PlayedBoard(path)):
        with suppress(LimitError, ShapeError):
            call()


def damaged_lines(random, content):
    """Lines of JSON of which one says something else, or damaged as any text."""
    if random.random() < 0.3:
        return damage.mixed(random, content)
    lines = content.decode().splitlines()
    at = random.randrange(len(lines))
    lines[at] = json.dumps(damage.damaged_json(random, json.loads(lines[at])))
    return "\n".join(lines).encode() + b"\n"


# --- messages of clients -------------------------------------------------------------------------

VALUES = (
    "0", "1", "WORD", "BIT", "0.2", "-0.9", "1e-6", "10 MV", "2", "ON", "MAX", "MIN", "DEF", "NAN",
    "#216" + "\0" * 16, "#18" + "\0" * 8, "(@0!1,1!0:1!2)", "'a b'", '"w"', "#H1F", "ASC",
    "REAL,32", "1,-1", "SA0", "OK", "ISPP", "3.3E-5", "#0", "VOLT", "9.91E37",
)  # fmt: skip


@functools.cache
def messages():
    """Sessions: every command, with parameters that may fit, and one that pulses."""
    lines = [f"{name}{'?' * asks}" for name, asks in sorted(spellings())]
    proper = [
        "*IDN?", "OUTP ON", "PULS:ONE 0,1,1.0,1e-7", "PULS:ARR #18" + "\0\0\0\1\0\0\0\2" + ",#18"
        + "\0\0\0\1\xff\xff\xff\xff", "READ:ALL?", "FORM REAL,32", "READ:VMM? WORD,0.1,0.2",
        "PROG:TARG 3e-5,NAN,NAN,NAN,NAN,3e-5", "PROG:STAR;*OPC?", "DIAG:EMUL:FAUL 1,1,SA0",
        "SYST:ERR:ALL?", "ROUT:CLOS (@1!1)", "SOUR:VOLT 0.1;:INIT;:FETC?", "SYST:WAIT 1",
    ]  # fmt: skip
    parts = [lines[i : i + 40] for i in range(0, len(lines), 40)]
    return ["\n".join(part).encode("latin-1") + b"\n" for part in [*parts, proper]]


def damaged_session(random, content):
    """Commands with parameters, some of them damaged."""
    lines = content.split(b"\n")
    for _ in range(random.choice((1, 4, 16))):
        at = random.randrange(len(lines))
        given = ",".join(random.choice(VALUES) for _ in range(random.randrange(6)))
        lines[at] += b" " + given.encode("latin-1") if b" " not in lines[at] else b""
    random.shuffle(lines)
    content = b"\n".join(lines[: random.randrange(1, 12)]) + b"\n"
    return damage.damaged_bytes(random, content) if random.random() < 0.5 else content


class ServingError(Exception):
    """The server did not live through what a client sent."""


@functools.cache
def server():
    """The address of a served board of this process, and what went wrong in its loop."""
    loop, ready, failures = asyncio.new_event_loop(), threading.Event(), []
    loop.set_exception_handler(lambda _, context: failures.append(context))
    service = Service(preset(), ServedBoard(rows=SHAPE[0], columns=SHAPE[1]))

    def serve():
        asyncio.set_event_loop(loop)
        loop.run_until_complete(service.server.start("127.0.0.1", 0))
        ready.set()
        loop.run_forever()

    threading.Thread(target=serve, daemon=True).start()
    if not ready.wait(60):
        raise ServingError("it did not start")
    return service.server.address, failures


def talk(path):
    """Send a file, and see that the next client is answered and nothing failed."""
    address, failures = server()
    answered = sent(address, path.read_bytes())
    hello = sent(address, b"*IDN?\n")
    if failures:
        problem = failures.pop().get("exception")
        failures.clear()
        raise problem or ServingError("its loop failed")
    if b"xbar" not in hello.lower():
        raise ServingError(f"the next client was told {hello[:80]!r}")
    return answered


def sent(address, content):
    """All that the server answers to one client."""
    with socket.create_connection(address, 60) as client:
        with suppress(ConnectionError):  # it may hang up at a block that is too long
            client.sendall(content)
            client.shutdown(socket.SHUT_WR)
        pieces = []
        with suppress(ConnectionError):
            while piece := client.recv(1 << 16):
                pieces.append(piece)
        return b"".join(pieces)


# --- HDF5 ----------------------------------------------------------------------------------------

FIELDS = [*((n, "<f4") for n in ("current", "voltage", "pulse_width", "read_voltage")),
          ("op_type", "<u4")]  # fmt: skip
ROWS = [(2e-6, 0.2, 0, 0.2, 1), (-4e-6, 1.5, 1e-6, 0.2, 3), (0, -1, 1e-6, 0, 2),
        (3e-6, 0.2, 0, 0.2, 1)]  # fmt: skip


def hdf5(fill):
    """The bytes of a file that `fill` has filled."""
    import h5py

    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        fill(file)
    return content.getvalue()


def histories(file, rows=ROWS, fields=FIELDS, nrows=None, **settings):
    """Two crosspoints."""
    for name in ("W03B07", "W03B08"):
        group = file.create_group(f"crosspoints/{name}")
        data = group.create_dataset("timeseries", data=np.array(rows, fields), **settings)
        data.attrs["NROWS"] = len(rows) if nrows is None else nrows


def arc_two_files():
    """Files of an ArC TWO, plain and compressed."""
    return [
        hdf5(histories),
        hdf5(lambda file: histories(file, compression="gzip", chunks=(2,), maxshape=(None,))),
    ]


def damaged_hdf5(random, content):
    """Bytes damaged, or a file of another form."""
    if random.random() < 0.9:
        return damage.damaged_bytes(random, content)
    nrows = random.choice((0, -1, 3, 10**18, 2.5, float("nan"), "3", b"\xff", [1, 2], np.array(2)))
    fields = [(n, random.choice(("<f8", "<i8", "S3", "<f4", "(2,)<f4"))) for n, _ in FIELDS]

    def other(file):
        group = file.create_group("crosspoints/W1B1")
        match random.randrange(7):
            case 0:
                return histories(group, nrows=nrows)
            case 1:
                return histories(file, np.zeros(3, fields), fields)
            case 2:
                group["timeseries"] = random.choice((1.0, "text", np.zeros((2, 2))))
            case 3:
                large = {"chunks": (1 << 10,), "shape": (10 ** random.randrange(4, 15),)}
                data = group.create_dataset("timeseries", dtype=FIELDS, **large)
                data.attrs["NROWS"] = large["shape"][0]
            case 4:
                group["timeseries"] = __import__("h5py").ExternalLink("/etc/passwd", "/x")
            case 5:
                group["timeseries"] = __import__("h5py").SoftLink(random.choice(("/", "/a", ".")))
            case _:
                return histories(file, fields=FIELDS[: random.randrange(1, 5)], rows=[])
        return None

    return hdf5(other)


def read_arc_two(path):
    """What `xbar fit` reads of it."""
    read_measurements([path], options=Options(g_min_siemens=1e-6, g_max_siemens=1e-4))


BOARDS = {
    "board state": Reader(
        lambda: [saved()[0]], damage.damaged_npz,
        lambda path: restore(path, path.read_bytes(), saved()[1]), "x.npz", 60,
    ),
    "board journal": Reader(
        lambda: [saved()[1]], damaged_journal,
        lambda path: restore(path, saved()[0], path.read_bytes()), "x.bin", 60,
    ),
    "limits": Reader(limits_files, damage.damaged_text, load_limits, "x.yaml", 150),
    "recording": Reader(recordings, damaged_lines, play, "x.jsonl", 300),
    "served board": Reader(messages, damaged_session, talk, "x.scpi", 60),
}  # fmt: skip
if importlib.util.find_spec("h5py"):  # an extra of the package
    BOARDS["arc two"] = Reader(arc_two_files, damaged_hdf5, read_arc_two, "x.h5", 60)
