"""Fits an oxide device to openly licensed measurements of 1T1R cells, with `xbar fit`.

    python examples/fit_measured_oxide.py DEVICES_FOLDER OUT_FOLDER [options of xbar fit]

writes OUT_FOLDER/model.yaml and OUT_FOLDER/quantiles.csv; OUT_FOLDER calibration_data/oxram
regenerates the shipped default. DEVICES_FOLDER holds `stanford_1t1r_nirram/nirram.npz`
(github.com/robert-radway/NI-RRAM-Python, 6bceb45, MIT) and `stanford_rram_relaxation/
relaxation.npz` (github.com/akashlevy/RRAM-Relaxation-Master-Model, ca0cfff, MIT). They are written
as CSV files of the kinds `xbar fit` reads, into a temporary folder.

What these sets do not inform keeps the value of calibration_data/oxram_literature/model.yaml. So
does the window, 1e3 to 1e6 ohm: the cells were cycled in 7e3 to 9e6 ohm, with one full pulse each
way. Two fits: bakes at 100 to 260 C tell how relaxation is activated and how runs differ; the
readings over a day at room temperature tell all else of it. One fit of both is refused by its own
check: most numbers lie outside its bands.
"""

import csv
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import yaml

from cli.main import main as xbar
from device_models.presets import load_device

LITERATURE = Path(__file__).resolve().parents[1] / "calibration_data/oxram_literature/model.yaml"
KEPT = "g_min_siemens,g_max_siemens,slow_exponent"
BAKED = "relax_activation_ev", "relax_run_sigma", "relax_run_shift"  # what bakes inform
TECHNOLOGY = "B"  # of the relaxation sets: the one that was followed at most times


def table(path: Path, header: str, rows: Iterable[tuple[object, ...]]) -> str:
    """Write one CSV file; returns its name."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return str(path)


def export(devices: Path, folder: Path) -> list[str]:
    """The measured sets as CSV: cycles, repeated reads, and readings after programming."""
    cells = np.load(devices / "stanford_1t1r_nirram" / "nirram.npz")
    levels = np.load(devices / "stanford_rram_relaxation" / "relaxation.npz")
    cycles = [(int(a), int(c), lrs, hrs) for a, lrs, hrs, c in cells["100cyc"].tolist()]
    one = zip(cells["ret1_t"].tolist(), cells["ret1_R"].tolist(), strict=True)
    repeated = [
        (n / 400.0, g, f"A{level}")
        for level, series in enumerate(levels["A_ts_G_S"].tolist())
        for n, g in enumerate(series)
    ]
    times = levels[f"{TECHNOLOGY}_relax_t_s"].tolist()
    after = [
        (f"{TECHNOLOGY}{cell}", t, g)
        for cell, readings in enumerate(levels[f"{TECHNOLOGY}_relax_G_S"].tolist())
        for t, g in zip(times, readings, strict=True)
    ]
    return [
        table(folder / "cycles.csv", "device,cycle,lrs_ohms,hrs_ohms", cycles),
        table(folder / "reads_1t1r.csv", "t_seconds,r_ohms,device", [(t, r, 1) for t, r in one]),
        table(folder / "reads_a.csv", "t_seconds,g_siemens,device", repeated),
        table(folder / "relaxation.csv", "device,t_seconds,g_siemens", after),
    ]


def bakes(devices: Path, folder: Path) -> str:
    """Conductances before and after the bakes, as CSV."""
    levels = np.load(devices / "stanford_rram_relaxation" / "relaxation.npz")
    part = {n: levels[f"{TECHNOLOGY}_bake_{n}"] for n in ("T_C", "dt_s", "G_before_S", "G_after_S")}
    rows = (
        (f"{celsius:g}C-{cell}", seconds, after, celsius + 273.15, before)
        for celsius, seconds, *cells in zip(*part.values(), strict=True)
        for cell, (before, after) in enumerate(zip(*(c.tolist() for c in cells), strict=True))
    )
    header = "device,t_seconds,g_siemens,temperature_kelvin,initial_siemens"
    return table(folder / "bakes.csv", header, rows)


def preset_of(baked: Path, folder: Path) -> str:
    """The device of the literature with what a fit of the bakes tells; returns its file."""
    device = load_device(str(baked))
    words = {name: device.sources[name].removeprefix("measured: ") for name in BAKED}
    preset = {
        "base": str(LITERATURE),
        **{name: getattr(device, name) for name in BAKED},
        "sources": {n: f"literature: bakes at 100 to 260 C; {text}" for n, text in words.items()},
    }
    file = folder / "preset.yaml"
    file.write_text(yaml.safe_dump(preset))
    return str(file)


def main() -> None:
    """Export, fit the bakes, fit the rest on top of them, write."""
    devices, out, *options = sys.argv[1:]

    def fit(*arguments: str) -> None:
        xbar(["fit", *arguments, "--drop-negative", *options], standalone_mode=False)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        baked, report = folder / "baked.yaml", folder / "report"
        fit(bakes(Path(devices), folder), "-o", str(baked), "--preset", str(LITERATURE))
        preset = preset_of(baked, folder)
        files = export(Path(devices), folder)
        destination = ("-o", f"{out}/model.yaml", "--report", str(report), "--force")
        fit(*files, *destination, "--preset", preset, "--keep", KEPT)
        shutil.copy(report / "quantiles.csv", Path(out) / "quantiles.csv")


if __name__ == "__main__":
    main()
