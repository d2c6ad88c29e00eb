"""Rebuilds everything measured in `calibration_data/` from openly licensed data.

    python examples/regenerate_calibration.py DEVICES_FOLDER [CALIBRATION_DATA]
    python examples/regenerate_calibration.py --pictures [CALIBRATION_DATA]

Fits the default (`fit_measured_oxide.py`) and the devices of step data (`fit_step_data.py`), makes
the tables of measured steps (`regenerate_tabulated.py`), and writes `quantiles.csv` beside each
device that rests on measurements: what was measured, and the 95 % band in which the shipped device
(for those fitted: the fit, with the uncertainty of its numbers) predicts it. Beside each
`quantiles.csv` comes a picture of it; with `--pictures` these alone are drawn anew.
DEVICES_FOLDER holds the folders that those scripts name, and `gong2018_reram/gong_et_al.csv`
(github.com/IBM/aihwkit, examples/csv, MIT; normalised, so the window is that of the preset).
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from regenerate_tabulated import enode, taox

from crossbar.figures.fit_bands import bands
from crossbar.figures.style import save
from crossbar.reports.fit import quantiles_csv, read_quantiles
from device_models.fitting.measurements import Measurements
from device_models.fitting.options import Options
from device_models.fitting.predictive_checks import checks, excerpt, predictions
from device_models.fitting.readers import read
from device_models.registry import MODELS
from device_models.schema import load_tagged

HERE = Path(__file__).resolve().parent
DOTS_PER_INCH = 100  # every copy of the package carries the pictures


def run(script: str, *arguments: Path) -> None:
    """Another script of this folder."""
    subprocess.run([sys.executable, str(HERE / script), *map(str, arguments)], check=True)


def measured(devices: Path) -> Mapping[str, Measurements]:
    """What each device with measured steps rests on."""
    tables = devices / "crosssim_taox_enode"
    gong = Options(g_min_siemens=1e-6, g_max_siemens=1e-4)
    return {
        "taox_tabulated": taox(tables),
        "enode_tabulated": enode(tables),
        "gong2018_exp": read([devices / "gong2018_reram" / "gong_et_al.csv"], options=gong),
    }


def draw(target: Path) -> None:
    """A picture beside every table of quantiles."""
    for table in sorted(target.glob("*/quantiles.csv")):
        found = read_quantiles(table.read_text("utf-8"))
        save(bands(found, title=table.parent.name), table.with_suffix(".png"), dots=DOTS_PER_INCH)
        print(f"wrote {table.with_suffix('.png')}")


def main(devices: Path, target: Path) -> None:
    """Write every file."""
    run("fit_measured_oxide.py", devices, target / "oxram")
    run("fit_step_data.py", devices, target)
    run("regenerate_tabulated.py", devices / "crosssim_taox_enode", target)
    for name, sets in measured(devices).items():
        model = load_tagged(target / name / "model.yaml", "model", MODELS)
        part = excerpt(sets)
        found = checks(part, predictions(model, part, seed=0))
        (target / name / "quantiles.csv").write_text(quantiles_csv(found), "utf-8")
        print(f"wrote {target / name / 'quantiles.csv'}")
    draw(target)


if __name__ == "__main__":
    shipped = HERE.parent / "calibration_data"
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else shipped
    if sys.argv[1] == "--pictures":
        draw(folder)
    else:
        main(Path(sys.argv[1]), folder)
