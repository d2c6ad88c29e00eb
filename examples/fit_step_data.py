"""Fits two devices to openly licensed step data, with `xbar fit`.

    python examples/fit_step_data.py DEVICES_FOLDER CALIBRATION_DATA [NAME ...]

writes CALIBRATION_DATA/NAME/model.yaml and quantiles.csv, by default of both NAMEs:

- `taox_analog`, from ramps of pulses: DEVICES_FOLDER/crosssim_ramps/set.csv and reset.csv
  (github.com/sandialabs/cross-sim, b30b365, BSD-3-Clause).
- `voltage_tables`, from step quantiles at four amplitudes: DEVICES_FOLDER/xbtorch_voltage_steps/
  set_V.txt and reset_V.txt (github.com/ADAM-Lab-GW/xbtorch, 57b119d, BSD-3-Clause). A first line
  with the amplitude is put before each, into a temporary folder.

What these sets do not inform is that of `BASE`, a preset with what cannot hold for these devices
left out.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from cli.main import main as xbar

VOLTS = "1.35", "1.5", "1.65", "1.8"
BASE = """base: oxram_literature.yaml
set_scale_volts: null
reset_scale_volts: null
set_width_exponent: null
reset_width_exponent: null
compliance_volts: null
d2d_bound_sigma: 0.0
read_floor: 0.0
read_fraction: 9.3e-4
read_exponent: 0.91
sources:
  read_floor: "assumed: as preset oxram, fitted to cells of another maker"
  read_fraction: "assumed: as read_floor"
  read_knee_ohms: "assumed: as read_floor"
  read_exponent: "assumed: as read_floor"
  d2d_bound_sigma: "assumed: one device was measured, and its window is narrow"
  set_volts: "assumed: as preset oxram_literature; the data do not state the pulse"
  reset_volts: "assumed: as preset oxram_literature; the data do not state the pulse"
  width_seconds: "assumed: as preset oxram_literature; the data do not state the pulse"
"""


def taox_analog(devices: Path, folder: Path) -> list[str]:
    """Arguments of `xbar fit` for the ramps."""
    ramps = devices / "crosssim_ramps"
    files = [f"{ramps / 'set.csv'}:ramps:set", f"{ramps / 'reset.csv'}:ramps:reset"]
    return [*files, "--same-devices", "--read-volts", "0.1", "--model", "log_step"]


def voltage_tables(devices: Path, folder: Path) -> list[str]:
    """Arguments of `xbar fit` for the tables, which are copied with their amplitude."""
    files = []
    for way in ("set", "reset"):
        for volts in VOLTS:
            table = (devices / "xbtorch_voltage_steps" / f"{way}_{volts}.txt").read_text("utf-8")
            path = folder / f"{way}_{volts}.txt"
            numbers = table.split("\n", 1)[1]
            path.write_text(f"Gbins, CDF, dG matrix; v_volts = {volts}\n{numbers}", "utf-8")
            files.append(f"{path}:step-quantiles:{way}")
    return [*files, "--same-devices", "--model", "oxram"]


DEVICES: dict[str, Callable[[Path, Path], list[str]]] = {
    "taox_analog": taox_analog,
    "voltage_tables": voltage_tables,
}


def main() -> None:
    """Fit and write."""
    devices, target, *names = sys.argv[1:]
    for name in names or DEVICES:
        out = Path(target) / name
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            base, report = Path(folder) / "base.yaml", Path(folder) / "report"
            base.write_text(BASE, "utf-8")
            arguments = DEVICES[name](Path(devices), Path(folder))
            destination = ["-o", f"{out}/model.yaml", "--report", str(report), "--force"]
            xbar(["fit", *arguments, *destination, "--preset", str(base)], standalone_mode=False)
            shutil.copy(report / "quantiles.csv", out / "quantiles.csv")


if __name__ == "__main__":
    main()
