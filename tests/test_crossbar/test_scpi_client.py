"""A board over TCP: the same numbers as in this process, and errors of one line."""

import socket
import struct
import threading

import numpy as np
import pytest
import torch
from xbar_scpi import Raw, running, same_board, served, service

from crossbar.boards import lab
from crossbar.boards.address import open_board
from crossbar.boards.conformance import CHECKS
from crossbar.boards.protocol import PulseBatch, PulseShape
from crossbar.boards.scpi import wire
from crossbar.boards.scpi.client import ScpiBoard
from crossbar.boards.scpi.server import ServerLimits
from crossbar.boards.write_verify import program
from device_models.errors import ConfigError, HardwareError, LimitError, ShapeError
from device_models.presets import load_device
from device_models.pulse_law import ceiling_siemens


@pytest.fixture
def address():
    with running(service()) as where:
        yield where


def batch(device, count):
    return PulseBatch(np.asarray(device, np.int32), np.asarray(count, np.int32))


def everything(board):
    """Reads, products, pulses and waits of a board: all that it answers."""
    answers = [board.read(), board.read(np.array([[3, 3], [19, 0]])), board.read(np.array(7))]
    board.pulse(batch([4, 0, 11], [3, -2, 0]))
    board.pulse(batch(np.arange(20), np.arange(20) - 10), PulseShape(None, 1e-7))
    board.pulse(batch([5, 6], [1, -1]), PulseShape(np.array([1.2, 1.3]), 1e-7))
    board.pulse(batch([7, 8], [4, -4]), PulseShape(1.45, 3.3e-7))
    board.pulse(batch([9, 8], [4, -4]), PulseShape(np.array([1.05, 1.5]), np.array([1e-6, 2e-8])))
    board.wait(3.0)
    volts = torch.linspace(-0.2, 0.2, 12, dtype=torch.float64).view(3, 4)
    return [*answers, board.vmm(volts), board.vmm(volts[:0]), board.read(np.zeros(0, np.int64)),
            board.read()]  # fmt: skip


@pytest.mark.parametrize("device", ["oxram", "ideal", "gaussian_update"])
def test_a_board_over_tcp_is_the_board_to_the_last_bit_noise_and_all(device):
    with running(service(device)) as where, ScpiBoard(*where) as far:
        near = same_board(device)
        if device == "oxram":
            expected, answers = everything(near), everything(far)
        else:
            for board in (near, far):
                board.pulse(batch([4, 0, 11], [3, -2, 0]))
            expected, answers = [near.read()], [far.read()]
        for value, answer in zip(expected, answers, strict=True):
            assert answer.dtype == value.dtype
            assert torch.equal(answer, value)
        assert far.info == near.info
        assert far.counters == near.counters


def test_a_set_over_tcp_ends_at_its_compliance_as_beside_the_board():
    with running(service("oxram_literature")) as where, ScpiBoard(*where) as far:
        near = same_board("oxram_literature")
        law, ends = load_device("oxram_literature"), []
        for bit, amperes in enumerate((8e-5, 4e-5, 2e-5)):
            with pytest.warns(RuntimeWarning, match="Compliance tripped"):
                lab.pulse_slice(far, bit, "bit", 1.3, count=400, compliance_amperes=amperes)
            lab.pulse_slice(near, bit, "bit", 1.3, count=400, compliance_amperes=amperes)
            ends.append(float(near.g[:, bit].max()))
        limits = [ceiling_siemens(law, amperes) for amperes in (8e-5, 4e-5, 2e-5)]
        assert ends == pytest.approx(limits, rel=1e-6)
        assert torch.equal(far.read(), near.read())
        assert far.counters == near.counters


