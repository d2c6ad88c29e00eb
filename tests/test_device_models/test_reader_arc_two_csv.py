"""Time series of ArC TWO as text: the same table as HDF5, recognised by its first row."""

import gzip

import numpy as np
import pytest

from device_models.errors import CalibrationError, DataError
from device_models.fitting.lines import head
from device_models.fitting.measurements import columns
from device_models.fitting.options import Options
from device_models.fitting.readers import FORMATS, read, sniffed

END = "; nothing was read"
SERIES = np.array([
    # current, voltage, pulse_width, read_voltage, op_type
    (2e-6, 0.2, 0.0, 0.2, 1),
    (-4e-6, 1.5, 1e-6, 0.2, 3),  # the reading is biased at minus the read voltage
    (0.0, 1.5, 1e-6, 0.0, 2),
    (5e-6, 0.2, 0.0, 0.2, 1),
    (3e-6, -1.0, 2e-6, 0.2, 3),
    (3.1e-6, 0.2, 0.0, 0.2, 1),
    (3.2e-6, 0.2, 0.0, 0.2, 1),
    (0.0, -1.0, 2e-6, 0.0, 2),
])  # fmt: skip


def saved(tmp_path, table=SERIES, *, name="W03B07.csv", **how):
    path = tmp_path / name
    np.savetxt(path, table, **how)
    return path


def refusal(tmp_path, content, kind=DataError, **how):
    path = tmp_path / "series.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(kind) as error:
        read([path], **how)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


def same_pulses_and_reads(measurements, expected):
    for kind in ("pulses", "reads"):
        for a, b in zip(getattr(measurements, kind), getattr(expected, kind), strict=True):
            for column in columns(type(a)):
                np.testing.assert_array_equal(getattr(a, column), getattr(b, column))
    assert measurements.notes[0].dropped == expected.notes[0].dropped


def test_rows_become_pulses_between_their_readings(tmp_path):
    measurements = read([saved(tmp_path, delimiter=",")])
    pulses, reads = measurements.pulses[0], measurements.reads[0]
    assert measurements.devices == ("1",)
    assert pulses.polarity.tolist() == [1, 1, -1]
    assert pulses.v_volts.tolist() == [1.5, 1.5, -1.0]
    assert pulses.width_seconds.tolist() == [1e-6, 1e-6, 2e-6]
    np.testing.assert_allclose(pulses.g_before_siemens, [1e-5, 2e-5, 2.5e-5], rtol=1e-15)
    np.testing.assert_allclose(pulses.g_after_siemens, [2e-5, 2.5e-5, 1.5e-5], rtol=1e-15)
    np.testing.assert_allclose(reads.g_siemens, [1.55e-5, 1.6e-5], rtol=1e-15)
    assert measurements.notes[0].format == "arc-two-csv"
    assert measurements.notes[0].v_read_volts == 0.2
    assert measurements.notes[0].used == 7
    assert measurements.notes[0].dropped == {"pulse without a reading after it": 1}


