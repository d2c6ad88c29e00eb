"""Current-voltage sweeps as instruments write them: where devices switch, levels, compliance."""

import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from device_models.errors import DataError
from device_models.fitting.estimators import thresholds
from device_models.fitting.fit import fit
from device_models.fitting.measurements import Measurements, Sweeps
from device_models.fitting.options import Options
from device_models.fitting.readers import read
from device_models.fitting.sweep_columns import sweep_pairs
from device_models.fitting.sweep_cycles import cycles_of, without_forming
from device_models.fitting.sweep_loops import switches
from device_models.iv import dc_sweep, staircase
from device_models.presets import load_device

LRS, HRS, SET, RESET, LIMIT = 2e-4, 2e-6, 1.0, 0.9, 1e-4


def loop(sign=1.0, set_volts=SET):
    """Volts and amperes of one loop of a device that switches at once."""
    volts = sign * staircase((0.0, 1.2, 0.0, -1.4, 0.0), 0.1)
    g, amperes = HRS, np.empty(len(volts))
    for i, v in enumerate(volts):
        g = LRS if sign * v > set_volts - 1e-9 else HRS if sign * v < -RESET + 1e-9 else g
        amperes[i] = sign * min(sign * g * v, LIMIT)
    return volts, amperes


def rows(mark=",", unit=1.0, form="{v:.4g}{mark}{i:.5g}", repeat=1):
    """Loops as rows of text."""
    each = [form.format(v=v, i=i / unit, mark=mark) for v, i in zip(*loop(), strict=True)]
    return "\n".join(each * repeat) + "\n"


def numbered(head, form, **kwargs):
    """A header and rows that begin with their number."""
    lines = rows(form=form, **kwargs).splitlines()
    return "\n".join([head, *(f"{i},{line}" for i, line in enumerate(lines))]) + "\n"


B1500 = """SetupTitle, Bipolar loop
PrimitiveTest, I/V Sweep
TestParameter, Channel.UnitType, SMU, SMU
TestParameter, Channel.IName, I1, I2
TestParameter, Channel.VName, V1, V2
TestParameter, Measurement.Primary.Compliance, 0.0001
MetaData, TestRecord.RecordTime, 04/12/2024 14:22:33
Dimension1, 53, 53
DataName, V1, I1, Time
"""
PYMEASURE = "#Procedure: <iv.IVProcedure>\n#Parameters:\n#\tMax Voltage: 1.2 V\n#Data:\n"
LAYOUTS = {
    "Keysight B1500": B1500 + rows(", ", form="DataValue, {v:.4g}, {i:.5g}, 0.1"),
    "Agilent 4155": numbered('"NO.","VTE","ITE"', "{v:.4g},{i:.5E}"),
    "Keithley 4200": "AnodeI,AnodeV,Time,CathodeI,CathodeV\n"
    + rows(form="{i:.5E},{v:.4g},0.1,1e-12,0"),
    "Keithley 2600, TSB": "Smu1.Time[1][1],Smu1.V[1][1],Smu1.I[1][1],\n"
    + rows(form="0.1,{v:.4g},{i:.5e},"),
    "Keithley 2400, tabs": "Time\tVoltage (V)\tCurrent (mA)\n"
    + rows(unit=1e-3, form="0\t{v:.4g}\t{i:.5g}"),
    "Keithley 2450": "Instrument,2450\nSerial,04403\n\nIndex,Source,Reading,Unit\n"
    + numbered("", "{v:.4g},{i:.5E},Amp DC").lstrip(),
    "KickStart": "Name: bipolar\nReading,SMU-1 Voltage (V),SMU-1 Current (A)\n"
    + numbered("", "{v:.4g},{i:.5e}").lstrip(),
    "PyMeasure": PYMEASURE + "Voltage (V),Current (A),Resistance (ohm)\n"
    + rows(form="{v:.4g},{i:.5g},1e4"),
    "numpy.savetxt": "# a comment\n# v_volts i_amperes\n" + rows(form="{v:.18e} {i:.18e}"),
    "pandas": numbered(",V (V),I (uA)", "{v:.4g},{i:.5g}", unit=1e-6),
    "a spreadsheet in German": "Voltage (V);Current (µA)\n"
    + rows(";", unit=1e-6).replace(".", ","),
    "a row of units": "Voltage,Current\nV,uA\n" + rows(unit=1e-6),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_layout_of_an_instrument_is_a_loop(tmp_path, name):
    path = tmp_path / "file.csv"
    path.write_text(LAYOUTS[name], "cp1252" if "German" in name else "utf-8")
    measurements = read([path])
    ((sweeps,), (cycles,), (note,)) = (
        measurements.sweeps, measurements.cycles, measurements.notes
    )  # fmt: skip
    assert note.format == "sweeps"
    assert sweeps.polarity.tolist() == [1, -1]
    np.testing.assert_allclose(sweeps.volts, [SET, -RESET])
    np.testing.assert_allclose(sweeps.limit_amperes, [LIMIT, np.nan], rtol=1e-3)
    np.testing.assert_allclose(cycles.lrs_siemens, LRS, rtol=1e-3)
    np.testing.assert_allclose(cycles.hrs_siemens, HRS, rtol=1e-3)
    assert note.used + sum(note.dropped.values()) == len(loop()[0])
    assert note.used == 50
    words = "1 SET at 1 V; 1 RESET at -0.9 V; LRS 5 kohm and HRS 500 kohm at 0.2 V; compliance 100"
    assert words in str(note)


def test_sweeps_without_a_header_one_after_the_other_and_in_pairs_of_columns(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text(rows(unit=1e-6, repeat=3))
    measurements = read([path], options=Options(columns=("v_volts", "i_amperes:uA")))
    assert measurements.sweeps[0].half_loop.tolist() == [0, 1, 2, 3, 4, 5]
    assert measurements.cycles[0].cycle.tolist() == [0, 1, 2]
    path.write_text(
        "AnodeV(1),AnodeI(1),AnodeV(2),AnodeI(2)\n" + rows(form="{v:.4g},{i:.5g},{v:.4g},{i:.5g}")
    )
    assert len(read([path]).cycles[0]) == 2
    path.write_text(B1500 + (rows(form="DataValue, {v:.4g}, {i:.5g}, 0.1") + B1500) * 2)
    assert len(read([path]).cycles[0]) == 2
    path.write_text("bias,res\n" + rows(unit=1e-6))
    measurements = read([path], options=Options(columns=("bias=v_volts", "res=i_amperes:uA")))
    np.testing.assert_allclose(measurements.cycles[0].lrs_siemens, LRS, rtol=1e-3)


def test_a_current_counted_the_other_way_is_refused_or_turned(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text("Voltage (V),Current (A)\n" + rows(unit=-1.0))
    with pytest.raises(DataError, match=r"a current against its voltage, .*--invert-current turns"):
        read([path])
    (cycles,) = read([path], options=Options(invert_current=True)).cycles
    np.testing.assert_allclose(cycles.lrs_siemens, LRS, rtol=1e-3)


def test_currents_without_a_sign_have_that_of_the_voltage(tmp_path):
    path = tmp_path / "file.csv"
    lines = [f"{v:.4g},{abs(i):.5g}" for v, i in zip(*loop(), strict=True)]
    path.write_text("\n".join(["Voltage (V),|I| (A)", *lines]))
    measurements = read([path])
    assert measurements.sweeps[0].volts.tolist() == pytest.approx([SET, -RESET])
    assert "currents are magnitudes" in str(measurements.notes[0])


def test_currents_at_one_voltage_are_readings_or_pulses_as_the_user_says(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text("Time (s),Current (nA),Voltage (V)\n0,10,0.1\n1,11,0.1\n2,12,0.1\n")
    with pytest.raises(
        DataError, match=r"beside 0\.1 V: .* --columns 'Voltage \(V\)=v_read_volts'"
    ):
        read([path], options=Options(v_read_volts=0.1))
    (reads,) = read([path], options=Options(columns=("Voltage (V)=v_read_volts",))).reads
    np.testing.assert_allclose(reads.g_siemens, [1e-7, 1.1e-7, 1.2e-7])


def test_a_set_at_negative_volts_and_one_side_alone():
    volts, amperes = loop(sign=-1.0)
    one, two = switches(volts, amperes, 0.2)
    assert (one.polarity, two.polarity) == (1, -1)
    assert (one.volts, two.volts) == pytest.approx((-SET, RESET))
    volts, amperes = loop()
    up = slice(0, int(np.argmax(volts)) + 1)
    (one,) = switches(volts[up], amperes[up], 0.2)  # it does not come back
    assert one.volts == pytest.approx(SET)
    assert np.isnan(one.g_after_siemens)
    assert one.g_before_siemens == pytest.approx(HRS)
    assert switches(volts, HRS * volts, 0.2) == []


def test_a_noisy_and_bent_curve_switches_where_its_branches_join():
    rng = np.random.default_rng(0)
    volts, amperes = loop()
    bent = amperes * np.sinh(np.abs(volts) / 0.4) / np.sinh(0.5)
    noisy = bent * np.exp(0.05 * rng.standard_normal(len(bent)))
    one, two = switches(volts, noisy + 1e-9 * rng.standard_normal(len(bent)), 0.2)
    assert (one.volts, two.volts) == pytest.approx((SET, -RESET))


def test_a_table_in_which_nothing_switches_is_refused(tmp_path):
    path = tmp_path / "file.csv"
    volts = loop()[0]
    path.write_text("V (V),I (A)\n" + "\n".join(f"{v:.3g},{1e-5 * v:.4g}" for v in volts))
    with pytest.raises(DataError, match=r"no row can be used \(53 near 0 V or in a half"):
        read([path])


def test_pulses_of_one_amplitude_and_their_currents_are_no_sweep(tmp_path):
    path = tmp_path / "file.csv"
    text = "v_volts,i_amperes\n" + "".join(f"1.5,{(1 + k) * 1e-6}\n" for k in range(8))
    path.write_text(text)
    assert read([path], options=Options(v_read_volts=0.2)).notes[0].format == "generic"


@pytest.mark.parametrize(
    ("labels", "pairs"),
    [
        ("Time,GateV,GateI,DrainV,DrainI", [("GateV", "GateI"), ("DrainV", "DrainI")]),
        ("SourceValue,Reading", [("SourceValue", "Reading")]),
        ("AV,AI,Time", [("AV", "AI")]),
        ("Smu2.V[1][1],Smu1.V[1][1],Smu1.I[1][1],Smu2.I[1][1]",
         [("Smu2.V[1][1]", "Smu2.I[1][1]"), ("Smu1.V[1][1]", "Smu1.I[1][1]")]),
        ("Bias (mV),Measured Current (nA)", [("Bias (mV)", "Measured Current (nA)")]),
        ("t_seconds,g_siemens", []), ("device,v_volts", []), ("dev,cycle,ai", []),
    ],
)  # fmt: skip
def test_names_of_instruments(labels, pairs):
    found = sweep_pairs(labels.split(","))
    assert [(pair.volts[0], pair.amperes[0]) for pair in found] == pairs
    if "mV" in labels:
        assert (found[0].volts[1], found[0].amperes[1]) == (1e-3, 1e-9)


# --- what a fit makes of them --------------------------------------------------------------------


def events(polarity, volts, before=np.nan, after=np.nan, limit=np.nan, device=0):
    n = np.broadcast_shapes(np.shape(polarity), np.shape(volts))
    columns = {"device": device, "half_loop": np.arange(*n), "polarity": polarity, "volts": volts,
               "g_before_siemens": before, "g_after_siemens": after,
               "limit_amperes": limit}  # fmt: skip
    return Sweeps(**{name: np.broadcast_to(value, n) for name, value in columns.items()})


def test_a_level_that_was_not_measured_is_that_before_the_next_event():
    sweeps = events(
        [1, -1, 1, -1], [1.0, -0.9, 1.1, -0.8], before=[1e-6, 2e-4, 3e-6, np.nan],
        after=[np.nan, np.nan, 4e-4, 5e-6],
    )  # fmt: skip
    cycles = cycles_of(sweeps)
    assert cycles.lrs_siemens.tolist() == [2e-4, 4e-4]
    assert cycles.hrs_siemens.tolist() == [3e-6, 5e-6]
    sets = cycles_of(events([1, 1], [1.0, 1.1], before=[1e-6, 2e-6], after=[1e-4, 2e-4]))
    assert sets.hrs_siemens.tolist() == [1e-6, 2e-6]


def test_the_forming_of_a_device_is_no_set():
    sweeps = events([1, -1, 1, -1, 1], [3.0, -0.9, 1.0, -0.9, 1.1])
    rest, remarks = without_forming(sweeps)
    assert rest.volts.tolist() == [-0.9, 1.0, -0.9, 1.1]
    assert remarks == ("1 of them formed its device (3 V): left out",)
    assert without_forming(rest) == (rest, ())


def test_intervals_of_voltages_hold():
    rng = np.random.default_rng(0)
    inside = 0
    model = load_device("oxram")
    for _ in range(40):
        device = np.repeat(np.arange(10), 5)
        volts = 1.1 * np.exp(0.1 * rng.standard_normal(10)[device] + 0.1 * rng.standard_normal(50))
        sweeps = events(np.ones(50, int), volts, device=device)
        result = thresholds.estimate(sweeps, model, generator=rng, resamples=60)
        low, high = result.intervals["set_volts"]
        inside += low <= 1.1 <= high
    assert inside >= 36


def test_one_loop_tells_voltages_levels_and_what_a_limit_leaves():
    volts, amperes = loop()
    found = switches(volts, amperes, 0.2)
    sweeps = events(
        [e.polarity for e in found], [e.volts for e in found],
        before=[e.g_before_siemens for e in found], after=[e.g_after_siemens for e in found],
        limit=[e.limit_amperes for e in found],
    )  # fmt: skip
    measurements = Measurements(sweeps=(sweeps,), cycles=(cycles_of(sweeps),), devices=("a",))
    preset = load_device("oxram")
    result = fit(measurements, preset, generator=np.random.default_rng(0), bootstrap=0)
    measured = {e.name: e.value for e in result.estimates if e.status == "measured"}
    assert measured == pytest.approx({
        "set_volts": SET, "reset_volts": RESET, "compliance_volts": LIMIT / LRS,
        "full_set_siemens": LRS, "full_reset_siemens": HRS,
    })  # fmt: skip
    assert any("one cycle only" in text for text in result.warnings)
    middle = np.median(result.model.full_set_quantiles_siemens)
    assert middle == pytest.approx(LRS, rel=0.1)


def test_the_fitted_device_switches_in_a_simulated_sweep():
    model = load_device("oxram")
    state = model.manufacture((1, 4), generator=torch.Generator().manual_seed(0))
    volts = staircase((0.0, 1.5, 0.0, -1.6, 0.0), 0.05)
    sweep = dc_sweep(
        model, state, volts, dwell_seconds=0.01, generator=torch.Generator().manual_seed(1),
        compliance_amperes=1e-4,
    )  # fmt: skip
    for device in range(4):
        found = switches(volts, sweep.amperes[:, 0, device], 0.2)
        sets = [event for event in found if event.polarity > 0]
        assert sets
        assert all(0.2 < event.volts < 1.5 for event in sets)


SHARED = Path(os.environ.get("XBAR_SHARED", "shared"))
DAFFODIL = SHARED / "data/devices/nist_gwu_tiox_daffodil/data.zip"


@pytest.mark.skipif(not DAFFODIL.exists(), reason="no shared data")
def test_measured_loops_of_titanium_oxide(tmp_path):
    with zipfile.ZipFile(DAFFODIL) as archive:
        names = [n for n in archive.namelist() if re.search(r"iv_(positive|negative)_cycle\d+", n)]
        archive.extractall(tmp_path, names)
    options = Options(columns=("v_volts", "i_amperes"))
    sweeps = Sweeps.join(read([tmp_path / name for name in sorted(names)], options=options).sweeps)
    assert len(names) == 38
    sets, resets = (np.abs(sweeps.volts[sweeps.polarity == sign]) for sign in (1, -1))
    assert len(sets) >= 17
    assert len(resets) >= 17
    assert 1.6 < np.median(sets) < 2.1
    assert 0.6 < np.median(resets) < 0.9


# --- ArC ONE -------------------------------------------------------------------------------------


def test_the_curve_tracer_of_arc_one_is_a_sweep_beside_pulses(tmp_path):
    header = "Wordline,Bitline,Resistance,Amplitude (V),Pulse width (s),Tag,ReadTag,ReadVoltage"
    lines = ["my run", "Thu Jan  2 10:11:12 2025", header]
    lines += [f"1,2,{r},{v},{w},{tag},R2 V=0.2,0.2" for r, v, w, tag in (
        (1e4, 0.2, 0, "S R"), (9e3, 1.5, 1e-6, "P"), (8e3, 1.5, 1e-6, "P"))]  # fmt: skip
    curve = [(v, i) for v, i in zip(*loop(), strict=True) if v]
    lines += [f"1,2,{v / i:.6g},{v:.4g},0.01,CT_i,R2 V=0.2,0.2" for v, i in curve]
    path = tmp_path / "arc.csv"
    path.write_text("\n".join(lines) + "\n")
    measurements = read([path])
    assert len(measurements.pulses[0]) == 2
    assert measurements.sweeps[0].volts.tolist() == pytest.approx([SET, -RESET])
    (note,) = measurements.notes
    assert note.used == 3 + 50
    assert "1 SET at 1 V" in str(note)
    path.write_text("\n".join([*lines[:3], *lines[6:]]) + "\n")
    assert len(read([path]).cycles[0]) == 1
