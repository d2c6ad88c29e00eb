"""`xbar sweep`: trials in processes, one that fails, workers and watchers that are killed."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xbar_images
from click.testing import CliRunner

from cli.main import main
from crossbar.datasets import DATASETS

HELPERS = Path(xbar_images.__file__).parent
SMALL = """\
settings: {{device: ideal.yaml, hidden: 20, sigma_init: 0.02, epochs: 2, data.steps: 60}}
grid: {{batch_size: [64, 128, 60000], seed: [{seeds}]}}
imports: [{small}]
"""  # 60000 are more than the images of the small set


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the small set, for workers too; `small.py` would leave it in this process."""
    monkeypatch.setitem(DATASETS, "fashion_mnist", DATASETS["fashion_mnist"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    xbar_images.write(tmp_path / "images")
    small = tmp_path / "small.py"
    small.write_text(
        f"import sys\nsys.path.insert(0, {str(HELPERS)!r})\nimport xbar_images\n"
        "xbar_images.install()\n"
    )
    return tmp_path


def study(here, *, seeds="0"):
    """Write the study file."""
    text = SMALL.format(small=here / "small.py", seeds=seeds)
    (here / "study.yaml").write_text(text, "utf-8")


ARGUMENTS = ["sweep", "study.yaml", "--data-dir", "images", "--workers", "1"]


def rows(here, name="results.csv"):
    """A table of the study."""
    with (here / "studies" / "study" / name).open() as file:
        return list(csv.DictReader(file))


def test_a_trial_that_fails_does_not_stop_the_rest_and_what_is_missing_is_done_later(here):
    study(here)
    result = CliRunner().invoke(main, ARGUMENTS)
    assert result.exit_code == 1, result.output
    assert "failed: batch_size = 60000, seed = 0: batch_size = 60000 is more" in result.stderr
    assert [row["status"] for row in rows(here)] == ["done", "done", "failed"]
    first = rows(here)
    assert all(float(row["cpu_seconds"]) > 0.0 for row in first[:2])
    assert [row["epoch"] for row in rows(here, "epochs.csv")] == ["0", "1", "2"] * 2

    again = CliRunner().invoke(main, ARGUMENTS)
    assert again.exit_code == 2
    assert "is a study already; go on with --resume" in again.stderr
    text = (here / "study.yaml").read_text().replace("60000", "32") + "keep: results\n"
    (here / "study.yaml").write_text(text)
    resumed = CliRunner().invoke(main, [*ARGUMENTS, "--resume", "--json"])
    assert resumed.exit_code == 0, resumed.output
    assert [row["status"] for row in json.loads(resumed.stdout)] == ["done"] * 3
    runs = sorted((here / "studies" / "study" / "trials").iterdir())
    assert [len(list(run.glob("*.npz"))) for run in runs].count(0) == 1  # of the last one
    assert rows(here)[:2] == first[:2]  # to the second: not trained again


def test_a_scheduler_that_is_not_there_is_said(here):
    study(here)
    result = CliRunner().invoke(
        main, [*ARGUMENTS[:4], "--scheduler", "tcp://127.0.0.1:9", "--out", "s"]
    )
    assert result.exit_code == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_trials_are_listed_without_training(here):
    study(here)
    result = CliRunner().invoke(main, ["sweep", "study.yaml", "--list"])
    assert result.exit_code == 0
    names, labels = zip(*(line.split("  ", 1) for line in result.stdout.splitlines()), strict=True)
    assert len(set(names)) == 3
    assert labels[0] == "batch_size = 64, seed = 0"
    assert not (here / "studies").exists()


def processes_of(pid):
    """The children of a process, by the system."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for task in tasks for word in task.read_text().split()]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks up workers in /proc")
@pytest.mark.parametrize("victim", ["worker", "client"])
def test_what_was_finished_before_a_kill_stays(here, victim):
    study(here, seeds="0, 1, 2, 3, 4, 5")
    command = [sys.executable, "-c", "from cli.main import main; main()", *ARGUMENTS]
    client = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    trials = here / "studies" / "study" / "trials"
    while len(list(trials.glob("*/trial.json"))) < 2:
        time.sleep(0.1)
    done = {path: path.read_text() for path in trials.glob("*/trial.json")}
    workers = [
        pid for pid in processes_of(client.pid)
        if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]  # fmt: skip
    os.kill(workers[0] if victim == "worker" else client.pid, signal.SIGKILL)
    client.wait()
    if victim == "client":
        deadline = time.monotonic() + 30.0
        while any(Path(f"/proc/{pid}").exists() for pid in workers):
            assert time.monotonic() < deadline, "workers outlive the one who started them"
            time.sleep(0.1)
        CliRunner().invoke(main, [*ARGUMENTS, "--resume"])
    assert [row["status"] for row in rows(here)] == ["done"] * 12 + ["failed"] * 6
    assert all(path.read_text() == text for path, text in done.items())
