"""The reader of IDX files: what it decodes and what it refuses."""

import gzip

import numpy as np
import pytest

from crossbar.datasets.idx import read_idx
from device_models.errors import DataError

IMAGES = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, *range(12)])
LABELS = bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9])


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_idx_file_is_read_with_its_shape_whatever_its_name(tmp_path, pack):
    path = tmp_path / "images"
    path.write_bytes(pack(IMAGES))
    array = read_idx(path)
    assert array.dtype == np.uint8
    assert array.flags.writeable
    np.testing.assert_array_equal(array, np.arange(12).reshape(2, 2, 3))


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (b"", "starts with no bytes, an IDX file of bytes starts with 00 00 08"),
        (b"\x00\x00\x0d\x01" + LABELS[4:], "starts with 00 00 0d 01"),
        (b"\x00\x00\x08\x00\x05", "starts with 00 00 08 00"),
        (b"<html>", "starts with 3c 68 74 6d"),
        (LABELS[:6], "6 bytes, the header alone takes 8"),
        (LABELS[:-1], r"1 bytes after the header, which states 2 values \(2\)"),
        (IMAGES + b"\0", r"13 bytes after the header, which states 12 values \(2 x 2 x 3\)"),
        (
            b"\0\0\x08\x41" + b"\0\0\0\1" * 65 + b"x",
            r"states 1 values in 65 dimensions, which is no array \(max",
        ),
        (
            b"\0\0\x08\4" + b"\0\0\0\0" + b"\xff\xff\xff\xff" * 3,
            r"states 0 values in 4 dimensions, which is no array \(array is too big",
        ),
        (gzip.compress(IMAGES, mtime=0)[:-9], "cut short or damaged"),
        (gzip.compress(IMAGES, mtime=0)[:-3], "cut short or damaged"),
        (gzip.compress(IMAGES, mtime=0)[:5], "cut short or damaged"),
        (gzip.compress(IMAGES, mtime=0) + b"more", "cut short or damaged"),
        (gzip.compress(IMAGES, mtime=0)[:-8] + bytes(8), "cut short or damaged"),
    ],
)
def test_file_that_is_not_one_whole_idx_file_is_refused_in_one_line(tmp_path, stored, message):
    path = tmp_path / "file"
    path.write_bytes(stored)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.endswith("; nothing was loaded")
    assert "\n" not in text


def test_absent_idx_file_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="absent: No such file or directory; nothing was loaded"):
        read_idx(tmp_path / "absent")
