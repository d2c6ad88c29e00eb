"""What is implausible in a file is said by name before anything is fitted."""

import numpy as np
import pytest

from device_models.errors import CalibrationError, ConfigError, DataError, XbarError
from device_models.fitting.estimators import endurance
from device_models.fitting.fit import fit
from device_models.fitting.measurements import Lifetimes
from device_models.fitting.options import LABELS, Options
from device_models.fitting.readers import FORMATS, read
from device_models.presets import load_device


def read_text(tmp_path, content, name="file.csv", **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read([path], options=Options(**options))


def refusal(tmp_path, content, **options):
    with pytest.raises(XbarError) as error:
        read_text(tmp_path, content, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- encodings -----------------------------------------------------------------------------------

COOKED = "device,t_seconds,g_µS,T (°C)\na,0,10,25\na,100,9,25\n"


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_of_windows_is_read_whatever_its_encoding(tmp_path, encoding):
    measurements = read_text(tmp_path, COOKED.encode(encoding))
    (table,) = measurements.retention
    np.testing.assert_allclose(table.g_siemens, [1e-5, 9e-6])
    np.testing.assert_allclose(table.temperature_kelvin, 298.15)
    told = "read as Windows-1252" in measurements.notes[0].remarks
    assert told == (encoding == "cp1252")


def test_a_file_of_a_japanese_windows_is_read(tmp_path):
    text = "device,t_seconds,g_μS,T (℃),備考\na,0,10,25,良\na,100,9,25,\n"
    measurements = read_text(tmp_path, text.encode("cp932"))
    np.testing.assert_allclose(measurements.retention[0].g_siemens, [1e-5, 9e-6])
    np.testing.assert_allclose(measurements.retention[0].temperature_kelvin, 298.15)
    assert "read as Shift-JIS" in measurements.notes[0].remarks
    french = "t_seconds,g_µS,créée à “Orléans”\n0,10,1\n1,11,2\n".encode("cp1252")
    assert "read as Windows-1252" in read_text(tmp_path, french).notes[0].remarks


def test_one_reading_of_each_device_is_no_fit(tmp_path):
    once = read_text(tmp_path, "device,t_seconds,g_siemens\na,0,2e-5\nb,0,6e-5\n")
    with pytest.raises(CalibrationError, match="no rows that inform a parameter; nothing was fit"):
        fit(once, load_device("oxram.yaml"), generator=np.random.default_rng(0), bootstrap=0)


# --- signs and units -----------------------------------------------------------------------------

CURRENTS = "t_seconds,i_amperes\n0,{0}2e-6\n1,{0}2.2e-6\n2,{0}1.8e-6\n"


@pytest.mark.parametrize(
    ("sign", "options"),
    [
        ("", {"v_read_volts": 0.2}),
        ("-", {"v_read_volts": -0.2}),
        ("-", {"v_read_volts": 0.2, "invert_current": True}),
    ],
)
def test_a_current_out_of_the_grounded_electrode_is_a_reading_too(tmp_path, sign, options):
    measurements = read_text(tmp_path, CURRENTS.format(sign), **options)
    np.testing.assert_allclose(measurements.reads[0].g_siemens, [1e-5, 1.1e-5, 9e-6])
    assert measurements.notes[0].v_read_volts == 0.2


def test_currents_that_are_all_negative_are_refused_with_the_way_to_turn_them(tmp_path):
    text = refusal(tmp_path, CURRENTS.format("-"), v_read_volts=0.2)
    assert "as in 3 of 3 rows: --invert-current turns the sign of all" in text
    with pytest.raises(ConfigError, match=r"--read-volts = 0 is outside \[1e-06, 100\] V"):
        Options(v_read_volts=0.0)


@pytest.mark.parametrize(
    ("amperes", "hint"),
    [
        ("0.05", "(i_amperes in milliampere? multiply by 1e-3)"),
        ("0.9", "(i_amperes in micro"),
    ],
)
def test_a_hint_names_the_column_that_is_off_and_its_unit(tmp_path, amperes, hint):
    text = refusal(tmp_path, f"t_seconds,i_amperes\n0,{amperes}\n", v_read_volts=0.2)
    assert f"column 'i_amperes': {float(amperes) / 0.2:g} S is outside [0, 0.1] S {hint}" in text


def test_weak_devices_in_milliampere_are_doubted(tmp_path):
    text = "t_seconds,i_amperes\n0,1e-3\n1,1.1e-3\n2,1e-3\n"
    (warning,) = read_text(tmp_path, text, v_read_volts=0.2).warnings
    assert "the median reading is 0.005 S (200 ohm), above the 0.002 S" in warning
    assert warning.endswith("(i_amperes in milliampere? multiply by 1e-3)")
    assert not read_text(tmp_path, text.replace("e-3", "e-5"), v_read_volts=0.2).warnings


# --- trains --------------------------------------------------------------------------------------


def trains(up, down):
    rows = [f"{a:.4g},{b:.4g}" for a, b in zip(up, down, strict=True)]
    return "\n".join(["up_siemens,down_siemens", *rows])


RISE = np.linspace(1e-5, 5e-5, 20)


def test_trains_listed_backwards_are_refused_and_turned_when_asked(tmp_path):
    text = refusal(tmp_path, trains(RISE, RISE))
    assert "row 2, column 'down_siemens': rises from 1e-05 to 5e-05 S during its pulses" in text
    assert "is it listed backwards? (--backwards down_siemens turns it, last row first)" in text
    (pulses,) = read_text(tmp_path, trains(RISE, RISE), backwards=("down_siemens",)).pulses
    assert (pulses.polarity * (pulses.g_after_siemens - pulses.g_before_siemens) > 0.0).all()
    text = refusal(tmp_path, trains(RISE[::-1], RISE))
    assert "and down_siemens rises: are the columns swapped, or both listed backwards?" in text
    with pytest.raises(ConfigError, match="--backwards 'dwon' is no column of trains; it has up_"):
        read_text(tmp_path, trains(RISE, RISE), backwards=("dwon",))


def test_trains_that_do_not_join_are_named(tmp_path):
    assert not read_text(tmp_path, trains(RISE, RISE[::-1])).warnings
    (warning,) = read_text(tmp_path, trains(RISE, 2.0 * RISE[::-1])).warnings
    assert "do not join: up_siemens ends at 5e-05 S, down_siemens begins at 0.0001 S" in warning


def test_a_negative_offset_in_a_train_is_dropped_and_counted(tmp_path):
    down = np.r_[RISE[:0:-1], -5.3e-13]
    assert "(--drop-negative drops and counts the 1 such rows)" in refusal(
        tmp_path, trains(RISE, down)
    )
    (note,) = read_text(tmp_path, trains(RISE, down), drop_negative=True).notes
    assert (note.used, dict(note.dropped)) == (39, {"negative reading": 1})


def test_pulses_that_all_lead_the_wrong_way_are_named(tmp_path):
    rows = [f"pulse,1.5,{g:.4g}" for g in RISE[::-1]]
    text = "\n".join(["op,v_volts,g_siemens", "read,,5.1e-5", *rows])
    (warning,) = read_text(tmp_path, text).warnings
    assert "20 of 20 SET pulses lower the conductance; is a negative voltage a SET" in warning
    assert not read_text(tmp_path, text, set_is_negative=True).warnings


# --- clocks --------------------------------------------------------------------------------------


def clocked(start):
    rows = [
        f"d{d},{start + t:.1f},{1e-5 - 1e-6 * i:g}" for d in range(3)
        for i, t in enumerate((0.1, 10.0, 1000.0))
    ]  # fmt: skip
    return "\n".join(["device,t_seconds,g_siemens", *rows])


def test_the_time_of_a_clock_is_refused_and_counted_from_the_first_reading(tmp_path):
    text = refusal(tmp_path, clocked(1.7e9))
    assert "is a clock (2023-11-14 as unix time), no time since a write" in text
    assert "--clock counts from the first reading of each device" in text
    measurements = read_text(tmp_path, clocked(1.7e9), clock=True)
    np.testing.assert_allclose(
        measurements.retention[0].time_seconds, [0.0, 9.9, 999.9] * 3, atol=1e-5
    )
    assert "times count from the first reading" in measurements.notes[0].remarks[0]


def test_a_clock_of_days_is_doubted_and_times_since_the_write_are_not(tmp_path):
    assert not read_text(tmp_path, clocked(0.0)).warnings
    (warning,) = read_text(tmp_path, clocked(86400.0)).warnings
    assert "3 of 3 devices are read first 86400.1 s after their write and then for" in warning


# --- cycles of a device that died ----------------------------------------------------------------


def endured(good, closed, *, stuck=1e4, device="a", seed=0):
    rng = np.random.default_rng(seed)
    lrs = 1e4 * np.exp(0.05 * rng.standard_normal(good + closed))
    hrs = 1e6 * np.exp(0.5 * rng.standard_normal(good + closed))
    hrs[good:] = stuck * np.exp(0.02 * rng.standard_normal(closed))
    lrs[good:] = np.minimum(lrs[good:], hrs[good:])
    return [f"{device},{c},{lrs[c]:.5g},{hrs[c]:.5g}" for c in range(good + closed)]


def test_cycles_after_the_window_closed_tell_the_endurance_and_no_levels(tmp_path):
    rows = ["device,cycle,lrs_ohms,hrs_ohms", *endured(60, 80), *endured(140, 0, device="b")]
    measurements = read_text(tmp_path, "\n".join(rows))
    (note,), (lives,) = measurements.notes, measurements.lifetimes
    assert (note.used, dict(note.dropped)) == (
        200, {"after the window of the device had closed": 80}
    )  # fmt: skip
    assert lives.cycles.tolist() == [60, 140]
    assert lives.died.tolist() == [1, 0]
    assert measurements.cycles[0].hrs_siemens.max() < 1e-5
    assert "1 of 2 devices closed (a after 60 cycles)" in measurements.warnings[0]


@pytest.mark.parametrize("rows", [endured(100, 0), endured(100, 5), endured(3, 100)])
def test_a_few_closed_cycles_are_no_death(tmp_path, rows):
    text = "\n".join(["device,cycle,lrs_ohms,hrs_ohms", *rows])
    measurements = read_text(tmp_path, text)
    assert not measurements.lifetimes
    assert measurements.notes[0].used == len(rows)


def test_endurance_is_that_of_the_dead_beside_the_living():
    rng, model = np.random.default_rng(1), load_device("oxram")
    inside = []
    for _ in range(20):
        lives = 500.0 * np.exp(0.4 * rng.standard_normal(12))
        table = Lifetimes(
            device=np.arange(12), cycles=np.minimum(lives, 600.0), died=lives < 600.0
        )  # fmt: skip
        parameters = endurance.estimate(table, model, generator=rng, resamples=0)
        low, high = parameters.intervals["endurance_pulses"]
        inside.append(low <= 1000.0 <= high)
        assert 0.05 < parameters.values["endurance_sigma"] < 1.5
    assert sum(inside) >= 17
    one = Lifetimes(device=np.array([0]), cycles=np.array([120]), died=np.array([1]))
    parameters = endurance.estimate(one, model, generator=rng, resamples=0)
    assert parameters.values == {"endurance_pulses": pytest.approx(240.0, rel=1e-3)}
    assert parameters.intervals["endurance_pulses"] == pytest.approx((24.0, 2400.0), rel=1e-3)
    assert "how devices differ in it is not known" in parameters.warnings[0]


# --- the same data twice -------------------------------------------------------------------------

CYCLES = "\n".join(["device,cycle,lrs_ohms,hrs_ohms", *endured(20, 0)])


def test_a_file_that_is_given_twice_is_refused(tmp_path):
    path, link = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text(CYCLES)
    link.symlink_to(path)
    with pytest.raises(ConfigError, match=r"a\.csv is given twice: it would count as new data"):
        read([path, path])
    with pytest.raises(ConfigError, match=r"b\.csv is given twice \(.*a\.csv is the same file\)"):
        read([path, link])


def test_the_same_rows_in_another_file_are_refused_or_named(tmp_path):
    path, copy, part = (tmp_path / name for name in ("a.csv", "copy.csv", "part.csv"))
    path.write_text(CYCLES)
    copy.write_text(CYCLES.replace(",", ";"))
    with pytest.raises(DataError, match=r"copy\.csv: 20 of 20 rows of cycles are those of .*a\.cs"):
        read([path, copy])
    new = [line.replace("a,", "b,", 1) for line in endured(5, 0, seed=7)]
    part.write_text("\n".join([*CYCLES.splitlines()[:13], *new]))
    (warning,) = read([path, part]).warnings
    assert "part.csv: 12 of 17 rows of cycles are those of" in warning
    other = tmp_path / "other.csv"
    other.write_text("\n".join(["device,cycle,lrs_ohms,hrs_ohms", *endured(20, 0, seed=5)]))
    assert not read([path, other]).warnings


def test_pulses_that_a_file_repeats_are_named_and_readings_of_few_digits_are_not(tmp_path):
    rng = np.random.default_rng(0)
    g = np.cumsum(np.r_[1e-5, 1e-6 * rng.random(20)])
    rows = [f"set,{each:.6g}" for each in g]
    text = "\n".join(["op,g_siemens", "read,1e-5", *rows, "read,1e-5", *rows])
    (warning,) = read_text(tmp_path, text).warnings
    assert warning.endswith("42 rows of pulses repeat earlier ones of the file: they count twice")
    few = "\n".join(["g_siemens", *(f"{1e-5 + 1e-6 * rng.integers(4):.3g}" for _ in range(99))])
    path, other = tmp_path / "one.csv", tmp_path / "two.csv"
    path.write_text(few)
    other.write_text("\n".join(["g_siemens", *few.splitlines()[:0:-1]]))
    assert not read([path, other]).warnings


def test_rows_that_a_file_repeats_count_once(tmp_path):
    lines = CYCLES.splitlines()
    measurements = read_text(tmp_path, "\n".join([*lines, *lines[1:]]))
    (note,) = measurements.notes
    assert (note.used, dict(note.dropped)) == (20, {"the same row again": 20})
    assert "20 rows are there twice and count once" in measurements.warnings[0]


# --- options -------------------------------------------------------------------------------------


def test_every_option_is_taken_by_a_format_and_one_that_changes_nothing_is_named(tmp_path):
    assert {name for reader in FORMATS.values() for name in reader.options} == set(LABELS)
    (warning,) = read_text(tmp_path, CYCLES, clock=True).warnings
    assert warning == "--clock changes nothing: no file is of a format that takes it (retention)"
