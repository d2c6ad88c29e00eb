"""What comes over a network or out of an archive has a scheme, a size and a time."""

import gzip
import io
import struct
import time
import urllib.request
from typing import ClassVar

import pytest

from crossbar.datasets.fetch import SafeRedirects, open_url, pieces
from crossbar.datasets.idx import parse_idx, uncompressed
from device_models.errors import DataError


@pytest.mark.parametrize("url", ["http://example.org/", "ftp://example.org/", "no address", ""])
def test_another_scheme_than_https_is_not_asked(url):
    with pytest.raises(OSError, match="is not https; nothing was fetched"):
        open_url(url)


def test_address_that_is_none_is_an_error_of_its_thread_passed_on():
    with pytest.raises(OSError, match="no host given"):
        open_url("https://")


@pytest.mark.parametrize("to", ["http://example.org/x", "file:///etc/passwd", "ftp://e.org/"])
def test_a_redirect_to_another_scheme_is_not_followed(to):
    request = urllib.request.Request("https://example.org/")
    follow = SafeRedirects().redirect_request
    with pytest.raises(OSError, match=f"is redirected to {to}, which is not https"):
        follow(request, None, 302, "Found", {}, to)
    assert follow(request, None, 302, "Found", {}, "https://e.org/y").full_url == "https://e.org/y"


def test_a_download_has_limits_of_size_and_time(tmp_path):
    file = tmp_path / "large"
    file.write_bytes(bytes(1000))
    with pytest.raises(OSError, match="states 1,000 bytes; at most 999 are fetched"):
        open_url(file.as_uri(), most_bytes=999)
    with pytest.raises(TimeoutError, match="took too long: 1,000 bytes until then"):
        open_url(file.as_uri(), all_seconds=-1.0)
    assert open_url(file.as_uri(), most_bytes=1000) == bytes(1000)


def test_what_is_sent_without_a_stated_size_ends_at_the_limit():
    class Answer(io.BytesIO):
        headers: ClassVar = {}

    with pytest.raises(OSError, match="sends more than 100 bytes"):
        pieces(Answer(bytes(1000)), lambda *now: None, time.monotonic() + 60.0, 100)


def idx(*shape, values=b""):
    """An IDX file of bytes that states a shape."""
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + values


def test_an_archive_is_unpacked_no_further_than_it_may_be():
    packed = gzip.compress(idx(2, 3, values=bytes(6)) + bytes(10_000_000))
    with pytest.raises(DataError, match="unpacks to more than the 18 bytes that its header states"):
        uncompressed(packed, where="x")
    with pytest.raises(DataError, match="bytes that unpack to more than 1,000; nothing was loaded"):
        uncompressed(gzip.compress(bytes(10_000_000)), where="x", most_bytes=1000)
    huge = gzip.compress(idx(1 << 31, 1 << 31, values=bytes(5_000)))
    with pytest.raises(DataError, match="unpack to more than 1,000"):
        uncompressed(huge, where="x", most_bytes=1000)
    whole = idx(2, 3, values=bytes(6))
    assert uncompressed(gzip.compress(whole), where="x") == whole


@pytest.mark.parametrize("shape", [(1,) * 65, (0, *[2**32 - 1] * 3)])
def test_dimensions_that_no_array_has_are_refused(shape):
    with pytest.raises(DataError, match="which is no array"):
        parse_idx(idx(*shape, values=bytes(1 if 0 not in shape else 0)), where="x")