def test_a_transfer_larger_than_a_block_goes_in_pieces_that_are_not_waited_for():
    limits = ServerLimits(block_bytes=256)
    with running(service("ideal", clients=limits)) as where, ScpiBoard(*where) as far:
        near = same_board("ideal")
        device = np.arange(20).repeat(40)
        assert torch.equal(far.read(device), near.read(device))
        volts = torch.linspace(-0.2, 0.2, 400, dtype=torch.float32).view(100, 4)
        assert torch.equal(far.vmm(volts), near.vmm(volts))
        with pytest.raises(HardwareError, match="may or may not have been done"):
            far.pulse(batch(np.arange(20).repeat(10)[:100] % 20, np.ones(100)))


def test_a_program_of_this_package_writes_a_board_over_tcp_as_one_beside_it():
    sheet = load_device("oxram")
    with running(service()) as where, open_board("tcp://%s:%d" % where) as far:  # noqa: UP031
        near, targets = same_board(), torch.full((4, 5), 2e-4)
        chosen = torch.ones(4, 5, dtype=torch.bool)
        reads = [program(board, sheet, targets, chosen) for board in (near, far)]
        assert torch.equal(*reads)
        assert far.counters == near.counters


def test_a_board_over_tcp_passes_the_conformance_suite():
    with running(service(size=served(8, 8))) as where, ScpiBoard(*where) as board:
        problems = {check.name: check.run(board) for check in CHECKS}
    assert problems == dict.fromkeys(problems)
    assert len(problems) > 10


# Refusals


def test_what_is_refused_sends_nothing_and_says_so_in_one_line(address):
    with ScpiBoard(*address) as board:
        board.pulse(batch([0], [1]))
        counters = board.counters
        refused = [
            (LimitError, "there is no device 20", lambda: board.pulse(batch([20], [1]))),
            (LimitError, "there is no device -1", lambda: board.read(np.array([-1]))),
            (LimitError, "within", lambda: board.vmm(torch.full((1, 4), 5.0))),
            (LimitError, "outside", lambda: board.pulse(batch([0], [1]), PulseShape(9.0))),
            (LimitError, "twice", lambda: board.pulse(batch([0, 0], [1, 1]))),
            (LimitError, "exceed", lambda: board.pulse(batch([0], [2**30]))),
            (ShapeError, "nothing was read", lambda: board.vmm(torch.zeros(1, 5))),
            (LimitError, "outside", lambda: board.wait(-1.0)),
            (LimitError, "nan is no", lambda: board.wait(float("nan"))),
            (LimitError, "inf is no", lambda: board.pulse(batch([0], [1]), PulseShape(np.inf))),
        ]
        for error, text, call in refused:
            with pytest.raises(error, match=text) as caught:
                call()
            assert "\n" not in str(caught.value)
            assert "nothing was" in str(caught.value)
        spent = board.counters - counters
        assert spent.set_pulses == spent.reset_pulses == 0


def test_a_shape_that_the_board_has_no_law_for_is_refused():
    with running(service("ideal")) as where, ScpiBoard(*where) as board:
        with pytest.raises(LimitError, match="nothing was sent"):
            board.pulse(batch([0], [1]), PulseShape(1.3, 1e-7))
        assert board.counters.set_pulses == 0


def test_a_second_client_that_pulses_is_told_who_writes(address):
    with ScpiBoard(*address) as one, ScpiBoard(*address) as other:
        one.pulse(batch([0], [1]))
        with pytest.raises(HardwareError, match=r"-203, .*127\.0\.0\.1:\d+ writes"):
            other.pulse(batch([0], [1]))
        assert other.counters.set_pulses == 1
        one.close()
        with Raw(address) as watcher:
            while watcher.ask("SYST:LOCK:OWN?") != '"NONE"':
                pass  # until the server has seen the end of the first
        other.pulse(batch([0], [1]))
        assert other.counters.set_pulses == 2


def test_a_client_that_dies_leaves_the_output_off(address):
    with Raw(address) as watcher:
        with ScpiBoard(*address) as board:
            board.pulse(batch([0], [1]))
            assert watcher.ask("OUTP?") == "1"
            linger = struct.pack("ii", 1, 0)
            board._wire._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        while watcher.ask("SYST:LOCK:OWN?") != '"NONE"':
            pass  # until the server has seen the reset
        assert watcher.ask("OUTP?") == "0"


