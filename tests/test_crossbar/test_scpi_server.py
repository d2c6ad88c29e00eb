"""The server against clients that are many, slow, dead or hostile."""

import asyncio
import contextlib
import os
import random
import socket
import struct
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xbar_scpi import Raw, running, served, service

from crossbar.boards.limits import MOST_PULSES
from crossbar.boards.protocol import PulseBatch
from crossbar.boards.scpi.client import ScpiBoard
from crossbar.boards.scpi.parser import block
from crossbar.boards.scpi.server import Server, ServerLimits, check_interface
from crossbar.boards.scpi.table import COMMANDS
from device_models.errors import ConfigError

HOSTILE = ServerLimits(
    clients=200, line_bytes=2000, block_bytes=20_000, message_seconds=0.3, waiting_bytes=1_000_000
)


@pytest.fixture(scope="module")
def made():
    return service(clients=HOSTILE)


@pytest.fixture(scope="module")
def address(made):
    with running(made) as where:
        yield where


def works(address):
    """Whether a new client is served."""
    with Raw(address) as client:
        return client.ask("*IDN?").startswith("xbar,")


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# Many


def test_a_hundred_clients_are_served_at_once(address):
    clients = [Raw(address) for _ in range(100)]
    for number, client in enumerate(clients):
        client.send(f"*ESE {number};*ESE?\n".encode())
    assert [client.line() for client in clients] == [str(number) for number in range(100)]
    for client in clients:
        client.close()


def test_a_client_too_many_is_hung_up_on_and_the_others_stay():
    with running(service(clients=ServerLimits(clients=2))) as where:
        with Raw(where) as one, Raw(where) as two:
            assert one.ask("*OPC?") == two.ask("*OPC?") == "1"
            with Raw(where) as three:
                assert three.is_hung_up()
            assert one.ask("*OPC?") == "1"
        while not served_again(where):
            pass


def served_again(address):
    """Whether the server has seen that clients left."""
    with Raw(address) as client:
        try:
            return client.ask("*OPC?") == "1"
        except ConnectionError:
            return False


def test_clients_that_pulse_and_read_together_lose_no_pulse():
    with running(service()) as where, ScpiBoard(*where) as writer:
        done = threading.Event()
        failures = []

        def look_on():
            with ScpiBoard(*where) as board:
                while not done.is_set():
                    if board.read().shape != (4, 5):
                        failures.append("shape")

        readers = [threading.Thread(target=look_on) for _ in range(5)]
        for reader in readers:
            reader.start()
        device = np.arange(20, dtype=np.int32)
        for _ in range(50):
            writer.pulse(PulseBatch(device, np.ones(20, np.int32)))
        done.set()
        for reader in readers:
            reader.join()
        assert not failures
        assert writer.counters.set_pulses == 1000


# Slow, half open, dead


def test_a_message_that_never_ends_is_given_up(address):
    for start in (b"READ:ONE? 0,", b"PULS:ARR #510000abc"):
        with Raw(address) as client:
            client.send(start)
            assert client.is_hung_up()
    assert works(address)


def test_a_message_that_trickles_is_given_up(address):
    with Raw(address) as client, pytest.raises(ConnectionError):
        send_until_hung_up(client, b"x", 0.02)
    assert works(address)


def test_a_silent_client_is_let_go():
    limits = ServerLimits(idle_seconds=0.05)
    with running(service(clients=limits)) as where, Raw(where) as client:
        assert client.is_hung_up()


def test_a_stranger_has_little_time_and_three_tokens():
    limits = ServerLimits(message_seconds=0.3)
    with running(service(clients=limits, token="long enough")) as where:
        with Raw(where) as client:
            assert client.is_hung_up()
        with Raw(where) as client:
            client.send(
                b"SYST:TOK 'a'\nSYST:TOK 'b'\nSYST:TOK 'c'\nSYST:TOK 'long enough'\n*IDN?\n"
            )
            assert client.line() == "" or client.is_hung_up()
        with Raw(where) as client:
            client.send(b"SYST:TOK 'long enough'\n")
            assert client.ask("*OPC?") == "1"


def test_a_client_that_dies_inside_a_block_leaves_nothing_behind(address, made):
    before = made.instrument.bench.board.counters
    for _ in range(50):
        client = Raw(address)
        client.send(b"OUTP ON;:PULS:ARR #3800" + bytes(400))
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()  # a reset
    assert works(address)
    assert made.instrument.bench.board.counters == before
    while made.server.clients:
        time.sleep(0.01)
    assert made.server._waiting == 0


def send_until_hung_up(client, data, pause=0.0):
    while True:
        client.send(data)
        time.sleep(pause)


