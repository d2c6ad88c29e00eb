"""Layers on one board, boards whose answers are looked at, and trainings held to limits."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from xbar_bench import STEPS, Bench, problem
from xbar_lab_boards import OXRAM, exact, simulated
from xbar_training import finish

from crossbar.array.counters import Counters
from crossbar.boards.address import open_board
from crossbar.boards.checked import CheckedBoard
from crossbar.boards.limited import LimitedBoard
from crossbar.boards.limits import Limits
from crossbar.boards.protocol import PulseBatch, PulseShape
from crossbar.boards.recorded import RecordingBoard
from crossbar.boards.region import AT_A_TIME, Stack
from crossbar.experiment import boards as training_boards
from crossbar.experiment import builder
from crossbar.experiment.config import Training
from crossbar.experiment.dry_run import needed_lines
from device_models.errors import (
    BoardError,
    ConfigError,
    DataError,
    HardwareError,
    LimitError,
    RunError,
    ShapeError,
)
from device_models.schema import dump, load

OPEN = {"compliance_amperes": None, "pulses_per_cell": None, "joules": None}


def limits(**changes):
    return Limits(**{"volts": 1.5, "seconds": 1e-6} | OPEN | changes)


def batch(device, count):
    return PulseBatch(np.array(device, np.int32), np.array(count, np.int32))


# Layers on one board


def two_regions(board):
    """An array of 4 x 5 on a board of 10 x 8, and one of 6 x 8 below it."""
    stack = Stack(board)
    upper, lower = stack.place(0, (4, 5)), stack.place(1, (6, 8))
    stack.check()
    return upper, lower


def test_an_array_is_a_rectangle_of_the_board():
    board = exact()
    g = board.array_siemens()
    upper, lower = two_regions(board)
    assert (upper.info.shape, lower.info.shape) == ((4, 5), (6, 8))
    assert torch.equal(upper.read(), g[:4, :5])
    assert torch.equal(lower.read(), g[4:])
    device = np.array([[0, 19], [7, 7]])
    expected = g[:4, :5].reshape(-1)[device.ravel()].view(2, 2)
    assert torch.equal(upper.read(device), expected)
    volts = 0.2 * torch.rand((3, 4))
    assert_close(upper.vmm(volts), volts @ g[:4, :5])
    volts = 0.2 * torch.rand((3, 6))
    assert_close(lower.vmm(volts), volts @ g[4:])
    assert upper.vmm(volts[:0, :4]).shape == (0, 5)


def test_pulses_reach_the_devices_of_the_array_and_no_others():
    board = exact()
    before = board.read()
    upper, lower = two_regions(board)
    upper.pulse(batch([0, 19], [3, -2]))
    lower.pulse(batch([47], [1]), PulseShape(np.array([1.3]), 1e-7))
    moved = (board.read() != before).nonzero().tolist()
    assert moved == [[0, 0], [3, 4], [9, 7]]
    other = exact()
    other.pulse(batch([0, 28], [3, -2]))
    other.pulse(batch([79], [1]), PulseShape(1.3, 1e-7))
    assert torch.equal(board.read(), other.read())


def test_each_array_counts_what_was_sent_to_it():
    board = exact()
    board.read()  # of nobody
    upper, lower = two_regions(board)
    upper.pulse(batch([0, 19], [3, -2]))
    lower.pulse(batch([47], [4]))
    lower.read(np.arange(5))
    upper.vmm(torch.full((2, 4), 0.1))
    one, other = upper.counters, lower.counters
    assert (one.set_pulses, one.reset_pulses, one.row_activations) == (3, 2, 8)
    assert (one.device_reads, other.device_reads) == (0, 5)
    assert (other.set_pulses, other.reset_pulses, other.row_activations) == (4, 0, 0)
    assert (one + other).device_reads == board.counters.device_reads - 80


def test_device_time_passes_once_for_all_arrays():
    board, waited = exact(), []
    board.wait = waited.append
    upper, lower = two_regions(board)
    for _ in range(2):
        upper.wait(1.5)
        lower.wait(1.5)
    lower.wait(0.5)
    assert waited == [1.5, 1.5, 0.5]


def test_an_array_asked_for_again_is_the_same():
    stack = Stack(exact())
    assert stack.place(0, (4, 5)) is stack.place(0, (4, 5))


def test_many_vectors_go_in_parts_that_are_always_the_same():
    board, sizes = exact(), []
    vmm = board.vmm
    board.vmm = lambda volts: sizes.append(len(volts)) or vmm(volts)
    whole = Stack(board).place(0, (10, 8))
    volts = 0.2 * torch.rand((AT_A_TIME + 5, 10))
    assert_close(whole.vmm(volts), volts @ board.array_siemens())
    assert sizes == [AT_A_TIME, 5]


def test_arrays_that_are_not_on_the_board_are_refused_with_its_size():
    stack = Stack(exact(tile=(5, 4)))
    stack.place(0, (4, 5))
    stack.place(1, (8, 9))
    message = (
        r"^the network needs 12 word lines x 9 bit lines \(4 x 5 \+ 8 x 9, one below the other\), "
        r"9 tiles of 5 x 4; emulated Oxram has 10 x 8, 4 of them; nothing was sent$"
    )
    with pytest.raises(ShapeError, match=message):
        stack.check()


@pytest.mark.parametrize("device", [20, -1])
def test_a_device_outside_the_array_is_refused_and_nothing_sent(device):
    upper, _ = two_regions(exact())
    for call in (lambda: upper.read(np.array([device])), lambda: upper.pulse(batch([device], [1]))):
        with pytest.raises(LimitError, match=f"there is no device {device}, .* nothing was sent"):
            call()
    with pytest.raises(ShapeError, match=r"not \(vectors, 4 word lines\); nothing was read"):
        upper.vmm(torch.zeros(1, 10))
    assert upper.counters == Counters()


# Answers of boards


class Faulty:
    """A board of which one answer is another."""

    def __init__(self, **answers):
        self.board, self.answers = Bench((6, 5)), answers

    def __getattr__(self, name):
        if name in self.answers:
            return self.answers[name]
        return getattr(self.board, name)


G, N = torch.full((6, 5), 1e-4), float("nan")


def with_one(value):
    g = G.clone()
    g[2, 3] = value
    return g


READS = {
    "numpy": (G.numpy(), BoardError, r"read gave a numpy array float32 \(6, 5\)"),
    "list": (G.tolist(), BoardError, "read gave list '"),
    "none": (None, BoardError, "read gave None"),
    "whole": (torch.ones(6, 5, dtype=torch.int32), BoardError, r"read gave int32 on cpu, \(6, 5\)"),
    "transposed": (G.T, ShapeError, r"read gave float32 on cpu, \(5, 6\), expected .*\(6, 5\)$"),
    "one too few": (G.reshape(-1)[1:], ShapeError, r"\(29,\), expected .*\(6, 5\)$"),
    "nan": (with_one(N), BoardError, "read gave nan S for word line 2, bit line 3, expected a c"),
    "inf": (with_one(float("inf")), BoardError, "read gave inf S for word line 2, bit line 3"),
    "far below 0": (with_one(-2e-4), BoardError, "gave -0.0002 S for word line 2, bit line 3"),
    "turned round": (-1e-3 * G, BoardError, "read gave -1e-07 S for word line 0, bit line 0"),
}
VMMS = {
    "nan": (torch.full((7, 5), N), BoardError, "vmm gave nan A on bit line 0 for vector 0"),
    "inf": (torch.full((7, 5), -float("inf")), BoardError, "vmm gave -inf A"),
    "a column": (torch.zeros(7, 1), ShapeError, r"vmm gave float32 on cpu, \(7, 1\), .*\(7, 5\)$"),
    "a row": (torch.zeros(1, 5), ShapeError, r"vmm gave float32 on cpu, \(1, 5\), .*\(7, 5\)$"),
    "whole": (torch.zeros(7, 5, dtype=torch.int64), BoardError, "vmm gave int64 on cpu"),
    "none": (None, BoardError, "vmm gave None, expected a torch tensor of floating point"),
}


@pytest.mark.parametrize("name", READS)
def test_a_read_that_is_none_is_refused_in_one_line(name):
    answer, error, message = READS[name]
    board = CheckedBoard(Faulty(read=lambda device=None: answer), most_siemens=1e-3)
    with pytest.raises(error, match=f"^bench: .*{message}") as caught:
        board.read()
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", VMMS)
def test_a_product_that_is_none_is_refused_in_one_line(name):
    answer, error, message = VMMS[name]
    board = CheckedBoard(Faulty(vmm=lambda volts: answer), most_siemens=1e-3)
    with pytest.raises(error, match=f"^bench: {message}") as caught:
        board.vmm(torch.zeros(7, 6))
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


def test_a_few_devices_that_read_wrong_are_named_where_they_are():
    board = CheckedBoard(Faulty(read=lambda device: torch.tensor([[1e-4, N]])), most_siemens=1e-3)
    with pytest.raises(BoardError, match="read gave nan S for word line 4, bit line 1,"):
        board.read(np.array([[3, 21]]))
    with pytest.raises(ShapeError, match=r"\(1, 2\), expected a torch tensor .*, \(2,\)$"):
        board.read(np.array([3, 21]))


def test_reads_below_zero_by_their_noise_alone_are_reads():
    noisy = with_one(-1e-5)
    board = CheckedBoard(Faulty(read=lambda device=None: noisy), most_siemens=1e-3)
    assert board.read() is noisy
    half = 1e-7 * torch.randn((6, 5), generator=torch.Generator().manual_seed(2))
    board = CheckedBoard(Faulty(read=lambda device=None: half), most_siemens=1e-3)
    assert board.read() is half
    assert 5 < int((half < 0).sum()) < 23


@pytest.mark.parametrize("thing", [None, 3, "tcp://127.0.0.1:5025", object(), Bench])
def test_what_is_no_board_is_refused_before_anything_is_sent(thing):
    config, data = problem()
    with pytest.raises(
        BoardError, match=r"^boards\(0, \(36, 16\)\).*; nothing was sent$"
    ) as caught:
        builder.build(config, STEPS, data, boards=lambda number, shape: thing)
    assert "\n" not in str(caught.value)


def info(**changes):
    return dataclasses.replace(Bench((6, 5)).info, **changes)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (None, "which is no board: it has no info"),
        ({"shape": (6, 5)}, "info is dict"),
        (SimpleNamespace(shape=(6, 5)), "info is SimpleNamespace"),
        (info(shape=30), r"info.shape is 30, expected \(word lines, bit lines\)"),
        (info(shape=(6, 5, 1)), "info.shape is"),
        (info(shape=[6, 5]), "info.shape is"),
        (info(shape=(6, 0)), "info.shape is"),
        (info(shape=(6.0, 5)), "info.shape is"),
        (info(tile_shape=None), "info.tile_shape is None"),
        (info(read_volts=0.0), "info.read_volts is 0.0, expected a number above 0"),
        (info(read_volts=N), "info.read_volts is nan"),
        (info(read_seconds=None), "info.read_seconds is None"),
    ],
)
def test_a_board_that_does_not_say_what_it_is_is_refused(about, message):
    with pytest.raises(BoardError, match=f"{message}.*; nothing was sent$"):
        CheckedBoard(Faulty(info=about))


def test_what_a_driver_raises_is_one_line_of_the_board():
    def broken(*_):
        raise ConnectionResetError(104, "Connection reset\nby peer")

    board = CheckedBoard(Faulty(read=broken, vmm=broken, pulse=broken, wait=broken, close=broken))
    calls = {
        "read": board.read,
        "vmm": lambda: board.vmm(torch.zeros(1, 6)),
        "pulse": lambda: board.pulse(batch([0], [1])),
        "wait": lambda: board.wait(1.0),
        "close": board.close,
    }
    for name, call in calls.items():
        message = rf"^bench: {name}: ConnectionResetError: \[Errno 104\] Connection reset by peer$"
        with pytest.raises(HardwareError, match=message):
            call()

    def refused(*_):
        raise LimitError("too much; nothing was sent")

    with pytest.raises(LimitError, match=r"^too much; nothing was sent$"):
        CheckedBoard(Faulty(pulse=refused)).pulse(batch([0], [1]))
    with pytest.raises(BoardError, match="counters gave int '7', expected Counters"):
        _ = CheckedBoard(Faulty(counters=7)).counters


@pytest.mark.parametrize("fault", ["read", "vmm"])
def test_a_training_ends_where_a_board_begins_to_answer_nan(fault):
    """It used to go on, silently, to a network of nan."""
    config, data = problem(policy="accumulate")
    calls = []

    class Dying(Bench):
        def read(self, device=None):
            calls.append("read")
            g = super().read(device)
            return g * N if fault == "read" and self.counters.set_pulses > 100 else g

        def vmm(self, volts):
            amperes = super().vmm(volts)
            return amperes * N if fault == "vmm" else amperes

    trainer = builder.trainer(config, STEPS, data, boards=lambda _, shape: Dying(shape))

    def run():
        trainer.start()
        finish(trainer, 1)

    with pytest.raises(BoardError, match=f"^bench: {fault} gave nan"):
        run()
    assert calls


# Addresses


def test_a_recorded_session_is_opened_by_its_address(tmp_path):
    path = tmp_path / "session.jsonl"
    board = RecordingBoard(simulated(), path)
    read = board.read()
    board.close()
    assert torch.equal(open_board(f"recorded:{path}").read(), read)
    with pytest.raises(DataError, match="No such file"):
        open_board(f"recorded:{tmp_path / 'none'}")


def test_a_driver_of_ones_own_is_opened_by_its_address():
    assert open_board("python:xbar_lab_boards.exact").info.shape == (10, 8)
    with pytest.raises(ConfigError, match=r"^python:xbar_lab_boards\.wrong: .*nothing was sent$"):
        open_board("python:xbar_lab_boards.wrong")
    with pytest.raises(ConfigError, match=r"at tcp:.*, recorded:.*, python:.*, TCPIP0::"):
        open_board("usb0")


# Limits


SENT = []  # boards that `real` opened


def real():
    """A board that is no emulator, as large as a network of `problem` needs."""
    board = simulated(dataclasses.replace(OXRAM), (36 + 8, 20))
    board.info = dataclasses.replace(board.info, is_emulator=False, name="cells")
    SENT.append(board)
    return board


@pytest.fixture
def opened(monkeypatch):
    """Opens the board of settings; the address is a function of this file."""
    SENT.clear()
    monkeypatch.setattr(training_boards, "open_board", lambda address, token=None: real())

    def run(**settings):
        config, data = problem(**settings)
        config = dataclasses.replace(config, board="python:here.real")
        board = training_boards.open_training_board(config, OXRAM)
        return config, data, board

    return run


def test_a_real_board_needs_limits_and_gets_nothing_without(opened):
    with pytest.raises(ConfigError, match=r"^cells is no emulator: it needs limits .* nothing was"):
        opened()
    assert SENT[0].counters == Counters()


def test_limits_without_a_board_are_refused():
    with pytest.raises(ConfigError, match=r"^limits: the simulated arrays of a training have none"):
        training_boards.open_training_board(Training(limits=limits()), OXRAM)


def test_nothing_is_emulated_on_a_board_of_an_address(opened):
    with pytest.raises(ConfigError, match=r"^reads.backward = true: of the boards"):
        opened(backward="true")
    assert not SENT


def test_limits_hold_over_all_arrays_and_all_epochs(opened, tmp_path):
    config, data, board = opened(policy="closed_loop", limits=limits(pulses_per_cell=100_000))
    trainer = builder.trainer(config, OXRAM, data, boards=board.stack.place)
    trainer.start()
    board.save_sent(tmp_path)
    counters = SENT[0].counters
    budget = board.limited.budget()
    assert budget.set_pulses == counters.set_pulses > 0
    assert budget.cells > 300
    assert sum((layer.board.counters for layer in trainer.layers), Counters()) == counters
    _, _, again = opened(policy="closed_loop", limits=limits(pulses_per_cell=budget.most_pulses))
    again.restore_sent(tmp_path)
    most = int(np.argmax(board.limited.meter.state()["pulses"]))
    with pytest.raises(LimitError, match=r"limits.pulses_per_cell = .* nothing was sent"):
        again.stack.board.pulse(batch([most], [1]))
    assert SENT[1].counters == Counters()


def test_what_counts_against_limits_is_of_this_board_and_readable(tmp_path):
    board = LimitedBoard(simulated(), limits())
    other = LimitedBoard(simulated(shape=(4, 4)), limits())
    with pytest.raises(ShapeError, match=r"pulses of 16 devices were counted, .* has 80; nothing"):
        board.meter.restore(other.meter.state())
    opened_board = training_boards.OpenedBoard(Stack(board), board)
    (tmp_path / "sent.npz").write_bytes(b"PK")
    with pytest.raises(RunError, match=r"sent\.npz cannot be read .*nothing was sent"):
        opened_board.restore_sent(tmp_path)


# Settings


def test_board_and_limits_are_settings_that_a_run_keeps(tmp_path):
    path = tmp_path / "config.yaml"
    config = Training(board="tcp://127.0.0.1:5025", limits=limits(joules=2e-3))
    path.write_text(dump(config))
    assert load(path, Training) == config
    assert Training().board == "simulated"
    path.write_text(dump(Training()))
    assert load(path, Training).limits is None


def test_the_lines_that_a_training_needs_are_those_of_all_its_arrays():
    config, data = problem()
    assert needed_lines(config, STEPS, data) == (36 + 8, 20)
    config, data = problem(policy="tiki_taka")
    oxram = dataclasses.replace(OXRAM)
    assert needed_lines(config, oxram, data) == (2 * (36 + 8), 20)
