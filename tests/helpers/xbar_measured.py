"""The measured sets, in the forms of `device_models.fitting.measurements`.

They lie beside the checkout, in ../shared/data/devices (or $XBAR_SHARED/data/devices), are read
from there and never copied. A test that asks for an absent one is skipped.
"""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from device_models.fitting.events import reads_table
from device_models.fitting.measurements import (
    Cycles,
    FileNotes,
    Measurements,
    Retention,
    StepTable,
    Written,
)
from device_models.fitting.options import Options
from device_models.fitting.readers import read

CHECKOUT = Path(__file__).resolve().parents[2]
RAMPS_V_READ = 0.1  # README.md of the set
GONG_WINDOW = {"g_min_siemens": 1e-6, "g_max_siemens": 1e-4}  # made up: the set is normalised
NIST_TARGETS = (133e-6, 167e-6, 200e-6, 233e-6)  # siemens, the four states of the set
NIST_STUCK_SIEMENS = 300e-6  # above: stuck on


def measured_file(name):
    """Path of one measured file; skips the test where it is absent."""
    shared = Path(os.environ.get("XBAR_SHARED") or CHECKOUT.parent / "shared")
    path = shared / "data" / "devices" / name
    if not path.exists():
        pytest.skip(f"measured set {name} is absent (XBAR_SHARED names the folder of the sets)")
    return path


def _noted(path, used, dropped=None, **tables):
    note = FileNotes(
        path=str(path), format="test helper", units="siemens", used=used, dropped=dropped or {}
    )
    return Measurements(notes=(note,), **tables)


def nirram_cycles():
    """1,024 1T1R cells, cycles 25 and 50."""
    path = measured_file("stanford_1t1r_nirram/nirram.npz")
    address, lrs, hrs, cycle = np.load(path)["100cyc"].astype(np.float64).T
    names, device = np.unique(address.astype(np.int64), return_inverse=True)
    table = Cycles(
        device=device,
        cycle=cycle.astype(np.int64),
        lrs_siemens=1.0 / lrs,
        hrs_siemens=1.0 / hrs,
        source=str(path),
    )
    return _noted(path, len(table), cycles=(table,), devices=tuple(map(str, names)))


def nirram_reads():
    """10,000 reads of one 1T1R cell near 93 uS over 467 s."""
    path = measured_file("stanford_1t1r_nirram/nirram.npz")
    sets = np.load(path)
    time, g = sets["ret1_t"], 1.0 / sets["ret1_R"].astype(np.float64)
    one = np.zeros(len(g), np.int64)
    table = reads_table(one, one, time, g, str(path))
    return _noted(path, len(table), reads=(table,), devices=("1",))


def relaxation_reads():
    """Five levels of technology A, 100,000 reads each at 400 Hz."""
    path = measured_file("stanford_rram_relaxation/relaxation.npz")
    g = np.load(path)["A_ts_G_S"].astype(np.float64)
    level = np.repeat(np.arange(len(g)), g.shape[1])
    time = np.tile(np.arange(g.shape[1]) / 400.0, len(g))
    table = reads_table(level, level, time, g.ravel(), str(path))
    names = tuple(f"A level {i}" for i in range(len(g)))
    return _noted(path, len(table), reads=(table,), devices=names)


def relaxation(technology):
    """Cells of technology B or C, 10 ms to 1e5 s after their writing."""
    path = measured_file("stanford_rram_relaxation/relaxation.npz")
    sets = np.load(path)
    g = sets[f"{technology}_relax_G_S"].astype(np.float64)
    time = np.broadcast_to(sets[f"{technology}_relax_t_s"], g.shape)
    device = np.broadcast_to(np.arange(len(g))[:, None], g.shape)
    initial = np.broadcast_to(g[:, :1], g.shape)
    there = np.isfinite(g) & (g > 0.0) & np.isfinite(initial)
    unknown = np.full(int(there.sum()), np.nan)
    table = Retention(
        device=device[there],
        time_seconds=time[there],
        g_siemens=g[there],
        initial_siemens=initial[there],
        target_siemens=unknown,
        temperature_kelvin=unknown,
        source=str(path),
    )
    names = tuple(f"{technology}{a}" for a in sets[f"{technology}_relax_addr"])
    dropped = {"without a reading": int((~there).sum())}
    return _noted(path, len(table), dropped, retention=(table,), devices=names)


