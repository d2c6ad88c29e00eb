"""A file is whole or absent, whatever happens while it is written."""

import os
import subprocess
import sys
import threading

import pytest

from device_models import atomic

OLD, NEW = b"old " * 1000, b"new " * 50_000


@pytest.fixture
def path(tmp_path):
    """A file that is there already."""
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(OLD)
    return path


def in_a_process(path, prelude):
    """Write `NEW` in another process, after `prelude`."""
    code = f"""
import errno, os, pathlib, resource, sys
from device_models import atomic
{prelude}
try:
    atomic.write(pathlib.Path(sys.argv[1]), b"new " * 50_000)
except OSError as e:
    sys.exit(f"{{errno.errorcode[e.errno]}}")
"""
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_new_file_is_written_and_an_old_one_replaced(tmp_path, path):
    atomic.write(path, NEW)
    atomic.write(tmp_path / "other", b"")
    assert path.read_bytes() == NEW
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.npz", "other"]


def test_a_limit_reached_in_mid_write_leaves_the_old_file_and_nothing_else(path):
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))"
    ended = in_a_process(path, limit)
    assert (ended.returncode, ended.stderr) == (1, "EFBIG\n")
    assert path.read_bytes() == OLD
    assert os.listdir(path.parent) == ["checkpoint.npz"]  # noqa: PTH208


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_process_that_dies_in_mid_write_leaves_the_old_file(path, call):
    """As by kill -9: nothing is cleaned up, but by the next write."""
    where = "os.fsync" if call == "fsync" else "pathlib.Path.replace"
    ended = in_a_process(path, f"{where} = lambda *args: os._exit(9)")
    assert ended.returncode == 9
    assert path.read_bytes() == OLD
    (partial,) = (p for p in path.parent.iterdir() if p != path)
    assert partial.name.startswith(".checkpoint.npz.")
    assert partial.suffix == ".part"
    atomic.write(path.parent / "checkpoint.npz.old", NEW)  # another file
    assert partial.exists()
    atomic.write(path, NEW)
    assert path.read_bytes() == NEW
    assert sorted(p.name for p in path.parent.iterdir()) == ["checkpoint.npz", "checkpoint.npz.old"]


def test_what_another_writer_has_begun_is_left_alone(path, monkeypatch):
    """Two writers of one file: the second is done while the first flushes."""
    flush, begun = os.fsync, []

    def second(handle):
        if not begun:
            begun.append(handle)
            atomic.write(path, OLD)
        flush(handle)

    monkeypatch.setattr(os, "fsync", second)
    atomic.write(path, NEW)
    assert path.read_bytes() == NEW
    assert [p.name for p in path.parent.iterdir()] == ["checkpoint.npz"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_an_error_leaves_the_old_file_and_no_part(path, monkeypatch, call, error):
    def fail(*args):
        raise error

    if call == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(type(path), "replace", fail)
    with pytest.raises(type(error)):
        atomic.write(path, NEW)
    assert path.read_bytes() == OLD
    assert [p.name for p in path.parent.iterdir()] == ["checkpoint.npz"]


def test_a_folder_that_does_not_exist_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        atomic.write(tmp_path / "absent" / "file", NEW)
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_is_a_folder_is_the_systems_error_and_leaves_no_part(tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(IsADirectoryError):
        atomic.write(tmp_path / "file", NEW)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_reader_beside_a_writer_never_meets_half_a_file(path):
    """Two contents of different length, written in turn while another thread reads."""
    seen, stop = set(), threading.Event()

    def look():
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=look)
    reader.start()
    for turn in range(100):
        atomic.write(path, NEW if turn % 2 else OLD)
    stop.set()
    reader.join()
    assert seen <= {OLD, NEW}


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path, path):
    link = tmp_path / "link"
    link.symlink_to(path)
    atomic.write(link, NEW)
    assert link.is_symlink()
    assert path.read_bytes() == NEW


def test_a_pipe_is_no_file_to_replace(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        atomic.write(tmp_path / "pipe", NEW)
    assert (tmp_path / "pipe").is_fifo()
