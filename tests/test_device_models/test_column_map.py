"""Tables with names of their own: maps, files beside them, metadata above, comments as headers."""

import numpy as np
import pytest

from device_models.errors import ConfigError, DataError
from device_models.fitting.options import Options
from device_models.fitting.readers import FORMATS, read
from device_models.fitting.readers.trains import turns

TIMES, GS = [1.0, 2.0, 4.0], [1e-4, 5e-5, 4e-5]
ROWS = "\n".join(f"{t:g},{1e-3 / g:g}" for t, g in zip(TIMES, GS, strict=True))  # kohm


def read_text(tmp_path, content, name="file.csv", **options):
    path = tmp_path / name
    path.write_text(content)
    return read([path], options=Options(**options))


MAPPED = {
    "by name": (f"t,res\n{ROWS}\n", ("t=t_seconds", "res=r_ohms:kohm")),
    "by a name with a unit": (f"t,res\n{ROWS}\n", ("t=t_seconds", "res=R (kohm)")),
    "by a name in other letters": (f"T,Res\n{ROWS}\n", ("t=t_seconds", "res=r_ohms:kohm")),
    "by number": (f"t,res\n{ROWS}\n", ("1=t_seconds", "2=r_ohms:kohm")),
    "by number without a header": (f"{ROWS}\n", ("1=t_seconds", "2=r_ohms:kohm")),
    "in order": (f"{ROWS}\n", ("t_seconds", "r_ohms:kohm")),
    "before what a name says": (f"g_siemens,r_ohms\n{ROWS}\n", ("1=t_seconds", "2=r_ohms:kohm")),
    "below metadata": (
        f"Operator, Jane\nDate: 2024-05-01\n\nt,res\n{ROWS}\n", ("t=t_seconds", "res=r_ohms:kohm")
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MAPPED)
def test_a_map_reads_any_table(tmp_path, case):
    content, columns = MAPPED[case]
    (table,) = read_text(tmp_path, content, columns=columns).reads
    np.testing.assert_allclose(table.time_seconds, TIMES)
    np.testing.assert_allclose(table.g_siemens, GS)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (("t=t_seconds", "r_ohms"), "'r_ohms' is no map, but 't=t_seconds' is one; it must be"),
        (("t=cycel",), "'t=cycel': 'cycel' is unknown; did you mean 'cycle'?"),
        (("res=r_ohms:kg",), "'res=r_ohms:kg': 'kg' is no unit of ohms"),
        (("res=cycle:s",), "'s' is no unit of a plain number, which has none"),
        (("rse=r_ohms",), r"file.csv: row 1: --columns maps 'rse', which the file does not have; "
         r"did you mean 'res'\? \(its columns are t, res\)"),
    ],
)  # fmt: skip
def test_a_wrong_map_is_one_line(tmp_path, columns, message):
    with pytest.raises(ConfigError, match=message.replace("?", r"\?").replace(r"\\?", r"\?")):
        read_text(tmp_path, f"t,res\n{ROWS}\n", columns=columns)


def test_the_file_beside_a_table_says_what_is_in_it_and_the_user_comes_first(tmp_path):
    (tmp_path / "file.columns.yaml").write_text(
        "columns: [t=t_seconds, 'res=i_amperes:uA']\nformat: retention\nv_read_volts: 0.1\n"
    )
    text = "t,res\n1,10\n2,9\n"
    measurements = read_text(tmp_path, text)
    np.testing.assert_allclose(measurements.retention[0].g_siemens, [1e-4, 9e-5])
    assert measurements.notes[0].remarks[-1] == "with file.columns.yaml"
    measurements = read_text(tmp_path, text, v_read_volts=0.2)
    np.testing.assert_allclose(measurements.retention[0].g_siemens, [5e-5, 4.5e-5])
    (tmp_path / "file.columns.yaml").write_text("colunms: [t=t_seconds]\n")
    with pytest.raises(ConfigError, match="did you mean 'columns'"):
        read_text(tmp_path, text)


