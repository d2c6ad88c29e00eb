"""`make torture` notices what it looks for: another number, a file left over or missing, a hang."""

import importlib.util
import io
import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent / "torture"


@pytest.fixture
def compare():
    """The module of that name, which lies in no package."""
    spec = importlib.util.spec_from_file_location("torture_compare", FOLDER / "compare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def torture(monkeypatch):
    """The program itself."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names = ("child", "commands", "compare", "torture")
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module("torture")
    for name in names:
        sys.modules.pop(name, None)


def write(folder, accuracy=0.5, seconds=1.0, g=1e-5):
    """A run as commands write it."""
    folder.mkdir()
    about = json.dumps({"epoch": 1, "rows": [{"seconds": seconds}]}).encode()
    file = io.BytesIO()
    np.savez(file, about=np.frombuffer(about, np.uint8), g=np.full(3, g), sha256=np.zeros(32))
    (folder / "checkpoint.npz").write_bytes(file.getvalue())
    row = {"accuracy": accuracy, "seconds": seconds}
    (folder / "summary.json").write_text(json.dumps({"epochs": [row], **row}))
    (folder / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    (folder / "page.html").write_text("<p>")
    return folder


def test_clocks_may_differ_and_nothing_else(compare, tmp_path):
    wanted = compare.contents(write(tmp_path / "wanted"))

    def apart(name, **changes):
        return compare.difference(compare.contents(write(tmp_path / name, **changes)), wanted)

    assert apart("clock", seconds=7.0) == ""
    assert apart("accuracy", accuracy=0.6) == "other content: metrics.jsonl, summary.json"
    assert apart("bits", g=np.nextafter(1e-5, 1)) == "other content: checkpoint.npz"


def test_what_is_left_over_or_missing_is_told(compare, tmp_path):
    wanted = compare.contents(write(tmp_path / "wanted"))
    there = write(tmp_path / "there")
    (there / ".page.html.01234567.part").write_text("<")
    (there / "summary.json").unlink()
    assert compare.difference(compare.contents(there), wanted) == (
        "left over: .page.html.01234567.part; missing: summary.json"
    )


def test_endings_that_are_none_are_faults(torture):
    ending = torture.Ending
    assert torture.judged(ending(0, "", 1.0), torture.KILL) == []
    assert torture.judged(ending(-9, "", 1.0), torture.KILL) == []
    assert torture.judged(ending(130, "Interrupted.", 1.0), torture.CTRL_C) == []
    assert torture.judged(ending(2, "Error: full", 1.0), torture.FULL) == []
    assert torture.judged(ending(2, "Error: full", 1.0), torture.TERM)
    assert torture.judged(ending(1, "Traceback (most recent", 1.0), torture.FULL)
    assert torture.judged(ending(None, "", 1.0), torture.CTRL_C) == ["no end within 300 s"]


def test_a_refusal_is_a_fault_unless_the_result_was_whole_already(torture, monkeypatch, tmp_path):
    class Ended:
        def __init__(self, task, *, cold=False):
            self.code = next(codes)

        def is_alive(self):
            return False

        def wait_for(self, cpu_seconds):
            pass

        def end(self):
            return torture.Ending(self.code, "Error: taken", 0.0)

    monkeypatch.setattr(torture, "Running", Ended)
    (tmp_path / "chips").mkdir()
    one = torture.Torture.__new__(torture.Torture)
    one.images, one.random, one.rows = tmp_path, random.Random(0), {"program": torture.Row()}
    for wanted, faults in (
        ({"chips": None}, []),
        ({"chips": None, "chips/summary.json": {}}, ["again: exit code 2: Error: taken"]),
    ):
        codes = iter((torture.ENDED, torture.REFUSED))
        one.references = {"program": torture.Reference([wanted], 10, {False: 1.0})}
        assert one.struck("program", torture.TERM, tmp_path, False)[1] == faults


def test_every_long_command_is_there(torture):
    from cli.main import COMMANDS

    started = {command.line.split()[0] for command in torture.COMMANDS.values()}
    others = {"serve", "devices", "doctor", "sweep"}  # test_sweep.py kills workers and client
    assert started == set(COMMANDS) - others
