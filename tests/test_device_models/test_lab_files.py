"""Files as laboratories have them: other units, separators, heads, and what decides a polarity."""

import numpy as np
import pytest

from device_models.errors import ConfigError, DataError
from device_models.fitting.columns import KNOWN, Column, Meaning, fault, meaning
from device_models.fitting.options import Options
from device_models.fitting.readers import FORMATS, Source, described, read, source

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
    (reads,) = read_text(tmp_path, EQUAL[case]).reads
    np.testing.assert_allclose(reads.time_seconds, [0.0, 0.5, 1.5], rtol=1e-12)
    np.testing.assert_allclose(reads.g_siemens, [1e-5, 2e-5, 3.5e-5], rtol=1e-12)


def test_a_file_without_a_header_is_told_its_columns(tmp_path):
    rows = "0,1;a;1e-5\n0,2;a;1e-5\n"
    with pytest.raises(DataError, match=r"row 1: 3 columns without a header; name them with --col"):
        read_text(tmp_path, rows)
    (reads,) = read_text(tmp_path, rows, columns=("t_seconds", "device", "g_siemens")).reads
    assert reads.time_seconds.tolist() == [0.1, 0.2]
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
