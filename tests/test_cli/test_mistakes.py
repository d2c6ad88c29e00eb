"""Thirty typical mistakes of new users: one line each, the cause first, and nothing is left."""

import pytest
from click.testing import CliRunner

from cli.main import main

TABLE = "device,op,t_seconds,v_volts,width_seconds,r_ohms\n"
NETWORK = """layers:
  - {kind: dense, neurons: 20, ei: "80:20"}
  - {kind: dense, neurons: 10, neuron: leaky_integrator}
"""
FIT = ("fit", "a.csv", "-o", "my.yaml")
TRAIN = ("train", "--epochs", "0")

MISTAKES = [
    # a device physicist
    (FIT, {}, "a.csv: No such file or directory; nothing was written"),
    (FIT, {"a.csv": ""}, "a.csv: the file is empty; nothing was written"),
    (FIT, {"a.csv": TABLE}, "a.csv: row 1, the header, is the last one: there are no values; "),
    (FIT, {"a.csv": f"{TABLE}d0,set,OVERFLOW,1,1e-7,1e5\n"},
     "a.csv: row 2, column 't_seconds': 'OVERFLOW' is not a number; nothing was written"),
    (FIT, {"a.csv": TABLE.replace(",r_ohms", "") + "d0,set,0,1,1e-7\n"},
     "a.csv: row 1: column 'g_siemens' is missing (found device, op, t_seconds, "),
    (FIT[:2], {"a.csv": TABLE}, "missing option '-o' / '--output'; "),
    ((*FIT, "--report", "thesis"), {"a.csv": TABLE, "thesis/1.tex": "\\chapter"},
     "thesis holds something other than a report; no report was written"),
    ((*FIT, "--window", "1uS-100uS"), {"a.csv": TABLE},
     "--window must be LOW:HIGH in siemens, not '1uS-100uS'; nothing was written"),
    ((*FIT, "--window", "1e-4:1e-6"), {"a.csv": TABLE},
     "--window 0.0001:1e-06 is no window: give both ends, the lower one first; nothing was"),
    ((*FIT, "--keep", "g_min"), {"a.csv": TABLE},
     "--keep g_min is no parameter of oxram; did you mean 'g_min_siemens'?; nothing was written"),
    ((*FIT, "--read-volts", "100"), {"a.csv": "pulse,i_amperes\n1,1e-6\n2,2e-6\n"},
     "a.csv: a read voltage of 100 V is outside [1e-06, 10] V; nothing was written"),
    (FIT, {"a.csv": '{"r_ohms": [1, 2]}'}, "a.csv: JSON; write it as a table, "),
    # a designer of networks
    (("train", "--epoch", "1"), {},
     "no option '--epoch'; did you mean '--epochs'?; main train --help says more; nothing"),
    (("trian",), {}, "no command 'trian'; did you mean 'train'?; main --help says more; "),
    (("train", "oxram.yaml"), {}, "got unexpected extra argument (oxram.yaml); "),
    (("train", "--threads", "0"), {}, "invalid value for '--threads': 0 is not in the range "),
    ((*TRAIN, "--ei", "80/20"), {}, "--ei must be a ratio that adds up to 100 such as 80:20, "),
    ((*TRAIN, "--device", "oxrma.yaml"), {},
     "no device file and no preset 'oxrma.yaml'; did you mean 'oxram.yaml'?; nothing was written"),
    ((*TRAIN, "--network", "csnn_mnist", "--hidden", "50"), {},
     "--hidden says of fully connected layers how they are; the network has a conv2d layer: "),
    ((*TRAIN, "--set", "=2"), {}, "--set takes NAME=VALUE, not '=2'; nothing was written"),
    ((*TRAIN, "--update-noise", "0.2"), {},
     "update_noise = 0.2 needs a gaussian_update device; oxram.yaml has its own spread; nothing"),
    ((*TRAIN, "--accelerator", "gpu"), {}, "--accelerator gpu: torch has no such device here; "),
    ((*TRAIN, "--init-from", "w.npz"), {}, "there is no file w.npz; nothing was written"),
    ((*TRAIN, "--set", "faults.map=none.npz"), {}, "faults.map: there is no file none.npz; "),
    ((*TRAIN, "--config", "c.yaml"), {"c.yaml": "ei: 80:20\n"},
     "c.yaml:1:1: unknown key 'ei'; did you mean 'network.layers.ei'?; nothing was written"),
    ((*TRAIN, "--config", "c.yaml"), {"c.yaml": "wires:\n\tword_ohms: 1\n"},
     "c.yaml:2:1: not YAML: a tab: indent with spaces; nothing was written"),
    ((*TRAIN, "--config", "c.yaml"), {"c.yaml": "epochs: 1\n  device: oxram.yaml\n"},
     "c.yaml:2:9: not YAML: a second key where a value or the next line belongs: is the line "),
    ((*TRAIN, "--network", "n.yaml"), {"n.yaml": NETWORK.replace("  - {kind: dense, neurons: 10",
                                                                " - {kind: dense, neurons: 10")},
     "n.yaml:3:2: not YAML: this line is indented unlike those before it; nothing was written"),
    (("sweep", "s.yaml", "--list"), {"s.yaml": "grid: {lr: [-1]}\n"},
     "s.yaml: lr = -1 is outside [0, 100] (in the trial of lr = -1); nothing was started"),
    # an architect of chips
    (("estimate", "w.npz"), {"w.npz": "x"}, "w.npz is a file; a run is a folder; "),
    (("analyze", "--layer", "1"), {}, "--layer needs a RUN; nothing was drawn"),
    (("analyze", "runs/a", "--rows", "64"), {},
     "--rows is of random conductances; leave out it or the RUN; nothing was drawn"),
    (("analyze", "runs/a", "--sweep", "wires=0", "--sweep", "wires=1"), {},
     "--sweep wires is given twice; nothing was drawn"),
    (("estimate", "runs/a", "--sweep", "adc_bit=3:8"), {},
     "--sweep 'adc_bit' is unknown; did you mean 'adc_bits'?; nothing was written"),
    (("estimate", "runs/a", "runs/a", "--out", "b"), {},
     "runs/a is given twice; leave one out; nothing was written"),
    (("program", "net.pt"), {"net.pt": "x"},
     "net.pt is neither a run, which is a folder, nor an npz file, nor a graph (.nir); nothing was "
     "written"),
    (("characterize", "--board", "simulate", "-o", "x"), {},
     "--board 'simulate' is no board; did you mean 'simulated'?; nothing was sent"),
    (("characterize", "--board", "simulated", "-o", "x"), {"x/notes.txt": "mine"},
     "x exists; choose another folder, or --resume it; nothing was sent"),
    (("characterize", "--resume", "x"), {"x/notes.txt": "mine"},
     "x is no characterisation: it has no about.json; nothing was sent"),
    (("serve", "--state", "nowhere/a.state"), {},
     "--state nowhere/a.state: nowhere is no folder that can be written; nothing was served"),
    (("serve", "--panel-port", "8030"), {}, "--panel-port needs --panel; nothing was served"),
    (("data", "get", "imagenet"), {}, "the data set must be one of fashion_mnist, mnist, "),
]  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "files", "cause"), MISTAKES, ids=[" ".join(m[0])[:40] for m in MISTAKES]
)
def test_a_mistake_is_one_line_with_its_cause_first(tmp_path, monkeypatch, typed, files, cause):
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    before = sorted(tmp_path.rglob("*"))
    ended = CliRunner().invoke(main, typed)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"Error: {cause}"), ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "nothing was " in ended.stderr or "no report was " in ended.stderr
    assert sorted(tmp_path.rglob("*")) == before
