"""The instrument without a socket: what its commands do, refuse and remember."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from xbar_scpi import same_board, served, service

from crossbar.array.counters import Counters
from crossbar.array.faults import stuck_levels
from crossbar.boards import lab
from crossbar.boards.protocol import PulseBatch
from crossbar.boards.scpi.parser import block
from crossbar.boards.scpi.serving import Service
from crossbar.boards.scpi.session import POWER_ON
from device_models.presets import load_device
from device_models.pulse_law import ceiling_siemens

LAST = served().rows * served().columns - 1


class Bench:
    """An instrument and a client of it."""

    def __init__(self, made=None):
        self.service = made or service()
        self.instrument = self.service.instrument
        self.board = self.instrument.bench.board
        self.session = self.instrument.session()

    def __call__(self, *lines):
        """What the last line answers."""
        *_, answer = [self.instrument.ask(self.session, line) for line in lines]
        return answer

    def raw(self, line):
        return b";".join(self.instrument.run(self.session, line))

    def error(self):
        return self("SYST:ERR:ALL?")

    def truth(self):
        return self.instrument.bench.emulator.array_siemens().clone()


@pytest.fixture
def bench():
    return Bench()


def code(bench):
    return int(bench.error().split(",")[0])


def content(answer, dtype):
    """The numbers in a block."""
    return np.frombuffer(answer[2 + int(answer[1:2]) :], dtype)


# Common commands


def test_it_says_who_it_is_and_keeps_the_standards(bench):
    assert bench("*IDN?") == "xbar,emulated Oxram 4x5,0,0.1.0"
    assert bench("SYST:VERS?;*OPC?;*TST?;*OPT?") == "1999.0;1;0;0"
    listed = bench.raw(b"SYST:HELP:HEAD?").decode()
    assert "READ:ALL?" in listed
    assert "PULSe:ARRay" in listed


def test_status_registers_follow_errors_and_masks(bench):
    assert bench("*ESR?;*ESR?;*STB?") == f"{POWER_ON};0;0"
    bench("*ESE 32;*SRE 32", "FOO", "*OPC")
    assert bench("*STB?") == str(4 + 32 + 64)
    assert bench("*ESR?;*STB?") == f"{32 + 1};4"
    bench("PULS:ONE 0,0,UP,DEF")  # the output is off: an execution error
    assert bench("*ESR?") == "16"
    assert bench("SYST:ERR:COUN?") == "2"
    assert bench("SYST:ERR?;:SYST:ERR?;:SYST:ERR?").split(";:")[0].startswith("-113")
    bench("FOO", "*CLS")
    assert bench("*STB?;*ESR?;:SYST:ERR?") == '0;0;0,"No error"'


@pytest.mark.parametrize("register", ["*ESE", "*SRE", "STAT:OPER:ENAB", "STAT:QUES:ENAB"])
def test_masks_are_remembered_and_bounded(bench, register):
    assert bench(f"{register} 16;{register if register[0] == '*' else ':' + register}?") == "16"
    bench(f"{register} -1")
    assert code(bench) == -222


def test_a_command_that_cannot_be_done_lets_the_next_one_run_and_an_unknown_one_does_not(bench):
    assert bench("PULS:ONE 0,0,UP,DEF;:*OPC?") == "1"
    assert code(bench) == -221
    assert bench("FOO;:*OPC?") == ""
    assert code(bench) == -113


def test_reset_puts_settings_back_and_heals_no_cell(bench):
    bench("OUTP ON;:FORM REAL,32;:SOUR:VOLT:LIM 1.25;:ROUT:CLOS (@1!1);IDLE SGND")
    bench("PULS:ONE 1,1,UP,DEF,MAX,40")
    before, counters = bench.truth(), bench.board.counters
    assert counters.set_pulses == 40
    bench("*RST")
    assert bench("OUTP?;:FORM?;:ROUT:CLOS?;IDLE?;:SOUR:VOLT?") == "0;ASC;(@);FLO;0.000000E+00"
    assert float(bench("SOUR:VOLT:LIM?")) == 2.6
    assert torch.equal(bench.truth(), before)
    assert bench.board.counters == counters
    assert code(bench) == 0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("READ:ONE? 1", -109), ("READ:ALL? 0.2,1", -108), ("READ:ONE? 4,0", -222),
        ("READ:ONE? 0,-1", -222), ("READ:ONE? 0.5,0", -222), ("READ:ONE? A,0", -104),
        ("READ:ONE? 1V,0", -138), ("READ:ONE? 0,0,0.3", -221), ("READ:ALL?", 0),
        ("READ:ALL", -113), ("OUTP2 ON", -114), ("OUTP1 ON;:SOUR1:VOLT1 0", 0),
        ("OUTP MAYBE", -104),
        ("ROUT:IDLE UP", -224), ("ROUT:CLOS (@9!9)", -222), ("ROUT:CLOS (@2!1:1!1)", -171),
        ("ROUT:CLOS 1", -104), ("ROUT:TILE 2", -222), ("READ:SLIC? WL,4", -222),
        ("READ:SLIC? BL,4", 0), ("READ:VMM? BL,1", -222), ("READ:VMM? WL,1,1", -222),
        ("READ:VMM? WL,0.1,0.1,0.1,9", -222), ("FORM REAL,16", -224), ("SOUR:FUNC CURR", -221),
        ("SOUR:VOLT 2.7", -222), ("SOUR:VOLT:LIM 2.7", -222), ("SENS:CURR:PROT 1", -222),
        ("SOUR:PULS:WIDT 1", -222), ("FETC?", -221), ("READ?", -221), ("PROG:STAR", -221),
        ("PROG:PULS?", -221), ("PROG:ALG ELSE", -224), ("MMEM:STOR 'a.csv'", -241),
        ("DIAG:EMUL:SNAP", -241), ("DIAG:EMUL:TIME:ADV -1", -222), ("SYST:WAIT 1E13", -222),
        ("PROG:TARG 1E-4,2", -222), ("*ESE ON", -104), ("READ:DEV? 1", -104),
        ("READ:DEV? #15abcde", -161), ("SYST:TOK 5", -104),
    ],
)  # fmt: skip
def test_what_is_wrong_has_the_number_of_scpi_and_sends_nothing(bench, line, expected):
    before, counters = bench.truth(), bench.board.counters
    bench(line)
    assert code(bench) == expected
    assert torch.equal(bench.truth(), before)
    assert bench.board.counters.set_pulses == counters.set_pulses


# Reads


def test_reads_are_those_of_the_board_in_siemens():
    bench, board = Bench(), same_board()
    bench("FORM REAL,64;:FORM:BORD SWAP")
    queries = b"READ:ALL?", b"READ:SLIC? BL,3,0.2", b"READ:ONE? 2,1"
    reads = [content(bench.raw(query), "<f8") for query in queries]
    column = np.arange(20).reshape(4, 5)[:, 3]
    expected = board.read(), board.read(column), board.read(np.array([11]))
    for read, value in zip(reads, expected, strict=True):
        assert np.array_equal(read, value.double().numpy().ravel())


def test_text_blocks_and_byte_orders_say_the_same(bench):
    first = bench("DIAG:EMUL:COND?")
    for form, border, dtype in (("32", "NORM", ">f4"), ("64", "SWAP", "<f8")):
        answer = bench.raw(f"FORM REAL,{form};:FORM:BORD {border};:DIAG:EMUL:COND?".encode())
        values = content(answer, dtype).astype(np.float64)
        assert np.array_equal(values.astype(np.float32), bench.truth().numpy().ravel())
        assert ",".join(f"{x:.6E}" for x in values) == first
        assert bench("FORM?;:FORM:BORD?") == f"REAL,{form};{border}"


def test_a_mask_reads_what_it_names_and_leaves_the_rest_without_a_number(bench):
    answer = bench("READ:SLIC? WL,2,(@2!1:2!2,2!4,0!0)").split(",")
    assert [float(x) == 9.91e37 for x in answer] == [True, False, False, True, False]
    assert bench.board.counters.device_reads == 3


def test_vectors_are_multiplied_by_the_array():
    bench, board = Bench(service("ideal")), same_board("ideal")
    volts = np.array([[0.1, 0.0, -0.2, 0.05], [0.2, 0.2, 0.2, 0.2]])
    bench("OUTP ON", "PULS:ONE 2,3,UP,DEF,MAX,9")
    board.pulse(PulseBatch(np.array([13], np.int32), np.array([9], np.int32)))
    expected = board.vmm(torch.from_numpy(volts)).double().numpy()
    bench("FORM REAL,64")
    answer = bench.raw(b"READ:VMM? WL," + block(volts.astype(">f8").tobytes()))
    assert np.array_equal(content(answer, ">f8").reshape(2, 5), expected)
    bench("FORM ASC")
    text = bench("READ:VMM? WL," + ",".join(f"{v}" for v in volts[0]))
    assert text == ",".join(f"{x:.6E}" for x in expected[0])


def test_vectors_of_bit_lines_are_multiplied_by_the_transposed_array():
    bench, board = Bench(), same_board()
    volts = np.array([[0.1, 0.0, -0.2, 0.05, 0.0], [0.0, 0.0, 0.0, 0.0, 0.2]])
    expected = lab.vmm(board, volts, "bit")
    bench("FORM REAL,64")
    answer = bench.raw(b"READ:VMM? BL," + block(volts.astype(">f8").tobytes()))
    assert np.array_equal(content(answer, ">f8").reshape(2, 4), expected)
    assert bench.board.counters.device_reads == 4 * 4
    bench("READ:VMM? BL,0.1,0,0,0,9")
    assert code(bench) == -222


# Pulses


def test_volts_above_zero_set_and_below_reset_and_the_pulses_are_those_of_the_board():
    bench, board = Bench(), same_board()
    bench(
        "OUTP ON",
        "PULS:ONE 2,1,1.2,1e-7,1mA,7",
        "PULS:ONE 2,1,-1.3 V,100 ns",
        "PULS:ONE 0,0,UP,DEF",
    )
    for device, count in ((11, 7), (11, -1), (0, 1)):
        board.pulse(PulseBatch(np.array([device], np.int32), np.array([count], np.int32)))
    assert bench.error() == '0,"No error"'
    assert torch.equal(bench.truth(), board.g)
    assert bench.board.counters == board.counters


def test_slices_outer_products_and_arrays_are_one_operation_each():
    bench, board = Bench(), same_board()
    bench("OUTP ON", "PULS:SLIC WL,1,1.2,1e-7,1mA,(@1!0:1!2)", "PULS:SLIC BL,4,DOWN,DEF")
    words, bits = np.array([1, 0, -1, 0]), np.array([1, -1, 0, 0, 1])
    order = ">i4"
    signs = block(words.astype(order).tobytes()) + b"," + block(bits.astype(order).tobytes())
    bench.raw(b"PULS:OUT " + signs + b",1.2,1.3,DEF")
    device, count = np.array([19, 0, 7]), np.array([-2, 5, 0])
    arrays = block(device.astype(order).tobytes()) + b"," + block(count.astype(order).tobytes())
    bench.raw(b"PULS:ARR " + arrays)
    outer = np.multiply.outer(words, bits).ravel()
    sent = [
        (np.array([5, 6, 7]), np.ones(3)), (np.array([4, 9, 14, 19]), -np.ones(4)),
        (np.flatnonzero(outer), outer[outer != 0]), (device, count),
    ]  # fmt: skip
    for where, counts in sent:
        board.pulse(PulseBatch(where.astype(np.int32), counts.astype(np.int32)))
    assert bench.error() == '0,"No error"'
    assert torch.equal(bench.truth(), board.g)
    assert bench.board.counters == board.counters
    assert bench("TRAC:POIN?") == "4"


def test_a_pulse_and_its_read_come_in_one_command(bench):
    bench("OUTP ON")
    answer = float(bench("PULS:READ? 3,4,1.2,DEF,0.2"))
    assert answer == pytest.approx(float(bench.truth()[3, 4]), rel=0.05)
    assert (bench.board.counters.set_pulses, bench.board.counters.device_reads) == (1, 1)


REFUSED = [
    ("PULS:ONE 0,0,2.7,1e-7", -222), ("PULS:ONE 0,0,-2.7,1e-7", -222),
    ("PULS:ONE 0,0,1.2,1", -222), ("PULS:ONE 0,0,0,1e-7", -222), ("PULS:ONE 0,0,NAN,1e-7", -104),
    ("PULS:ONE 0,0,1.2,1e-7,1", -222), ("PULS:ONE 0,0,1.2,1e-7,MAX,10000001", -222),
    ("PULS:ONE 0,0,1.2,1e-7,MAX,0", -222), ("PULS:ONE 4,0,1.2,1e-7", -222),
    ("PULS:SLIC WL,0,UP,DEF,1mA,(@0!0),3", -108), ("PULS:ARR 1,2", -104),
    ("PULS:ONE 0,0,INF", -109),
    ("PULS:SLIC WL,0,2.7,DEF", -222), ("PULS:READ? 0,0,1.2,DEF,0.3", -221),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), REFUSED)
def test_a_refused_pulse_changes_nothing(bench, line, expected):
    bench("OUTP ON")
    before, counters = bench.truth(), bench.board.counters
    bench(line)
    assert code(bench) == expected
    assert torch.equal(bench.truth(), before)
    assert bench.board.counters == counters


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("PULS:ONE 0,0,5,1e-7", "amplitude: 5 V is not within +-2.6 V; nothing was sent"),
        ("PULS:ONE 0,0,0,1e-7",
         "amplitude: 0 V is no pulse; SET has up to 2.6 V, RESET down to -2.6 V; "
         "nothing was sent"),
        ("PULS:ONE 0,0,UP,1", "width: 1 s is outside [0, 0.001] s; nothing was sent"),
        ("PULS:ONE 0,0,UP,0", "width: 0 is no width of a pulse; it is above 0; nothing was sent"),
        ("PULS:ONE 9,0,UP,DEF",
         "word line: 9 is no whole number in [0, 3]; nothing was sent"),
        ("PULS:ONE 0,0,1E999,DEF", "1E999 is beyond the range of 64 bits; nothing was sent"),
        ("PULS:ONE 0,0,UP", "PULSe:ONE needs width; nothing was sent"),
        ("READ:SLIC? WL,4", "there is no line 4; the array has 4 x 5, from 0; nothing was read"),
        ("PROG:TARG " + "2," * 19 + "2",
         "a target of 2 S is not within [0, 1] S, nor NAN; nothing was sent"),
        ("ROUT:CLOS (@9!9)",
         "cells: there is no channel 9!9; the array has 4 x 5, from 0!0; nothing was sent"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_there_was_what_may_be_and_that_nothing_was_done(bench, line, text):
    bench("OUTP ON", line)
    assert bench.error().partition(";")[2] == f'{text}"'


def arrays(device, count, *rest):
    parts = [np.asarray(device, ">i4").tobytes(), np.asarray(count, ">i4").tobytes()]
    parts += [np.asarray(r, ">f8").tobytes() for r in rest]
    return b"PULS:ARR " + b",".join(block(part) for part in parts)


@pytest.mark.parametrize(
    "message",
    [
        arrays([20], [1]), arrays([-1], [1]), arrays([3, 3], [1, 1]), arrays([1, 2], [1]),
        arrays([1], [-(2**31)]), arrays([1, 2], [5_000_001, -5_000_000]), arrays([1], [1], [3.0]),
        arrays([1], [1], [np.nan]), arrays([1], [1], [1.2], [np.inf]), arrays([1], [1], [1.2, 1.2]),
        arrays([1], [1], [0.0]), arrays([1], [1], [-1.2]),
    ],
)  # fmt: skip
def test_a_refused_array_of_pulses_changes_nothing(bench, message):
    bench("OUTP ON")
    before, counters = bench.truth(), bench.board.counters
    bench.raw(message)
    assert code(bench) == -222
    assert torch.equal(bench.truth(), before)
    assert bench.board.counters == counters


def test_narrower_limits_hold_for_the_own_pulses_of_the_board_too(bench):
    bench("OUTP ON;:SOUR:VOLT:LIM 1.25", "PULS:ONE 0,0,UP,DEF")
    assert code(bench) == 0
    bench("PULS:ONE 0,0,DOWN,DEF")
    assert code(bench) == -222
    bench("SOUR:PULS:WIDT:LIM 50ns;:PULS:ONE 0,0,UP,DEF")
    assert code(bench) == -222
    assert bench.board.counters.set_pulses == 1


def test_no_pulse_goes_out_of_an_output_that_is_off_or_into_grounded_lines(bench):
    bench("PULS:ONE 0,0,UP,DEF")
    assert code(bench) == -221
    bench("OUTP ON;:ROUT:IDLE HGND;:PULS:ONE 0,0,UP,DEF")
    assert code(bench) == -221
    assert bench.board.counters == Counters()
    bench("ROUT:IDLE SGND;:PULS:ONE 0,0,UP,DEF")
    assert (code(bench), bench.board.counters.set_pulses) == (0, 1)


def test_a_current_above_the_compliance_is_reported_once_and_the_pulse_was_sent(bench):
    bench("OUTP ON;:SENS:CURR:PROT 1uA", "PULS:ONE 0,0,UP,DEF")
    while bench.truth()[0, 0] < 1e-6:
        bench("*CLS;:PULS:ONE 0,0,UP,DEF")
    assert bench.error().startswith('801,"Compliance tripped;')
    assert bench("SENS:CURR:PROT:TRIP?;TRIP?") == "1;0"


def test_no_reset_is_reported_for_nothing_limits_it(bench):
    bench("OUTP ON", "PULS:ONE 0,0,UP,DEF,DEF,500")
    bench("*CLS;:SENS:CURR:PROT 1uA", "PULS:ONE 0,0,DOWN,DEF", "PULS:ONE 0,0,-1,DEF")
    assert bench("SYST:ERR?;:SENS:CURR:PROT:TRIP?") == '0,"No error";0'
    assert bench.truth()[0, 0] > 1e-6
    devices, counts = np.array([0, 1]), np.array([-1, 1])
    bench.raw(arrays(devices, counts))
    largest = load_device("oxram").set_volts * float(bench.truth()[0, 1])
    assert f"{largest:.4g} A after a pulse" in bench.error()  # of the SET, not of the RESET


def test_a_set_ends_at_the_compliance_of_its_command_or_at_the_one_that_was_set():
    bench, law = Bench(service("oxram_literature")), load_device("oxram_literature")
    bench("OUTP ON;:SENS:CURR:PROT 40uA", "PULS:ONE 0,0,1.3,DEF,DEF,500")
    bench("PULS:SLIC WL,1,1.3,DEF,20uA", "PULS:ONE 1,0,1.3,DEF,20uA,500")
    device, count = np.array([10, 11]), np.array([500, 500])
    bench.raw(arrays(device, count) + b",DEF,DEF,10uA")
    bench("PULS:ONE 3,0,1.3,DEF,MAX,500")
    ends = [ceiling_siemens(law, amperes) for amperes in (4e-5, 2e-5, 1e-5, 1e-5)]
    truth = bench.truth()
    cells = truth[0, 0], truth[1, 0], truth[2, 0], truth[2, 1]
    assert [float(g) for g in cells] == pytest.approx(ends, rel=1e-6)
    assert float(truth[3, 0]) > 2 * ends[0]
    assert bench("SENS:CURR:PROT?;PROT:TRIP?") == f"{4e-5:.6E};1"
    assert bench.error().count("801") >= 4


def test_a_source_measure_pulse_ends_at_the_compliance():
    bench, law = Bench(service("oxram_literature")), load_device("oxram_literature")
    bench("OUTP ON;:ROUT:CLOS (@2!3);:SENS:CURR:PROT 3E-5;:SOUR:VOLT 1.3;:TRIG:COUN 500")
    bench("FORM:ELEM CURR,STAT;:INIT")
    assert float(bench.truth()[2, 3]) == pytest.approx(ceiling_siemens(law, 3e-5), rel=1e-6)
    assert bench("FETC?").split(",")[-2:] == [f"{3e-5:.6E}", f"{8.0:.6E}"]


def test_a_compliance_of_cells_without_a_law_for_it_sends_nothing():
    bench = Bench(service("ideal"))
    bench("OUTP ON;:SENS:CURR:PROT 1nA", "PULS:ONE 0,0,UP,DEF")
    assert code(bench) == -222
    assert bench.board.counters.set_pulses == 0
    bench("PULS:ONE 0,0,DOWN,DEF;:PULS:ONE 0,0,UP,DEF,MAX")
    assert bench.board.counters.set_pulses == 1


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(
    volts=st.sampled_from([1.2, -1.3, 2.6]) | st.floats(-4.0, 4.0) | FINITE,
    seconds=st.sampled_from([1e-7, 1e-3]) | st.floats(0.0, 2e-3) | FINITE,
    count=st.integers(-3, 20_000_000),
)
def test_no_pulse_beyond_the_limits_ever_reaches_the_board(volts, seconds, count):
    bench = HELD
    sent = []
    original = type(bench.board).pulse

    def pulse(pulses, shape=None):
        sent.append((pulses, shape))
        assert abs(shape.volts) <= 2.6
        assert 0.0 < shape.seconds <= 1e-3
        assert np.abs(pulses.count).sum() <= 10_000_000
        small = PulseBatch(pulses.device, np.sign(pulses.count))
        original(bench.board, small, shape)

    bench.board.pulse = pulse
    bench("*CLS;OUTP ON", f"PULS:ONE 0,0,{volts!r},{seconds!r},MAX,{count}")
    is_allowed = 0.0 < abs(volts) <= 2.6 and 0.0 < seconds <= 1e-3 and 1 <= count <= 10_000_000
    assert len(sent) <= is_allowed
    del bench.board.pulse


HELD = Bench()


# Source and measure


def test_a_level_within_the_read_limit_reads_and_one_above_it_pulses():
    bench, board = Bench(), same_board()
    bench("OUTP ON;:ROUT:CLOS (@2!3);:SOUR:VOLT 0.1;:FORM:ELEM CURR,VOLT")
    siemens = float(board.read(np.array([13])))
    assert bench("READ?") == f"{0.1:.6E},{0.1 * siemens:.6E}"
    assert bench.board.counters.set_pulses == 0
    bench("SOUR:VOLT -1.3;:INIT")
    board.pulse(PulseBatch(np.array([13], np.int32), np.array([-1], np.int32)))
    siemens = float(board.read(np.array([13])))
    assert bench("FETC?") == f"{-1.3:.6E},{-1.3 * siemens:.6E}"
    assert torch.equal(bench.truth(), board.g)
    bench("SOUR:VOLT 1.2;:TRIG:COUN 3")
    assert len(bench("MEAS:CURR?").split(",")) == 6
    assert bench.board.counters.set_pulses == 3
    assert bench.error() == '0,"No error"'


def test_a_reading_at_the_compliance_is_clipped_and_says_so(bench):
    bench("OUTP ON;:ROUT:CLOS (@2!3);:SOUR:VOLT 0.2;:SENS:CURR:PROT 1nA;:FORM:ELEM CURR,STAT")
    assert bench("READ?") == f"{1e-9:.6E},{8.0:.6E}"
    assert bench("SENS:CURR:PROT:TRIP?") == "1"


@pytest.mark.parametrize("cells", ["(@)", "(@0!0:0!1)"])
def test_a_cycle_needs_one_cell(bench, cells):
    bench(f"OUTP ON;:ROUT:CLOS {cells};:SOUR:VOLT 0.1;:READ?")
    assert code(bench) == -221


def test_every_setting_that_is_remembered_is_given_back(bench):
    for line, answer in (
        ("SENS:CURR:NPLC 0.5;NPLC?", "5.000000E-01"), ("SYST:AZER ONCE;AZER?", "0"),
        ("SENS:FUNC 'CURR:DC','VOLT';FUNC?", '"CURR","VOLT"'), ("SOUR:DEL:AUTO 0;AUTO?", "0"),
        ("ROUT:TERM REAR;TERM?", "REAR"), ("SENS:AVER:COUN 7;COUN?", "7"),
        ("OUTP:SMOD HIMPEDANCE;SMOD?", "HIMP"), ("TRIG:COUN 4;COUN?", "4"),
    ):  # fmt: skip
        assert bench(line) == answer
    assert bench.error() == '0,"No error"'
    bench("*RST")
    assert bench("SENS:CURR:NPLC?") == "1.000000E+00"


# Programs and truths


def test_cells_are_programmed_on_the_side_of_the_board(bench):
    targets = np.full(20, 1e-4)
    targets[7] = np.nan
    before = bench.truth()
    bench("OUTP ON;:FORM REAL,64")
    bench.raw(b"PROG:TARG " + block(targets.astype(">f8").tobytes()))
    assert bench("PROG:TOL 5e-6;TOL?;STAR;STAT?") == "5.000000E-06;IDLE,19,19"
    after = bench.truth().reshape(-1)
    assert after[7] == before.reshape(-1)[7]
    others = after[torch.arange(20) != 7]
    assert ((others - 1e-4).abs() < 7e-6).all()
    bench("FORM ASC")
    sent = [float(x) for x in bench("PROG:PULS?").split(",")]
    assert sent[7] == 0.0
    total = bench.board.counters.set_pulses + bench.board.counters.reset_pulses
    assert sum(sent) == total


@pytest.mark.parametrize("nothing", ["9.91E37", "9.910000E+37", "nan"])
def test_a_target_that_is_no_number_leaves_its_cell_alone(bench, nothing):
    before = bench.truth()
    bench("OUTP ON", f"PROG:TARG {nothing},1E-4" + f",{nothing}" * 18)
    assert bench("PROG:STAR;STAT?;:SYST:ERR?").endswith(',1;0,"No error"')
    changed = bench.truth() != before
    assert changed.nonzero().tolist() == [[0, 1]]


@pytest.mark.parametrize("device", ["ideal", "oxram_literature"])
def test_an_open_loop_sends_what_the_data_sheet_says_and_reads_nothing(device):
    bench, law = Bench(service(device)), load_device(device)
    targets = np.linspace(law.g_min_siemens, law.g_max_siemens, 20)
    targets[7] = np.nan
    bench("OUTP ON;:FORM REAL,64;:PROG:ALG OPEN", "PULS:ONE 1,2,UP,DEF,MAX,3")
    before, truth = bench.board.counters, bench.truth()
    bench.raw(b"PROG:TARG " + block(targets.astype(">f8").tobytes()))
    assert bench("PROG:ALG?;STAR;STAT?") == "OPEN;IDLE,0,19"
    assert bench.error() == '0,"No error"'
    spent = bench.board.counters - before
    assert spent.device_reads == 0
    sent = content(bench.raw(b"PROG:PULS?"), ">f8")
    assert sent[7] == 0.0
    assert sent.sum() == spent.set_pulses + spent.reset_pulses
    after, others = bench.truth().reshape(-1).numpy(), np.arange(20) != 7
    assert after[7] == truth.reshape(-1)[7]
    misses = np.abs(after - targets)[others] / law.window_siemens
    assert np.median(misses) < (1e-6 if device == "ideal" else 0.2)


def test_an_iterated_program_reads_and_accepts_what_lies_in_the_band(bench):
    bench("OUTP ON;:FORM REAL,64;:PROG:ALG ITER;TOL 2E-5")
    bench.raw(b"PROG:TARG " + block(np.full(20, 1e-4, ">f8").tobytes()))
    kind, accepted, total = bench("PROG:STAR;STAT?").split(",")
    assert (kind, total) == ("IDLE", "20")
    assert int(accepted) >= 15
    assert ((bench.truth() - 1e-4).abs() < 3e-5).sum() >= 15


def test_an_open_loop_of_cells_that_switch_at_once_sends_nothing():
    sheet = dataclasses.replace(
        load_device("oxram_literature"), set_kind="abrupt", full_set_siemens=8e-4
    )
    bench = Bench(Service(sheet, served()))
    bench("OUTP ON;:PROG:ALG OPEN;TARG " + ",".join(["1E-4"] * 20), "PROG:STAR")
    assert "one SET switches it; nothing was sent" in bench.error()
    assert bench.board.counters == Counters()


def test_a_cell_is_made_stuck_and_healed(bench):
    law = load_device("oxram")
    bench("OUTP ON", "PULS:ONE 1,2,UP,DEF,MAX,20")
    before = bench.truth()
    bench("DIAG:EMUL:FAUL 1,2,SA1;FAUL 3,0,SA0")
    assert bench("DIAG:EMUL:FAUL? 1,2;FAUL? 0,0;FAUL:LIST?") == 'SA1;OK;"1!2 SA1","3!0 SA0"'
    low, high = (pytest.approx(siemens) for siemens in stuck_levels(law))
    assert (float(bench.truth()[1, 2]), float(bench.truth()[3, 0])) == (high, low)
    counters = bench.board.counters
    bench("PULS:SLIC WL,1,DOWN,DEF")
    assert (bench.board.counters - counters).lost_pulses == 1
    assert float(bench.truth()[1, 2]) == high
    bench("DIAG:EMUL:FAUL 1,2,OK")
    assert bench.truth()[1, 2] == before[1, 2]
    bench("DIAG:EMUL:FAUL:CLE")
    assert bench("DIAG:EMUL:FAUL:LIST?") == '""'
    bench("PULS:ONE 1,2,DOWN,DEF", "*CLS;:DIAG:EMUL:FAUL 9,0,SA0")
    assert bench.truth()[1, 2] < before[1, 2]
    assert code(bench) == -222


def test_the_output_goes_off_when_the_connection_of_who_writes_ends(bench):
    other = bench.instrument.session("other")
    bench("OUTP ON;:ROUT:CLOS (@1!1);:SENS:CURR:PROT 1uA;:ROUT:IDLE SGND")
    bench.instrument.leave(other)
    assert bench("OUTP?;:ROUT:CLOS?") == "1;(@1!1)"
    bench.instrument.leave(bench.session)
    assert bench.instrument.ask(other, "OUTP?;:ROUT:CLOS?;IDLE?") == "0;(@);SGND"


def test_a_compliance_does_not_outlive_the_connection_that_set_it(bench):
    """The next client would measure with it, and not know."""
    other = bench.instrument.session("other")
    before = bench("SENS:CURR:PROT?")
    bench("SENS:CURR:PROT 1uA")
    assert bench("SENS:CURR:PROT?") != before
    bench.instrument.leave(bench.session)
    assert bench.instrument.ask(other, "SENS:CURR:PROT?") == before


def test_an_output_whose_client_let_others_write_goes_off_unless_one_does(bench):
    other = bench.instrument.session("other")
    bench("OUTP ON;:SYST:LOCK:REL")
    bench.instrument.leave(bench.session)
    assert bench.instrument.ask(other, "OUTP?") == "0"
    bench("OUTP ON;:SYST:LOCK:REL")
    assert bench.instrument.ask(other, "SYST:LOCK:REQ?") == "1"
    bench.instrument.leave(bench.session)
    assert bench.instrument.ask(other, "OUTP?") == "1"


def test_truths_are_those_of_the_emulator_and_cost_no_read(bench):
    assert bench("DIAG:EMUL:SEED?") == "0"
    text = bench("DIAG:EMUL:COND?").split(",")
    assert text == [f"{float(x):.6E}" for x in bench.truth().reshape(-1)]
    assert bench("DIAG:EMUL:COUN?;ENER?") == "0,0,0,0;0.000000E+00,0.000000E+00"
    assert json.loads(bench("SYST:COUN?")[1:-1].replace('""', '"')) == Counters().as_dict()


def test_time_passes_at_the_temperature_that_was_set():
    hot, cold, board = Bench(), Bench(), same_board()
    for each in (hot, cold):
        each("OUTP ON", "PULS:SLIC WL,0,UP,DEF,1mA")
    board.pulse(PulseBatch(np.arange(5, dtype=np.int32), np.ones(5, np.int32)))
    hot("DIAG:EMUL:TEMP 400;TIME:ADV 1e4")
    cold("SYST:WAIT 1e4")
    board.wait(1e4)
    assert torch.equal(cold.truth(), board.g)
    assert hot("DIAG:EMUL:TEMP?") == "4.000000E+02"
    assert (hot.error(), cold.error()) == ('0,"No error"',) * 2


def test_a_board_that_is_not_emulated_has_no_diagnostics(bench):
    bench.instrument.bench.emulator = None
    bench("DIAG:EMUL:COND?")
    assert code(bench) == -241


# Clients


def test_one_client_writes_and_the_others_look_on_with_queues_of_their_own(bench):
    other = Bench(bench.service)
    bench("OUTP ON")
    other("OUTP ON", "PULS:ONE 0,0,UP,DEF")
    assert other("OUTP?;:SYST:ERR:COUN?") == "1;2"
    assert code(other) == -203
    other("OUTP OFF", "*RST")
    assert other("SYST:ERR:COUN?;:OUTP?;:SYST:LOCK:OWN?") == '1;0;"local"'
    assert other.error().endswith('nothing was sent"')
    bench("PULS:ONE 0,0,UP,DEF")
    assert code(bench) == -221
    assert bench("SYST:ERR?;LOCK:OWN?") == '0,"No error";"local"'
    assert len(other("READ:ALL?").split(",")) == 20
    assert other("SYST:LOCK:REQ?") == "0"
    bench("SYST:LOCK:REL")
    assert other("SYST:LOCK:REQ?;:OUTP OFF;OUTP?") == "1;0"
    bench.instrument.leave(other.session)
    assert bench("SYST:LOCK:OWN?") == '"NONE"'


def test_who_gives_no_token_is_told_nothing_and_sends_nothing():
    bench = Bench(service(token="correct horse"))
    assert bench("*IDN?", "OUTP ON", "SYST:TOK 'wrong'", "READ:ALL?") == ""
    assert bench.error().count("-203") == 4
    bench('SYST:TOK "correct horse"')
    assert bench("*CLS;*IDN?").startswith("xbar,")


def test_files_are_written_into_the_folder_and_nowhere_else(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    bench = Bench(service(folder=folder))
    bench("OUTP ON", "PULS:ONE 1,2,UP,DEF,MAX,3", "MMEM:STOR 'log.csv'")
    assert code(bench) == 0
    head, line = (folder / "log.csv").read_text().splitlines()
    assert head == "event"
    assert line.endswith("1!2 SET 3 RESET 0 V own s own")
    for name in ("../a.csv", "/tmp/a.csv", ".csv", "a.txt", "a/b.csv", "a\\b.csv", "nul\0.csv"):
        bench(f"MMEM:STOR '{name}'")
        assert code(bench) == -257
    assert [path.name for path in tmp_path.rglob("*.csv")] == ["log.csv"]
