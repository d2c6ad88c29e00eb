"""The examples of arrays as torch modules run, draw what they say, and are short."""

import json
import runpy
import warnings
from pathlib import Path

import pytest
import torch

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = {"mlp_by_pulses": "", "snntorch_on_arrays": "snntorch", "norse_on_arrays": "norse"}
IMAGES = 160, 40


@pytest.fixture
def here(data_dir, monkeypatch, tmp_path):
    """A working folder, with a small set in the place of Fashion-MNIST."""
    monkeypatch.setenv("XBAR_DATA", str(data_dir))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_is_short_and_draws_its_picture(name, here, monkeypatch, capsys):
    script = EXAMPLES / f"{name}.py"
    assert script.read_text("utf-8").count("\n") < 40
    assert (EXAMPLES / "pictures" / f"{name}.png").stat().st_size > 8_000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # at the imports of others
        if SCRIPTS[name]:
            pytest.importorskip(SCRIPTS[name])
        monkeypatch.setattr("sys.argv", [str(script), "140", "1"])
        runpy.run_path(str(script), run_name="__main__")
    printed = capsys.readouterr().out
    assert "%" in printed
    assert (here / f"{name}.png").stat().st_size > 8_000


def test_the_first_hour_leads_from_a_table_to_an_energy_report(here, capsys):
    cells = json.loads((EXAMPLES / "first_hour.ipynb").read_text("utf-8"))["cells"]
    names = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            assert not cell["outputs"]
            exec(compile("".join(cell["source"]), "first_hour", "exec"), names)
    printed = capsys.readouterr().out
    assert (here / "mine.yaml").is_file()
    assert "2 (Linear)" in printed
    assert printed.splitlines()[-1].startswith("all")
    assert isinstance(names["model"], torch.nn.Module)
