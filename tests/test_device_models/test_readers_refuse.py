"""Bad files: one line each, with the file, the row and the column."""

import builtins
import gzip
import io
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device_models.errors import CalibrationError, ConfigError, DataError, XbarError
from device_models.fitting import lines
from device_models.fitting.measurements import Measurements
from device_models.fitting.options import Options
from device_models.fitting.readers import FORMATS, read, wants

READS = "t_seconds,g_siemens\n"
OPS = "op,v_volts,g_siemens\n"
GOOD = "0,1e-5\n1,2e-5\n"
END = "; nothing was read"


def refusal(tmp_path, content, options=None, **kwargs):
    path = tmp_path / "file.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(XbarError) as error:
        read([path], options=options, **kwargs)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    return type(error.value), text.removeprefix(f"{path}: ")


CASES = {
    "nothing": (b"", "the file is empty" + END),
    "blank rows": ("\n \n", "the file is empty" + END),
    "comments": ("# 1\n#\n", "the file is empty but for comments" + END),
    "no rows": (READS, "row 1, the header, is the last one: there are no values" + END),
    "microsiemens": (
        READS + "0,85.2\n1,86\n",
        "row 2, column 'g_siemens': 85.2 S is outside [0, 0.1] S (in microsiemens? multiply by "
        "1e-6)" + END,
    ),
    "kiloohm": (
        "t_seconds,r_ohms\n0,1e4\n1,7.4\n",
        "row 3, column 'r_ohms': 7.4 ohm is outside [10, 1e+15] ohm (in kiloohm or megaohm? "
        "multiply by 1e3 or 1e6)" + END,
    ),
    "microamperes": (
        "t_seconds,v_read_volts,i_amperes\n0,0.2,16.5\n",
        "row 2, column 'i_amperes': 16.5 A is outside [0, 1] A (in microamperes? multiply by "
        "1e-6)" + END,
    ),
    "millivolts": (
        "t_seconds,v_read_volts,i_amperes\n0,200,1e-6\n",
        "row 2, column 'v_read_volts': 200 V is outside [1e-06, 10] V (in millivolts? multiply by "
        "1e-3)" + END,
    ),
    "nanoseconds": (
        "op,width_seconds,g_siemens\nset,500,1e-5\n",
        "row 2, column 'width_seconds': 500 s is outside [0, 100] s (in nanoseconds? multiply by "
        "1e-9)" + END,
    ),
    "Celsius": (
        "device,t_seconds,g_siemens,temperature_kelvin\n1,0,1e-5,85\n",
        "row 2, column 'temperature_kelvin': 85 K is outside [200, 1000] K (in degrees Celsius? "
        "add 273.15)" + END,
    ),
    "negative resistance": (
        "t_seconds,r_ohms\n0,1e4\n1,-2e4\n2,-1\n",
        "row 3, column 'r_ohms': -20000 is negative; a conductance is positive (--drop-negative "
        "drops and counts the 2 such rows)" + END,
    ),
    "current against the voltage": (
        "t_seconds,v_read_volts,i_amperes\n0,0.2,1e-6\n1,0.2,-1e-6\n",
        "row 3, column 'i_amperes': -1e-06 is a current against the read voltage; a conductance "
        "is positive (--drop-negative drops and counts the 1 such rows)" + END,
    ),
    "only NaN": (
        READS + "0,nan\n1,\n",
        "no row can be used (2 without a reading)" + END,
    ),
    "a truncated gzip": (
        gzip.compress((READS + GOOD * 50).encode(), mtime=0)[:-12],
        "row 1 or a later one: the gzip data end early (truncated)" + END,
    ),
    "a byte of no encoding": (
        (READS + "0,1e-5\n").encode() + b"1,\x81\n",
        "row 3, column 2: byte 0x81 is neither UTF-8 nor Windows-1252; save the file as UTF-8"
        + END,
    ),
    "two encodings": (
        "t_seconds,g_µS\n0,1\n".encode() + b"1,\xff\n",
        "row 3, column 2: byte 0xff is neither UTF-8 nor Windows-1252; save the file as UTF-8"
        + END,
    ),
    "decimal commas": (
        "t_seconds;g_siemens\n0.5;0,00001\n",
        "row 2, column 'g_siemens': '0,00001' has a decimal comma, other numbers a point; write "
        "0.00001" + END,
    ),
    "decimal commas between commas": (
        READS + "0,5,0,00001\n",
        "row 2, column 3: 4 cells, the header in row 1 has 2 (decimal commas? write 0.1, not "
        "0,1)" + END,
    ),
    "a ragged row": (
        READS + GOOD + "\n3\n",
        "row 5, column 2: 1 cells, the header in row 1 has 2" + END,
    ),
    "text for a number": (
        READS + GOOD + "2,open\n",
        "row 4, column 'g_siemens': 'open' is not a number" + END,
    ),
    "an open quote": (
        READS + GOOD + '2,"1e-5\n3,1e-5\n',
        "row 4: a quote is opened and not closed" + END,
    ),
    "a missing column": (
        "device,cycel,lrs_ohms,hrs_ohms\n1,1,1e4,1e5\n",
        "row 1, column 2: 'cycel' is unknown; did you mean 'cycle'?" + END,
    ),
    "a column that is not there": (
        "device,lrs_ohms,hrs_ohms\n1,1e4,1e5\n",
        "row 1: column 'cycle' is missing (found device, lrs_ohms, hrs_ohms); a table of cycles "
        "has cycle, lrs_ohms and hrs_ohms (or lrs_siemens and hrs_siemens)" + END,
    ),
    "a column twice": (
        "t_seconds,g_siemens,g_siemens\n0,1,1\n",
        "row 1, column 3: 'g_siemens' is there twice (first in column 2)" + END,
    ),
    "an unknown operation": (
        OPS + "read,,1e-5\nrest,1,1e-5\n",
        "row 3, column 'op': unknown 'rest'; did you mean 'reset'?" + END,
    ),
    "no device": (
        "device,op,g_siemens\n1,read,1e-5\n,read,1e-5\n",
        "row 3, column 'device': the cell is blank, a name is needed" + END,
    ),
    "half a cycle": (
        "device,cycle,lrs_ohms,hrs_ohms\n1,1.5,1e4,1e5\n",
        "row 2, column 'cycle': 1.5 is no whole number" + END,
    ),
    "LRS for HRS": (
        "device,cycle,lrs_ohms,hrs_ohms\n1,1,1e5,1e4\n",
        "row 2: the low-resistance state has the higher resistance, as in 1 of 1 rows; are the "
        "columns of LRS and HRS swapped? Nothing was read",
    ),
    "unknown columns": (
        "i,volume\n1,2\n",
        "row 1: 'i, volume' are the columns of no known format ('i' states no unit; call it "
        f"i_amperes, or write a unit: i (A), or give --columns 'i=i_amperes'); known formats want "
        f"{wants()} (--columns says which column is which, --formats says more)" + END,
    ),
    "steps in microsiemens": (
        "Gbins, CDF\n10 20\n0 1\n1 1\n1 1\n",
        "row 2: conductances from 10 to 20; they must ascend within [0, 0.1] (in microsiemens? "
        "multiply by 1e-6)" + END,
    ),
    "steps that are lacking": (
        "Gbins, CDF\n1e-5 2e-5\n0 0.5 1\n1e-6 1e-6\n",
        "row 4: 1 rows of steps for 3 probabilities in row 3" + END,
    ),
    "a negative width": (
        "op,width_seconds,g_siemens\nset,-1e-6,1e-5\n",
        "row 2, column 'width_seconds': -1e-06 s is outside [0, 100] s (a negative size; a sign "
        "was lost or added)" + END,
    ),
    "a negative target": (
        "target_siemens,g_siemens\n-1e-5,1e-5\n",
        "row 2, column 'target_siemens': -1e-05 S is outside [0, 0.1] S (a negative size; a sign "
        "was lost or added)" + END,
    ),
    "kilovolts": (
        OPS + "set,-1500,1e-5\n",
        "row 2, column 'v_volts': -1500 V is outside [-100, 100] V (in millivolts? multiply by "
        "1e-3)" + END,
    ),
    "a stuck map of words": (
        "target_siemens,g_siemens,stuck\n1e-5,1e-5,2\n",
        "row 2, column 'stuck': 2 is none of -1 (low), 0, 1 (high)" + END,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_file_is_refused_in_one_line(tmp_path, case):
    content, expected = CASES[case]
    assert refusal(tmp_path, content) == (DataError, expected)


UNSAID = {
    "mixed read voltages": (
        "t_seconds,v_read_volts,r_ohms\n0,0.2,1e4\n1,0.5,1e4\n",
        "row 3, column 'v_read_volts': 0.5 V, but 0.2 V in row 2; one read voltage is allowed "
        "(--read-volts picks one and drops the others)" + END,
    ),
    "currents at no voltage": (
        "rmp1\n1e-6\n2e-6\n",
        "row 1, column 'rmp1': currents, and no read voltage in [1e-06, 10] V is stated; give "
        "--read-volts" + END,
    ),
    "normalised conductances": (
        "-0.5,0.5\n0.5,-0.5\n",
        "row 1, column 1: normalised conductances (-0.5 to 0.5), and nothing states the window; "
        "give --window G_MIN:G_MAX in siemens, or name the columns: --columns "
        "up_siemens,down_siemens (t_seconds,g_siemens of reads, v_volts,i_amperes of sweeps)" + END,
    ),
}


@pytest.mark.parametrize("case", UNSAID)
def test_a_file_that_does_not_say_enough_is_refused_in_one_line(tmp_path, case):
    content, expected = UNSAID[case]
    assert refusal(tmp_path, content) == (CalibrationError, expected)


def test_negative_readings_and_other_read_voltages_are_dropped_if_the_user_says_so(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text(
        "t_seconds,v_read_volts,r_ohms\n0,0.2,1e4\n1,0.5,1e4\n2,0.2,-1\n3,0.2,2e4\n4,0.2,nan\n"
    )
    measurements = read([path], options=Options(v_read_volts=0.2, drop_negative=True))
    assert measurements.reads[0].g_siemens.tolist() == [1e-4, 5e-5]
    assert str(measurements.notes[0]) == (
        f"{path} (reads): 2 used, 3 dropped (1 without a reading, 1 negative reading, 1 at "
        "another read voltage)"
    )


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError) as error:
        read([tmp_path / "no.csv"])
    assert str(error.value) == f"{tmp_path}/no.csv: No such file or directory{END}"


def test_a_gzip_that_ends_late_in_the_file_names_the_row_it_came_to(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "BLOCK_BYTES", 70)
    monkeypatch.setattr(lines, "HEAD_BYTES", 70)
    packed = gzip.compress((READS + GOOD * 50).encode(), compresslevel=0)
    kind, text = refusal(tmp_path, packed[:-20])
    assert kind is DataError
    assert text.startswith("row 9")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_the_size_of_a_block_changes_nothing(tmp_path, monkeypatch, size, ends):
    path = tmp_path / "file.csv"
    path.write_bytes((READS + "\n# note\n" + GOOD + "2,µ\n").replace("\n", ends).encode())
    monkeypatch.setattr(lines, "BLOCK_BYTES", size)
    with pytest.raises(DataError, match=r"row 6, column 'g_siemens': 'µ' is not a number"):
        read([path])


def test_without_h5py_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "h5py":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    kind, text = refusal(tmp_path, b"\x89HDF\r\n\x1a\n")
    assert kind is CalibrationError
    assert text == "an HDF5 file needs h5py: pip install 'xbar-hil[hdf5]'" + END


def test_a_damaged_hdf5_file_is_refused(tmp_path):
    pytest.importorskip("h5py", reason="h5py (extra hdf5) is not installed")
    kind, text = refusal(tmp_path, b"\x89HDF\r\n\x1a\n" + bytes(200))
    assert kind is DataError
    assert text.startswith("not a whole ArC TWO file (")


HDF5 = {
    "a table of a petabyte": "a timeseries takes 2e\\+15 bytes, at most 8.39e\\+06 are read",
    "more rows than there are": "NROWS is no number from 0 to 100000000000000",
    "another file": "timeseries leads elsewhere",
    "text": "a timeseries is no table of numbers",
    "a group": "timeseries is no dataset",
}


@pytest.mark.parametrize("name", HDF5)
def test_sizes_and_links_of_an_hdf5_file_are_not_believed(tmp_path, name):
    h5py = pytest.importorskip("h5py", reason="h5py (extra hdf5) is not installed")
    fields = [(n, "<f4") for n in ("current", "voltage", "pulse_width", "read_voltage", "op_type")]
    kind = [(n, "S3") for n, _ in fields] if name == "text" else fields
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        point = file.create_group("crosspoints/W1B2")
        if name == "another file":
            point["timeseries"] = h5py.ExternalLink("/etc/hosts", "/x")
        elif name == "a group":
            point.create_group("timeseries")
        else:
            data = point.create_dataset("timeseries", (10**14,), kind, chunks=(64,))
            data.attrs["NROWS"] = 10**14 + (name == "more rows than there are")
    kind, text = refusal(tmp_path, content.getvalue())
    assert kind is DataError
    assert re.fullmatch(rf"not a whole ArC TWO file \({HDF5[name]}\){END}", text)


@pytest.mark.parametrize(("low", "high"), [(1e-5, 1e-6), (1e-6, None), (None, 1e-6), (1e-6, 1e-6)])
def test_a_window_has_two_ends_in_order(low, high):
    with pytest.raises(ConfigError, match="is no window: give both"):
        Options(g_min_siemens=low, g_max_siemens=high)


HEADERS = [
    b"op,device,v_volts,width_seconds,t_seconds,g_siemens\n",
    b"op,v_read_volts,i_amperes\n",
    b"a\nb\nWordline,Bitline,Resistance,Amplitude (V),Pulse width (s),Tag,ReadTag,ReadVoltage\n",
    b"rmp1,rmp2\n",
    b"up,down\n",
    b"2e-6,0.2,0,0.2,1\n",
    b"Gbins CDF\n",
    b"t_seconds,g_siemens\n",
    b"device,t_seconds,r_ohms\n",
    b"device,cycle,lrs_siemens,hrs_siemens\n",
    b"target_siemens,r_ohms,stuck\n",
    b"V1,I1\n0,0\n0.1,1e-6\n0.2,1e-6\n0.3,1e-5\n0.4,1e-5\n0.2,5e-6\n",
    b"pulse,g_siemens\n",
    b"",
]
CELLS = ["", "0", "1", "-1", "1e-5", "2e4", "0.2", "nan", "inf", "-inf", "1e400", "1e-400", "1,5"]
CELLS += ["read", "set", "pulse", "relax", "write", "form", '"', "#", "\x00", "µ", "1e308"]
ROWS = st.lists(st.lists(st.sampled_from(CELLS), min_size=1, max_size=8).map(",".join))
BODIES = ROWS.map("\n".join).map(str.encode) | st.binary()
OPTIONS = st.sampled_from(
    [
        Options(),
        Options(v_read_volts=0.2, g_min_siemens=1e-6, g_max_siemens=1e-4, drop_negative=True),
        Options(v_read_volts=0.1, ramp_pulses=2, polarity="set"),
    ]
)


def outcome(path, content, **kwargs):
    """The measurements, or the error."""
    path.write_bytes(content)
    try:
        return read([path], **kwargs)
    except XbarError as error:
        return error


FUZZED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # one folder is fine


@given(
    header=st.sampled_from(HEADERS),
    body=BODIES,
    options=OPTIONS,
    name=st.sampled_from([None, *(n for n in FORMATS if n != "arc-two")]),
)
@FUZZED
def test_any_bytes_are_measurements_or_one_line(tmp_path, header, body, options, name):
    path = tmp_path / "file.csv"
    result = outcome(path, header + body, format_name=name, options=options)
    if not isinstance(result, Measurements):
        assert "\n" not in str(result)
        assert str(result).startswith(f"{path}: ")


POOLS = {  # column -> cells; mostly good ones, so that the tables are reached
    "siemens": ["1e-5", "2e-5", "3e-4", "", "nan", "0", "inf", "1e-320"],
    "ohms": ["1e4", "2e4", "33000", "", "inf"],
    "amperes": ["1e-6", "2e-6", "0", "", "-1e-6"],
    "volts": ["0.2", "0.2", "", "0"],
    "v_volts": ["1", "-1", "0", "", "nan", "inf"],
    "seconds": ["0", "1", "2", "5.5", "", "nan", "1e-6"],
    "op": ["read", "set", "reset", "pulse", "relax", "write", "form", "READ"],
    "device": ["a", "b", " a", "1"],
    "cycle": ["1", "2", "3"],
    "pulse": ["0", "1", "2", "3", ""],
    "stuck": ["0", "1", "-1", ""],
}
COLUMNS = [header.decode().strip().split(",") for header in HEADERS if b"_" in header]


def pool(column):
    return POOLS.get(column) or POOLS[column.rpartition("_")[2]]


@st.composite
def tables(draw):
    columns = draw(st.sampled_from(COLUMNS))
    row = st.tuples(*(st.sampled_from(pool(column)) for column in columns))
    return "\n".join(map(",".join, [columns, *draw(st.lists(row, min_size=1, max_size=15))]))


@given(text=tables(), options=OPTIONS)
@FUZZED
def test_every_row_of_a_possible_table_is_used_or_counted(tmp_path, text, options):
    result = outcome(tmp_path / "file.csv", text.encode(), options=options)
    if not isinstance(result, Measurements):
        assert "\n" not in str(result)
        return
    for table in (
        *result.pulses,
        *result.reads,
        *result.retention,
        *result.cycles,
        *result.written,
    ):
        assert len(table)
        assert table.device.max() < len(result.devices)
        for name in vars(table):
            if name.startswith(("g_", "lrs", "hrs")):
                assert (getattr(table, name) > 0).all()
    note = result.notes[0]
    assert note.used + sum(note.dropped.values()) == text.count("\n")
