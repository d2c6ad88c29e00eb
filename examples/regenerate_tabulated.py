"""Rebuild the two measured tables of `calibration_data/` from the open data of CrossSim.

    python examples/regenerate_tabulated.py DATA_FOLDER [CALIBRATION_DATA]

DATA_FOLDER holds taox_quantiles.npz and ENODe_dG_{increasing,decreasing}.txt.gz.
"""

import sys
from pathlib import Path

import numpy as np
import yaml

from device_models.fitting.estimators import tables
from device_models.fitting.estimators.laws import as_model
from device_models.fitting.measurements import Measurements, StepTable
from device_models.fitting.options import Options
from device_models.fitting.readers import read
from device_models.presets import load_device

BINS, LEVELS = 12, (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
FEWER_BINS, FEWER_LEVELS = 8, (0.05, 0.25, 0.5, 0.75, 0.95)  # of many devices
WAYS = (("increasing", 1), ("decreasing", -1))
DIGITS = 3
CITED = "cross-sim-data of Sandia National Laboratories, BSD-3-Clause"
ASSUMED = {
    "c2c_sigma": (0.0, "measured: the tables hold the cycle-to-cycle spread"),
    "read_floor": (0.01, "assumed: as preset oxram"),
    "read_fraction": (0.0, "assumed: no growth with resistance in this narrow window"),
    "read_knee_ohms": (3e3, "assumed: as preset oxram; without effect"),
    "read_exponent": (0.7, "assumed: as preset oxram; without effect"),
    "read_cap": (0.5, "assumed: as preset oxram; without effect"),
    "set_volts": (1.0, "assumed: the tables do not state the pulse"),
    "reset_volts": (1.0, "assumed: the tables do not state the pulse"),
    "width_seconds": (1e-6, "assumed: the tables do not state the pulse"),
}


def taox(folder: Path) -> Measurements:
    """Step quantiles of 41 TaOx devices."""
    with np.load(folder / "taox_quantiles.npz") as sets:
        count = len(sets["G_increasing"])
        steps = tuple(
            StepTable(
                device=device,
                polarity=polarity,
                g_siemens=sets[f"G_{way}"][device],
                levels=sets["q"],
                dg_siemens=sets[f"dGq_{way}"][device],
                source="taox_quantiles.npz",
            )
            for way, polarity in WAYS
            for device in range(count)
        )
    return Measurements(steps=steps, devices=tuple(f"TaOx {i}" for i in range(count)))


def enode(folder: Path) -> Measurements:
    """Step quantiles of one ENODe device."""
    files = [folder / f"ENODe_dG_{way}.txt.gz" for way, _ in WAYS]
    return read(files, options=Options(same_devices=True))


def model(measured: Measurements, spread: tuple[float, str], about: str) -> dict:
    """The content of a model.yaml."""
    start = as_model(load_device("oxram_literature"), "tabulated")
    many = len(measured.devices) > 1
    part = tables.of_quantiles(
        measured.steps,
        start,
        generator=np.random.default_rng(0),
        bins=FEWER_BINS if many else BINS,
        levels=FEWER_LEVELS if many else LEVELS,
    )
    numbers = ASSUMED | {"d2d_step_sigma": spread, "d2d_bound_sigma": spread}
    fields = {
        name: [float(f"{value:.{DIGITS}g}") for value in values]
        for name, values in part.tables.items()
    }
    ends = {name: float(f"{part.values[name]:.4g}") for name in ("g_min_siemens", "g_max_siemens")}
    return {
        "model": "tabulated",
        "status": "measured",
        **ends,
        **{name: value for name, (value, _) in numbers.items()},
        **fields,
        "sources": dict.fromkeys((*ends, *fields), about)
        | {name: source for name, (_, source) in numbers.items()},
    }


def main(data: Path, target: Path) -> None:
    """Write both files."""
    held = (0.0, "measured: the tables and bounds of single devices hold it")
    one = (0.0, "assumed: the table is of one device")
    parts = {
        "taox_tabulated": (taox(data), held, f"measured: 41 TaOx devices; {CITED}"),
        "enode_tabulated": (enode(data), one, f"measured: one ENODe device; {CITED}"),
    }
    for name, part in parts.items():
        path = target / name / "model.yaml"
        path.parent.mkdir(exist_ok=True)
        # Lists in lines: a number a line would be 7,000 of them.
        text = yaml.safe_dump(model(*part), sort_keys=False, width=100, default_flow_style=None)
        path.write_text(text, "utf-8")
        print(f"wrote {path}")


if __name__ == "__main__":
    here = Path(__file__).parents[1] / "calibration_data"
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else here)