def test_a_client_that_does_not_take_its_answers_is_given_up(address):
    with Raw(address) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with pytest.raises(ConnectionError):
            send_until_hung_up(client, b"SYST:HELP:HEAD?;HEAD?;HEAD?;HEAD?\n")
    assert works(address)


def test_what_all_clients_together_leave_waiting_is_bounded(address, made):
    clients = []
    for _ in range(120):
        client = Raw(address)
        clients.append(client)
        with contextlib.suppress(ConnectionError):
            client.send(b"PULS:ARR #518000" + bytes(17_000))
        assert made.server._waiting <= 1_000_000 + 20_000 + 256 * 1024
    assert works(address)
    for client in clients:
        client.close()


def test_half_open_connections_do_not_keep_others_out():
    with running(service(clients=HOSTILE)) as where:
        silent = [Raw(where) for _ in range(100)]
        for client in silent:
            client.send(b"*ID")
        assert works(where)
        for client in silent:
            assert client.is_hung_up()
            client.close()


def test_an_answer_without_end_is_refused(address, monkeypatch):
    monkeypatch.setattr("crossbar.boards.scpi.server.ANSWER", 10_000)
    with Raw(address) as client:
        client.send(b"SYST:HELP:HEAD?;HEAD?;HEAD?;HEAD?;HEAD?\n")
        assert client.ask("SYST:ERR?").startswith('-430,"Query DEADLOCKED')


def test_a_fast_client_has_to_wait():
    limits = ServerLimits(commands_per_second=200.0)
    with running(service(clients=limits)) as where, Raw(where) as client:
        begun = time.monotonic()
        client.send(b"*OPC?\n" * 120)
        assert [client.line() for _ in range(120)] == ["1"] * 120
        assert time.monotonic() - begun >= 100 / 200.0 * 0.9  # of a burst of 20 and 100 more


# Hostile


def test_a_block_that_is_too_long_ends_the_connection_before_it_is_taken_for_commands(
    address, made
):
    before = made.instrument.bench.board.counters
    with Raw(address) as client:
        client.send(b"PULS:ARR #6100000\nOUTP ON\nPULS:ONE 0,0,UP,DEF\n")
        assert client.is_hung_up()
    assert made.instrument.bench.board.counters == before


HEADERS = sorted({s for c in COMMANDS for s in list(c.spellings())[:2]})
VALUES = st.one_of(
    st.integers(-5, 2**70).map(str), st.floats().map(repr),
    st.sampled_from(["UP", "DOWN", "DEF", "MAX", "MIN", "ON", "OFF", "WL", "BL", "REAL", "'CURR'"]),
    st.sampled_from(["(@0!0:3!4)", "(@1!1,2!2)", "(@9!9)", "(@", "'", '"', "#15hello", "#9"]),
    st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=12),
)  # fmt: skip
UNITS = st.builds(
    lambda colon, header, mark, values: colon + header + mark + " " + ",".join(values),
    st.sampled_from(["", ":", "*"]),
    st.sampled_from(HEADERS) | st.text("AB:*?1", max_size=9),
    st.sampled_from(["", "?"]),
    st.lists(VALUES, max_size=6),
)
MESSAGES = st.lists(UNITS, min_size=1, max_size=8).map(";".join)
BLOCKS = st.builds(
    lambda header, parts: header.encode() + b" " + b",".join(map(block, parts)),
    st.sampled_from(["PULS:ARR", "PULS:OUT", "READ:DEV?", "READ:VMM? WL,", "PROG:TARG"]),
    st.lists(st.binary(max_size=200), max_size=5),
)


class Watched:
    """A service whose every pulse is checked against the limits of its bench."""

    def __init__(self):
        self.service = service(size=served(3, 3), clients=HOSTILE)
        bench = self.service.instrument.bench
        original, self.sent = bench.board.pulse, 0

        def pulse(pulses, shape=None):
            given = [] if shape is None else [(shape.volts, 2.6), (shape.seconds, 1e-3)]
            for value, most in given:
                assert (
                    value is None or ((np.asarray(value) > 0) & (np.asarray(value) <= most)).all()
                )
            assert np.abs(pulses.count.astype(np.int64)).sum() <= MOST_PULSES
            small = pulses._replace(count=np.clip(pulses.count, -50, 50))  # time of the test alone
            original(small, shape)
            self.sent += 1

        bench.board.pulse = pulse
        self.lines, run = 0, self.service.instrument.run

        def counting(session, message):
            self.lines += 1
            return run(session, message)

        self.service.instrument.run = counting
        self.session = self.service.instrument.session()

    def give(self, message):
        self.service.instrument.bench.release(self.session)
        return b";".join(self.service.instrument.run(self.session, message))


