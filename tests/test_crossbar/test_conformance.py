"""The conformance checks: every kind of board passes, each finds what is broken."""

import dataclasses

import numpy as np
import pytest
from xbar_lab_boards import BOARDS, OXRAM, simulated

from crossbar.array.counters import Counters
from crossbar.boards.conformance import CHECKS, run_checks
from crossbar.boards.protocol import PulseBatch
from crossbar.boards.recorded import PlayedBoard, RecordingBoard
from device_models.errors import LimitError

NAMES = [check.name for check in CHECKS]


def problems(results):
    """What is wrong, by check."""
    return {result.check.name: result.problem for result in results if result.problem}


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_passes_every_check(name):
    results = run_checks(BOARDS[name]())
    assert problems(results) == {}
    assert all(result.was_run for result in results)


def test_a_played_session_passes_as_the_recorded_board_did(tmp_path):
    live = run_checks(RecordingBoard(simulated(), tmp_path / "session.jsonl"))
    played = run_checks(PlayedBoard(tmp_path / "session.jsonl"))
    assert problems(live) == problems(played) == {}


class Broken:
    """A board of which one member is another's."""

    def __init__(self, **members):
        self.board = simulated(members.pop("model", OXRAM))
        self.more = Counters()
        for name, member in members.items():
            setattr(self, name, lambda *a, member=member, **k: member(self, *a, **k))

    info = property(lambda self: self.board.info)
    counters = property(lambda self: self.board.counters + self.more)

    def __getattr__(self, name):
        return getattr(self.board, name)


def read_of(change):
    """`read` with another answer."""

    def read(self, device=None):
        return change(self, self.board.read(device), device)

    return read


def wrapped_index(self, device=None):
    """`read` of a negative index from the end."""
    if device is not None and (device < 0).any():
        return self.board.read(device % 80)
    return self.board.read(device)


def fading(self, device=None):
    """`read` that loses 1e-5 of what it reads each time."""
    self.times = getattr(self, "times", 0) + 1
    return self.board.read(device) * (1 - 2e-5) ** self.times


def drawn_pulse(change):
    """`pulse` of another batch."""

    def pulse(self, pulses, shape=None):
        self.board.pulse(change(pulses), shape)

    return pulse


def careless(self, pulses, shape=None):
    """Pulses what the array has before it refuses the rest, like a driver that sends one by one."""
    inside = (pulses.device >= 0) & (pulses.device < 80)
    if not inside.all():
        before = self.counters
        self.board.pulse(PulseBatch(pulses.device[inside], pulses.count[inside]))
        self.more -= self.counters - before
        raise LimitError("there is no such device; nothing was sent")
    self.board.pulse(pulses, shape)


def counting(**extra):
    """A member that counts something more."""

    def member(name):
        def call(self, *args, **kwargs):
            result = getattr(self.board, name)(*args, **kwargs)
            self.more += Counters(**extra)
            return result

        return call

    return member


def neighbour(pulses):
    """The same pulses, and one for the next device."""
    if len(pulses.device) != 1 or not 0 <= pulses.device[0] < 79:
        return pulses
    more = np.array([pulses.device[0] + 1], np.int32)
    return PulseBatch(np.append(pulses.device, more), np.append(pulses.count, 40).astype(np.int32))


def close_once(self):
    """`close` that fails the second time."""
    if getattr(self, "is_closed", False):
        raise RuntimeError("the handle is gone")
    self.is_closed = True


