"""The state of a served board: what is acknowledged survives, what is damaged is refused."""

import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from xbar_scpi import same_board, served, service

from crossbar.boards.limits import Limits
from crossbar.boards.protocol import PulseBatch, PulseShape
from crossbar.boards.scpi.client import ScpiBoard
from crossbar.boards.scpi.journal import (
    Journal,
    Pulsing,
    Sticking,
    Waiting,
    decoded,
    encoded,
    events,
)
from crossbar.boards.scpi.state import StoredBoard, digest, snapshot
from device_models.errors import ConfigError, DataError, LimitError
from device_models.presets import load_device

ROOT = Path(__file__).parents[2]


def batch(device, count):
    return PulseBatch(np.asarray(device, np.int32), np.asarray(count, np.int32))


def stored(path, device="oxram", size=None):
    board = same_board(device, size)
    return StoredBoard(board, path, digest(load_device(device), board.info, 0)), board


def crash(kept):
    """What a kill leaves: files as they are, nothing saved, the lock gone."""
    os.close(kept._journal._file)
    kept._lock.close()


def restored(path):
    """What a restart would serve; leaves the files as a kill would."""
    kept, board = stored(path)
    crash(kept)
    return board


def work(board, number):
    """A few operations of every kind, told by a number."""
    rng = np.random.default_rng(number)
    board.pulse(batch(rng.permutation(20)[:7], rng.integers(-4, 5, 7)))
    board.read()
    board.pulse(batch([number % 20], [2]), PulseShape(1.2, 1e-7))
    board.vmm(torch.full((2, 4), 0.1))
    board.wait(0.5 * number)
    board.pulse(batch([3, 4], [1, -1]), PulseShape(np.array([1.2, 1.3]), np.array([1e-7, 1e-7])))


def same(one, other):
    states = one.state_dict(), other.state_dict()
    assert states[0].keys() == states[1].keys()
    for name, array in states[0].items():
        assert torch.equal(array, states[1][name]), name


# The journal


@pytest.mark.parametrize(
    "event",
    [
        Waiting(1.5, 300.0, {"a": 1}), Waiting(0.1, None, {}),
        Pulsing(batch([3, 1], [-1, 2]), None, {}),
        Pulsing(batch([3], [-1]), PulseShape(1.2, None), {}),
        Pulsing(batch([3, 1], [5, 6]), PulseShape(np.array([0.1, 0.2]), np.array([1.0, 2e-9])), {}),
        Pulsing(batch([], []), PulseShape(None, 1e-7), {}),
        Sticking(np.array([3, 1], np.int32), np.array([np.nan, 1e-3]), {"a": 2}),
        Pulsing(batch([2], [1]), PulseShape(np.array([1.1]), None, 2e-5), {}),
    ],
)  # fmt: skip
def test_an_event_is_read_as_it_was_written(event):
    again = decoded(encoded(event, 0))
    assert repr(again) == repr(event)


def filled(path, count=5, *, is_synced=True):
    journal, ends = Journal(path), []
    for number in range(count):
        journal.append(Waiting(float(number), None, {}))
        if is_synced:
            journal.sync()
        ends.append(journal.size)
    journal.close()
    return ends


def test_a_journal_that_ends_anywhere_holds_the_whole_records_before(tmp_path):
    path = tmp_path / "j"
    ends = filled(path)
    content = path.read_bytes()
    for size in range(len(content) + 1):
        path.write_bytes(content[:size])
        assert [e.seconds for e in events(path)] == list(range(sum(end <= size for end in ends)))


@pytest.mark.parametrize(
    "junk", [b"\0" * 5000, b"\xff" * 13, b"XBJ1" * 9, b"XBJ1\x05\0\0\0abcdhello"]
)
def test_what_a_power_cut_leaves_behind_the_last_record_is_left_out(tmp_path, junk):
    path = tmp_path / "j"
    filled(path)
    path.write_bytes(path.read_bytes() + junk)
    assert len(list(events(path))) == 5


