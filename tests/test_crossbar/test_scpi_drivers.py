"""Drivers that others wrote drive the server: PyVISA, and pymeasure's Keithley 2400, unmodified."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from xbar_scpi import running, same_board, served, service

from crossbar.boards.protocol import PulseBatch

ROOT = Path(__file__).parents[2]
pyvisa = pytest.importorskip("pyvisa", reason="pyvisa is not installed: pip install -e '.[lab]'")
pytest.importorskip("pyvisa_py", reason="pyvisa-py is not installed: pip install -e '.[lab]'")

# pyvisa-py imports discovery back ends that it can do without, and warns; drivers tell of renames.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.filterwarnings("error::ResourceWarning"),
]
ENDS = {"read_termination": "\n", "write_termination": "\n"}


@pytest.fixture
def made():
    return service(size=served(8, 8))


@pytest.fixture
def resource(made):
    with running(made) as (host, port):
        yield f"TCPIP0::{host}::{port}::SOCKET"


@pytest.fixture
def manager():
    manager = pyvisa.ResourceManager("@py")
    yield manager
    manager.close()


def pulsed(count):
    """The board of `made` after some SET pulses of cell 3!5."""
    board = same_board(size=served(8, 8))
    for _ in range(count):
        board.pulse(PulseBatch(np.array([29], np.int32), np.array([1], np.int32)))
    return board


def test_pyvisa_pulses_and_reads_text_and_blocks(resource, manager, made):
    visa = manager.open_resource(resource, **ENDS)
    assert visa.query("*IDN?").startswith("xbar,emulated Oxram 8x8,")
    visa.write("OUTP ON")
    for _ in range(3):
        visa.write("PULS:ONE 3,5,1.2,1e-7")
    g = pulsed(3).g
    assert float(visa.query("DIAG:EMUL:COND?").split(",")[29]) == float(f"{float(g[3, 5]):.6E}")
    for form, kind in (("REAL,32", "f"), ("REAL,64", "d")):
        visa.write(f"FORM {form}")
        read = visa.query_binary_values(
            "DIAG:EMUL:COND?", datatype=kind, is_big_endian=True, container=np.array
        )
        assert torch.equal(torch.from_numpy(read.astype(np.float32)).view(8, 8), g)
    visa.write_binary_values(
        "READ:DEV? ", np.arange(64), datatype="i", is_big_endian=True, termination="\n"
    )
    assert len(visa.read_binary_values("d", is_big_endian=True)) == 64
    assert visa.query("SYST:ERR?") == '0,"No error"'
    visa.close()


def test_the_keithley_2400_of_pymeasure_sets_pulses_and_reads(resource, made):
    name = "pymeasure.instruments.keithley"
    reason = "pymeasure is not installed: pip install -e '.[lab]'"
    keithley = pytest.importorskip(name, reason=reason)
    smu = keithley.Keithley2400(resource, visa_library="@py", **ENDS)
    smu.reset()
    smu.source_mode = "voltage"
    smu.source_voltage_range = 2
    smu.compliance_current = 1e-3
    smu.current_nplc = 1
    smu.current_range = 1e-3
    smu.filter_enabled = False
    smu.auto_zero_enabled = True
    smu.write(":ROUT:CLOS (@3!5)")
    smu.enable_source()
    smu.source_voltage = 1.2
    for _ in range(5):
        smu.trigger()  # a level above the read limit: one pulse each
    smu.source_voltage = 0.2
    board = pulsed(5)
    for _ in range(5):
        board.read(np.array([29]))  # every cycle ends in a read
    amperes = 0.2 * float(board.read(np.array([29]))[0])
    assert smu.current == pytest.approx(amperes, rel=1e-6)
    assert smu.source_voltage == 0.2
    assert smu.compliance_current == 1e-3
    assert smu.source_mode == "voltage"
    assert smu.source_enabled is True
    assert smu.resistance == pytest.approx(0.2 / amperes, rel=0.1)
    assert set(smu.measure_all()) == {"current", "voltage", "resistance", "time", "status"}
    smu.disable_source()
    assert smu.source_enabled is False
    assert smu.check_errors() == []
    assert smu.next_error[0] == 0
    assert torch.equal(made.instrument.bench.emulator.g, board.g)
    smu.adapter.close()


def test_the_old_way_of_the_keithley_driver_works_too(resource):
    keithley = pytest.importorskip("pymeasure.instruments.keithley", reason="see above")
    smu = keithley.Keithley2400(resource, visa_library="@py", **ENDS)
    smu.apply_voltage(compliance_current=1e-3)
    smu.measure_current(nplc=1)
    smu.write(":ROUT:CLOS (@0!0)")
    smu.enable_source()
    smu.ramp_to_voltage(0.2, steps=3, pause=0.0)
    assert 0.0 < smu.current < 1e-3
    assert smu.check_errors() == []
    smu.adapter.close()


def test_the_example_without_an_instrument_is_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["script", "TCPIP0::127.0.0.1::1::SOCKET"])
    monkeypatch.setenv("MPLBACKEND", "agg")
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "examples" / "potentiate_with_pyvisa.py"), run_name="__main__")
    out, err = capsys.readouterr()
    assert (ended.value.code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("no instrument at TCPIP0::127.0.0.1::1::SOCKET (")
    assert "xbar serve" in err


def test_the_example_potentiates_a_cell_and_draws_it(resource, monkeypatch, tmp_path, capsys):
    script = ROOT / "examples" / "potentiate_with_pyvisa.py"
    body = script.read_text().split('"""', 2)[2].strip()
    assert body.count("\n") <= 25
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(script), resource])
    monkeypatch.setenv("MPLBACKEND", "agg")
    runpy.run_path(str(script), run_name="__main__")
    first, middle, last = capsys.readouterr().out.splitlines()
    assert first.startswith("xbar,")
    low, high = float(middle.split(" S ")[0]), float(middle.split(", ")[1].split(" S ")[0])
    assert high > 10 * low
    assert last == '0,"No error"'
    assert (tmp_path / "potentiation.png").stat().st_size > 5_000
