"""Program messages: framing of a stream, then commands and parameters."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crossbar.boards.scpi.command import Command, number
from crossbar.boards.scpi.errors import TEXTS, ErrorQueue, ScpiError
from crossbar.boards.scpi.framing import Framer, Unframed
from crossbar.boards.scpi.parser import (
    Block,
    ChannelRange,
    Channels,
    Number,
    Text,
    Unit,
    Word,
    block,
    parse,
    quoted,
)
from crossbar.boards.scpi.table import COMMANDS, spellings


def one(message):
    (unit,) = parse(message if isinstance(message, bytes) else message.encode("latin-1"))
    return unit


def value(text):
    (only,) = one(b"X " + (text if isinstance(text, bytes) else text.encode("latin-1"))).parameters
    return only


def code(message):
    with pytest.raises(ScpiError) as caught:
        list(parse(message))
    return caught.value.code


# Parameters


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(5e-324)
@example(-0.0)
def test_a_number_is_read_as_python_writes_it(x):
    read = value(repr(x)).value
    assert read == x
    assert math.copysign(1.0, read) == math.copysign(1.0, x)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+.5E-3", 0.5e-3), ("5.", 5.0), ("1 e 3", 1e3), ("#H1f", 31.0), ("#q17", 15.0),
        ("#B101", 5.0), ("007", 7.0),
    ],
)  # fmt: skip
def test_forms_of_numbers(text, expected):
    assert value(text) == Number(expected)


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("1.5 mV", "V", 1.5e-3), ("2kV", "V", 2e3), ("100ns", "S", 1e-7), ("3uA", "A", 3e-6),
        ("5 SIE", "SIE", 5.0), ("7MSIE", "SIE", 7e-3), ("300K", "K", 300.0), ("4", "V", 4.0),
    ],
)  # fmt: skip
def test_units_scale_a_number_to_the_last_bit(text, unit, expected):
    assert number(value(text), unit) == expected


@pytest.mark.parametrize(
    ("text", "unit", "wrong"),
    [
        ("1A", "V", -131),
        ("1XV", "V", -131),
        ("1V", "", -138),
        ("'1'", "V", -104),
        ("ON", "V", -104),
    ],
)
def test_a_wrong_unit_or_kind_has_its_own_error(text, unit, wrong):
    with pytest.raises(ScpiError) as caught:
        number(value(text), unit)
    assert caught.value.code == wrong


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_a_string_is_read_as_it_was_quoted(text):
    assert value(quoted(text)) == Text(text)
    assert value("'" + text.replace("'", "''") + "'") == Text(text)


@given(st.binary(max_size=300))
def test_a_block_may_hold_any_bytes(data):
    assert value(block(data)) == Block(data)
    units = list(parse(b"A:B " + block(data) + b",MAX;C? 'x'"))
    assert units == [
        Unit("A:B", False, (Block(data), Word("MAX"))),
        Unit("A:C", True, (Text("x"),)),
    ]


LINES = st.integers(0, 999_999_999)


@given(st.lists(st.tuples(LINES, LINES, LINES, LINES), max_size=5))
def test_a_channel_list_is_read_as_it_was_written(ranges):
    text = ",".join(f"{a}!{b}:{c}!{d}" for a, b, c, d in ranges)
    expected = tuple(ChannelRange((a, b), (c, d)) for a, b, c, d in ranges)
    assert value(f"(@{text})") == Channels(expected)


def test_white_space_in_a_channel_list_means_nothing():
    both = ChannelRange((1, 2), (1, 2)), ChannelRange((3, 0), (4, 7))
    assert value("( @ 1 ! 2 , 3!0 : 4!7 )") == Channels(both)


# Headers and paths


def headers(message):
    return [unit.header for unit in parse(message)]


def test_a_header_after_a_semicolon_goes_on_in_the_path_before_it():
    assert headers(b"A:B 1;C?") == ["A:B", "A:C"]
    assert headers(b"A:B 1;:C?") == ["A:B", "C"]
    assert headers(b":a:b:c;D:e;f") == ["A:B:C", "A:B:D:E", "A:B:D:F"]
    assert headers(b"A:B;*CLS;C;:*RST") == ["A:B", "*CLS", "A:C", "*RST"]


def test_empty_commands_and_white_space_mean_nothing():
    assert headers(b" ;; A:B\t1 , 2 ;;; \r") == ["A:B"]
    assert headers(b"") == []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"\xff", -101), (b"5", -101), (b":", -101), (b"::A", -101), (b"A:", -103),
        (b"A::B", -103), (b"A,B", -103), (b"ABCDEFGHIJKLM", -112), (b"A 1 2", -103),
        (b"A ,1", -102),
        (b"A 1,", -109), (b"A 1,;B", -109), (b"A $", -102), (b"A 1E99999", -123),
        (b"A 1E999", -123),
        (b"A " + b"1" * 300, -124), (b"A #HFFFFFFFFFFFFFFFFF", -124), (b"A 'b", -151),
        (b"A #0abc", -161), (b"A #15abc", -161), (b"A #3a1", -161), (b"A #", -161),
        (b"A (1!2)", -171), (b"A (@1)", -171), (b"A (@1!2", -171), (b"A (@1!2:3)", -171),
        (b"A (@" + b"0!0," * 2000 + b"0!0)", -223),
    ],
)  # fmt: skip
def test_what_cannot_be_read_has_the_number_of_scpi(message, expected):
    assert code(message) == expected


def test_commands_before_one_that_cannot_be_read_are_handed_out():
    units = parse(b"*CLS;A:B;$")
    assert [next(units).header, next(units).header] == ["*CLS", "A:B"]
    with pytest.raises(ScpiError):
        next(units)


def outcome(message):
    """The commands of a line, and the error that ends them."""
    units = []
    try:
        for unit in parse(message):
            units.append(unit)
    except ScpiError as e:
        return units, e
    return units, None


@given(st.binary(max_size=200))
def test_any_line_is_commands_and_at_most_one_error(data):
    units, error = outcome(data)
    assert all(unit.header and unit.header == unit.header.upper() for unit in units)
    if error is not None:
        assert error.code in TEXTS
        assert str(error).isprintable()
        assert len(str(error)) <= 255 + 8


# Every command


def test_every_command_is_written_short_long_and_without_what_is_optional():
    written = set(Command("SOURce:VOLTage[:LEVel]?", print).spellings())
    assert {"SOUR:VOLT", "SOURCE:VOLTAGE", "SOUR:VOLTAGE:LEV", "SOURCE:VOLT:LEVEL"} < written
    assert len(written) == 2 * 2 * 3


def test_no_two_commands_are_written_alike():
    table = spellings()
    assert set(table.values()) == set(COMMANDS)
    assert table["SYST:ERR", True] is table["SYSTEM:ERROR:NEXT", True]


def test_two_commands_that_are_written_alike_would_be_noticed(monkeypatch):
    both = (Command("A:B?", print), Command("A[:C]:B?", print))
    monkeypatch.setattr("crossbar.boards.scpi.table.COMMANDS", both)
    with pytest.raises(ValueError, match="both A:B"):
        spellings()


# Framing


MESSAGES = st.lists(
    st.one_of(
        st.binary(max_size=30).map(lambda b: b"X " + block(b)),
        st.text("AB:?;, '\"#3", max_size=20).map(lambda t: t.encode()),
    ),
    max_size=6,
)


def framed(stream, sizes):
    framer, out, place = Framer(), [], 0
    for size in [*sizes, len(stream)]:
        out += framer.feed(stream[place : place + size])
        place += size
    return out, framer.size


@given(MESSAGES, st.lists(st.integers(1, 7), max_size=40))
def test_how_a_stream_is_cut_by_the_network_changes_no_message(messages, sizes):
    stream = b"".join(message + b"\n" for message in messages)
    assert framed(stream, sizes) == framed(stream, [])


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4), st.lists(st.integers(1, 9)))
def test_blocks_with_line_ends_stay_in_their_message(blocks, sizes):
    message = b"A " + b",".join(block(data) for data in blocks)
    assert framed(message + b"\r\n*RST\n", sizes) == ([message, b"*RST"], 0)


def test_a_hash_in_quotes_begins_no_block():
    assert framed(b"A '#19'\nB\n", []) == ([b"A '#19'", b"B"], 0)


def test_a_line_that_is_too_long_is_dropped_and_the_next_one_is_read():
    framer = Framer(line=100)
    out = []
    for _ in range(50):
        out += framer.feed(b"x" * 60)
        assert framer.size <= 160
    out += framer.feed(b"\n*RST\n")
    assert (out[0].code, out[1:]) == (-363, [b"*RST"])
    (error,) = framer.feed(b"y" * 101 + b"\n")
    assert error.code == -363


def test_a_block_that_is_too_long_is_refused_before_it_arrives():
    framer = Framer(blocks=1000)
    assert framer.feed(b"A #3600" + b"\n" * 600) == []
    with pytest.raises(Unframed):
        framer.feed(b",#3500")
    with pytest.raises(Unframed):
        Framer().feed(b"#9999999999")


# Errors


def test_a_full_queue_says_so_and_keeps_the_oldest():
    queue = ErrorQueue()
    for _ in range(1000):
        queue.put(ScpiError(-113, 'a "quote" and \n a line'))
    assert str(queue.next()) == "-113,\"Undefined header;a 'quote' and ? a line\""
    codes = [queue.next().code for _ in range(len(queue))]
    assert codes == [-113] * 62 + [-350]
    assert str(queue.next()) == '0,"No error"'