def test_a_record_that_a_later_one_calls_safe_must_be_whole(tmp_path):
    path = tmp_path / "j"
    ends = filled(path)
    content = path.read_bytes()
    for place in range(ends[-2]):
        damaged = bytearray(content)
        damaged[place] ^= 0x40
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="is damaged at byte"):
            list(events(path))


def record(about, data=b""):
    content = json.dumps(about).encode() + b"\n" + data
    return struct.pack("<4sII", b"XBJ1", len(content), zlib.crc32(content)) + content


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"counters": {}, "safe": -1, "devices": 2**60}, "devices ends after 8 bytes"),
        ({"counters": {}, "safe": -1, "devices": -1}, "devices ends after 8 bytes"),
        ({"counters": {}, "safe": -1, "stuck": 1e999}, "stuck must be a whole number"),
        ({"counters": {}, "safe": -1, "devices": 1, "shape": ["x"]}, "a pulse must be a number"),
        ({"counters": {"set_pulses": None}, "safe": -1}, "set_pulses must be a number"),
        ([], "a record must be a mapping"),
    ],
)
def test_a_record_says_no_sizes_that_are_not_there(tmp_path, about, message):
    path = tmp_path / "j"
    path.write_bytes(record(about, bytes(8)))
    with pytest.raises(ValueError, match=message):
        list(events(path))
    path.write_bytes(struct.pack("<4sII", b"XBJ1", 2**32 - 1, 0))  # of four gigabytes
    assert not list(events(path))


def test_records_that_were_never_safe_may_be_torn_out_of_order(tmp_path):
    path = tmp_path / "j"
    ends = filled(path, is_synced=False)
    damaged = bytearray(path.read_bytes())
    damaged[ends[1] + 20] ^= 0x40
    path.write_bytes(damaged)
    assert [e.seconds for e in events(path)] == [0.0, 1.0]


def test_a_record_that_cannot_be_written_leaves_the_journal_as_it_was(tmp_path, monkeypatch):
    path, write = tmp_path / "j", os.write
    journal = Journal(path)
    journal.append(Waiting(1.0, None, {}))

    def half(file, data):
        write(file, bytes(data)[:7])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space"):
        journal.append(Waiting(2.0, None, {}))
    monkeypatch.setattr(os, "write", write)
    journal.append(Waiting(3.0, None, {}))
    journal.close()
    assert [e.seconds for e in events(path)] == [1.0, 3.0]


# A board with a state


@pytest.mark.parametrize("device", ["oxram", "ideal", "oxram_literature"])
def test_a_crash_loses_nothing_and_the_devices_are_the_same_bits(tmp_path, device):
    path = tmp_path / "state"
    kept, board = stored(path, device)
    if device == "ideal":
        for number in range(6):
            kept.pulse(batch([number, 7], [number + 1, -1]))
    else:
        for number in range(6):
            work(kept, number)
    crash(kept)
    again, played = stored(path, device)
    same(played, board)
    assert torch.equal(played.g, board.g)
    assert (again.counters - board.counters).set_pulses == 0
    assert again.counters.write_joules == board.counters.write_joules
    again.close()


def test_cells_that_were_made_stuck_are_stuck_after_a_restart(tmp_path):
    """From the journal, and from the snapshot after it."""
    kept, board = stored(tmp_path / "state")
    work(kept, 1)
    kept.stick(np.array([3, 7]), np.array([1e-3, 1e-6]))
    work(kept, 2)
    kept.stick(np.array([7]), np.array([np.nan]))
    work(kept, 3)
    crash(kept)
    again, played = stored(tmp_path / "state")
    crash(again)
    for one in (played, restored(tmp_path / "state")):
        same(one, board)
        assert torch.equal(one.g, board.g)
        assert one.g.view(-1)[3] == np.float32(1e-3)
    assert board.counters.lost_pulses > 0


