"""Every example of a kind of one's own runs, learns and was used; the document names them all.

They run in other processes: tables of this one stay as they are.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crossbar.experiment.config import Training
from crossbar.experiment.imports import import_files, versions_of
from device_models.errors import ConfigError

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples" / "extend"
TEXT = (EXAMPLES / "README.md").read_text("utf-8")
USED = {  # example -> what its run folder says of the kind
    "board": None,  # of boards a run keeps nothing: they are given anew
    "dataset": "  set: tiny_digits",
    "device": "device: power_step.yaml",
    "encoding": "    kind: linear",
    "layer": "  - kind: delay",
    "loss": "    kind: count_entropy",
    "mapping": "  kind: neighbours",
    "neuron": "      kind: subtracting",
    "optimizer": "  kind: sign_descent",
    "policy": "  kind: capped",
}
HERE = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "helpers")])}


def run(*arguments, cwd):
    """A Python process; what it wrote to stdout, to stderr, and its exit code."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=cwd, env=HERE,
    )  # fmt: skip
    return done.stdout, done.stderr, done.returncode


def xbar(*arguments, cwd):
    """The command in a process of its own."""
    return run("-c", "from cli.main import main; main()", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The working folder and the lines of all examples but `dataset`, and of `xbar_extend`.

    In one process, for the imports and the kernels that they share.
    """
    folder = tmp_path_factory.mktemp("examples")
    helper = ROOT / "tests" / "helpers" / "xbar_run_examples.py"
    out, err, code = run(helper, *(name for name in USED if name != "dataset"), cwd=folder)
    assert code == 0, err
    return folder, out.splitlines()


def test_every_example_learns_and_its_kind_is_in_the_run(ran):
    folder, lines = ran
    out, err, code = run(EXAMPLES / "dataset.py", cwd=folder)
    assert code == 0, err
    lines = sorted([*lines[:-1], *out.splitlines()])
    for name, line in zip(sorted(USED), lines, strict=True):
        accuracy, written = re.fullmatch(rf"{name}: ([\d.]+)% in (\S+)", line).groups()
        assert float(accuracy) > 50.0, name  # 10 % by chance
        config = (folder / written / "config.yaml").read_text("utf-8").splitlines()
        assert USED[name] is None or USED[name] in config


def test_kernels_of_the_examples_equal_their_torch(ran):
    assert ran[1][-1] == "equal"


def test_the_document_is_short_and_names_every_file_and_table():
    assert TEXT.count("\n") <= 60
    files = {path.stem for path in EXAMPLES.glob("*.py")}
    assert files == set(USED)
    assert all(f"`{name}.py`" in TEXT for name in files)
    for name in files - {"board"}:
        (table,) = re.findall(r"^([A-Z]+)\[\"", (EXAMPLES / f"{name}.py").read_text(), re.MULTILINE)
        assert f"| `{name}.py` | `{table}`" in TEXT


CHANGED_AND_GONE = """
import json, sys
from pathlib import Path
from click.testing import CliRunner
from cli.main import main
ends = []
for _ in range(2):
    result = CliRunner().invoke(main, sys.argv[2:])
    ends.append((result.exit_code, result.stderr))
    Path(sys.argv[1]).unlink(missing_ok=True)
print(json.dumps(ends))
"""


def test_a_run_of_the_command_finds_its_files_again_and_says_when_they_changed_or_went(tmp_path):
    for name in ("dataset", "policy"):
        shutil.copy(EXAMPLES / f"{name}.py", tmp_path)
    kinds = "--import", "dataset.py", "--import", "policy.py", "--data-set", "tiny_digits"
    settings = "--policy", "capped", "--set", "policy.most=2", "--hidden", "20", "--epochs", "1"
    _, err, code = xbar("train", *kinds, *settings, "--no-figures", "--out", "r", cwd=tmp_path)
    assert code == 0, err
    with (tmp_path / "policy.py").open("a") as file:
        file.write("# another version\n")
    away = tmp_path / "elsewhere"
    away.mkdir()
    again = "train", "--resume", tmp_path / "r", "--epochs", "2", "--no-figures"
    out, err, code = run("-c", CHANGED_AND_GONE, tmp_path / "policy.py", *again, cwd=away)
    assert code == 0, err
    changed, gone = json.loads(out)
    assert changed[0] == 0, changed
    assert "was trained with policy.py" in changed[1]
    path = (tmp_path / "policy.py").resolve()
    assert gone[0] == 2
    assert gone[1].count("\n") == 1
    assert f"there is no file {path} to import" in gone[1]


def test_a_file_is_imported_once_and_must_be_python(tmp_path):
    count = tmp_path / "count.py"
    count.write_text(
        "from pathlib import Path\nwith Path(__file__).with_suffix('.txt').open('a') as f:\n"
        "    f.write('x')\n"
    )
    for _ in range(2):
        assert import_files(["count.py"], tmp_path, "here") == (str(count.resolve()),)
    assert (tmp_path / "count.txt").read_text() == "x"
    (tmp_path / "no.yaml").write_text("")
    for wrong in ("gone.py", "no.yaml"):
        with pytest.raises(ConfigError, match=f"^here: .*{wrong}"):
            import_files([wrong], tmp_path, "here")
    assert Training().imports == ()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1\nraise ValueError('boom\\nand more')", " in line 2: ValueError: boom and more;"),
        ("def (", " in line 1: SyntaxError: "),
        ("import sys\nsys.exit(0)", " in line 2: SystemExit: 0;"),
        ("x = 1\0", "source code string cannot contain null bytes"),
    ],
)
def test_a_file_that_fails_is_one_line_with_its_place(code, message, tmp_path):
    (tmp_path / "fails.py").write_text(code)
    with pytest.raises(ConfigError, match=r"^here: importing .*fails\.py failed") as raised:
        import_files(["fails.py"], tmp_path, "here")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_files_of_one_name_are_told_apart_by_their_paths(tmp_path):
    names = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "kind.py").write_text(f"NAME = {folder!r}")
        names.append(str(tmp_path / folder / "kind.py"))
    assert sorted(versions_of(names)) == names
    assert list(versions_of(names[:1])) == ["kind.py"]