EQUAL = {
    "metadata above": "Sample B7\nOperator, Jane Doe\nTemperature, 25 C\n\nt_seconds,R (kohm)\n",
    "the header of savetxt": "# made by a script\n# t_seconds R_kohm\n",
    "an index of pandas": ",t_seconds,R (kohm)\n",
    "a blank last name": "t_seconds;R (kohm);\n",
}


@pytest.mark.parametrize("case", EQUAL)
def test_a_header_is_found(tmp_path, case):
    rows = ROWS.splitlines()
    if "savetxt" in case:
        rows = [" ".join(f"{float(cell):.18e}" for cell in row.split(",")) for row in rows]
    if "pandas" in case:
        rows = [f"{i},{row}" for i, row in enumerate(rows)]
    if "blank" in case:
        rows = [row.replace(",", ";") for row in rows]
    (table,) = read_text(tmp_path, EQUAL[case] + "\n".join(rows)).reads
    np.testing.assert_allclose(table.time_seconds, TIMES)
    np.testing.assert_allclose(table.g_siemens, GS)


def test_lines_above_the_header_are_settings_and_count_as_rows(tmp_path):
    text = "v_read_volts = 0.2\nname: B7\nt_seconds,i_amperes\n0,2e-6\n1,x\n"
    with pytest.raises(DataError, match="row 5, column 'i_amperes': 'x' is not a number"):
        read_text(tmp_path, text)
    (table,) = read_text(tmp_path, text.replace("x", "4e-6")).reads
    np.testing.assert_allclose(table.g_siemens, [1e-5, 2e-5])


def test_times_that_grow_by_a_ratio_are_retention(tmp_path):
    times = 10.0 ** np.arange(0.0, 3.0, 0.2)
    rows = [f"{t:.4g},{1e4 + 100 * i}" for i, t in enumerate(times)]
    text = "\n".join(["t_seconds,r_ohms", *rows])
    assert len(read_text(tmp_path, text).retention[0]) == len(times)
    even = "\n".join(["t_seconds,r_ohms", *(f"{t},1e4" for t in range(1, 20))])
    assert len(read_text(tmp_path, even).reads[0]) == 19


def test_numbered_pulses_are_trains_cut_where_they_turn(tmp_path):
    rise = 1e-5 + 4e-5 * (1.0 - np.exp(-np.arange(40) / 10.0))
    g = np.concatenate([rise, rise[-2::-1], rise[1:]])
    rows = [f"{i},{1e6 * each:.4f}" for i, each in enumerate(g)]
    text = "\n".join(["Pulse number,Conductance (uS)", *rows])
    measurements = read_text(tmp_path, text)
    (pulses,) = measurements.pulses
    assert np.bincount(pulses.ramp).tolist() == [39, 39, 39]
    assert [set(pulses.polarity[pulses.ramp == i].tolist()) for i in range(3)] == [{1}, {-1}, {1}]
    remark = "78 SET and 39 RESET pulses by where the trains turn"
    assert measurements.notes[0].remarks == (remark,)
    (pulses,) = read_text(tmp_path, text, polarity="set").pulses
    assert set(pulses.polarity.tolist()) == {1}
    assert turns(np.full(5, 1e-5)) == []
    noisy = rise + 1e-6 * np.random.default_rng(0).standard_normal(40)
    assert turns(noisy) == []


def test_a_file_of_no_format_is_told_what_every_format_wants(tmp_path):
    with pytest.raises(DataError) as error:
        read_text(tmp_path, "a,b\n1,2\n")
    text = str(error.value)
    assert "\n" not in text
    assert all(f"{name}: {reader.wants}" in text for name, reader in FORMATS.items()
               if reader.wants)  # fmt: skip
    assert "cycles: cycle, and lrs_ohms and hrs_ohms" in text