LIMITED = Limits(volts=2.0, seconds=1e-3, compliance_amperes=None, pulses_per_cell=20, joules=1e-8)


def test_a_budget_survives_a_restart(tmp_path):
    path = tmp_path / "state"
    for ending in ("kill", "stop", "kill"):
        made = service(state=path, limits=LIMITED)
        instrument, session = made.instrument, made.instrument.session()
        instrument.ask(session, "OUTP ON;:PULS:ONE 0,1,UP,DEF,MAX,6;:PULS:ONE 0,0,DOWN,DEF,MAX,1")
        assert instrument.ask(session, "SYST:ERR?") == '0,"No error"'
        if ending == "kill":
            crash(made._stored)
        else:
            made.close()
    budget = service(state=path, limits=LIMITED)
    instrument, session = budget.instrument, budget.instrument.session()
    meter, law = instrument.bench.board.meter, load_device("oxram")
    assert meter.pulses[:3].tolist() == [3, 18, 0]
    squares = 18 * law.set_volts**2 + 3 * law.reset_volts**2
    assert meter.joules == pytest.approx(squares * law.width_seconds * law.g_max_siemens)
    instrument.ask(session, "OUTP ON;:PULS:ONE 0,1,UP,DEF,MAX,3")
    assert "21 pulses for word line 0, bit line 1" in instrument.ask(session, "SYST:ERR?")
    budget.close()


def test_a_state_of_before_counts_on_from_the_pulses_that_it_knows(tmp_path):
    path = tmp_path / "state"
    kept, board = stored(path)
    work(kept, 1)
    kept.close()
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if not name.startswith("sent.")}
    path.unlink()
    with path.open("wb") as file:
        np.savez(file, **arrays)
    again, _ = stored(path)
    assert np.array_equal(again.meter.pulses, board.pulsed.numpy().reshape(-1))
    assert again.meter.joules == board.counters.write_joules
    again.close()


def test_a_state_with_a_damaged_byte_is_refused_and_stays_or_is_the_same(tmp_path):
    path = tmp_path / "state"
    kept, _ = stored(path)
    work(kept, 1)
    kept.close()
    content, expected = path.read_bytes(), snapshot(path)
    refusals = set()
    for place in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 0x41
        path.write_bytes(damaged)
        try:
            arrays, about = snapshot(path)
        except DataError as e:
            refusals.add(str(e))
            continue
        assert about == expected[1]
        assert all(torch.equal(arrays[name], array) for name, array in expected[0].items())
    assert refusals == {f"{path} is no state of a board, or damaged; nothing was served"}


def test_a_board_that_was_killed_is_the_one_that_was_stopped(tmp_path):
    killed, stopped = (stored(tmp_path / name)[0] for name in ("killed", "stopped"))
    for board in (killed, stopped):
        work(board, 1)
    crash(killed)
    stopped.close()
    same(restored(tmp_path / "killed"), restored(tmp_path / "stopped"))


def test_a_state_changes_no_number_of_a_fresh_board(tmp_path):
    kept, _ = stored(tmp_path / "state")
    plain = same_board()
    for board in (kept, plain):
        work(board, 3)
    assert torch.equal(kept.read(), plain.read())
    assert kept.counters == plain.counters
    kept.close()


def test_a_refused_pulse_is_refused_again_when_it_is_played(tmp_path):
    kept, board = stored(tmp_path / "state")
    work(kept, 1)
    with pytest.raises(LimitError):
        kept.pulse(batch([99], [1]))
    work(kept, 2)
    crash(kept)
    same(restored(tmp_path / "state"), board)


