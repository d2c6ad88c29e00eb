"""A characterisation measures what `xbar fit` reads, within limits, and can be resumed."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from xbar_devices import at
from xbar_lab_boards import OXRAM, simulated

import crossbar as xb
from crossbar.api.characterization import Bench, estimate_cost, resume
from crossbar.boards.characterize import choose_cells, cost, rough_sheet, stages
from crossbar.boards.characterize_plan import DryBoard, Plan, Pulse, on_grid, own_pulse, ramps
from crossbar.boards.characterize_probe import Probe
from crossbar.boards.characterize_tables import READ, SET, TRAIN, as_csv, from_csv
from crossbar.boards.limits import Limits
from crossbar.boards.protocol import Grid
from crossbar.boards.scpi.serving import ServedBoard
from crossbar.experiment.characterization import CharacterizationInterrupted
from device_models.errors import ConfigError, HardwareError, LimitError, RunError
from device_models.fitting.options import Options
from device_models.fitting.readers import read

SMALL = Plan(
    cells=5, rest_cells=5, retention_cells=5, cycles=2, pulses=6, own_ramps=2,
    amplitudes=(0.9, 1.0), widths=(1.0, 10.0), full_pulses=300, sweep_steps=3, sweep_pulses=2,
    reads=70, levels=2, retention_seconds=(1.0, 10.0),
)  # fmt: skip
BENCH = Bench(simulated=ServedBoard(rows=4, columns=5, seed=3))


def quiet(line):
    """A notice that nobody reads."""


def options(done):
    """As the printed command has it."""
    return Options(same_devices=True, drop_negative=done.negative > 0)


def measured(folder, plan=SMALL, **more):
    return xb.characterize("simulated", plan, out=folder, bench=BENCH, notice=quiet, **more)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return measured(tmp_path_factory.mktemp("characterized") / "x")


def test_the_tables_hold_every_kind_of_measurement_that_a_fit_reads(done):
    names = [path.name for path in done.files]
    assert names == ["pulses.csv", "cycles.csv", "reads.csv", "writes.csv", "retention.csv"]
    found = read(list(done.files), options=options(done))
    assert len(found.devices) == SMALL.cells
    (pulses,), (cycles,), (reads,) = found.pulses, found.cycles, found.reads
    ramps_each = 2 + 3  # own ramps, and the other pairs of amplitude and width
    assert len(pulses) == SMALL.cells * 2 * (ramps_each * SMALL.pulses + 3 * 2)
    assert len(cycles) == SMALL.cells * 2
    assert (cycles.lrs_siemens > 10 * cycles.hrs_siemens).all()
    assert len(reads) == 2 * SMALL.cells * 70 - done.negative
    dt = np.unique(reads.dt_seconds.round(3), return_counts=True)
    assert dt[0].tolist() == [0.1, 10.0]
    assert abs(np.diff(dt[1])) <= done.negative
    (written,), (retention,) = found.written, found.retention
    assert len(written) == SMALL.cells * 2
    assert sorted(set(np.round(retention.time_seconds))) == [1.0, 10.0]
    for note in found.notes:
        assert set(note.dropped) <= {
            "negative reading", "other operation",
            "reading beside no usable pulse and in no series",
        }  # fmt: skip


def test_the_shapes_are_those_of_the_plan_around_the_boards_own_pulse(done):
    (pulses,) = read(list(done.files), options=options(done)).pulses
    assert set(pulses.width_seconds) == {1e-7, 1e-6}
    up = pulses.take(pulses.polarity > 0)
    assert {0.9 * 1.2, 1.2} <= set(np.round(up.v_volts, 9))
    assert (up.v_volts > 0).all()
    assert (pulses.v_volts[pulses.polarity < 0] < 0).all()


def test_the_arc_one_file_holds_the_same_pulses(done):
    (ours,) = read([done.files[0]], options=Options()).pulses
    (theirs,) = read([done.arc_one], options=Options()).pulses
    assert len(theirs) == len(ours)
    order = np.argsort(ours.device, kind="stable")
    assert theirs.g_after_siemens == pytest.approx(ours.g_after_siemens[order], rel=1e-12)
    assert theirs.g_before_siemens == pytest.approx(ours.g_before_siemens[order], rel=1e-12)
    assert theirs.v_volts == pytest.approx(ours.v_volts[order])
    text = done.arc_one.read_text().splitlines()
    assert text[2].startswith("Wordline,Bitline,Resistance,Amplitude (V),Pulse width (s),Tag")
    assert min(int(line.split(",")[0]) for line in text[3:]) == 1


def test_the_next_command_and_the_readme_name_the_files(done):
    assert done.fit_command.startswith(f"xbar fit {done.files[0]} ")
    assert done.fit_command in (done.folder / "README.txt").read_text()
    assert not list(done.folder.glob("state_*"))


# --- going on --------------------------------------------------------------------------------


def stop_in(stage, at):
    """A progress bar that Ctrl-C ends in some step of a stage."""

    def bar(steps, total, label):
        for number, step in enumerate(steps):
            if label == stage and number == at:
                raise KeyboardInterrupt
            yield step

    return bar


@pytest.mark.parametrize(("stage", "at"), [("cycles", 1), ("ramp_03", 4), ("writes", 0)])
def test_an_interrupted_characterisation_ends_in_the_same_files(done, tmp_path, stage, at):
    folder = tmp_path / "x"
    with pytest.raises(CharacterizationInterrupted, match="stages are kept"):
        measured(folder, progress=stop_in(stage, at))
    assert not (folder / "pulses.csv").exists()
    again = resume(folder, notice=quiet)
    assert [p.name for p in again.files] == [p.name for p in done.files]
    for mine, theirs in zip(again.files, done.files, strict=True):
        assert mine.read_bytes() == theirs.read_bytes()


def test_a_finished_one_sends_nothing_again(done, tmp_path):
    board = simulated(shape=(4, 5))
    first = xb.characterize(board, SMALL, out=tmp_path / "x", notice=quiet)
    before = board.counters
    assert resume(tmp_path / "x", board, notice=quiet).rows == first.rows
    assert board.counters == before


def test_another_board_is_refused_and_gets_no_pulse(tmp_path):
    board = simulated(shape=(4, 5))
    with pytest.raises(CharacterizationInterrupted):
        xb.characterize(
            board, SMALL, out=tmp_path / "x", notice=quiet, progress=stop_in("ramp_01", 0)
        )
    other = simulated(shape=(4, 6))
    with pytest.raises(RunError, match=r"shape = \[4, 5\], .* \[4, 6\]; nothing was sent"):
        resume(tmp_path / "x", other, notice=quiet)
    assert other.counters.set_pulses + other.counters.reset_pulses == 0
    with pytest.raises(ConfigError, match="hand it over; nothing was sent"):
        resume(tmp_path / "x", notice=quiet)


def test_no_characterisation_is_refused(tmp_path):
    with pytest.raises(RunError, match="is no characterisation"):
        resume(tmp_path, notice=quiet)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="exists; choose another folder"):
        measured(tmp_path)


def test_what_a_kill_left_half_written_is_removed(done, tmp_path):
    folder = tmp_path / "x"
    shutil.copytree(done.folder, folder)
    for name in (".pulses.csv.0a1b2c3d.part", "stages/.ramp_01.csv.0a1b2c3d.part"):
        (folder / name).write_text("op,")
    resume(folder, notice=quiet)
    assert not list(folder.rglob("*.part"))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda about: about.pop("cells"), "cells must be a list"),
        (lambda about: about.update(cells=[0, 4, 4]), "cells must be whole numbers from 0 that"),
        (lambda about: about.update(cells=[0, 400]), "cells must be of the board"),
        (lambda about: about.update(cells=[1, 2]), r"cycles\.csv has other cells"),
        (lambda about: about.update(info=[]), "info must be a dict"),
        (lambda about: about.update(info={}), "was begun on a board with name = None"),
        (lambda about: about["board"].pop("simulated"), "board was edited: it must be like"),
        (lambda about: about["board"].update(simulated=3), "board was edited: .* mapping"),
        (lambda about: about["board"].update(colour="red"), "board was edited: .*'colour'"),
        (lambda about: about["board"]["simulated"].pop("seed"), "board was edited: it must be"),
    ],
)
def test_an_edited_about_file_is_one_line(done, tmp_path, edit, message):
    folder = tmp_path / "x"
    shutil.copytree(done.folder, folder)
    about = json.loads((folder / "about.json").read_text())
    edit(about)
    (folder / "about.json").write_text(json.dumps(about))
    with pytest.raises(RunError, match=message + ".*; nothing was sent$"):
        resume(folder, notice=quiet)


def test_an_edited_plan_and_a_damaged_stage_are_refused(done, tmp_path):
    folder = tmp_path / "x"
    shutil.copytree(done.folder, folder)
    plan, stage = folder / "plan.yaml", folder / "stages" / "ramp_02.csv"
    text = plan.read_text()
    plan.write_text(text.replace("pulses: 6\n", "pulses: 7\n", 1))
    with pytest.raises(RunError, match=r"plan\.yaml was edited .*; nothing was sent$"):
        resume(folder, notice=quiet)
    plan.write_text(text)
    (folder / "stages" / "ramp_01.csv").unlink()  # would be measured first
    for damaged in (stage.read_text().splitlines()[0] + "\n", "", "op\nread\n"):
        stage.write_text(damaged)
        with pytest.raises(RunError, match=r"ramp_02\.csv is no stage .*; nothing was sent$"):
            resume(folder, notice=quiet)


# --- what is refused -------------------------------------------------------------------------


def limits(**changes):
    free = {"compliance_amperes": None, "pulses_per_cell": None, "joules": None}
    return Limits(**({"volts": 2.0, "seconds": 1e-3} | free | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"volts": 1.4}, r"1\.44 V for word line 0, bit line 0: limits\.volts = 1\.4 V"),
        ({"seconds": 5e-7}, r"1e-06 s .*: limits\.seconds"),
        ({"pulses_per_cell": 500}, r"limits\.pulses_per_cell = 500 pulses"),
    ],
)
def test_a_plan_beyond_the_limits_sends_nothing(tmp_path, changes, message):
    board = simulated(shape=(4, 5))
    with pytest.raises(LimitError, match=message + ".*; nothing was sent"):
        xb.characterize(board, SMALL, out=tmp_path / "x", limits=limits(**changes), notice=quiet)
    assert board.counters.set_pulses + board.counters.reset_pulses == 0
    assert not (tmp_path / "x").exists()


def test_a_real_board_needs_limits(tmp_path):
    board = simulated(shape=(4, 5))
    board.info = dataclasses.replace(board.info, is_emulator=False)
    with pytest.raises(ConfigError, match=r"is a real board: it needs --limits .*; nothing was"):
        xb.characterize(board, SMALL, out=tmp_path / "x", notice=quiet)
    assert board.counters.device_reads == 0
    estimate_cost(board, SMALL, None, limits())


def test_devices_without_a_law_of_amplitudes_are_measured_at_their_own_pulse(tmp_path):
    path = tmp_path / "device.yaml"
    path.write_text("base: oxram.yaml\nset_scale_volts: null\nset_width_exponent: null\n")
    bench = dataclasses.replace(BENCH, device=str(path))
    with pytest.raises(LimitError, match=r"no set_scale_volts: .*sweep_steps=0\); nothing was"):
        xb.characterize("simulated", SMALL, out=tmp_path / "x", bench=bench, notice=quiet)
    plan = dataclasses.replace(SMALL, amplitudes=(1.0,), widths=(1.0,), sweep_steps=0)
    done = xb.characterize("simulated", plan, out=tmp_path / "x", bench=bench, notice=quiet)
    (pulses,) = read([done.files[0]], options=Options()).pulses
    assert set(np.abs(pulses.v_volts)) == {1.2, 1.3}


def test_a_board_that_does_not_say_its_pulse_needs_a_plan_that_does():
    info = dataclasses.replace(simulated(shape=(2, 2)).info, set_volts=None)
    with pytest.raises(ConfigError, match="does not say its own pulse: the plan needs set_volts"):
        own_pulse(Plan(), info, 1)
    assert own_pulse(Plan(set_volts=1.1), info, 1) == Pulse(1, 1.1, 1e-7)
    with pytest.raises(ConfigError, match="retention_seconds must rise"):
        Plan(retention_seconds=(2.0, 1.0))
    with pytest.raises(ConfigError, match="reads = 1 is no series"):
        Plan(reads=1)


def test_a_compliance_that_the_board_cannot_hold_is_refused_before_there_is_a_folder(tmp_path):
    plan = dataclasses.replace(SMALL, forming_volts=(1.5,), forming_amperes=1e-6)
    path = tmp_path / "device.yaml"
    path.write_text("base: oxram.yaml\ncompliance_volts: null\n")
    bench = dataclasses.replace(BENCH, device=str(path))
    with pytest.raises(LimitError, match=r"needs compliance_volts in .*; nothing was sent"):
        xb.characterize("simulated", plan, out=tmp_path / "x", bench=bench, notice=quiet)
    board = simulated(shape=(4, 5))
    board.info = dataclasses.replace(board.info, is_emulator=False)
    with pytest.raises(LimitError, match="which has no compliance; nothing was sent"):
        xb.characterize(board, plan, out=tmp_path / "x", limits=limits(), notice=quiet)
    assert board.counters.device_reads == 0
    assert not (tmp_path / "x").exists()


# --- the parts -------------------------------------------------------------------------------


def test_the_cost_is_what_is_sent_and_for_writes_the_most(tmp_path):
    board = simulated(shape=(4, 5))
    before = cost(SMALL, board.info)
    plan = dataclasses.replace(SMALL, levels=0)
    exact = cost(plan, board.info)
    xb.characterize(board, plan, out=tmp_path / "x", notice=quiet)
    assert exact.budget.set_pulses == board.counters.set_pulses
    assert exact.budget.reset_pulses == board.counters.reset_pulses
    assert exact.reads == board.counters.device_reads - 20  # of the choice of cells
    more = 5 * SMALL.levels * SMALL.write_pulses * 2
    total = before.budget.set_pulses + before.budget.reset_pulses
    assert total == exact.budget.set_pulses + exact.budget.reset_pulses + more
    assert "waiting" in before.table()


def test_pulses_are_on_the_grid_of_the_board():
    info = dataclasses.replace(
        simulated(shape=(2, 2)).info, grid=Grid(dac_volts=0.25, time_seconds=2e-8)
    )
    assert on_grid(Pulse(1, 1.2, 1.1e-7), info) == Pulse(1, 1.25, pytest.approx(1.2e-7))
    assert all(pulse.volts % 0.25 == 0.0 for pair in ramps(Plan(), info) for pulse in pair)


def test_cells_are_spread_and_masked_ones_left_out():
    info = simulated(shape=(4, 5)).info
    board = DryBoard(info)
    assert choose_cells(board, 5).tolist() == [0, 4, 8, 12, 16]
    siemens = torch.full(info.shape, 1e-6)
    siemens[0] = torch.nan
    board.read = lambda device=None: siemens
    assert choose_cells(board, 100).tolist() == list(range(5, 20))
    siemens[:] = torch.nan
    with pytest.raises(HardwareError, match="no cell can be read; nothing was sent"):
        choose_cells(board, 1)


def test_events_survive_a_file_to_the_last_bit(tmp_path):
    board = simulated(shape=(4, 5))
    probe = Probe(board, np.array([3, 7], np.int32), 2.0)
    probe.read()
    probe.train(Pulse(-1, 1.3, 1e-7), np.array([2, 0]))
    probe.pulse(Pulse(1, 1.2, 1e-7))
    events = probe.events()
    (tmp_path / "s.csv").write_bytes(as_csv(events, board.info))
    again = from_csv(tmp_path / "s.csv", board.info)
    for field in dataclasses.fields(events):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(events, field.name))
    assert events.op.tolist() == [0, 0, TRAIN, SET, SET]  # no row where no pulse was sent
    assert events.t_seconds[-1] > 2.0


def test_the_sheet_that_ramps_show_is_near_that_of_the_devices():
    board, model = simulated(shape=(8, 8)), OXRAM
    plan = dataclasses.replace(SMALL, cells=24, levels=0, full_pulses=300)
    probe_cells, history = choose_cells(board, 24), {}
    for stage in stages(plan, board.info)[:2]:
        probe = Probe(board, probe_cells)
        for _ in stage.run(probe, history):
            pass
        history[stage.name] = probe.events()
    sheet = rough_sheet(plan, board.info, history)
    assert sheet.g_max_siemens == pytest.approx(model.g_max_siemens, rel=0.3)
    assert sheet.g_min_siemens == pytest.approx(model.g_min_siemens, rel=0.5)
    assert sheet.set_fraction == pytest.approx(model.set_fraction, rel=0.4)


def test_the_plan_of_a_folder_is_a_file_that_can_be_given_again(done):
    from device_models.schema import load

    assert load(done.folder / "plan.yaml", Plan) == SMALL
    assert json.loads((done.folder / "about.json").read_text())["cells"] == [0, 4, 8, 12, 16]


def pristine(model, shape):
    """Cells at the low end of the window."""
    board = simulated(model, shape=shape)
    board.restore(at(model, torch.zeros(shape)))
    return board


def test_forming_pulses_rise_until_a_cell_conducts_and_spare_those_that_do():
    model = dataclasses.replace(OXRAM, set_threshold_volts=1.25, d2d_threshold_volts=0.1)
    board = pristine(model, shape=(4, 5))
    plan = Plan(forming_volts=(1.1, 1.2, 1.3, 1.6), forming_seconds=1e-5, forming_amperes=5e-4,
                formed_siemens=2e-5, cells=20, rest_cells=20, retention_cells=20)  # fmt: skip
    stage = stages(plan, board.info)[0]
    assert (stage.name, stage.table) == ("forming", "")
    probe = Probe(board, choose_cells(board, 20))
    for _ in stage.run(probe, {}):
        pass
    events = probe.events()
    g = events.g_siemens[events.op == READ].reshape(-1, 20)
    conducts = g >= plan.formed_siemens
    assert not conducts[0].any()
    assert conducts[-1].all()
    assert 0 < conducts[1:-1].sum() < conducts[1:-1].size  # devices have thresholds of their own
    formed_by = conducts.argmax(0)
    sent = board.pulses_per_device().numpy()[probe.cells]
    assert (sent == formed_by).all()  # the last pulse that a cell gets is the one that forms it
    rows = events.take(events.op == TRAIN)
    assert np.bincount(rows.device, minlength=20).tolist() == formed_by.tolist()


def test_cells_that_do_not_form_are_left_out_also_after_an_interruption(tmp_path):
    model = dataclasses.replace(OXRAM, set_threshold_volts=1.25, d2d_threshold_volts=0.1)
    plan = dataclasses.replace(
        SMALL, cells=20, rest_cells=20, forming_volts=(1.2, 1.25), forming_seconds=1e-5,
        formed_siemens=2e-5, levels=0,
    )  # fmt: skip
    board, said = pristine(model, shape=(4, 5)), []
    with pytest.raises(CharacterizationInterrupted):
        xb.characterize(
            board, plan, out=tmp_path / "x", notice=said.append, progress=stop_in("ramp_02", 0)
        )
    done = resume(tmp_path / "x", board, notice=said.append)
    events = from_csv(done.folder / "stages" / "forming.csv", board.info)
    formed = np.flatnonzero(events.g_siemens[-20:] >= 2e-5)
    assert 0 < len(formed) < 20
    line = f"{20 - len(formed)} of 20 cells did not form; later stages leave them out"
    assert said.count(line) == 2
    for name in ("cycles", "ramp_01", "ramp_03", "reads_2"):
        stage = from_csv(done.folder / "stages" / f"{name}.csv", board.info)
        assert np.unique(stage.device).tolist() == formed.tolist()
    assert f"\n{len(formed)} cells" in "\n" + (done.folder / "README.txt").read_text()


def test_a_forming_that_fails_keeps_its_readings(tmp_path):
    model = dataclasses.replace(OXRAM, set_threshold_volts=5.0)
    board = pristine(model, shape=(2, 3))
    plan, message = Plan(forming_volts=(1.0, 1.2)), r"no cell is at 1e-05 S after forming at 1\.2 V"
    with pytest.raises(HardwareError, match=message):
        xb.characterize(board, plan, out=tmp_path / "x", notice=quiet)
    assert len(from_csv(tmp_path / "x" / "stages" / "forming.csv", board.info)) == 6 * (3 + 2)
    sent = board.counters
    with pytest.raises(HardwareError, match=message):
        resume(tmp_path / "x", board, notice=quiet)
    assert board.counters == sent
    most = dataclasses.replace(plan, cycles=0, reads=0, levels=0, sweep_steps=0, own_ramps=1,
                               amplitudes=(1.0,), widths=(1.0,), retention_seconds=())  # fmt: skip
    without = dataclasses.replace(most, forming_volts=())
    pulses = [cost(p, board.info).budget.set_pulses for p in (most, without)]
    assert pulses[0] - pulses[1] == 2 * 6  # at worst every pulse is for every cell


def test_forming_amplitudes_rise():
    with pytest.raises(ConfigError, match="forming_volts must rise"):
        Plan(forming_volts=(2.0, 1.0))
