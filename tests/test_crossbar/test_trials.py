"""Studies on paper: the trials of a file, their names, and the tables of what they came to."""

import csv
import io
from dataclasses import replace

import pytest

from crossbar.experiment.config import Training
from crossbar.experiment.trials import (
    load_study,
    name_of_trial,
    row_of,
    settings_from,
    table_text,
    text_of,
    trials_of,
)
from device_models.errors import ConfigError

STUDY = """\
settings: {device: ideal.yaml, hidden: 20, epochs: 1}
grid: {ei: ["50:50", "80:20"], seed: [0, 1, 2]}
trials: [{policy: accumulate}, {policy: closed_loop}]
"""


@pytest.fixture
def study(tmp_path):
    """Writes a study file and loads its trials."""

    def load(text=STUDY):
        path = tmp_path / "study.yaml"
        path.write_text(text, "utf-8")
        return load_study(path)[1]

    return load


def test_single_trials_are_tried_at_every_point_of_the_grid_the_last_setting_fastest(study):
    trials = study()
    assert len(trials) == 12
    assert [t.labels for t in trials[:2]] == [
        {"policy": "accumulate", "ei": "50:50", "seed": s} for s in "01"
    ]
    last = trials[-1].settings
    assert (last.seed, last.epochs, last.network.ei) == (2, 1, "80:20")
    assert last.network.layers[0].neurons == 20


def test_a_name_is_of_the_settings_and_of_the_content_of_the_device(tmp_path, study):
    names = {t.name for t in study()}
    assert len(names) == 12
    assert names == {t.name for t in study()}  # the same again
    assert not names & {t.name for t in study(STUDY.replace("epochs: 1", "epochs: 2"))}
    assert not names & {t.name for t in study(f"{STUDY}float_baseline: true\n")}
    device = tmp_path / "mine.yaml"
    device.write_text("base: ideal.yaml\n", "utf-8")
    named = Training(device=str(device))
    assert name_of_trial(named) == name_of_trial(Training(device="ideal.yaml"))
    device.write_text("base: ideal.yaml\ng_max_siemens: 5e-4\n", "utf-8")
    assert name_of_trial(named) != name_of_trial(Training(device="ideal.yaml"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("grids: {}\n", "unknown key 'grids'; did you mean 'grid'?|grids"),
        ("grid: {seed: []}\n", "grid.seed has no values"),
        ("settings: {epochs: 1}\n", "neither a grid nor trials"),
        ("grid: {seed: [0, 1, 0]}\n", r"trials 1 and 3 are the same \(seed = 0\)"),
        ("grid: {seed: [0]}\nsettings: {seed: 1}\n", "seed is given twice"),
        ("grid: {seed: [0, many]}\n", r"seed must be .* \(in the trial of seed = many\)"),
        ("grid: {sed: [0]}\n", "did you mean 'seed'"),
        ("network: no_such\ngrid: {seed: [0]}\n", "no_such"),
    ],
)
def test_a_wrong_file_is_refused_by_name(study, text, words):
    with pytest.raises(ConfigError, match=words):
        study(text)


def test_too_many_trials_are_counted_before_they_are_made(study):
    values = ", ".join(map(str, range(200)))
    with pytest.raises(ConfigError, match="8,000,000 trials; at most 1,000,000"):
        study(f"grid: {{seed: [{values}], epochs: [{values}], batch_size: [{values}]}}\n")


def test_settings_from_python_are_told_apart_by_what_differs():
    trials = trials_of([Training(seed=s, epochs=e) for s in (0, 1) for e in (1, 2)])
    assert [dict(t.labels) for t in trials] == [
        {"seed": s, "epochs": e} for s in "01" for e in "12"
    ]
    with pytest.raises(ConfigError, match="trials 1 and 2 are the same"):
        trials_of([Training(), Training()])
    with pytest.raises(ConfigError, match="at least one trial"):
        trials_of([])


def test_settings_reach_another_process_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("base: ideal.yaml\n", "utf-8")
    settings = Training(device="mine.yaml", seed=3)
    again = settings_from(text_of(settings))
    assert again == replace(settings, device=str(tmp_path / "mine.yaml"))


def test_a_table_has_a_column_for_whatever_any_row_has(tmp_path):
    done, failed = trials_of([Training(seed=0), Training(seed=1)])
    rows = [row_of(done, tmp_path / "a", None), row_of(failed, tmp_path / "b", "it broke, twice")]
    read = list(csv.DictReader(io.StringIO(table_text(rows))))
    assert [row["seed"] for row in read] == ["0", "1"]
    assert [row["status"] for row in read] == ["missing", "failed"]
    assert [row["error"] for row in read] == ["", "it broke, twice"]
