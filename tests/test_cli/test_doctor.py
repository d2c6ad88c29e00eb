"""`xbar doctor` tells what there is, and what is broken and how to mend it."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from cli import doctor as module
from cli import speed
from cli.main import main
from crossbar.snn.engines import Batch, EventEngine, LayerView
from crossbar.snn.plan import initial_weights

CHECKS = ["versions", "package", "threads", "kernels", "data", "disk"]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    """No named folder of images, and runs go to an empty folder."""
    monkeypatch.delenv("XBAR_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def run(*args):
    result = CliRunner().invoke(main, ["doctor", *args])
    return result.exit_code, result.stdout, result.stderr


def facts(*args):
    code, stdout, _ = run("--no-speed", "--json", *args)
    return code, json.loads(stdout)


def broken():
    """The lines on stderr of a run that must fail."""
    code, _, stderr = run("--no-speed")
    assert code == 2
    return stderr.splitlines()


# --- a sound machine -----------------------------------------------------------------------------


def test_every_check_has_its_line_and_nothing_is_broken():
    code, stdout, stderr = run("--no-speed")
    assert (code, stderr) == (0, "")
    assert [line.split()[0] for line in stdout.splitlines()] == CHECKS
    assert f"numpy {np.__version__}" in stdout


def test_json_has_the_same_checks_with_numbers(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    code, found = facts()
    assert code == 0
    assert list(found) == [*CHECKS, "broken"]
    assert found["broken"] == []
    assert found["versions"]["numpy"] == np.__version__
    assert found["threads"]["OMP_NUM_THREADS"] == "3"
    assert 1 <= found["threads"]["kernels"] <= found["threads"]["usable"]
    assert found["disk"]["runs_free_bytes"] > module.LEAST_FREE


def test_the_cache_is_told_with_its_size(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    _, before = facts()
    assert (before["kernels"]["bytes"], before["kernels"]["compiled"]) == (0, False)
    folder = tmp_path / before["kernels"]["folder"] / "snn_0"
    folder.mkdir(parents=True)
    (folder / "kernels.run_chunk-1.py311.nbi").write_bytes(b"1234")
    _, after = facts()
    assert (after["kernels"]["bytes"], after["kernels"]["compiled"]) == (4, True)


def test_images_that_are_nowhere_are_no_fault_and_are_not_fetched(monkeypatch):
    monkeypatch.setattr("crossbar.datasets.locate.HERE", {})
    code, stdout, _ = run("--no-speed")
    assert code == 0
    assert "is not here; xbar train fetches it once" in stdout


def test_nothing_is_asked_over_the_network(monkeypatch, tmp_path):
    def connect(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr("urllib.request.urlopen", connect)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code, found = facts()
    assert code == 0
    assert str(tmp_path) not in str(found["data"]["folder"])
    assert not list(tmp_path.rglob("*-ubyte"))


# --- speed ---------------------------------------------------------------------------------------


def test_speed_is_measured_beside_the_table(monkeypatch):
    monkeypatch.setattr(speed, "SAMPLES", 64)
    monkeypatch.setattr(speed, "ROUNDS", 1)
    found = module.how_fast()
    kinds = {(row["what"], row["threads"]) for row in found.facts["rows"]}
    assert {("forward and backward", 1), ("forward", 1)} <= kinds
    for row in found.facts["rows"]:
        assert 0.0 < row["microseconds"] < 1e6
        assert row["reference"] == speed.REFERENCE.get((row["what"], row["threads"]))
    assert speed.REFERENCE_MACHINE in found.line


def test_what_is_measured_spikes_like_real_images():
    network, data = speed.images()
    assert len(data.train_events) == speed.SAMPLES
    spikes = len(data.train_events.rows) / speed.SAMPLES
    assert 300.0 < spikes < 360.0  # Fashion-MNIST: 330.7
    assert data.train_events.times.max() < network.steps
    weights = initial_weights(network, generator=np.random.default_rng(0))
    none = np.zeros((0, 0), np.float32)
    layers = [LayerView(w, none, np.zeros(len(w))) for w in weights]
    engine, chosen = EventEngine(network, tile_rows=128, threads=1), np.arange(200)
    done = engine.run(Batch(data.train_events, data.train_labels, chosen), layers)
    assert 20.0 < done.spikes[0].sum() / 200 < 80.0


# --- broken --------------------------------------------------------------------------------------


def test_a_missing_package_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(module, "NEEDED", ("numpy", "no-such-package"))
    (line,) = broken()
    assert line.startswith("broken: no-such-package is not installed; ")
    assert line.endswith(" -m pip install no-such-package")


def test_another_distribution_of_our_names_is_named(monkeypatch):
    owners = {"crossbar": ["xbar-hil", "crossbar-router"], "cli": ["xbar-hil"]}
    monkeypatch.setattr(module.metadata, "packages_distributions", lambda: owners)
    (line,) = broken()
    assert "crossbar-router installs packages of the same name" in line
    assert "pip uninstall crossbar-router" in line


def test_a_cache_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "cache"))
    (line,) = broken()
    assert "cannot be written; set NUMBA_CACHE_DIR" in line


def test_a_named_folder_without_images_is_broken(monkeypatch, tmp_path):
    monkeypatch.setenv("XBAR_DATA", str(tmp_path))
    (line,) = broken()
    assert "was named by XBAR_DATA" in line
    code, _, stderr = run("--no-speed", "--data-dir", str(tmp_path / "none"))
    assert code == 2
    assert "was named by --data-dir" in stderr


def test_a_full_disk_is_told_with_what_is_needed(monkeypatch):
    monkeypatch.setattr(module, "LEAST_FREE", 10**18)
    lines = broken()
    assert len(lines) == 2
    assert all("make room for" in line for line in lines)
    code, found = facts()
    assert code == 2
    assert len(found["broken"]) == 2