BROKEN = {  # check -> boards that it must find, and a word of what it says
    "answers have their shapes, kinds and units": [
        ({"read": read_of(lambda b, g, d: g * 1e6)}, "1 S or more"),
        ({"read": read_of(lambda b, g, d: g.reshape(-1))}, "has shape (80,), not (10, 8)"),
        ({"read": read_of(lambda b, g, d: g.numpy())}, "gives ndarray, not a tensor"),
        ({"vmm": lambda b, v: b.board.vmm(v)[0]}, "vmm of 2 vectors has shape (8,)"),
    ],
    "read_one, read_slice and read_all agree within noise": [
        (
            {"read": read_of(lambda b, g, d: g.T.reshape(10, 8) if d is None else g)},
            "read_one and read_all differ",
        ),
        (
            {"read": read_of(lambda b, g, d: 1.05 * g if d is None or len(d) < 9 else g)},
            "bit slices and read_all differ",
        ),
    ],
    "masked is nan, and is not read": [
        (
            {"read": read_of(lambda b, g, d: g * np.nan if d is not None and len(d) == 4 else g)},
            "gives nan inside its mask",
        ),
    ],
    "what the array has not is refused": [
        ({"read": wrapped_index}, "device -1 is read, and no LimitError"),
        ({"vmm": lambda b, v: b.board.vmm(v[:, :10])}, "11 word lines are driven, and no Limit"),
    ],
    "vmm of a unit vector is the read of its word line": [
        ({"vmm": lambda b, v: b.board.vmm(v).flip(1)}, "vmm of word line 0 alone"),
        ({"vmm": lambda b, v: b.board.vmm(1.02 * v)}, "is not its read"),
    ],
    "vmm is linear in the voltages": [
        ({"vmm": lambda b, v: b.board.vmm(v + 0.4 * v**2)}, "twice the currents of half"),
        (
            {"vmm": lambda b, v: b.board.vmm(v) * (1 - 0.02 * (v != 0).float().mean())},
            "the whole and the parts differ",
        ),
    ],
    "zero in gives zero out": [
        ({"vmm": lambda b, v: b.board.vmm(v) + 1e-5}, "vmm of 0 V gives 1e-05 A"),
    ],
    "1000 reads drift by less than 1 %": [({"read": fading}, "1000 reads moved device")],
    "reads are counted": [
        ({"read": counting(device_reads=-1)("read")}, "devices were read"),
        ({"read": counting(set_pulses=1)("read")}, "a read counts pulses"),
    ],
    "SET raises and RESET lowers": [
        ({"pulse": drawn_pulse(lambda p: PulseBatch(p.device, -p.count))}, "raised"),
        ({"pulse": drawn_pulse(lambda p: PulseBatch(p.device, abs(p.count)))}, "lowered"),
        ({"pulse": drawn_pulse(lambda p: PulseBatch(p.device, 0 * p.count))}, "64 SET pulses"),
    ],
    "a pulse moves no other device": [
        ({"pulse": drawn_pulse(neighbour)}, "moved another: device"),
    ],
    "a refused pulse changes nothing": [
        ({"pulse": careless}, "refused pulses moved a device"),
        (
            {"pulse": drawn_pulse(lambda p: PulseBatch(p.device % 80, p.count))},
            "device 80 is pulsed, and no LimitError",
        ),
    ],
    "pulses are counted": [
        ({"pulse": counting(set_pulses=-1)("pulse")}, "SET pulses were sent"),
        ({"pulse": counting(set_pulses=64)("pulse")}, "as many SET as RESET"),
        ({"pulse": counting(device_reads=1)("pulse")}, "pulses are counted as reads"),
    ],
    "close is idempotent": [
        ({"close": close_once}, "the second close raises RuntimeError: the handle is gone"),
    ],
}  # fmt: skip


def test_there_are_broken_boards_for_every_check():
    assert list(BROKEN) == NAMES
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_check_finds_what_is_broken(name):
    check = CHECKS[NAMES.index(name)]
    assert check.run(Broken()) is None
    for members, text in BROKEN[name]:
        problem = check.run(Broken(**members))
        assert problem is not None, text
        assert text in problem
        assert "\n" not in problem


def test_an_error_of_the_board_is_a_problem_and_no_traceback():
    def fails(self, device=None):
        raise LimitError("no answer; nothing was read")

    results = run_checks(Broken(read=fails))
    assert problems(results)["reads are counted"] == "LimitError: no answer; nothing was read"


def test_a_board_that_is_no_emulator_is_pulsed_only_if_asked():
    real = Broken()
    real.board.info = dataclasses.replace(real.info, is_emulator=False)
    results = run_checks(real)
    assert [r.was_run for r in results] == [not check.is_destructive for check in CHECKS]
    assert problems(results) == {}
    assert (real.counters.set_pulses, real.counters.reset_pulses) == (0, 0)
    assert int(real.board.pulsed.sum()) == 0
    run_checks(real, allow_pulses=True, cells=[3, 4, 5])
    assert real.board.pulsed.view(-1).nonzero()[:, 0].tolist() == [3, 4, 5]
