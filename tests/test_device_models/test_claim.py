"""One command writes to a folder at a time; what a killed one left is known, and taken over."""

import os
import signal
import subprocess
import sys
import time

import pytest

from device_models.claim import MARK, Claim, contents, is_free, unfinished
from device_models.errors import RunError

HOLDER = """
import pathlib, sys, time
from device_models.claim import Claim
claim = Claim(pathlib.Path(sys.argv[1]), "run")
(claim.folder / "config.yaml").write_text("half")
(claim.folder / ".checkpoint.npz.0123abcd.part").write_text("half")
print("claimed", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that has claimed a folder."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "claimed\n"
        yield process
        process.kill()


def test_a_folder_is_made_marked_and_left_clean(tmp_path):
    folder = tmp_path / "runs" / "one"
    with Claim(folder, "run"):
        assert unfinished(folder) == "run"
        assert contents(folder) == []
        (folder / "file").write_text("whole")
    assert unfinished(folder) is None
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_a_folder_where_nothing_came_about_is_removed(tmp_path):
    def fail():
        with Claim(tmp_path / "runs" / "one", "run"):
            raise RunError("before anything was written")

    with pytest.raises(RunError, match="before anything"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_an_error_after_the_first_file_leaves_the_mark(tmp_path):
    def fail():
        with Claim(tmp_path / "one", "report"):
            (tmp_path / "one" / "file").write_text("half")
            raise OSError

    with pytest.raises(OSError, match=r"^$"):
        fail()
    assert unfinished(tmp_path / "one") == "report"
    assert is_free(tmp_path / "one", "report")
    assert not is_free(tmp_path / "one", "run")


def test_the_second_is_told_who_writes(holder, tmp_path):
    with pytest.raises(RunError, match=rf"being written by .*process {holder.pid} on ") as raised:
        Claim(tmp_path / "run", "run")
    assert len(str(raised.value).splitlines()) == 1
    assert unfinished(tmp_path / "run") == "run"


def test_what_a_killed_command_left_is_taken_over(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    folder = tmp_path / "run"
    assert is_free(folder, "run")
    with Claim(folder, "run"):
        assert sorted(path.name for path in contents(folder)) == ["config.yaml"]
    assert unfinished(folder) is None


def test_what_a_command_finished_a_moment_before_is_seen(tmp_path):
    """Its mark is gone, and that of who comes next must not hide it."""
    with Claim(tmp_path / "one", "run") as first:
        assert first.is_free
        (tmp_path / "one" / "result").write_text("whole")
    with Claim(tmp_path / "one", "run") as second:
        assert not second.is_free


def test_what_others_left_is_not_free(tmp_path):
    (tmp_path / "notes").write_text("mine")
    assert not is_free(tmp_path, "run")
    assert is_free(tmp_path / "none", "run")


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        Claim(tmp_path / "file" / "run", "run")


RACER = """
import pathlib, sys, time
from device_models.claim import Claim
from device_models.errors import RunError
while time.time() < float(sys.argv[2]):
    pass
try:
    with Claim(pathlib.Path(sys.argv[1]), "run") as claim:
        (claim.folder / "file").write_text("x")
        time.sleep(1)
except RunError:
    sys.exit(7)
"""


def test_of_several_at_once_one_wins(tmp_path):
    at = str(time.time() + 0.8)
    command = [sys.executable, "-c", RACER, str(tmp_path / "run"), at]
    racers = [subprocess.Popen(command, env=os.environ) for _ in range(3)]
    assert sorted(racer.wait() for racer in racers) == [0, 7, 7]
    assert not (tmp_path / "run" / MARK).exists()
