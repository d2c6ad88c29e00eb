"""`xbar fit`: messages, exit codes, and files that are whole or absent."""

import json

import numpy as np
import pytest
import torch
import xbar_synthetic as synthetic
from click.testing import CliRunner

from cli.main import main
from device_models.presets import load_device


def run(*args):
    result = CliRunner().invoke(main, ["fit", *map(str, args)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def generic(path, *, devices=3, pulses=30, ramps=2, first="set"):
    """A generic CSV of pulse trains, with a read before the first pulse."""
    table = synthetic.trains(
        synthetic.truth(),
        torch.Generator().manual_seed(0),
        devices=devices,
        pulses=pulses,
        ramps=ramps,
    )
    names = {1: "set", -1: "reset"}
    rows = ["device,op,g_siemens"]
    for device in np.unique(table.device):
        history = table.take(table.device == device)
        rows.append(f"d{device},read,{history.g_before_siemens[0]!r}".replace("np.float64(", ""))
        for polarity, g in zip(history.polarity, history.g_after_siemens, strict=True):
            rows.append(f"d{device},{names[int(polarity)]},{float(g)!r}")
    path.write_text("\n".join(row.replace(")", "") for row in rows) + "\n")
    return path


@pytest.fixture
def csv(tmp_path):
    return generic(tmp_path / "pulses.csv")


@pytest.fixture
def two(tmp_path):
    """Too few devices to rank the models by, which takes most of the time of a fit."""
    return generic(tmp_path / "two.csv", devices=2)


def test_a_device_file_is_written_and_loads(csv, tmp_path):
    out = tmp_path / "my.yaml"
    code, stdout, stderr = run(csv, "-o", out, "--bootstrap", 20)
    assert code == 0, stderr
    assert load_device(str(out)).status == "mixed"  # d2d_bound_sigma is the preset's
    assert "pulses.csv (generic): 183 used, 0 dropped" in stderr
    assert "fitting 3 devices: 180 pulses ..." in stderr
    head = stdout.splitlines()[0].split()
    assert head == ["parameter", "value", "95", "%", "interval", "unit", "status", "source"]
    assert any(row.split()[0] == "c2c_sigma" and "measured" in row for row in stdout.splitlines())
    assert "warning: pulses: 3 devices only" in stdout
    assert stdout.endswith(f"device {out}\n")


def test_json_has_every_estimate_candidate_and_warning(csv, tmp_path):
    code, stdout, _ = run(csv, "-o", tmp_path / "my.yaml", "--bootstrap", 0, "--json")
    assert code == 0
    tree = json.loads(stdout)
    assert tree["status"] == "mixed"
    by_name = {e["name"]: e for e in tree["estimates"]}
    assert by_name["c2c_sigma"]["status"] == "measured"
    assert by_name["set_volts"]["status"] == "literature"
    assert {"oxram", "soft_bounds"} <= {c["name"] for c in tree["candidates"]}
    assert tree["files"][0]["used"] == 183


def test_one_seed_gives_one_file(two, tmp_path):
    for name in ("a.yaml", "b.yaml"):
        assert run(two, "-o", tmp_path / name, "--bootstrap", 5, "--seed", 3)[0] == 0
    assert (tmp_path / "a.yaml").read_bytes() == (tmp_path / "b.yaml").read_bytes()


def test_one_device_is_said_to_tell_no_spread(tmp_path):
    csv = generic(tmp_path / "one.csv", devices=1)
    code, stdout, _ = run(csv, "-o", tmp_path / "my.yaml", "--bootstrap", 0)
    assert code == 0
    words = "warning: one device only: d2d_step_sigma is not identifiable; the preset's 0.3 is kept"
    assert words in stdout.splitlines()


def test_another_step_law_can_be_fitted(two, tmp_path):
    out = tmp_path / "my.yaml"
    assert run(two, "-o", out, "--model", "soft_bounds", "--bootstrap", 0)[0] == 0
    assert out.read_text().splitlines()[1] == "model: soft_bounds"


def test_an_existing_file_is_kept_unless_forced(two, tmp_path):
    out = tmp_path / "my.yaml"
    out.write_text("mine")
    code, stdout, stderr = run(two, "-o", out)
    assert (code, stdout) == (2, "")
    assert stderr == f"Error: {out} exists; --force overwrites it; nothing was written\n"
    assert out.read_text() == "mine"
    assert run(two, "-o", out, "--force", "--bootstrap", 0)[0] == 0
    assert load_device(str(out)).status == "mixed"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--bootstrap", "x"], "--bootstrap must be a whole number in [0, 100000], not 'x'"),
        (["--seed", "-1"], "--seed must be a whole number in [0, 4294967296], not '-1'"),
        (["--window", "3"], "--window must be LOW:HIGH in siemens, not '3'"),
        (["--model", "ideal"], "--model 'ideal' cannot be fitted; known: oxram"),
        (["--preset", "oxrm.yaml"], "no device file and no preset 'oxrm.yaml'; did you mean"),
        (["--format", "genric"], "--format 'genric' is unknown; did you mean 'generic'?"),
        (["--read-volts", "0"], "--read-volts = 0 is outside [1e-06, 100] V"),
        (
            ["--temperature", "85"],
            "--temperature = 85 is outside [200, 700] K: kelvin, add 273.15 to degrees Celsius",
        ),
        (["--temperature", "900C"], "--temperature = 1173.15 is outside [200, 700] K"),
        (["--temperature", "-300C"], "--temperature -300C is not above 0 K"),
        (["--temperature", "hot"], "--temperature must be a number in [200, 700] K"),
        (["--preset", "ideal"], "the preset has no pulses to fit"),
    ],
)
def test_a_wrong_option_is_one_line_and_nothing_is_written(csv, tmp_path, args, message):
    out = tmp_path / "my.yaml"
    code, stdout, stderr = run(csv, "-o", out, *args)
    assert (code, stdout) == (2, "")
    last = stderr.splitlines()[-1]
    assert last.startswith(f"Error: {message}"), stderr
    assert "; nothing was " in last
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"device,op,g_siemens\nd0,read,12.5\n", "in microsiemens? multiply by 1e-6"),
        (b"device,op,r_ohms\nd0,read,-5e3\nd0,set,4e3\n", "row 2"),
        (b"a,b\n1,2\n", "are the columns of no known format"),
        (b"device,op,g_siemens\nd0,read,1e-5\n", "no row can be used"),
    ],
)
def test_a_bad_file_is_one_line_and_nothing_is_written(tmp_path, content, message):
    path, out = tmp_path / "bad.csv", tmp_path / "my.yaml"
    path.write_bytes(content)
    code, stdout, stderr = run(path, "-o", out)
    assert (code, stdout) == (2, "")
    last = stderr.splitlines()[-1]
    assert last.startswith(f"Error: {path}"), stderr
    assert message in last
    assert last.endswith("nothing was written")
    assert not out.exists()