def test_a_crash_at_any_moment_of_a_snapshot_leaves_files_that_belong_together(
    tmp_path, monkeypatch
):
    """The steps of `save`, cut after each file operation."""
    from device_models import atomic

    for cut in ("journal", "snapshot", "after"):
        path = tmp_path / cut
        kept, board = stored(path)
        work(kept, 4)
        with monkeypatch.context() as patch:
            if cut == "journal":
                patch.setattr(atomic, "write", failing)
            elif cut == "after":
                patch.setattr(StoredBoard, "_forget_journals", lambda self: failing())
            else:
                patch.setattr(type(board), "begin_epoch", lambda self, epoch: failing())
            with pytest.raises(OSError, match="cut"):
                kept.save()
        crash(kept)
        same(restored(path), board)
        assert len(list(tmp_path.glob(f"{cut}.*.journal"))) == 1


def failing(*_):
    raise OSError("cut")


def test_a_long_journal_gives_way_to_a_snapshot(tmp_path, monkeypatch):
    monkeypatch.setattr("crossbar.boards.scpi.state.LONGEST_JOURNAL", 3000)
    kept, board = stored(tmp_path / "state")
    for number in range(20):
        work(kept, number)
        assert kept._journal.size < 6000
    assert kept._number > 3
    crash(kept)
    same(restored(tmp_path / "state"), board)


# Refusals


def test_a_state_of_another_board_is_refused_and_stays(tmp_path):
    path = tmp_path / "state"
    stored(path)[0].close()
    before = path.read_bytes()
    for device, size in (("ideal", None), ("oxram", served(5, 4))):
        with pytest.raises(
            ConfigError, match=r"is the state of another board .* nothing was served$"
        ):
            stored(path, device, size)
    assert path.read_bytes() == before


def test_a_state_in_use_is_refused(tmp_path):
    kept, _ = stored(tmp_path / "state")
    with pytest.raises(ConfigError, match=r"is in use by another server; nothing was served$"):
        stored(tmp_path / "state")
    kept.close()
    stored(tmp_path / "state")[0].close()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"hello", bytes(1000)])
def test_a_file_that_is_no_state_is_refused_and_stays(tmp_path, content):
    path = tmp_path / "state"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"is no state of a board, or damaged; nothing was served$"):
        stored(path)
    assert path.read_bytes() == content


def with_nan(values):
    values = values.astype(np.float64)
    values.reshape(-1)[3] = np.nan
    return values


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("g", lambda g: with_nan(g).astype(np.float32), "g holds what is no finite number"),
        ("g", lambda g: -g, "g holds a number below 0"),
        ("g", np.float64, "it holds other devices .*: g is torch.float64"),
        ("pulsed", lambda pulsed: pulsed[:1, :3], "it holds other devices .*: pulsed is"),
        ("pulsed", lambda pulsed: pulsed - 1000, "pulsed holds a number below 0"),
        ("trait.set_gain", with_nan, "it holds other devices .*: trait.set_gain is"),
        ("dynamic.slow", lambda slow: slow[0], "it holds other devices .*: dynamic.slow is"),
        ("stuck_siemens", lambda stuck: stuck[:2], "stuck_siemens is float64"),
        ("stuck_siemens", lambda stuck: np.full_like(stuck, -1.0), "stuck_siemens has -1 S"),
        ("sent.pulses", with_nan, "pulses of a device were counted that are no whole number"),
        ("sent.pulses", lambda sent: sent - 1000, "pulses of a device were counted that are no"),
        ("sent.pulses", lambda sent: sent[:3], "pulses of 3 devices were counted"),
        ("sent.joules", lambda sent: sent - 1.0, "joules of -.* were counted"),
    ],
)  # fmt: skip
def test_a_whole_file_of_what_no_board_can_be_is_refused_and_stays(tmp_path, name, change, why):
    path = tmp_path / "state"
    kept = StoredBoard(
        board := same_board(), path, digest(load_device("oxram"), board.info, 0), most_siemens=1e-3
    )
    work(kept, 1)
    kept.stick(np.array([3]), np.array([1e-3]))
    kept.close()
    with np.load(path) as file:
        forged = {n: change(file[n]) if n == name else file[n] for n in file.files}
    with path.open("wb") as file:
        np.savez(file, **forged)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(DataError, match=rf"state is damaged \({why}[^\n]*; nothing was served$"):
        stored(path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_state_of_devices_by_tables_that_there_are_not_is_refused(tmp_path):
    path = tmp_path / "state"
    stored(path, "taox_tabulated")[0].close()
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["trait.table"][0, 0] = 1_000_000
    with path.open("wb") as file:
        np.savez(file, **arrays)
    with pytest.raises(DataError, match=r"trait.table holds what is no table of 0 to \d+\); noth"):
        stored(path, "taox_tabulated")


def test_a_missing_journal_is_noticed(tmp_path):
    path = tmp_path / "state"
    crash(stored(path)[0])
    (tmp_path / "state.0.journal").unlink()
    with pytest.raises(DataError, match=r"state\.0\.journal is missing"):
        stored(path)


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"No such file or directory; nothing was served$"):
        stored(tmp_path / "none" / "state")


