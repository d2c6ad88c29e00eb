"""Rebuilds everything measured in `calibration_data/` from openly licensed data.

    python examples/regenerate_calibration.py DEVICES_FOLDER [CALIBRATION_DATA]

Fits the default (`fit_measured_oxide.py`), makes the tables of measured steps
(`regenerate_tabulated.py`), and writes `quantiles.csv` beside each device that rests on measured
steps: what was measured, and the 95 % band in which the shipped device predicts it.
DEVICES_FOLDER holds the folders that those scripts name, and `gong2018_reram/gong_et_al.csv`
(github.com/IBM/aihwkit, examples/csv, MIT; normalised, so the window is that of the preset).
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from crossbar.figures.fit_report import quantiles_csv
from crossbar.fitting.measurements import Measurements, StepTable
from crossbar.fitting.options import Options
from crossbar.fitting.predictive import checks, excerpt, predictions
from crossbar.fitting.readers import read
from device_models.registry import MODELS
from device_models.schema import load_tagged

HERE = Path(__file__).resolve().parent
WAYS = (("increasing", 1), ("decreasing", -1))


def run(script: str, *arguments: Path) -> None:
    """Another script of this folder."""
    subprocess.run([sys.executable, str(HERE / script), *map(str, arguments)], check=True)


def taox(devices: Path) -> Measurements:
    """Step quantiles of 41 TaOx devices."""
    with np.load(devices / "crosssim_taox_enode" / "taox_quantiles.npz") as sets:
        tables = tuple(
            StepTable(
                device=device,
                polarity=polarity,
                g_siemens=sets[f"G_{way}"][device],
                levels=sets["q"],
                dg_siemens=sets[f"dGq_{way}"][device],
                source="taox_quantiles.npz",
            )
            for way, polarity in WAYS
            for device in range(len(sets["G_increasing"]))
        )
        names = tuple(f"TaOx {i}" for i in range(len(sets["G_increasing"])))
    return Measurements(steps=tables, devices=names)


def measured(devices: Path) -> Mapping[str, Measurements]:
    """What each device with measured steps rests on."""
    enode = [devices / "crosssim_taox_enode" / f"ENODe_dG_{way}.txt.gz" for way, _ in WAYS]
    gong = Options(g_min_siemens=1e-6, g_max_siemens=1e-4)
    return {
        "taox_tabulated": taox(devices),
        "enode_tabulated": read(enode, options=Options(same_devices=True)),
        "gong2018_exp": read([devices / "gong2018_reram" / "gong_et_al.csv"], options=gong),
    }


def main(devices: Path, target: Path) -> None:
    """Write every file."""
    run("fit_measured_oxide.py", devices, target / "oxram")
    run("regenerate_tabulated.py", devices / "crosssim_taox_enode", target)
    for name, sets in measured(devices).items():
        model = load_tagged(target / name / "model.yaml", "model", MODELS)
        part = excerpt(sets)
        found = checks(part, predictions(model, part, seed=0))
        (target / name / "quantiles.csv").write_text(quantiles_csv(found), "utf-8")
        print(f"wrote {target / name / 'quantiles.csv'}")


if __name__ == "__main__":
    shipped = HERE.parent / "calibration_data"
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else shipped)