@pytest.mark.parametrize("mark", [",", "\t", " ", ";"])
@pytest.mark.parametrize("number", ["%.18e", "%12.8f", "%g"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_separator_number_and_line_end_gives_the_same(tmp_path, mark, number, end):
    plain = read([saved(tmp_path, delimiter=",")])
    path = saved(tmp_path, name="x.tsv", delimiter=mark, fmt=number, newline=end)
    assert sniffed(path) == "arc-two-csv"
    assert [n for n, reader in FORMATS.items() if reader.sniff(head(path))] == ["arc-two-csv"]
    same_pulses_and_reads(read([path]), plain)


def test_gzip_comments_and_blank_rows_change_nothing(tmp_path):
    path = saved(tmp_path, delimiter="\t")
    text = b"# exported\n\n" + path.read_bytes().replace(b"\n", b"\n\n", 2) + b"\n"
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(text))
    same_pulses_and_reads(read([packed]), read([path]))


def test_text_and_hdf5_of_one_series_are_one_measurement(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py (extra hdf5) is not installed")
    names = ("current", "voltage", "pulse_width", "read_voltage")
    kind = [*((n, "<f4") for n in names), ("op_type", "<u4")]
    rows = np.array([tuple(row) for row in SERIES], kind)
    path = tmp_path / "board.h5"
    with h5py.File(path, "w") as file:
        series = file.create_group("crosspoints/W03B07").create_dataset("timeseries", data=rows)
        series.attrs["NROWS"] = len(rows)
    table = np.stack([rows[name].astype(float) for name in rows.dtype.names], 1)
    same_pulses_and_reads(read([saved(tmp_path, table, delimiter=" ")]), read([path]))


def test_the_first_row_may_lack_a_reading(tmp_path):
    table = SERIES.copy()
    table[0] = (np.nan, 1.0, 1e-6, np.nan, 2)
    measurements = read([saved(tmp_path, table, delimiter=",")])
    assert measurements.notes[0].dropped["pulse without a reading before it"] == 1


def test_options_reach_the_series(tmp_path):
    path = saved(tmp_path, delimiter=",")
    measurements = read([path], options=Options(set_is_negative=True), format_name="arc-two-csv")
    assert measurements.pulses[0].polarity.tolist() == [-1, -1, 1]
    table = SERIES.copy()
    table[3, 3] = 0.5
    path_of_both = saved(tmp_path, table, delimiter=",")
    with pytest.raises(CalibrationError, match=r"row 4, .* V, but 0[.]2 V in row 1"):
        read([path_of_both])
    one = read([path_of_both], options=Options(v_read_volts=0.2))
    assert one.notes[0].dropped["at another read voltage"] == 1


GOOD = "2e-6,0.2,0,0.2,1\n4e-6,1.5,1e-6,0.2,3\n"
TYPES = "is none of 1 (reading), 2 (pulse), 3 (pulse and reading)"
FAULTS = {
    "no number": (
        GOOD + "4e-6,1.5,x,0.2,3\n",
        "row 3, column 'pulse_width': 'x' is not a number" + END,
    ),
    "decimal comma": (
        GOOD.replace(",", "\t") + "4e-6\t1,5\t1e-6\t0.2\t3\n",
        "row 3, column 'voltage': '1,5' has a decimal comma, other numbers a point; write 1.5"
        + END,
    ),
    "short row": (
        GOOD + "4e-6,1.5,1e-6\n",
        "row 3, column 4: 3 cells, the header in row 1 has 5" + END,
    ),
    "operation": (GOOD + "4e-6,1.5,1e-6,0.2,4\n", f"row 3, column 'op_type': 4 {TYPES}{END}"),
    "half an operation": (
        GOOD + "4e-6,1.5,1e-6,0.2,1.5\n",
        "row 3, column 'op_type': 1.5 is no whole number" + END,
    ),
    "nanoseconds": (
        GOOD + "4e-6,1.5,500,0.2,3\n",
        "row 3, column 'width_seconds': 500 s is outside [0, 100] s (in nanoseconds? multiply by "
        "1e-9)" + END,
    ),
    "microamperes": (
        GOOD + "4.5,1.5,1e-6,0.2,3\n",
        "row 3, column 'i_amperes': 4.5 A is outside [0, 1] A (in microamperes? multiply by "
        "1e-6)" + END,
    ),
    "nothing usable": (
        "2e-6,0.2,0,0.2,1\n0,1.5,1e-6,0.2,2\n",
        "no row can be used (1 pulse without a reading after it, 1 reading beside no usable pulse "
        "and in no series)" + END,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line_with_its_place(tmp_path, name):
    content, message = FAULTS[name]
    assert refusal(tmp_path, content) == message


def test_an_empty_or_cut_file_is_refused(tmp_path):
    packed = gzip.compress((GOOD * 500).encode())
    cut = "row 1 or a later one: the gzip data end early (truncated)" + END
    assert refusal(tmp_path, packed[: len(packed) // 2]) == cut
    empty = "the file is empty (no header row)" + END
    assert refusal(tmp_path, "", format_name="arc-two-csv") == empty
    late = gzip.compress(GOOD.encode(), compresslevel=0)[:-4]
    assert refusal(tmp_path, late).endswith("the gzip data end early (truncated)" + END)


@pytest.mark.parametrize(
    "content",
    [
        "# ATTRS_START\n# cycles: 1\n# ATTRS_END\n# voltage,current,read_voltage\n0.1,1e-6,0.2\n",
        "voltage,resistance,read_voltage,pulse_width\n1.5,1e4,0.2,1e-6\n",  # Autoformer
        "1e-6,0.2,0,0.2,4\n",  # five numbers, and no operation
        "1e-6,0.2,0,0.2\n",
    ],
)
def test_other_files_of_the_board_are_refused(tmp_path, content):
    message = refusal(tmp_path, content)
    assert "columns of no known format" in message or "columns without a header" in message