def test_a_full_disk_sends_nothing_and_says_so(tmp_path, monkeypatch):
    made = service(state=tmp_path / "state")
    instrument = made.instrument
    session = instrument.session()
    instrument.ask(session, "OUTP ON")
    counters = instrument.bench.board.counters

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        instrument.ask(session, "PULS:ONE 0,0,UP,DEF")
    assert instrument.ask(session, "SYST:ERR?").startswith('-310,"System error;No space left')
    assert instrument.bench.board.counters == counters
    instrument.ask(session, "PULS:ONE 0,0,UP,DEF;:DIAG:EMUL:SNAP")
    assert instrument.bench.board.counters.set_pulses == 1
    assert instrument.ask(session, "SYST:ERR?") == '0,"No error"'
    made.close()


# A real kill


class Process:
    """`xbar serve` in a process of its own."""

    def __init__(self, state):
        command = [
            sys.executable,
            "-c",
            "from cli.main import main; main()",
            "serve",
            "--port",
            "0",
        ]
        options = ["--rows", "4", "--columns", "5", "--state", str(state)]
        self.process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        line = self.process.stdout.readline()
        assert "tcp://" in line, line + self.process.stderr.read()
        host, port = line.rpartition("tcp://")[2].split(":")
        self.address = host, int(port)

    def end(self, number):
        self.process.send_signal(number)
        self.process.communicate(timeout=60)
        return self.process.returncode


def acknowledged_pulses(address, rng, kill):
    """Pulse one device after another until the server is gone; how many were acknowledged."""
    from device_models.errors import HardwareError

    board, done = ScpiBoard(*address, timeout_seconds=30.0), 0
    deadline = time.monotonic() + rng.uniform(0.0, 0.15)
    try:
        while True:
            if time.monotonic() > deadline and not kill.is_set():
                kill.set()
            board.pulse(batch([done % 20], [1]))
            done += 1
    except HardwareError:
        return done


def killed_rounds(path, rounds):
    """Kill a server at random moments; every time, all that it acknowledged is there."""
    import threading

    rng, total = random.Random(1), 0
    for _ in range(rounds):
        server, kill = Process(path), threading.Event()
        with ScpiBoard(*server.address) as board:
            before = board.counters
        assert before.set_pulses >= total
        killer = threading.Thread(
            target=lambda s=server, k=kill: (k.wait(60), s.end(signal.SIGKILL))
        )
        killer.start()
        done = acknowledged_pulses(server.address, rng, kill)
        killer.join()
        total = before.set_pulses + done
        board = restored(path)
        # The one under way may have been written down, and not acknowledged.
        assert total <= board.counters.set_pulses <= total + 1
        total = board.counters.set_pulses
        assert int(board.pulsed.sum()) == total
    return total


def test_what_a_killed_server_acknowledged_is_there_after_a_restart(tmp_path):
    assert killed_rounds(tmp_path / "state", 2) > 0


@pytest.mark.slow
def test_twenty_kills_lose_nothing(tmp_path):
    assert killed_rounds(tmp_path / "state", 20) > 20
