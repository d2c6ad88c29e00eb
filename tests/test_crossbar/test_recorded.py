"""Sessions that are recorded and played back, whole and torn."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from xbar_lab_boards import GRID, OXRAM, simulated

from crossbar.boards import lab
from crossbar.boards.protocol import PulseBatch, PulseShape
from crossbar.boards.quantised import QuantisedBoard
from crossbar.boards.recorded import PlayedBoard, RecordingBoard, open_recording
from device_models.errors import DataError, HardwareError, LimitError, ShapeError

UP, DOWN = OXRAM.set_volts, -OXRAM.reset_volts
BATCH = PulseBatch(np.array([3, 1], np.int32), np.array([2, -1], np.int32))
SHAPE = PulseShape(np.array([1.2, 1.3]), 1e-7, 1e-3)


def session(board):
    """Everything that can be asked of a board; what came back, in order."""
    answers = [board.info, lab.read_all(board), lab.read_one(board, 2, 3)]
    board.pulse(BATCH, SHAPE)
    board.pulse(BATCH)
    answers.append(lab.vmm(board, np.linspace(0.0, 0.2, 20).reshape(2, 10)))
    board.wait(0.1)
    answers += [board.read(np.array([[5, 7]])), board.counters]
    for wrong in (
        lambda: board.read(np.array([80])),
        lambda: board.vmm(torch.zeros(1, 9)),
    ):
        with pytest.raises((LimitError, ShapeError)) as raised:
            wrong()
        answers.append((raised.type, str(raised.value)))
    answers.append(board.counters)
    board.close()
    return answers


def recorded(path):
    """A recorded session, and what it gave."""
    return session(RecordingBoard(QuantisedBoard(simulated(), GRID), path))


def test_a_played_session_is_the_recorded_one_to_the_last_bit(tmp_path):
    path = tmp_path / "session.jsonl"
    live, played = recorded(path), session(PlayedBoard(path))
    assert len(live) == len(played)
    for one, other in zip(live, played, strict=True):
        if isinstance(one, np.ndarray | torch.Tensor):
            assert one.dtype == other.dtype
            assert np.asarray(one).tobytes() == np.asarray(other).tobytes()
        else:
            assert one == other


class Gone(Exception):
    """A connection was lost."""


class Connected:
    """A board that answers nothing any more once it is closed or has failed."""

    def __init__(self):
        self.board, self.is_open = simulated(), True
        self.info = self.board.info

    @property
    def counters(self):
        if not self.is_open:
            raise HardwareError("closed")
        return self.board.counters

    def read(self, device=None):
        return self.board.read(device)

    def wait(self, seconds):
        self.is_open = False
        raise Gone("cable")

    def close(self):
        self.is_open = False


@pytest.mark.parametrize("fails", [False, True])
def test_a_board_that_is_closed_or_gone_is_asked_for_no_counters(fails, tmp_path):
    path = tmp_path / "session.jsonl"
    live = RecordingBoard(Connected(), path)
    live.read(np.arange(3))
    if fails:
        with pytest.raises(Gone, match=r"^cable$"):
            live.wait(1.0)
    live.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["of"] for line in lines[2::2]] == [1, 2, 3][: 2 + fails]
    assert lines[-1]["counters"]["device_reads"] == 3


@pytest.mark.parametrize("value", [np.nan, -np.inf, 5e-324, 0.1, -0.0, 1 / 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_number_survives(tmp_path, value, dtype):
    class Constant:
        """Answers one number."""

        info, counters = simulated().info, simulated().counters

        def read(self, device=None):
            return torch.from_numpy(np.full(device.shape, value, dtype))

        def close(self):
            pass

    path = tmp_path / "session.jsonl"
    board, device = RecordingBoard(Constant(), path), np.arange(3)
    live = board.read(device)
    board.close()
    played = PlayedBoard(path).read(device)
    assert played.dtype == live.dtype
    assert played.numpy().tobytes() == live.numpy().tobytes()


OTHER_CALLS = {
    "another call was recorded: read, and vmm was asked": lambda b: b.vmm(torch.zeros(2, 10)),
    "read with device None, and an array was asked": lambda b: b.read(np.array([3])),
}


@pytest.mark.parametrize("text", OTHER_CALLS)
def test_another_call_fails_with_the_difference_and_its_line(tmp_path, text):
    path = tmp_path / "session.jsonl"
    recorded(path)
    with pytest.raises(HardwareError, match=rf"session.jsonl:2: .*{text}$"):
        OTHER_CALLS[text](PlayedBoard(path))


@pytest.mark.parametrize(
    ("batch", "shape", "text"),
    [
        (BATCH._replace(device=np.array([3, 2])), SHAPE, r"device \[1\] = 1, and 2 was asked"),
        (BATCH._replace(count=np.array([2, 1])), SHAPE, r"count \[1\] = -1, and 1 was asked"),
        (BATCH, SHAPE._replace(seconds=2e-7), r"seconds 1e-07, and 2e-07 was asked"),
        (BATCH, SHAPE._replace(volts=np.array([1.2, np.nextafter(1.3, 2)])), r"volts \[1\] = 1.3"),
        (BATCH, SHAPE._replace(volts=1.2), r"volts an array, and 1.2 was asked"),
        (BATCH, None, r"volts an array, and None was asked"),
        (PulseBatch(np.array([3]), np.array([2])), SHAPE, r"device of shape \(2,\), and \(1,\)"),
    ],
)
def test_another_pulse_fails_with_the_difference(tmp_path, batch, shape, text):
    path = tmp_path / "session.jsonl"
    recorded(path)
    board = PlayedBoard(path)
    lab.read_all(board)
    lab.read_one(board, 2, 3)
    with pytest.raises(HardwareError, match=rf":6: another call was recorded: pulse with {text}"):
        board.pulse(batch, shape)


def ending(path, first):
    """How a session of a read and a wait ends when it is played; empty: with both answered."""
    try:
        board = PlayedBoard(path)
        assert torch.equal(board.read(np.array([1, 2])), first)
        board.wait(1.0)
    except DataError as e:
        return str(e)
    return ""


def test_a_session_that_ends_early_says_so_wherever_it_was_cut(tmp_path):
    """Cut at every byte: whole lines play as recorded, then comes one line that says where."""
    path, cut = tmp_path / "session.jsonl", tmp_path / "cut.jsonl"
    live = RecordingBoard(simulated(shape=(2, 2)), path)
    first = live.read(np.array([1, 2]))
    live.wait(1.0)
    live.close()
    content = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == ord("\n")]
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        text, lines = ending(cut, first), sum(end <= length for end in ends)
        assert ("is torn" in text) == (lines < 5 and length not in (0, *ends))
        assert ("the board may have seen it" in text) == (lines in (2, 4))
        assert ("the session ends here" in text) == (lines in (1, 3))
        assert (text == "") == (lines >= 5)


KILLED = """
import sys, numpy as np
from xbar_lab_boards import simulated
from crossbar.boards.recorded import RecordingBoard
board = RecordingBoard(simulated(), sys.argv[1])
for number in range(10**9):
    board.read(np.array([number % 80]))
    if number == 200:
        print("go", flush=True)
