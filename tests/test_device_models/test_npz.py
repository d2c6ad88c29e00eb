"""Arrays are read as numpy wrote them; sizes that a file only claims take no memory."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from device_models import npz

numbers = hnp.arrays(
    st.sampled_from(["<f4", "<f8", "<i8", "|u1", "|b1", "<U3"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
)


def saved(*, packed=False, **arrays):
    file = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(file, **arrays)
    return file.getvalue()


def with_header(shape, *, dtype="<f4", data=b""):
    """An archive of one array whose header says `shape`."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w.npy", content)
    return file.getvalue()


@given(a=numbers, b=numbers, packed=st.booleans())
def test_what_numpy_wrote_is_read(a, b, packed):
    read = npz.read(saved(packed=packed, a=np.asarray(a, order="F"), b=b))
    assert list(read) == ["a", "b"]
    for array, there in zip((a, b), read.values(), strict=True):
        assert (there.dtype, there.shape) == (array.dtype, array.shape)
        assert there.tobytes() == array.tobytes()


def test_only_what_is_asked_for_is_read(tmp_path):
    (tmp_path / "a.npz").write_bytes(saved(a=np.zeros(3), b=np.ones(2)))
    assert list(npz.read(tmp_path / "a.npz", only=["b"])) == ["b"]
    with pytest.raises(KeyError):
        npz.read(tmp_path / "a.npz", only=["c"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (with_header((1 << 50,)), "it says"),
        (with_header((3,), data=bytes(16)), "it says"),
        (with_header((1,), dtype="|O", data=bytes(8)), "something else than arrays"),
        (with_header((1 << 29,), data=bytes(1 << 29)), "its arrays take"),
        (saved(a=np.zeros(3))[:-30], "."),
        (b"hello", "."),
    ],
    ids=["claims 4 PiB", "wrong size", "objects", "bomb", "cut", "text"],
)
def test_a_file_that_is_none_takes_no_memory(content, message):
    tracemalloc.start()
    with pytest.raises(npz.UNREADABLE, match=message):
        npz.read(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_damaged_byte_is_an_error_that_is_caught_or_changes_nothing(at, byte):
    array = np.arange(40, dtype=np.float32)
    content = bytearray(saved(a=array))
    content[at % len(content)] = byte
    try:
        read = npz.read(bytes(content))
    except npz.UNREADABLE:
        return
    assert all(np.array_equal(there, array) or there.shape != (40,) for there in read.values())


def test_a_reason_that_repeats_the_file_is_cut():
    content = bytearray(saved(first=np.arange(2000)))
    name = content.index(b"first.npy")  # of its own header; the length stands four bytes before
    content[name - 4 : name - 2] = struct.pack("<H", 4000)
    with pytest.raises(npz.UNREADABLE) as error:
        npz.read(bytes(content))
    assert len(str(error.value)) > 2 * npz.LONGEST_REASON
    assert len(npz.reason(error.value)) == npz.LONGEST_REASON + len("...")