WATCHED = Watched()


@settings(suppress_health_check=list(HealthCheck))
@given(st.lists(MESSAGES.map(lambda text: text.encode("latin-1")) | BLOCKS, max_size=20))
def test_no_line_breaks_the_instrument_or_sends_a_pulse_beyond_its_limits(messages):
    WATCHED.give(b"*RST;*CLS;OUTP ON")
    for message in messages:
        WATCHED.give(message)
    assert WATCHED.give(b"*CLS;:SYST:ERR?") == b'0,"No error"'
    assert len(WATCHED.session.errors) <= 64
    g = WATCHED.service.instrument.bench.emulator.array_siemens()
    assert torch.isfinite(g).all()


def noise(rng, size):
    """Bytes that look like commands, or a little like it."""
    pieces = [header.encode() for header in HEADERS]
    pieces += [b"?", b" ", b",", b";", b":", b"UP", b"DEF", b"1.2", b"1e-7", b"0", b"1", b"2"]
    pieces += [b"(@0!0:2!2)", b"'", b'"', b"#14abcd", b"#212aaaabbbbcccc", b"#3100"]
    whole = [b"OUTP ON", b"PULS:ONE 1,2,UP,DEF", b"PULS:ONE 0,0,-1.3,1e-7", b"READ:ALL?"]
    lines = []
    for _ in range(size):
        if rng.random() < 0.1:
            lines.append(rng.choice(whole))
        elif rng.random() < 0.1:
            lines.append(rng.randbytes(rng.randrange(60)))
        else:
            lines.append(b"".join(rng.choice(pieces) for _ in range(rng.randrange(1, 9))))
    return b"\n".join(lines)


def flood(address, rng, is_done):
    """Send noise until it is enough; whoever is hung up on connects again."""
    while not is_done():
        with Raw(address) as client, contextlib.suppress(ConnectionError):
            client.socket.setblocking(False)
            while not is_done():
                pump(client.socket, noise(rng, 500))


def pump(connection, data):
    """Send some bytes, taking what comes."""
    left, deadline = memoryview(data), time.monotonic() + 60.0
    while left:
        with contextlib.suppress(BlockingIOError):
            left = left[connection.send(left[:8192]) :]
        with contextlib.suppress(BlockingIOError):
            if not connection.recv(1 << 20):
                raise ConnectionError
        assert time.monotonic() < deadline, "the server hangs"


def fuzz(lines):
    """Flood a server with lines; what this process held before and after, in bytes."""
    watched = Watched()
    with running(watched.service) as where:
        flood(where, random.Random(1), lambda: watched.lines >= lines // 5)
        before, watched.lines = resident_bytes(), 0
        flood(where, random.Random(2), lambda: watched.lines >= lines)
        assert works(where)
        while watched.service.server.clients:
            time.sleep(0.01)
        assert watched.service.server._waiting == 0
    assert watched.sent > lines // 1000
    return before, resident_bytes()


def test_twenty_thousand_lines_of_noise_neither_break_nor_grow_the_server():
    before, after = fuzz(20_000)
    assert after - before < 50e6


@pytest.mark.slow
def test_a_million_lines_of_noise_neither_break_nor_grow_the_server():
    before, after = fuzz(1_000_000)
    assert after - before < 50e6


# Interfaces


@pytest.mark.parametrize(
    ("host", "token", "message"),
    [
        ("0.0.0.0", None, "needs --token"), ("192.168.1.5", None, "needs --token"),
        ("::", None, "needs --token"), ("", None, "needs --token"),
        ("0.0.0.0", "short", "8 to 200"), ("127.0.0.1", "a\nb45678", "printable"),
    ],
)  # fmt: skip
def test_other_interfaces_need_a_token(host, token, message):
    with pytest.raises(ConfigError, match=message):
        check_interface(host, token)


def test_this_machine_needs_none():
    for host in ("127.0.0.1", "::1", "localhost"):
        check_interface(host, None)
    check_interface("0.0.0.0", "long enough")


def test_a_port_in_use_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = Server(service().instrument)
        message = rf"^cannot serve 127\.0\.0\.1:{port}: it is in use; nothing was served$"
        with pytest.raises(ConfigError, match=message):
            asyncio.run(server.start("127.0.0.1", port))


def test_an_empty_batch_sends_nothing_and_breaks_nothing(address, made):
    before = made.instrument.bench.board.counters
    with Raw(address) as client:
        client.send(b"*RST;*CLS;:OUTP ON;:PULS:ARR #10,#10,#10\n")
        assert client.ask("SYST:ERR?") == '0,"No error"'
    assert made.instrument.bench.board.counters == before
