# ruff: noqa: T201  # it talks on the terminal
"""Time and peak memory of `xbar fit` on a generic CSV of a million rows.

    .venv/bin/python tests/bench/bench_fit.py [ROWS]

Not a test: it prints, and fails nothing. Reading and fitting run in one fresh process, so that the
peak is theirs alone; writing the file is not counted.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PULSES = 500  # of each device and ramp, two ramps each
HELPERS = Path(__file__).parents[1] / "helpers"


def write_csv(path: Path, rows: int) -> None:
    """A generic CSV of trains simulated with the shipped oxide."""
    sys.path.insert(0, str(HELPERS))
    import torch
    from xbar_synthetic import trains, truth

    devices = max(1, rows // (2 * PULSES + 1))
    generator = torch.Generator().manual_seed(0)
    table = trains(truth(), generator, devices=devices, pulses=PULSES)
    first = table.index + table.ramp == 0
    with path.open("w") as stream:
        stream.write("device,op,g_siemens\n")
        columns = (table.device, table.polarity, table.g_before_siemens, table.g_after_siemens)
        for is_first, device, sign, before, after in zip(first, *columns, strict=True):
            if is_first:
                stream.write(f"d{device},read,{before:.9e}\n")
            stream.write(f"d{device},{'set' if sign > 0 else 'reset'},{after:.9e}\n")


def measure(path: Path) -> None:
    """Read and fit, and print the times and the peak of this process."""
    from device_models.fitting.fit import fit
    from device_models.fitting.readers import read
    from device_models.presets import load_device

    began = time.perf_counter()
    measurements = read([path])
    read_at = time.perf_counter()
    found = fit(measurements, load_device("oxram_literature"), generator=np.random.default_rng(0))
    fitted_at = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    used = measurements.notes[0].used
    print(f"{used:,} rows used of {len(measurements.devices)} devices")
    print(f"read {read_at - began:.1f} s, fitted {fitted_at - read_at:.1f} s, peak {peak:.0f} MB")
    true = {"c2c_sigma": 0.35, "d2d_step_sigma": 0.3, "set_beta": 1.5, "read_floor": 0.01}
    for estimate in found.estimates:
        if estimate.name in true:
            interval = f"[{estimate.low:.4f}, {estimate.high:.4f}]"
            print(f"{estimate.name} {estimate.value:.4f} {interval}, true {true[estimate.name]}")
    for warning in found.warnings:
        print("warning:", warning)


def main() -> None:
    """Write the file, then measure in a process of its own."""
    if len(sys.argv) > 2 and sys.argv[1] == "--measure":
        measure(Path(sys.argv[2]))
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pulses.csv"
        write_csv(path, rows)
        print(f"{path.stat().st_size / 1e6:.0f} MB of CSV")
        subprocess.run([sys.executable, __file__, "--measure", str(path)], check=True)


if __name__ == "__main__":
    main()
