"""Every format, written here and read back exactly; sniffing; the measured sets."""

import gzip
import math

import numpy as np
import pytest
import xbar_measured as measured

from device_models.errors import CalibrationError, ConfigError, DataError, ShapeError
from device_models.fitting.lines import head
from device_models.fitting.measurements import Cycles, Measurements, Pulses, Reads, columns, merge
from device_models.fitting.options import Options
from device_models.fitting.readers import FORMATS, Source, read, sniffed

GENERIC = """t_seconds,device,word_line,bit_line,op,v_volts,width_seconds,i_compliance_amperes,\
v_read_volts,i_amperes
0,a,0,0,read,,,,0.2,2e-6
1,a,0,0,set,1.5,1e-6,5e-4,0.2,4e-6
2,a,0,0,set,1.5,1e-6,5e-4,,
3,a,0,0,read,,,,0.2,6e-6
4,b,0,1,read,,,,0.2,2e-6
5,b,0,1,read,,,,0.2,2.2e-6
6,b,0,1,read,,,,0.2,1.8e-6
7,a,0,0,reset,-1,2e-6,,0.2,3e-6
17,a,0,0,relax,,,,0.2,2.8e-6
107,a,0,0,relax,,,,0.2,2.6e-6
"""
ARC_ONE = """my run
Thu Jan  2 10:11:12 2025
Wordline,Bitline,Resistance,Amplitude (V),Pulse width (s),Tag,ReadTag,ReadVoltage
1,2,10000,0.5,0,S R,R2 V=0.5,0.5
1,2,8000,1.5,1e-06,P,R2 V=0.5,0.5
1,2,5000,1.5,1e-06,CTS_e,R2 V=0.5,0.5
1,2,7000,0.1,1e-06,CT_s,R2 V=0.5,0.5
3,4,20000,0.5,0,S R,R2 V=0.5,0.5
3,4,25000,0.5,0,S R,R2 V=0.5,0.5
"""
STEPS = """1st Row = Gbins, 2nd Row = CDF Points, 3rd row onward = dG matrix
 1e-5, 2e-5
 0.0, 0.5, 1.0

1e-6,5e-7
2e-6,1e-6
3e-6,1.5e-6
"""
SAMPLES = {
    "generic": GENERIC,
    "arc-one": ARC_ONE,
    "ramps": "rmp1,rmp2\n1e-6,5e-6\n2e-6,4e-6\n4e-6,\n",
    "up-down": "-0.5,0.5\n0,0\n0.5,-0.5\n",
    "step-quantiles": STEPS,
    "reads": "t_seconds,r_ohms\n0,10000\n1,20000\n2,10000\n",
    "retention": "device,t_seconds,g_siemens,temperature_kelvin\n"
    "x,0,1e-5,300\nx,100,9e-6,300\ny,0,2e-5,358\n",
    "cycles": "device,cycle,lrs_ohms,hrs_ohms\n7,1,1e4,1e5\n7,2,1.25e4,2e5\n",
    "written": "device,target_siemens,g_siemens,stuck\n0,1e-5,1.1e-5,0\n1,,3e-4,1\n",
}
NEEDS = {
    "ramps": Options(v_read_volts=0.1),
    "up-down": Options(g_min_siemens=1e-6, g_max_siemens=3e-6),
}


def write(tmp_path, content, name="file.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read_text(tmp_path, content, options=None, **kwargs):
    return read([write(tmp_path, content)], options=options, **kwargs)


def same(table, **expected):
    """Every column equals what is expected of it, to the last bit or two."""
    assert set(expected) == set(columns(type(table)))
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(table, name), values, rtol=1e-15, err_msg=name)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_format_is_recognised_by_its_own_sniffer_alone(tmp_path, name):
    path = write(tmp_path, SAMPLES[name])
    assert sniffed(path) == name
    assert [n for n, reader in FORMATS.items() if reader.sniff(head(path))] == [name]


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("ends", ["\r\n", "\r", "bom", "gz", "no last end"])
def test_line_ends_byte_order_marks_and_gzip_change_nothing(tmp_path, name, ends):
    text = SAMPLES[name]
    raw = {
        "bom": b"\xef\xbb\xbf" + text.encode(),
        "gz": gzip.compress(text.encode()),
        "no last end": text.rstrip("\n").encode(),
    }.get(ends) or text.replace("\n", ends).encode()
    plain = read_text(tmp_path, text, NEEDS.get(name))
    other = read_text(tmp_path, raw, NEEDS.get(name))
    assert str(other.notes[0]) == str(plain.notes[0])
    for kind in ("pulses", "cycles", "reads", "retention", "written"):
        for a, b in zip(getattr(plain, kind), getattr(other, kind), strict=True):
            same(a, **{c: getattr(b, c) for c in columns(type(b))})


def test_a_generic_table_becomes_pulses_reads_and_retention(tmp_path):
    measurements = read_text(tmp_path, GENERIC)
    assert measurements.devices == ("a", "b")
    # The second SET has its reading in the next row; the device had 4e-6 A before it.
    same(
        measurements.pulses[0],
        device=[0, 0, 0],
        ramp=[0, 0, 1],
        index=[0, 1, 0],
        polarity=[1, 1, -1],
        g_before_siemens=[2e-6 / 0.2, 4e-6 / 0.2, 6e-6 / 0.2],
        g_after_siemens=[4e-6 / 0.2, 6e-6 / 0.2, 3e-6 / 0.2],
        v_volts=[1.5, 1.5, -1.0],
        width_seconds=[1e-6, 1e-6, 2e-6],
    )
    same(
        measurements.reads[0],
        series=[0, 0, 0],
        device=[1, 1, 1],
        time_seconds=[4, 5, 6],
        g_siemens=[2e-6 / 0.2, 2.2e-6 / 0.2, 1.8e-6 / 0.2],
        dt_seconds=[1, 1, 1],
    )
    same(
        measurements.retention[0],
        device=[0, 0],
        time_seconds=[10, 100],
        g_siemens=[2.8e-6 / 0.2, 2.6e-6 / 0.2],
        initial_siemens=[3e-6 / 0.2] * 2,
        target_siemens=[math.nan] * 2,
        temperature_kelvin=[math.nan] * 2,
        cycles=[math.nan] * 2,
    )
    note = measurements.notes[0]
    assert (note.used, note.dropped, note.v_read_volts) == (10, {}, 0.2)
    assert note.ignored == ("i_compliance_amperes",)


def test_interleaved_devices_and_pulses_without_readings_are_told_apart(tmp_path):
    text = (
        "op,word_line,bit_line,v_volts,g_siemens,comment\n"
        "read,0,1,,1e-5,\nread,0,2,,5e-5,\npulse,0,1,1.5,2e-5,x\npulse,0,2,-1.5,,\n"
        "pulse,0,2,-1.5,3e-5,\nread,0,3,,nan,\nread,0,3,,1e-5,\npulse,0,1,0,3e-5,\n"
        "form,0,3,3,4e-5,\npulse,0,3,-1,3e-5,\nwrite,0,1,,4e-5,\n"
    )
    measurements = read_text(tmp_path, text)
    pulses = measurements.pulses[0]
    assert measurements.devices == ("W00B01", "W00B02", "W00B03")
    assert pulses.device.tolist() == [0]
    assert pulses.polarity.tolist() == [1]
    assert measurements.written[0].g_siemens.tolist() == [4e-5]
    assert measurements.notes[0].dropped == {
        "without a reading": 1,
        "pulse of unknown polarity": 1,
        "pulse without a reading after it": 1,
        "pulse without a reading before it": 2,
        "reading beside no usable pulse and in no series": 2,
        "other operation": 1,
    }
    assert measurements.notes[0].used + sum(measurements.notes[0].dropped.values()) == 11
    assert measurements.notes[0].ignored == ("comment",)


def test_the_sign_of_a_set_is_an_option(tmp_path):
    text = "op,v_volts,g_siemens\nread,,1e-5\npulse,-1,2e-5\n"
    assert read_text(tmp_path, text).pulses[0].polarity.tolist() == [-1]
    option = Options(set_is_negative=True)
    assert read_text(tmp_path, text, option).pulses[0].polarity.tolist() == [1]


def test_arc_one(tmp_path):
    measurements = read_text(tmp_path, ARC_ONE)
    assert measurements.devices == ("W01B02", "W03B04")
    same(
        measurements.pulses[0],
        device=[0, 0],
        ramp=[0, 0],
        index=[0, 1],
        polarity=[1, 1],
        g_before_siemens=[1e-4, 1 / 8000],
        g_after_siemens=[1 / 8000, 1 / 5000],
        v_volts=[1.5, 1.5],
        width_seconds=[1e-6, 1e-6],
    )
    assert measurements.reads[0].g_siemens.tolist() == [1 / 20000, 1 / 25000]
    assert measurements.notes[0].dropped == {"other operation": 1}  # the curve tracer
    assert measurements.notes[0].v_read_volts == 0.5


def test_a_curve_tracer_tells_pulses_where_devices_are_taken_as_ohmic(tmp_path):
    """A staircase up: each row is the resistance under its own bias."""
    head = ARC_ONE.split("\n")[:3]
    rows = [
        "1,1,10000,0,0,S R,R,0.5",
        "1,1,9000,0.8,1e-3,CT_i,R,0.8",
        "1,1,8000,1.0,1e-3,CT_i,R,1.0",
    ]
    text = "\n".join([*head, *rows]) + "\n"
    with pytest.raises(DataError, match="2 other operation"):
        read_text(tmp_path, text)
    (pulses,) = read_text(tmp_path, text, Options(ohmic=True)).pulses
    same(
        pulses,
        device=[0, 0],
        ramp=[0, 0],
        index=[0, 1],
        polarity=[1, 1],
        g_before_siemens=[1e-4, 1 / 9000],
        g_after_siemens=[1 / 9000, 1 / 8000],
        v_volts=[0.8, 1.0],
        width_seconds=[1e-3, 1e-3],
    )


def test_arc_two(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py (extra hdf5) is not installed")
    names = ("current", "voltage", "pulse_width", "read_voltage")
    kind = [*((n, "<f4") for n in names), ("op_type", "<u4")]
    rows = [(2e-6, 0.2, 0, 0.2, 1), (-4e-6, 1.5, 1e-6, 0.2, 3), (0, -1, 1e-6, 0, 2)]
    path = tmp_path / "board.h5"
    with h5py.File(path, "w") as file:
        data = np.zeros(1000, kind)
        data[: len(rows)] = rows
        series = file.create_group("crosspoints/W03B07").create_dataset("timeseries", data=data)
        series.attrs["NROWS"] = len(rows)
    measurements = read([path])
    assert measurements.devices == ("W03B07",)
    np.testing.assert_allclose(measurements.pulses[0].g_before_siemens, [1e-5], rtol=1e-6)
    np.testing.assert_allclose(measurements.pulses[0].g_after_siemens, [2e-5], rtol=1e-6)
    assert measurements.notes[0].dropped == {"pulse without a reading after it": 1}


def test_a_column_per_ramp_whose_trend_is_its_polarity(tmp_path):
    measurements = read_text(tmp_path, SAMPLES["ramps"], NEEDS["ramps"])
    same(
        measurements.pulses[0],
        device=[0, 0, 0],
        ramp=[0, 0, 1],
        index=[0, 1, 0],
        polarity=[1, 1, -1],
        g_before_siemens=[1e-5, 2e-5, 5e-5],
        g_after_siemens=[2e-5, 4e-5, 4e-5],
        v_volts=[math.nan] * 3,
        width_seconds=[math.nan] * 3,
    )
    assert (measurements.notes[0].used, measurements.notes[0].dropped) == (5, {})


def test_one_column_of_alternating_ramps(tmp_path):
    text = "# v_read_volts = 0.1\nrmp1\n1e-6\n2e-6\n3e-6\n3e-6\n2e-6\n1e-6\n2e-6\n2e-6\n2e-6\n"
    measurements = read_text(tmp_path, text, Options(ramp_pulses=3))
    assert measurements.pulses[0].polarity.tolist() == [1, 1, -1, -1]
    assert measurements.pulses[0].ramp.tolist() == [0, 0, 1, 1]
    assert measurements.notes[0].dropped == {"in a ramp that neither rises nor falls": 3}


def test_up_and_down_in_a_window_or_in_siemens(tmp_path):
    measurements = read_text(tmp_path, SAMPLES["up-down"], NEEDS["up-down"]).pulses[0]
    assert measurements.polarity.tolist() == [1, 1, -1, -1]
    assert measurements.ramp.tolist() == [0, 0, 1, 1]
    np.testing.assert_allclose(measurements.g_before_siemens, [1e-6, 2e-6, 3e-6, 2e-6], rtol=1e-12)
    stated = "# g_min_siemens=1e-6, g_max_siemens=3e-6\nup,down\n-0.5,0.5\n0,0\n0.5,-0.5\n"
    again = read_text(tmp_path, stated).pulses[0]
    assert again.g_after_siemens.tolist() == measurements.g_after_siemens.tolist()
    plain = read_text(tmp_path, "up_siemens,down_siemens\n1e-6,3e-6\n2e-6,2e-6\n").pulses[0]
    assert plain.g_after_siemens.tolist() == [2e-6, 2e-6]


def test_a_table_of_step_quantiles(tmp_path):
    measurements = read_text(tmp_path, STEPS).steps[0]
    assert (measurements.device, measurements.polarity) == (0, 1)
    assert measurements.g_siemens.tolist() == [1e-5, 2e-5]
    assert measurements.levels.tolist() == [0, 0.5, 1]
    assert measurements.dg_siemens.tolist() == [[1e-6, 5e-7], [2e-6, 1e-6], [3e-6, 1.5e-6]]
    assert read_text(tmp_path, STEPS, Options(polarity="reset")).steps[0].polarity == -1


def test_repeated_reads_are_series_of_devices_in_time(tmp_path):
    text = "t_seconds,r_ohms,device\n0,1e4,a\n0,2e4,b\n2,1e4,a\n3,,b\n6,1e4,a\n0,1e4,a\n"
    measurements = read_text(tmp_path, text)
    reads = measurements.reads[0]
    assert reads.series.tolist() == [0, 0, 0, 1, 2]  # time ran backwards once
    assert reads.device.tolist() == [0, 0, 0, 0, 1]
    np.testing.assert_array_equal(reads.dt_seconds, [3, 3, 3, math.nan, math.nan])
    assert measurements.notes[0].dropped == {"without a reading": 1}


def test_retention_cycles_and_writes(tmp_path):
    retention = read_text(tmp_path, SAMPLES["retention"]).retention[0]
    assert retention.initial_siemens.tolist() == [1e-5, 1e-5, 2e-5]
    assert retention.temperature_kelvin.tolist() == [300, 300, 358]
    cycled = read_text(tmp_path, SAMPLES["cycles"]).cycles[0]
    same(cycled, device=[0, 0], cycle=[1, 2], lrs_siemens=[1e-4, 8e-5], hrs_siemens=[1e-5, 5e-6])
    wrote = read_text(tmp_path, SAMPLES["written"]).written[0]
    np.testing.assert_array_equal(wrote.target_siemens, [1e-5, math.nan])
    assert wrote.stuck.tolist() == [0, 1]


def test_many_files_are_one_measurement_with_disjoint_devices_and_series(tmp_path):
    kinds = ("cycles", "reads", "reads")
    paths = [write(tmp_path, SAMPLES[kind], f"{i}.csv") for i, kind in enumerate(kinds)]
    measurements = read(paths)
    assert measurements.devices == ("7", "1", "1")
    assert [set(t.device.tolist()) for t in (*measurements.cycles, *measurements.reads)] == [
        {0},
        {1},
        {2},
    ]
    assert [set(t.series.tolist()) for t in measurements.reads] == [{0}, {1}]
    assert len(Reads.join(measurements.reads)) == 6
    together = read(paths, options=Options(same_devices=True))
    assert together.devices == ("7", "1")
    assert [note.format for note in together.notes] == list(kinds)


def test_tables_check_their_columns():
    with pytest.raises(ShapeError, match="Cycles needs columns of one length"):
        Cycles(device=[0, 1], cycle=[1], lrs_siemens=[1e-4], hrs_siemens=[1e-5])
    assert len(Pulses.join([])) == 0
    assert merge([]).devices == ()
    table = Cycles(device=[0, 1], cycle=[1, 1], lrs_siemens=[1e-4] * 2, hrs_siemens=[1e-5] * 2)
    assert table.take(np.array([False, True])).device.tolist() == [1]
    assert isinstance(merge([Measurements(cycles=(table,), devices=("a", "b"))]), Measurements)


def test_the_former_name_of_the_generic_format_is_still_taken(tmp_path):
    measurements = read_text(tmp_path, GENERIC, format_name="neutral")
    assert measurements.notes[0].format == "generic"


def test_a_format_that_does_not_exist_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(ConfigError) as error:
        read_text(tmp_path, GENERIC, format_name="genric")
    expected = "--format 'genric' is unknown; did you mean 'generic'?; nothing was read"
    assert str(error.value) == expected


def test_measured_ramps_have_the_known_steps():
    measurements = measured.crosssim_ramps()
    assert measurements.devices == ("1",)
    up, down = (p.g_after_siemens - p.g_before_siemens for p in measurements.pulses)
    assert [int(p.ramp.max()) + 1 for p in measurements.pulses] == [39, 40]
    assert [set(p.polarity.tolist()) for p in measurements.pulses] == [{1}, {-1}]
    np.testing.assert_allclose([up.mean(), up.std()], [4.4e-6, 1.7e-6], rtol=0.03)
    np.testing.assert_allclose([down.mean(), down.std()], [-5.5e-6, 0.8e-6], rtol=0.03)


def test_measured_cycles_and_reads_have_the_known_medians():
    cycles = measured.nirram_cycles().cycles[0]
    assert (len(cycles), set(cycles.cycle.tolist())) == (2048, {25, 50})
    ohms = 1 / np.array([np.median(cycles.lrs_siemens), np.median(cycles.hrs_siemens)])
    np.testing.assert_allclose(ohms, [7.4e3, 155.8e3], rtol=0.01)
    reads = measured.nirram_reads().reads[0]
    assert len(reads) == 10_000
    assert reads.g_siemens.std() / reads.g_siemens.mean() == pytest.approx(0.017, rel=0.02)
    assert np.ptp(reads.time_seconds) == pytest.approx(467, rel=0.01)


def test_measured_relaxation_has_the_known_spreads():
    reads = measured.relaxation_reads().reads[0]
    levels = [reads.take(reads.series == i).g_siemens for i in range(5)]
    relative = [g.std() / g.mean() for g in levels]
    np.testing.assert_allclose(relative, [0.091, 0.119, 0.017, 0.014, 0.002], rtol=0.25)
    assert reads.dt_seconds[0] == pytest.approx(1 / 400)
    retention = measured.relaxation("C").retention[0]
    late = retention.take(retention.time_seconds == 1e5)
    quarter = np.argsort(np.argsort(late.initial_siemens)) * 4 // len(late)
    shift = [(late.g_siemens - late.initial_siemens)[quarter == i] for i in range(4)]
    np.testing.assert_allclose([s.std() for s in shift], [2.9e-6, 4e-6, 3.8e-6, 3.3e-6], rtol=0.03)
    medians = [np.median(s) for s in shift]
    np.testing.assert_allclose(medians, [-0.2e-6, -1.5e-6, -1.5e-6, -1.5e-6], atol=0.25e-6)
    assert len(measured.relaxation("B").devices) == 15_961
    hot = measured.bake("A").retention[0]
    assert sorted(set(hot.temperature_kelvin.round(2).tolist()))[0] == 373.15


def test_measured_step_tables_and_writes_have_the_known_medians():
    up, down = measured.enode_steps().steps
    assert (up.polarity, down.polarity, len(up.g_siemens)) == (1, -1, 48)
    middle = up.dg_siemens[np.searchsorted(up.levels, 0.5)]
    assert middle.max() == pytest.approx(7e-6, rel=0.2)
    taox = measured.taox_steps().steps
    assert len(taox) == 82
    mid = [np.interp(0.5, t.levels, t.dg_siemens[:, 250]) for t in taox]
    np.testing.assert_allclose(np.median(mid[41:]), -23e-6, rtol=0.1)
    programmed, grid = measured.nist_written().written
    states = [programmed.g_siemens[programmed.target_siemens == t] for t in measured.NIST_TARGETS]
    medians = [np.median(g) for g in states]
    np.testing.assert_allclose(medians, [137.4e-6, 175.8e-6, 209.3e-6, 242.5e-6], rtol=0.01)
    assert (len(grid), int((grid.stuck == 1).sum())) == (625, 27)


def test_the_measured_trains_need_a_window():
    pulses = measured.gong_pulses().pulses[0]
    assert len(pulses) == 2 * 999
    path = measured.measured_file("gong2018_reram/gong_et_al.csv")
    with pytest.raises(CalibrationError, match="give --window G_MIN:G_MAX"):
        read([path])


def test_a_table_with_the_device_in_front_is_read_by_its_times(tmp_path):
    def note(times):
        rows = [f"d{d},{t},{1e-5 * (1 + 1e-3 * i)}" for d in range(2) for i, t in enumerate(times)]
        path = tmp_path / "table.csv"
        path.write_text("\n".join(["device,t_seconds,g_siemens", *rows]) + "\n", "utf-8")
        return read([path]).notes[0].format, str(read([Source(path, "retention")]).notes[0])

    evenly, forced = note([0.01 * i for i in range(40)])
    assert evenly == "reads"
    assert "give --format reads" in forced
    for times in ([0.01 * 2**i for i in range(40)], [0.0, 1.0, 2.0]):
        name, forced = note(times)
        assert name == "retention"
        assert "give --format reads" not in forced
