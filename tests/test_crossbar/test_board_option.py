"""`pytest tests/hardware --board`: the suite as a user runs it against a driver of one's own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DRIVER = """
import dataclasses
from xbar_lab_boards import simulated

BOARD = simulated()

def real():
    BOARD.info = dataclasses.replace(BOARD.info, is_emulator=False)
    return BOARD

class Backwards:
    def __init__(self): self.board = real()
    def __getattr__(self, name): return getattr(self.board, name)
    def vmm(self, volts): return -self.board.vmm(volts)
"""


def suite(tmp_path, function, *options):
    """The exit code and the text of a run."""
    (tmp_path / "lab_driver.py").write_text(DRIVER)
    command = [
        sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-c",
        ROOT / "pyproject.toml", "--rootdir", ROOT, ROOT / "tests" / "hardware",
        "--board", f"python:lab_driver.{function}", *options,
    ]  # fmt: skip
    result = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    return result.returncode, result.stdout + result.stderr


def test_a_real_board_is_read_and_not_pulsed(tmp_path):
    code, text = suite(tmp_path, "real")
    assert code == 0, text
    assert "10 passed, 4 skipped" in text
    assert "it sends pulses: give --allow-pulses" in text


def test_pulses_are_sent_where_they_are_allowed(tmp_path):
    code, text = suite(tmp_path, "real", "--allow-pulses", "--cells", "0-9,40")
    assert code == 0, text
    assert "14 passed" in text


def test_what_is_wrong_with_a_driver_is_said(tmp_path):
    code, text = suite(tmp_path, "Backwards")
    assert code == 1
    assert "vmm of word line 0 alone, over its volts, is not its read" in text
