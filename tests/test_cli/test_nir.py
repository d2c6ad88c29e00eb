"""Graphs of NIR on the command line: train, program, estimate, export; a wrong one is one line."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from xbar_nir import input_of, lif, output_of, small

from cli.main import main
from crossbar.experiment.run import Run

nir = pytest.importorskip("nir", reason="nir is not installed: pip install 'xbar-hil[nir]'")
IMAGES = 320, 64


def run(*args):
    result = CliRunner().invoke(main, [*map(str, args)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nir.write("graph.nir", small(nir))


@pytest.fixture
def data(data_dir):
    return "--data-dir", data_dir


def test_a_graph_is_trained_exported_and_programmed(data):
    first = run("train", "--network", "graph.nir", "--device", "ideal", "--epochs", 0, *data,
                "--no-figures", "--out", "a", "--json")  # fmt: skip
    assert first.exit_code == 0, first.stderr
    assert "note: graph.nir is 784-20-10, taken in steps of 0.0001 s (data.dt_s" in first.stderr
    assert "--set network.layers.0.neuron.reset=subtract --set network.layers.1" in first.stderr
    trained = run("train", "--resume", "a", "--epochs", 1, *data, "--no-figures")
    assert trained.exit_code == 0, trained.stderr
    opened = Run.open(run_folder := Path("a"))
    assert opened.config.init_from == "graph.nir"
    assert opened.config.data.dt_seconds == 1e-4
    assert (run_folder / "weights.npz").is_file()

    done = run("export", "a", "-o", "b.nir", *data)
    assert done.exit_code == 0, done.stderr
    again = run("train", "--network", "b.nir", "--device", "ideal", "--epochs", 0, *data,
                "--no-figures", "--json")  # fmt: skip
    assert "subtract" not in again.stderr  # its nodes say what a spike does
    last = json.loads((run_folder / "summary.json").read_text())["test_accuracy"]
    assert json.loads(again.stdout)["test_accuracy"] == last

    chip = run("program", "b.nir", "--device", "oxram", "--seeds", 1, "--retention", "none", *data,
               "--json")  # fmt: skip
    assert chip.exit_code == 0, chip.stderr
    assert json.loads(chip.stdout)["source_accuracy"] == pytest.approx(last, abs=0.04)
    assert json.loads(chip.stdout)["chips"][0]["clipped_share"] == 0.0
    assert "note: b.nir is 784-20-10" in chip.stderr


def test_what_is_typed_stands_over_the_graph(data):
    sets = ("data.steps=30", "network.layers.1.neuron.reset=subtract", "network.loss=mse_rate",
            "network.layers.0.w_max=5")  # fmt: skip
    done = run("train", "--network", "graph.nir", "--epochs", 0, *data, "--no-figures", "--out",
               "a", *(word for each in sets for word in ("--set", each)))  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "network.layers.0.neuron.reset=subtract\n" in done.stderr
    layers = Run.open(Path("a")).config.network.layers
    assert [layer.neuron.reset for layer in layers] == ["zero", "subtract"]
    assert layers[0].w_max == 5.0


def test_a_graph_is_estimated(data):
    done = run("estimate", "--network", "graph.nir", "--rates", "20,30,10", "--out", "e",
               "--no-figures")  # fmt: skip
    assert done.exit_code == 0, done.stderr


def test_without_the_library_one_line_says_what_to_install(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "nir", None)
    need = "an NIR graph needs nir: pip install 'xbar-hil[nir]'; nothing was"
    for args in (("train", "--network", "graph.nir"), ("program", "graph.nir")):
        done = run(*args)
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert f"Error: graph.nir: {need}" in done.stderr


def broken():
    def at(name, **values):
        graph = small(nir)
        for field, value in values.items():
            setattr(graph.nodes[name], field, value)
        return graph

    yield "v_reset", at("2", v_reset=np.full(20, 0.1)), "node '2' (LIF): v_reset = 0.1; 0 is"
    yield "nan", at("1", weight=np.full((20, 784), np.nan)), "node '1' (Linear): its weight holds"
    yield "lines", small(nir, lines=700), "inputs = 700, but samples of fashion_mnist have 784"
    yield "classes", small(nir, classes=5), "has 5 outputs; the data set has 10 classes"
    deep = small(nir)
    deep.nodes["2"] = nir.NIRGraph(
        nodes={"i": input_of(nir, 20), "n": lif(nir, 20), "t": nir.Scale(scale=np.ones(20)),
               "o": output_of(nir, 20)},
        edges=[("i", "n"), ("n", "t"), ("t", "o")],
    )  # fmt: skip
    yield "graph in a graph", deep, "node '2.t' (Scale): there is no such layer here; allowed"


@pytest.mark.parametrize(("graph", "message"), [pytest.param(g, m, id=n) for n, g, m in broken()])
def test_a_graph_that_is_wrong_is_one_line(graph, message, data, tmp_path):
    nir.write("wrong.nir", graph)
    done = run("train", "--network", "wrong.nir", *data)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("Error: wrong.nir: ")
    assert message in done.stderr
    assert done.stderr.endswith("; nothing was written\n")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--network", "none.nir"), "no network file and no preset 'none.nir'"),
        (("--network", "text.nir"), "text.nir is no NIR graph: "),
        (("--network", "graph.nir", "--ei", "80:20"), "which --ei would not fit; leave it out"),
        (("--network", "graph.nir", "--hidden-w-max", "3"), "--hidden-w-max would hold for no"),
        (("--network", "graph.nir", "--set", "data.dt_seconds=1e-3"), "is shorter than a step of"),
    ],
)
def test_a_wrong_option_is_one_line(args, message, data, tmp_path):
    (tmp_path / "text.nir").write_text("text")
    done = run("train", *args, *data)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("none", "-o", "a.nir"), "none is not a run that can be continued"),
        (("none", "-o", "graph.nir"), "graph.nir exists; --force overwrites it"),
        (("none", "-o", "a/b.nir"), "--output a/b.nir needs the folder a"),
    ],
)
def test_a_wrong_export_is_one_line(args, message):
    done = run("export", *args)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr
