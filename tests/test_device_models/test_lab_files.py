"""Files as laboratories have them: other units, separators, heads, and what decides a polarity."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch
import xbar_synthetic as synthetic

from device_models.errors import ConfigError, DataError
from device_models.fitting.columns import KNOWN, Column, Meaning, fault, meaning
from device_models.fitting.estimators import reads, steps
from device_models.fitting.estimators.changes import COLUMNS, Changes
from device_models.fitting.fit import fit
from device_models.fitting.measurements import Measurements, Pulses
from device_models.fitting.misfits import judged, misfits, predict
from device_models.fitting.options import Options
from device_models.fitting.predictive_checks import Check
from device_models.fitting.readers import FORMATS, Source, described, read, source
from device_models.presets import load_device

READS = "t_seconds,g_siemens\n0,1e-5\n0.5,2e-5\n1.5,3.5e-5\n"
NEEDS = {
    "ramps": Options(v_read_volts=0.1),
    "up-down": Options(g_min_siemens=1e-6, g_max_siemens=1e-4),
}


def read_text(tmp_path, content, name="file.csv", **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read([path], options=Options(**options))


@pytest.mark.parametrize("name", [name for name, reader in FORMATS.items() if reader.example])
def test_the_example_of_a_format_is_one(tmp_path, name):
    path = tmp_path / "file.csv"
    path.write_text(FORMATS[name].example)
    measurements = read([path], options=NEEDS.get(name))
    assert [note.format for note in measurements.notes] == [name]
    assert measurements.notes[0].used > 0
    assert measurements.notes[0].ignored == (("ReadTag",) if name == "arc-one" else ())
    assert FORMATS[name].example.splitlines()[0] in described()


@pytest.mark.parametrize("name", FORMATS)
def test_a_declared_column_is_listed_with_its_unit_and_known_to_all_readers(name):
    lines = described().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"{name}: "))
    for i, column in enumerate(FORMATS[name].columns):
        assert isinstance(column, Column)
        words = lines[start + 1 + i].removeprefix(f"  {column.name}").split()
        assert words[0] == (column.unit or "1")
    if name in ("generic", "reads", "retention", "cycles", "written"):
        assert {column.name for column in FORMATS[name].columns} <= set(KNOWN)


MEANINGS = {
    "current_uA": Meaning("i_amperes", 1e-6),
    "R (kOhm)": Meaning("r_ohms", 1e3),
    "R_MOhm": Meaning("r_ohms", 1e6),
    "Conductance [uS]": Meaning("g_siemens", 1e-6),
    "conductance (\N{MICRO SIGN}S)": Meaning("g_siemens", 1e-6),
    "G / mS": Meaning("g_siemens", 1e-3),
    "Time / ms": Meaning("t_seconds", 1e-3),
    "width_ns": Meaning("width_seconds", 1e-9),
    "Pulse width [us]": Meaning("width_seconds", 1e-6),
    "read voltage (mV)": Meaning("v_read_volts", 1e-3),
    "V_mV": Meaning("v_volts", 1e-3),
    "T (\N{DEGREE SIGN}C)": Meaning("temperature_kelvin", 1.0, 273.15),
    "HRS (\N{GREEK CAPITAL LETTER OMEGA})": Meaning("hrs_ohms"),
    "Device": Meaning("device"),
    "t_seconds": Meaning("t_seconds"),
    "g_min_siemens": None,
    "i_compliance_amperes": None,
    "R": None,
}


@pytest.mark.parametrize("label", MEANINGS)
def test_a_name_says_quantity_and_unit(label):
    assert meaning(label) == MEANINGS[label]


@pytest.mark.parametrize("name", [name for name in KNOWN if name != "op"])
def test_every_known_name_means_itself_and_a_slip_in_it_is_refused(name):
    assert meaning(name) == Meaning(name)
    slip = name[:-2] + name[-1]
    if meaning(slip) is None:
        assert "did you mean" in fault(slip, [name], []) or "unit" in fault(slip, [name], [])


EQUAL = {
    "tabs": READS.replace(",", "\t"),
    "semicolons": READS.replace(",", ";"),
    "blanks": "t_seconds   g_siemens\n 0    1e-5\n0.5  2e-5\n1.5  3.5e-5\n",
    "decimal commas": READS.replace(",", ";").replace(".", ","),
    "quoted decimal commas": 't_seconds,g_siemens\n0,1e-5\n"0,5",2e-5\n"1,5","3,5e-5"\n',
    "blanks and decimal commas": READS.replace(",", " ").replace(".", ","),
    "a mark": b"\xef\xbb\xbf" + READS.encode(),
    "CR": READS.replace("\n", "\r"),
    "UTF-16": READS.encode("utf-16"),
    "units in the names": "Time (ms),Conductance [uS]\n0,10\n500,20\n1500,35\n",
    "units with blanks": "t (ms)  g (uS)\n0 10\n500 20\n1500 35\n",
    "a row of units": "Time,Conductance\n(ms),uS\n0,10\n500,20\n1500,35\n",
    "kiloohm": "t_ms;R (kOhm)\n0;100\n500;50\n1500;28,571428571428573\n",
    "currents": "# v_read_volts = 0.2\ntime_us\tcurrent_uA\n0\t2\n5e5\t4\n15e5\t7\n",
}


@pytest.mark.parametrize("case", EQUAL)
def test_one_series_in_many_files(tmp_path, case):
    (table,) = read_text(tmp_path, EQUAL[case]).reads
    np.testing.assert_allclose(table.time_seconds, [0.0, 0.5, 1.5], rtol=1e-12)
    np.testing.assert_allclose(table.g_siemens, [1e-5, 2e-5, 3.5e-5], rtol=1e-12)


def test_a_file_without_a_header_is_told_its_columns(tmp_path):
    rows = "0,1;a;1e-5\n0,2;a;1e-5\n"
    with pytest.raises(DataError, match=r"row 1: 3 columns without a header; name them with --col"):
        read_text(tmp_path, rows)
    (one,) = read_text(tmp_path, rows, columns=("t_seconds", "device", "g_siemens")).reads
    assert one.time_seconds.tolist() == [0.1, 0.2]
    with pytest.raises(DataError, match=r"row 1, column 3: 3 cells, the header in row 1 has 2"):
        read_text(tmp_path, rows, columns=("t_seconds", "g_siemens"))
    (two,) = read_text(tmp_path, "0,10\n1,20\n", columns=("t_seconds", "G (uS)")).reads
    assert two.g_siemens.tolist() == [10 * 1e-6, 20 * 1e-6]


REFUSED = {
    "a slip": ("tseconds,g_siemens\n0,1e-5\n", "column 1: 'tseconds' is unknown; did you mean "
               "'t_seconds'?"),
    "no unit": ("time,g_siemens\n0,1e-5\n", "column 1: 'time' states no unit; call it t_seconds"),
    "another unit": ("R (kg),t_seconds\n1,1\n", "'R (kg)' has no unit of ohms; call it r_ohms"),
    "two units": ("t_seconds,g_siemens\nms,S\n0,1e-5\n", "'t_seconds', but the row of units below "
                  "says 'ms'"),
    "twice": ("R (kOhm),r_ohms\n10,1e4\n", "'r_ohms' is there twice"),
    "mixed marks": ("t_ms;g_uS\n0;1.5\n1;1,5\n", "column 'g_uS': '1,5' has a decimal comma"),
    "microohm": ("R (kOhm),device\n1e-3,a\n", "column 'R (kOhm)': 1 ohm is outside"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_understood_is_refused_by_name(tmp_path, case):
    content, message = REFUSED[case]
    with pytest.raises(DataError) as error:
        read_text(tmp_path, content)
    assert message in str(error.value)
    assert str(error.value).endswith("nothing was read")
    assert "\n" not in str(error.value)


def test_other_columns_are_named_and_left_alone(tmp_path):
    text = "t_seconds,g_siemens,comment,i_compliance_amperes\n0,1e-5,x,1\n1,1e-5,y,1\n"
    assert read_text(tmp_path, text).notes[0].ignored == ("comment", "i_compliance_amperes")


def test_a_suffix_names_format_and_polarity_of_one_file(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text(READS)
    assert source(f"{path}:reads") == Source(path, "reads")
    assert source(f"{path}:ramps:reset") == Source(path, "ramps", "reset")
    assert source(f"{path}:neutral") == Source(path, "generic")
    assert source(r"C:\data\set.csv").format_name is None
    colon = tmp_path / "file:reads"
    colon.write_text(READS)
    assert source(str(colon)) == Source(colon)
    with pytest.raises(ConfigError, match=r"'redas' behind the colon .*; did you mean 'reads'\?;"):
        source(f"{path}:redas")
    with pytest.raises(ConfigError, match="a file of format reads says SET and RESET itself"):
        read([source(f"{path}:set")])
    assert len(read([source(f"{path}:retention")]).retention[0]) == 3


RISES, FALLS = "{}\n1e-6\n2e-6\n3e-6\n", "{}\n3e-6\n2e-6\n1e-6\n"


@pytest.mark.parametrize(
    ("name", "text", "polarity", "sign", "remark"),
    [
        ("a.csv", RISES.format("rmp1"), None, 1, ""),
        ("my-RESET_1.csv", RISES.format("rmp1"), None, -1,
         "RESET pulses by the name of the file, although they rise"),
        ("reset.csv", FALLS.format("rmp1"), None, -1, "RESET pulses by the name of the file"),
        ("reset.csv", FALLS.format("set1"), None, 1,
         "SET pulses by the names of the columns, although they fall"),
        ("dataset.csv", FALLS.format("rmp1"), None, -1, ""),
        ("set and reset.csv", FALLS.format("rmp1"), None, -1, ""),
        ("reset.csv", FALLS.format("set1"), "reset", -1, "RESET pulses as you say"),
        ("set.csv", "op,g_siemens\nread,1e-5\npulse,2e-5\n", None, 1, "SET pulses by the name of "
         "the file"),
        ("set.csv", "Gbins CDF\n1e-5 2e-5\n0 1\n-1e-7 -1e-7\n-1e-8 -1e-8\n", None, 1,
         "SET pulses by the name of the file, although they fall"),
    ],
)  # fmt: skip
def test_a_name_or_a_column_decides_before_the_trend(tmp_path, name, text, polarity, sign, remark):
    measurements = read_text(tmp_path, text, name, v_read_volts=0.1, polarity=polarity)
    polarities = [t.polarity if isinstance(t.polarity, int) else set(t.polarity.tolist())
                  for t in (*measurements.pulses, *measurements.steps)]  # fmt: skip
    assert polarities in ([sign], [{sign}])
    assert ", ".join(measurements.notes[0].remarks) == remark


def test_pulses_without_an_operation_are_told_by_their_voltage(tmp_path):
    text = "device,V (V),width (us),R (kOhm)\na,,,100\na,1.5,1,50\na,-1.5,2,80\na,0,0,81\n"
    (pulses,) = read_text(tmp_path, text).pulses
    assert pulses.polarity.tolist() == [1, -1]
    np.testing.assert_allclose(pulses.width_seconds, [1e-6, 2e-6])


def test_writes_to_ranges_with_success_and_counts(tmp_path):
    text = (
        "device,low_uS,high_uS,g_uS,success,pulses\n"
        "a,9,11,10.5,yes,3\nb,9,11,10.1,1,5\nc,9,11,40,False,20\nd,9,11,,1,2\n"
    )
    measurements = read_text(tmp_path, text)
    (written,) = measurements.written
    np.testing.assert_allclose(written.target_siemens, 1e-5)
    assert written.reached.tolist() == [1, 1, 0]
    assert measurements.notes[0].remarks == (
        "1 of 3 writes gave up: left out of the spread",
        "pulses per write: median 5, 95 % within 18.5",
    )
    with pytest.raises(DataError, match="the lower end is above the upper"):
        read_text(tmp_path, "low_kohm,high_kohm,r_kohm\n30,20,25\n")


def test_one_state_alone_and_reads_without_a_clock(tmp_path):
    (cycles,) = read_text(tmp_path, "device,cycle,hrs_kohm\na,1,100\na,2,\na,3,200\n").cycles
    assert cycles.cycle.tolist() == [1, 3]
    assert np.isnan(cycles.lrs_siemens).all()
    measurements = read_text(tmp_path, "device,R (kOhm)\na,100\nb,50\na,101\n")
    assert measurements.reads[0].device.tolist() == [0, 0, 1]
    assert "the white part of the noise alone" in measurements.notes[0].remarks[0]


# --- what a fit makes of them --------------------------------------------------------------------


def fitted(measurements, **changes):
    return fit(measurements, load_device("oxram"), generator=np.random.default_rng(0), **changes)


def test_one_state_of_cycles_informs_its_own_numbers_alone(tmp_path):
    rng = np.random.default_rng(0)
    ohms = 1e5 * np.exp(0.5 * rng.standard_normal((20, 10)))
    rows = [f"{d},{c},{ohms[d, c]:.6g}" for d in range(20) for c in range(10)]
    measurements = read_text(tmp_path, "\n".join(["device,cycle,hrs_ohms", *rows]))
    result = fitted(measurements, bootstrap=20)
    statuses = {e.name: e.status for e in result.estimates}
    assert statuses["full_reset_siemens"] == statuses["g_min_siemens"] == "measured"
    assert "measured" not in (statuses["full_set_siemens"], statuses["g_max_siemens"])
    assert result.model.full_reset_siemens == pytest.approx(1e-5, rel=0.1)
    preset = load_device("oxram")
    assert result.model.full_set_quantiles_siemens == preset.full_set_quantiles_siemens
    assert result.model.full_reset_quantiles_siemens != preset.full_reset_quantiles_siemens
    assert "cycles of HRS alone: the other state keeps the preset's levels" in result.warnings
    assert result.model.status == "mixed"
    names = [check.name for check in predict(result, seed=0, simulations=3).checks]
    assert names[:2] == ["HRS", "HRS over that of the cycle before"]
    assert all(name.startswith("HRS") for name in names)


def walk(devices, pulses):
    """RESET trains of devices that wander, but for two that end at their bound at once."""
    rng = np.random.default_rng(0)
    g = 1e-5 * np.exp(np.cumsum(0.05 * rng.standard_normal((devices, pulses + 1)), 1))
    g[:2] = 1e-6 * np.exp(0.001 * rng.standard_normal((2, pulses + 1)))
    g[:2, 0] = 2e-4
    index = np.tile(np.arange(pulses), devices)
    return Pulses(
        device=np.repeat(np.arange(devices), pulses), ramp=0 * index, index=index,
        polarity=0 * index - 1, g_before_siemens=g[:, :-1].ravel(),
        g_after_siemens=g[:, 1:].ravel(), v_volts=np.nan * index, width_seconds=np.nan * index,
    )  # fmt: skip


def test_pulses_of_which_no_bound_left_one_are_fitted_all_the_same():
    parameters = steps.estimate(
        walk(16, 95), load_device("oxram"), generator=np.random.default_rng(0), resamples=0,
        rounds=1,
    )  # fmt: skip
    assert np.isfinite(parameters.values["reset_fraction"])


def test_many_readings_of_few_devices_are_thinned_evenly():
    n, each = 3, 1000
    column = np.arange(n * each, dtype=np.float64)
    changes = Changes(
        device=np.repeat(np.arange(n), each), **dict.fromkeys(COLUMNS, column),
        read_measured=False, motion=1.0, unit_siemens=1.0,
    )  # fmt: skip
    thin = changes.thinned(16)
    assert np.bincount(thin.device).tolist() == [16] * n
    assert thin.seconds[15::16].tolist() == [999.0, 1999.0, 2999.0]  # the last ones
    assert set(np.diff(thin.seconds[:16]).tolist()) <= {62.0, 63.0}
    assert changes.thinned(each) is changes


def check(kind, outside, total):
    """A check of which some numbers lie outside their bands."""
    measured = np.where(np.arange(total) < outside, 3.0 + np.arange(total), 0.5)
    return Check(
        name="LRS", kind=kind, unit="S", labels=tuple(f"{i} %" for i in range(total)), rows=99,
        measured=measured, predicted=np.full(total, 0.5), low=np.zeros(total), high=np.ones(total),
    )  # fmt: skip


def test_a_misfit_is_one_line_with_its_share_and_its_worst_number():
    (found,) = misfits([check("cycles", 2, 5), check("cycles", 0, 5), check("pulses", 0, 5)])
    assert str(found) == (
        "cycles misfit: 2 of 10 checked numbers (20%) outside their 95 % bands; worst: LRS, 1 %: "
        "4 S, predicted 0 S to 1 S"
    )
    assert misfits([check("reads", 1, 2), check("written", 2, 20)]) == []


def test_telegraph_noise_is_named_and_white_noise_is_not():
    model = synthetic.truth(slow_fraction=0.0)
    generator = torch.Generator().manual_seed(3)
    levels = np.geomspace(5e-6, 8e-5, 4)
    white = synthetic.repeated_reads(model, generator, levels=levels, each=4, reads=100)
    rng = np.random.default_rng(1)
    jumps = np.where(rng.random(len(white)) < 0.1, 0.5, 1.0)
    telegraph = replace(white, g_siemens=white.g_siemens * jumps)
    for table, kinds in ((white, []), (telegraph, ["reads"])):
        result = fitted(synthetic.measured(16, reads=(table,)), bootstrap=20)
        seen = [m.kind for m in misfits(predict(result, seed=0).checks)]
        if result.model.telegraph_traps:  # then they are described
            seen.append("reads")
        assert sorted(set(seen)) == kinds, result.warnings


def test_the_recommended_model_is_checked_too():
    table = walk(2, 12)  # too few devices to rank models by, which takes long
    measurements = Measurements(pulses=(table,), devices=("a", "b"))
    result = replace(
        fitted(measurements, bootstrap=0, model="soft_bounds"),
        recommended="linear_step",
        warnings=("linear_step predicts better; --model linear_step fits it",),
    )
    asked = []

    def refit(tables, name):
        asked.append((name, len(tables.pulses[0])))
        return fitted(tables, bootstrap=0, model=name)

    judgement, _ = judged(result, refit, seed=0)
    assert asked == [("linear_step", len(table))]
    assert judgement.warnings[0].startswith(
        "linear_step predicts better; --model linear_step fits it; linear_step fails, too: pulses "
        "misfit: "
    )


def test_slow_noise_of_one_resistance_is_not_cut_at_the_cap_of_the_preset():
    model = synthetic.truth(
        slow_fraction=0.25, slow_cap=1.0, slow_exponent=0.0, slow_shortest_seconds=0.01,
        slow_longest_seconds=1.0,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(1)
    table = synthetic.repeated_reads(model, generator, levels=[2e-5], each=12, reads=400)
    preset = dataclasses.replace(load_device("oxram"), slow_cap=0.0985)
    parameters = reads.estimate(table, preset, generator=np.random.default_rng(0), resamples=0)
    assert parameters.values["slow_cap"] > 0.2
    assert any("slow_cap = 0.0985 of the preset is below" in text for text in parameters.warnings)