def test_a_token_opens_the_door_and_a_wrong_one_does_not():
    with running(service(token="long enough")) as where:
        with ScpiBoard(*where, token="long enough") as board:
            assert board.read().shape == (4, 5)
        with pytest.raises(HardwareError, match="-203"):
            ScpiBoard(*where, token="wrong one")
        with pytest.raises(HardwareError, match="-203"):
            ScpiBoard(*where)


# Connections


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_closed_port_is_one_line():
    port = closed_port()
    message = rf"^no board at tcp://127\.0\.0\.1:{port} \(connection refused\); nothing was sent"
    with pytest.raises(HardwareError, match=message):
        open_board(f"tcp://127.0.0.1:{port}")


@pytest.fixture
def listener():
    """A server that takes a connection and does what a test wants."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_server_that_does_not_answer_is_given_up_after_the_timeout(listener):
    with pytest.raises(HardwareError, match=r"no answer within 0\.2 s; what was sent last may"):
        ScpiBoard(*listener.getsockname(), timeout_seconds=0.2)


def test_something_else_that_answers_is_no_board(listener):
    def answer():
        with listener.accept()[0] as peer:
            for text in (b'0,"No error"\n', b'"hello"\n0,"No error"\n'):
                peer.recv(1000)
                peer.sendall(text)

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(HardwareError, match="is no board of xbar serve"):
        ScpiBoard(*listener.getsockname(), timeout_seconds=5.0)
    thread.join()


def test_a_lost_connection_is_said_once_and_stays_closed():
    made = service()
    with running(made) as where:
        board = ScpiBoard(*where)
    with pytest.raises(HardwareError, match="the connection was lost; what was sent last may"):
        board.read()
    with pytest.raises(HardwareError, match="the connection is closed; nothing was sent"):
        board.read()
    board.close()
    board.close()


def test_answers_in_pieces_are_put_together(listener):
    def answer():
        with listener.accept()[0] as peer:
            for byte in b'#15he\nlo\n"#1"\n0,"No error"\n':
                peer.sendall(bytes([byte]))
            peer.recv(1000)

    thread = threading.Thread(target=answer)
    thread.start()
    line = wire.Wire(*listener.getsockname(), 10.0)
    answers = line.exchange([b"?\n"], lambda text: text.startswith(b"0"))
    assert answers == [b"#he\nlo", b'"#1"', b'0,"No error"']
    line.close()
    thread.join()


@pytest.mark.parametrize("text", ["tcp://", "tcp://a:b", "tcp://h:0", "tcp://h:70000", "tcp://h/x"])
def test_a_wrong_address_says_what_one_looks_like(text):
    with pytest.raises(ConfigError, match=r"tcp://HOST:PORT; nothing was sent$"):
        open_board(text)


def test_another_scheme_lists_what_there_is():
    with pytest.raises(ConfigError, match=r"'gpib0' is no board; boards are at tcp://"):
        open_board("gpib0")


def test_a_noise_free_array_is_read_as_the_same_floats_in_every_shape():
    size = served(7, 3)
    with running(service("ideal", size)) as where, ScpiBoard(*where) as far:
        near = same_board("ideal", size)
        for board in (near, far):
            board.pulse(batch(np.arange(21), np.arange(21)))
        assert torch.equal(far.read(), near.read())
        assert torch.equal(far.read(np.arange(21).reshape(3, 7)), near.read().view(3, 7))


def test_the_name_of_a_socket_in_visa_is_an_address(address):
    with open_board("tcpip0::{}::{}::socket".format(*address)) as board:
        assert board.info.is_emulator
    with pytest.raises(ConfigError, match=r"did you mean tcp://127\.0\.0\.1:5025\?; nothing"):
        open_board("127.0.0.1:5025")
