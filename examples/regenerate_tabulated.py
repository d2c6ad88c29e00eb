"""Rebuild the two measured tables of `calibration_data/` from the open data of CrossSim.

    python examples/regenerate_tabulated.py DATA_FOLDER [CALIBRATION_DATA]

DATA_FOLDER holds taox_quantiles.npz and ENODe_dG_{increasing,decreasing}.txt.gz.
"""

import gzip
import sys
from pathlib import Path

import numpy as np
import yaml

BINS = 12
LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
WAYS = ("increasing", "decreasing")
CITED = "cross-sim-data of Sandia National Laboratories, BSD-3-Clause"
ASSUMED = {
    "c2c_sigma": (0.0, "measured: the tables hold the cycle-to-cycle spread"),
    "d2d_bound_sigma": (0.02, "assumed: the data give no bounds of single devices in this window"),
    "read_floor": (0.01, "assumed: as preset oxram"),
    "read_fraction": (0.0, "assumed: no growth with resistance in this narrow window"),
    "read_knee_ohms": (3e3, "assumed: as preset oxram; without effect"),
    "read_exponent": (0.7, "assumed: as preset oxram; without effect"),
    "read_cap": (0.5, "assumed: as preset oxram; without effect"),
    "set_volts": (1.0, "assumed: the tables do not state the pulse"),
    "reset_volts": (1.0, "assumed: the tables do not state the pulse"),
    "width_seconds": (1e-6, "assumed: the tables do not state the pulse"),
}


def taox(folder: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    """Bins, and per polarity dG (bins, levels): medians over 41 devices at equal shares of range.

    The lowest 5 and the highest 10 % are left out: beyond them the mean pulse leads back.
    """
    with np.load(folder / "taox_quantiles.npz") as data:
        columns = np.linspace(25, 450, BINS).round().astype(int)
        kept = [int(np.argmin(np.abs(data["q"] - level))) for level in LEVELS]
        bins = np.median(data["G_increasing"], axis=0)[columns]
        tables = [np.median(data[f"dGq_{way}"], axis=0)[kept][:, columns].T for way in WAYS]
    return bins, tables


def enode(folder: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    """Bins, and per polarity dG (bins, levels), interpolated in the 122 levels measured."""
    tables = []
    for way in WAYS:
        with gzip.open(folder / f"ENODe_dG_{way}.txt.gz", "rt") as file:
            lines = [line for line in file.read().splitlines()[1:] if line.strip()]
        grid, cdf, *rows = [np.array(line.replace(",", " ").split(), float) for line in lines]
        columns = np.linspace(0, len(grid) - 1, BINS).round().astype(int)
        tables.append(np.array([np.interp(LEVELS, cdf, np.array(rows)[:, c]) for c in columns]))
    return grid[columns], tables


def model(bins: np.ndarray, tables: list[np.ndarray], gain: tuple[float, str], about: str) -> dict:
    """The content of a model.yaml."""

    def plain(values: np.ndarray) -> list[float]:
        return [float(f"{value:.4g}") for value in values.ravel()]

    numbers = ASSUMED | {"d2d_step_sigma": gain}
    bins_siemens = plain(bins)
    # Averaging may swap two nearly equal quantiles.
    rising = [plain(np.maximum.accumulate(table, axis=1)) for table in tables]
    measured = dict.fromkeys(("g_min_siemens", "g_max_siemens", "bins_siemens"), about)
    measured |= dict.fromkeys(("levels", "set_siemens", "reset_siemens"), about)
    return {
        "model": "tabulated",
        "status": "measured",
        "g_min_siemens": bins_siemens[0],
        "g_max_siemens": bins_siemens[-1],
        **{name: value for name, (value, _) in numbers.items()},
        "bins_siemens": bins_siemens,
        "levels": list(LEVELS),
        "set_siemens": rising[0],
        "reset_siemens": rising[1],
        "sources": measured | {name: source for name, (_, source) in numbers.items()},
    }


def main(data: Path, target: Path) -> None:
    """Write both files."""
    spread = (0.2, "assumed: residual spread of the step around the median of the 41 devices")
    one = (0.0, "assumed: the table is of one device")
    parts = {
        "taox_tabulated": (*taox(data), spread, f"measured: 41 TaOx devices, medians; {CITED}"),
        "enode_tabulated": (*enode(data), one, f"measured: one ENODe device; {CITED}"),
    }
    for name, part in parts.items():
        path = target / name / "model.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(model(*part), sort_keys=False, width=100), "utf-8")
        print(f"wrote {path}")


if __name__ == "__main__":
    here = Path(__file__).parents[1] / "calibration_data"
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else here)
