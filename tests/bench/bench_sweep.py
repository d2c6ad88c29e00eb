# ruff: noqa: T201  # it talks on the terminal
"""What a study costs besides its trainings: `xbar sweep` of many short trials.

    .venv/bin/python tests/bench/bench_sweep.py [--trials 24] [--epochs 60] [--workers 2]

Not a test: it prints, and fails nothing. Prints the share of the workers' time that trainings were
busy, the peak memory of the watching process (the scheduler is in it) and of the workers, and the
files and tables of the study, each per trial.
"""

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HELPERS = Path(__file__).parents[1] / "helpers"
IMPORTS = f"""import sys
sys.path.insert(0, {str(HELPERS)!r})
import xbar_images
xbar_images.install()
"""
STUDY = """settings:
  {{device: ideal.yaml, hidden: 20, sigma_init: 0.02, epochs: {epochs}, data.steps: 60}}
keep: {keep}
grid: {{seed: [{seeds}]}}
imports: [{small}]
"""
COMMAND = "from cli.main import main; main()"


def main() -> None:
    """Write the study, run it in a process of its own, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", default="all", help="of a trial: all or results")
    typed = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_study(folder, typed.trials, typed.epochs, typed.keep)
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", COMMAND, "sweep", "study.yaml", "--data-dir", ".", "--workers",
             str(typed.workers)],
            cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        report(folder / "studies" / "study", time.perf_counter() - began, typed.workers)


def write_study(folder: Path, trials: int, epochs: int, keep: str) -> None:
    """The study file, the small set and what installs it in every process."""
    (folder / "small.py").write_text(IMPORTS, "utf-8")
    sys.path.insert(0, str(HELPERS))
    import xbar_images

    xbar_images.write(folder)
    seeds = ", ".join(map(str, range(trials)))
    text = STUDY.format(epochs=epochs, seeds=seeds, keep=keep, small=folder / "small.py")
    (folder / "study.yaml").write_text(text, "utf-8")


def report(study: Path, seconds: float, workers: int) -> None:
    """Print what it took."""
    with (study / "results.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    wall = [float(row["wall_seconds"]) for row in rows]
    cpu = sum(float(row["cpu_seconds"]) for row in rows)
    files = [path for path in study.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    count = len(rows)
    print(f"{count} trials in {seconds:.1f} s, {workers} workers, {sum(wall) / count:.2f} s each")
    print(f"busy: {sum(wall) / seconds / workers:.1%} of the workers' time, cpu {cpu:.1f} s")
    watching = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # the largest of them
    working = max(float(row["worker_peak_bytes"]) for row in rows) / 2**20
    print(f"peak memory: watching process at most {watching:.0f} MiB, a worker {working:.0f} MiB")
    tables = sum((study / name).stat().st_size for name in ("results.csv", "epochs.csv"))
    print(
        f"per trial: {len(files) / count:.1f} files, {size / count / 1024:.1f} KiB, of tables "
        f"{tables / count:.0f} bytes; study.html {(study / 'study.html').stat().st_size:,} bytes"
    )


if __name__ == "__main__":
    main()
