"""What the README and the examples say is true: commands parse, pictures exist, scripts run."""

import re
import runpy
import shlex
from pathlib import Path

import click
import pytest
import torch
import xbar_images
from click.testing import CliRunner
from xbar_training import fashion_images

import crossbar as xb
from cli.main import COMMANDS, main
from crossbar.api.estimation import Estimating
from crossbar.api.estimation import estimate as xb_estimate
from crossbar.api.sweep import run_trial
from crossbar.datasets import DATASETS
from crossbar.experiment.trials import load_study, row_of, table_text, text_of, trials_of
from crossbar.snn.losses import MseRate
from crossbar.snn.network import Network
from crossbar.snn.neurons import Snu
from crossbar.snn.topology import Dense, Lateral

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SHOWN = "".join(text for language, text in BLOCKS if not language).splitlines()
STUDIES = sorted(
    set((ROOT / "examples").rglob("*.yaml")) - {ROOT / "examples/paper/published.yaml"}
)
CALLS = [line.removeprefix("$ ") for line in SHOWN if re.match(r"(\$ )?xbar ", line)]


def blocks(language):
    return [text for name, text in BLOCKS if name == language]


@pytest.mark.parametrize("call", CALLS)
def test_every_command_of_the_readme_is_understood(call):
    _, name, *arguments = shlex.split(call)
    group = click.Context(main)
    command = main.get_command(group, name)
    context = command.make_context(name, arguments, parent=group, resilient_parsing=False)
    assert context.params


def test_the_readme_shows_commands_and_they_cover_every_command():
    assert {call.split()[1] for call in CALLS} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(name):
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert f"xbar {name}" in result.output.split("Examples:")[1]


def test_every_picture_of_the_readme_is_in_the_tree():
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README)
    assert pictures
    assert all((ROOT / picture).stat().st_size > 10_000 for picture in pictures)


@pytest.mark.parametrize("block", blocks("python"))
def test_the_python_of_the_readme_compiles_and_imports_what_exists(block):
    compile(block, "README.md", "exec")
    imports = "\n".join(line for line in block.splitlines() if line.startswith(("from", "import")))
    exec(imports, {})


def test_the_torch_network_of_the_readme_is_made():
    (block,) = (block for block in blocks("python") if "nn.Linear" in block)
    made = {}
    exec(block, made)
    assert made["model"](torch.zeros(2, 784)).shape == (2, 10)
    assert made["optimizer"].param_groups[0]["lr"] == 1e-3


def test_the_python_example_runs_in_ten_lines(capsys, monkeypatch, tmp_path):
    images = fashion_images()
    if isinstance(images, str):
        pytest.skip(images)
    monkeypatch.chdir(tmp_path)
    assert (ROOT / "examples" / "train_in_python.py").read_text("utf-8").count("\n") <= 10
    runpy.run_path(str(ROOT / "examples" / "train_in_python.py"), run_name="__main__")
    printed = capsys.readouterr().out
    accuracy = [float(x) for x in re.findall(r"epoch \d/2  test ([\d.]+)%", printed)]
    assert len(accuracy) == 2
    assert accuracy[1] > 50.0
    assert "(50, 10)" in printed
    assert (tmp_path / "runs" / "oxram_80-20_seed0" / "summary.json").is_file()


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_studies_of_the_examples_are_studies(path):
    _, trials = load_study(path)
    assert len(trials) > 4


def test_accuracy_against_spikes_prints_a_row_for_each_bound_and_draws(
    capsys, monkeypatch, tmp_path
):
    images = fashion_images()
    if isinstance(images, str):
        pytest.skip(images)
    script, picture = ROOT / "examples" / "accuracy_against_spikes.py", tmp_path / "front.png"
    given = ["--most", "60", "0", "--epochs", "0", "--seeds", "1", "--out", str(picture)]
    monkeypatch.setattr("sys.argv", [str(script), *given])
    runpy.run_path(str(script), run_name="__main__")
    bounded, free = (line.split() for line in capsys.readouterr().out.splitlines()[-2:])
    assert (bounded[0], free[0]) == ("60", "none")
    assert bounded[1:-1] == free[1:-1]  # a bound tells on nothing before the first update
    assert 5.0 < float(free[1]) < 20.0
    assert picture.stat().st_size > 10_000


def test_accuracy_against_cost_is_of_the_runs_of_a_study(capsys, monkeypatch, tmp_path):
    xbar_images.write(tmp_path)
    monkeypatch.setitem(DATASETS, "fashion_mnist", xbar_images.small_set())
    trials = trials_of([
        xb.Training(device="ideal.yaml", network=Network.of(hidden=hidden), epochs=0, seed=seed)
        for hidden in (6, 12) for seed in (0, 1)
    ])  # fmt: skip
    runs = [tmp_path / "trials" / trial.name for trial in trials]
    for t in trials:
        given = t.name, t.labels, text_of(t.settings), tmp_path / "trials", tmp_path, False, True
        assert run_trial(*given) == ""
    table = table_text(row_of(*pair, None) for pair in zip(trials, runs, strict=True))
    (tmp_path / "results.csv").write_text(table, "utf-8")
    script, picture = ROOT / "examples" / "accuracy_against_cost.py", tmp_path / "cost.png"
    monkeypatch.setattr("sys.argv", [str(script), str(tmp_path), "--out", str(picture)])
    runpy.run_path(str(script), run_name="__main__")
    _, *lines, last = capsys.readouterr().out.splitlines()
    estimates = xb_estimate(runs, settings=Estimating(draws=0)).runs
    joules = [run.estimate.joules.typical for run in estimates]
    words = [line.removesuffix(" *").split() for line in lines]
    assert [row[-6] for row in words] == ["6", "12"]  # the setting; then accuracy, spikes, nJ
    for row, pair in zip(words, (joules[:2], joules[2:]), strict=True):
        assert float(row[-1]) == pytest.approx(1e9 * sum(pair) / 2, rel=1e-3)
    assert last.endswith(str(picture))
    assert picture.stat().st_size > 10_000


def test_runs_are_compared_and_the_fields_of_the_last_are_drawn(capsys, monkeypatch, tmp_path):
    xbar_images.write(tmp_path)
    monkeypatch.setenv("XBAR_DATA", str(tmp_path))
    monkeypatch.setitem(DATASETS, "fashion_mnist", xbar_images.small_set())
    accuracies = []
    for rule in ("none", "reset_line"):
        layers = (
            Lateral(neurons=6, neuron=Snu(), inhibition=rule),
            Dense(neurons=10, neuron=Snu()),
        )
        config = xb.Training(
            network=Network(layers=layers, loss=MseRate()), engine="dense", epochs=0
        )
        run = xb.train(config, out=tmp_path / rule, notice=lambda line: None)
        accuracies.append(run.summary["test_accuracy"])
    script, picture = ROOT / "examples" / "compare_inhibition.py", tmp_path / "both.png"
    runs = [f"without={tmp_path / 'none'}", str(tmp_path / "reset_line")]
    monkeypatch.setattr("sys.argv", [str(script), *runs, "--fields", "4", "--out", str(picture)])
    runpy.run_path(str(script), run_name="__main__")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-2:]]
    assert [row[0] for row in rows] == ["without", "reset_line"]
    assert [float(row[1][:-1]) for row in rows] == [round(100 * share, 2) for share in accuracies]
    assert picture.stat().st_size > 10_000
