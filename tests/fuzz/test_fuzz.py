"""Damaged files end in success or in the project's own errors; `make fuzz` tries many more."""

import pytest
from fuzz_mutations import contents
from fuzz_readers import READERS
from fuzz_run import begin, fault_of, inputs
from hypothesis import example, given

from device_models.errors import ConfigError, DataError

INPUTS = 2000  # of each reader, the slow ones among them under `-m slow`
every = pytest.mark.parametrize("name", READERS)


@pytest.fixture
def check(tmp_path):
    """Read files with one reader; a fault is told with the file that it is of."""

    def check(name, files):
        path = begin(READERS[name], tmp_path / name)
        for content in files:
            path.write_bytes(content)
            assert not fault_of(READERS[name].read, path), content[:2000]

    return check


@every
def test_whole_files_are_read(name, tmp_path):
    path = begin(READERS[name], tmp_path)
    for content in READERS[name].files():
        path.write_bytes(content)
        READERS[name].read(path)


@every
def test_damaged_files_end_in_success_or_one_error(check, name):
    check(name, inputs(READERS[name], 0, READERS[name].quick))


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n, reader in READERS.items() if reader.quick < INPUTS])
def test_many_damaged_files_end_in_success_or_one_error(check, name):
    check(name, inputs(READERS[name], 1, INPUTS))


@given(content=contents)
@example(content=b"[" * 100_000)
@example(content=b"\x1f\x8b")
@example(content=b"PK\x03\x04")
def test_files_built_from_nothing_end_in_success_or_one_error(tmp_path_factory, content):
    for name in ("measurements", "aihwkit", "idx", "weights", "device"):
        path = tmp_path_factory.getbasetemp() / READERS[name].name
        path.write_bytes(content)
        assert not fault_of(READERS[name].read, path), name


def raising(error):
    """A reader that ends so."""

    def read(path):
        raise error

    return read


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (DataError("x: wrong; nothing was read"), ""),
        (ConfigError("x:1:1: wrong\nx:2:1: wrong"), ""),
        (DataError("x: two\nlines"), "DataError of 2 lines, the longest of 6"),
        (DataError("x" * 5000), "DataError of 1 lines, the longest of 5000"),
        (ValueError("no"), "ValueError at test_fuzz.py:"),
        (MemoryError(), "MemoryError at test_fuzz.py:"),
        (RecursionError(), "RecursionError at test_fuzz.py:"),
    ],
)
def test_what_a_fault_is(tmp_path, error, fault):
    told = fault_of(raising(error), tmp_path)
    assert told.startswith(fault) if fault else not told


def test_the_same_seed_gives_the_same_files():
    for name in ("measurements", "device", "weights", "idx"):
        once, again, other = (
            list(inputs(READERS[name], seed, 20)) for seed in (1, 1, 2)
        )  # fmt: skip
        assert once == again
        assert once != other