"""


def test_a_killed_recorder_leaves_all_it_was_answered(tmp_path):
    path = tmp_path / "session.jsonl"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, env=env, text=True
    ) as process:
        assert process.stdout.readline() == "go\n"
        process.send_signal(signal.SIGKILL)
    answered = path.read_bytes().count(b'"of"')
    board, live = PlayedBoard(path), simulated()
    for number in range(answered):
        device = np.array([number % 80])
        assert torch.equal(board.read(device), live.read(device))
    assert answered > 200
    assert board.counters == live.counters
    with pytest.raises(DataError, match=r"the session ends here|cut off during this read|torn"):
        board.read(np.array([answered % 80]))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", ":0: it is empty"),
        ("{}\n", ":1: no xbar session of version 1"),
        ("{\n", ":1: not JSON"),
        ("[]\n", ":1: not a mapping"),
        ('{"format": "xbar session", "version": 1}\n', ":1: it does not describe a board"),
        ("\xe9\n", "not a text file"),
    ],
)
def test_what_is_no_session_is_refused_in_one_line(tmp_path, content, text):
    path = tmp_path / "session.jsonl"
    path.write_text(content, "utf-8")
    with pytest.raises(DataError, match=text) as raised:
        PlayedBoard(path)
    assert "\n" not in str(raised.value)


WRONG_LINES = {
    "counters of another kind": ({"counters": {"device_reads": "many"}}, "must be a whole number"),
    "no counters": ({"counters": None}, "it.counters must be a mapping"),
    "an array of objects": ({"result": {"dtype": "|O8", "shape": [1], "base64": "AAAA"}},
                            "an array of '[|]O8', not of numbers"),
    "an array that is cut": ({"result": {"dtype": "<f4", "shape": [9], "base64": "AAAAAA=="}},
                             "cannot reshape array of size 1"),
    "no text of bytes": ({"result": {"dtype": "<f4", "shape": [1], "base64": 3}}, "must be text"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_LINES)
def test_an_answer_that_is_none_is_refused_with_its_line(tmp_path, name):
    path = tmp_path / "session.jsonl"
    board = RecordingBoard(simulated(), path)
    lab.read_all(board)
    changes, message = WRONG_LINES[name]
    head, asked, outcome, *_ = path.read_text().splitlines()
    path.write_text("\n".join([head, asked, json.dumps(json.loads(outcome) | changes)]) + "\n")
    with pytest.raises(DataError, match=rf"session.jsonl:3: .*{message}"):
        lab.read_all(PlayedBoard(path))
    board.close()


@pytest.mark.parametrize("kind", ["SystemExit", "GeneratorExit", "no\x1b[2Jkind"])
def test_no_recorded_error_ends_a_program_or_reaches_a_terminal(tmp_path, kind):
    path = tmp_path / "session.jsonl"
    board = RecordingBoard(simulated(), path)
    lab.read_all(board)
    board.close()
    head, asked, outcome, *_ = path.read_text().splitlines()
    error = {"error": {"kind": kind, "text": "a\nb\x1b[2J"}}
    path.write_text("\n".join([head, asked, json.dumps(json.loads(outcome) | error)]) + "\n")
    with pytest.raises(HardwareError, match=r": a b\\x1b\[2J$") as raised:
        lab.read_all(PlayedBoard(path))
    assert str(raised.value).isprintable()


def test_a_file_is_never_written_over_and_a_missing_one_is_said(tmp_path):
    path = tmp_path / "session.jsonl"
    with pytest.raises(DataError, match=r"session.jsonl: No such file"):
        PlayedBoard(path)
    recorded(path)
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"File exists; nothing was sent"):
        RecordingBoard(simulated(), path)
    assert path.read_bytes() == before


def test_an_interrupt_is_recorded_and_played(tmp_path, monkeypatch):
    path = tmp_path / "session.jsonl"
    board = RecordingBoard(simulated(), path)

    def interrupted(device=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(board.board, "read", interrupted)
    for played in (board, PlayedBoard(path)):
        with pytest.raises(KeyboardInterrupt):
            played.read()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[-1]["error"]["kind"] == "KeyboardInterrupt"
    board.close()


def test_a_recording_is_opened_by_its_file(tmp_path):
    path = tmp_path / "session.jsonl"
    board = RecordingBoard(simulated(), path)
    siemens = lab.read_all(board)
    board.close()
    played = open_recording(str(path), token=None, timeout_seconds=1.0)
    assert np.array_equal(lab.read_all(played), siemens)