def bake(technology):
    """Cells of technology A or B before and after hours at 100 to 260 degrees Celsius."""
    path = measured_file("stanford_rram_relaxation/relaxation.npz")
    sets = np.load(path)
    before, after = (
        sets[f"{technology}_bake_G_{when}_S"].astype(np.float64) for when in ("before", "after")
    )
    kelvin = np.broadcast_to(sets[f"{technology}_bake_T_C"][:, None] + 273.15, before.shape)
    time = np.broadcast_to(sets[f"{technology}_bake_dt_s"][:, None], before.shape)
    there = (before > 0.0) & (after > 0.0)  # false for nan
    device = np.arange(before.size).reshape(before.shape)
    table = Retention(
        device=device[there],
        time_seconds=time[there],
        g_siemens=after[there],
        initial_siemens=before[there],
        target_siemens=np.full(int(there.sum()), np.nan),
        temperature_kelvin=kelvin[there],
        source=str(path),
    )
    names = tuple(f"{technology} bake {i}" for i in range(before.size))
    dropped = {"without a reading": int((~there).sum())}
    return _noted(path, len(table), dropped, retention=(table,), devices=names)


def crosssim_ramps():
    """39 SET and 40 RESET ramps of one device."""
    paths = [measured_file(f"crosssim_ramps/{kind}.csv") for kind in ("set", "reset")]
    return read(paths, options=Options(v_read_volts=RAMPS_V_READ, same_devices=True))


def enode_steps():
    """Step quantiles of the ENODe device, both polarities."""
    kinds = ("increasing", "decreasing")
    paths = [measured_file(f"crosssim_taox_enode/ENODe_dG_{kind}.txt.gz") for kind in kinds]
    return read(paths, options=Options(same_devices=True))


def gong_pulses():
    """1,000 pulses up, 1,000 down; normalised, so the window is made up."""
    path = measured_file("gong2018_reram/gong_et_al.csv")
    return read([path], options=Options(**GONG_WINDOW))


def taox_steps():
    """Step quantiles of 41 TaOx devices, both polarities."""
    path = measured_file("crosssim_taox_enode/taox_quantiles.npz")
    sets = np.load(path)
    tables = tuple(
        StepTable(
            device=device,
            polarity=polarity,
            g_siemens=sets[f"G_{kind}"][device],
            levels=sets["q"],
            dg_siemens=sets[f"dGq_{kind}"][device],
            source=str(path),
        )
        for kind, polarity in (("increasing", 1), ("decreasing", -1))
        for device in range(len(sets["G_increasing"]))
    )
    names = tuple(f"TaOx {i}" for i in range(len(sets["G_increasing"])))
    return _noted(path, len(tables), steps=tables, devices=names)


def nist_written():
    """625 TiOx cells, after programming to one of four states, and the map of one array.

    Table 0: target and reading of each cell that gave one. Table 1: all 625 cells of the map, with
    the stuck ones; its targets are unknown.
    """
    path = measured_file("nist_gwu_tiox_daffodil/data.zip")
    with zipfile.ZipFile(path) as archive:

        def load(name):
            return np.loadtxt(io.BytesIO(archive.read(f"figure_3/{name}.txt")))

        states = [load(f"e/conductance_hist_multibit_k17_state{i}") * 1e-6 for i in range(4)]
        grid = load("d/conductance_map_multibit_k17").ravel() * 1e-12
    g = np.concatenate(states)
    target = np.repeat(NIST_TARGETS, [len(s) for s in states])
    there = g > 0.0
    programmed = Written(
        device=np.flatnonzero(there),
        target_siemens=target[there],
        g_siemens=g[there],
        stuck=np.zeros(int(there.sum()), np.int64),
        reached=np.full(int(there.sum()), -1),
        source=str(path),
    )
    mapped = Written(
        device=len(g) + np.arange(len(grid)),
        target_siemens=np.full(len(grid), np.nan),
        g_siemens=grid,
        stuck=np.where(grid > NIST_STUCK_SIEMENS, 1, 0),
        reached=np.full(len(grid), -1),
        source=str(path),
    )
    names = [f"state cell {i}" for i in range(len(g))] + [f"map {i}" for i in range(len(grid))]
    dropped = {"without a reading": int((~there).sum())}
    used = len(programmed) + len(mapped)
    return _noted(path, used, dropped, written=(programmed, mapped), devices=tuple(names))


VOLTAGES = (1.35, 1.5, 1.65, 1.8)  # of `voltage_steps`


def voltage_steps(volts=VOLTAGES):
    """Step quantiles of one family of devices, SET and RESET at some amplitudes."""
    tables = []
    for polarity, kind in ((1, "set"), (-1, "reset")):
        for one in volts:
            path = measured_file(f"xbtorch_voltage_steps/{kind}_{one:g}.txt")
            lines = path.read_text().splitlines()[1:]
            g, levels, *steps = (np.array(line.split(","), float) for line in lines)
            tables.append(
                StepTable(
                    device=0, polarity=polarity, g_siemens=g, levels=levels,
                    dg_siemens=np.array(steps), v_volts=one, source=str(path),
                )
            )  # fmt: skip
    return _noted(path, len(tables), steps=tuple(tables), devices=("family",))