@pytest.mark.parametrize("out", ["nowhere/my.yaml", "."])
def test_an_output_that_cannot_be_written_is_told_before_the_fit(csv, tmp_path, out):
    code, _, stderr = run(csv, "-o", tmp_path / out)
    assert code == 2
    assert stderr.startswith(f"Error: --output {tmp_path / out} ")
    assert stderr.count("\n") == 1


def test_files_and_output_are_needed(csv):
    assert run("-o", "x.yaml")[0] == 2
    assert run(csv)[0] == 2


def test_the_formats_are_listed_without_files():
    code, stdout, _ = run("--formats")
    assert code == 0
    assert "generic: one row per pulse or reading\n" in stdout
    assert "    device,op,v_volts,width_seconds,r_ohms\n" in stdout
    assert [line.split()[1] for line in stdout.splitlines() if line.startswith("  t_seconds")] == [
        "s", "s", "s",
    ]  # fmt: skip


def telegraph(path, *, jumps):
    """Reads of 12 devices in any units, no header; some have a second level."""
    rng = np.random.default_rng(0)
    rows = []
    for device in range(12):
        level = 4.0 * 1.3**device
        for i in range(80):
            g = level * (1 + 0.01 * rng.standard_normal()) * (0.5 if rng.random() < jumps else 1)
            rows.append(f"{10 * i};d{device};{g:.4f}".replace(".", ","))
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(("jumps", "count"), [(0.0, 0), (0.1, 1)])
def test_a_misfit_is_said_on_the_terminal(tmp_path, jumps, count):
    path = telegraph(tmp_path / "a.csv", jumps=jumps)
    options = ("--columns", "t_ms,device,G (uS)", "--bootstrap", 20)
    code, stdout, stderr = run(f"{path}:reads", "-o", tmp_path / "my.yaml", *options)
    assert code == 0, stderr
    assert "a.csv (reads): 960 used, 0 dropped" in stderr
    lines = [line for line in stdout.splitlines() if line.startswith("warning: reads misfit: ")]
    assert len(lines) == count
    assert all("% bands; worst: read at " in line for line in lines)


def test_a_suffix_that_is_none_is_one_line(csv, tmp_path):
    code, stdout, stderr = run(f"{csv}:genric", "-o", tmp_path / "my.yaml")
    assert (code, stdout) == (2, "")
    assert stderr.splitlines()[-1] == (
        f"Error: {csv}:genric: 'genric' behind the colon is neither a format nor a polarity; did "
        "you mean 'generic'?; nothing was written"
    )


def test_a_loop_of_a_source_meter_tells_its_voltages(tmp_path):
    path, out = tmp_path / "loop.txt", tmp_path / "my.yaml"
    up = [(v / 10, 2e-6 if v < 10 else 1e-3) for v in range(1, 13)]
    back = [(v / 10, 2e-4) for v in range(11, 0, -1)]
    rows = [f"{v},{min(g * v, 1e-4) * 1e6}" for v, g in (*up, *back)]
    path.write_text("bias,res\n" + "\n".join(rows) + "\n")
    (tmp_path / "loop.columns.yaml").write_text("columns: [bias=v_volts, 'res=i_amperes:uA']\n")
    code, stdout, stderr = run(path, "-o", out, "--bootstrap", 0, "--clock")
    assert code == 0, stderr
    assert "1 SET at 1 V; LRS 5 kohm and HRS 500 kohm at 0.2 V; compliance 100" in stderr
    assert "with loop.columns.yaml" in stderr
    (row,) = (line for line in stdout.splitlines() if line.startswith("set_volts"))
    assert row.split()[:2] == ["set_volts", "1"]
    assert "measured" in row
    assert "warning: --clock changes nothing: no file is of a format that takes it" in stdout
    assert load_device(str(out)).set_volts == 1.0


def test_any_other_table_is_explained_with_the_formats():
    result = CliRunner().invoke(main, ["fit", "--formats"])
    assert result.exit_code == 0
    assert '--columns "t=t_seconds,R=r_ohms:kohm"' in result.output
    assert "set.columns.yaml" in result.output
