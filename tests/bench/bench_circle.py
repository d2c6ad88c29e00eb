# ruff: noqa: T201  # it talks on the terminal
"""The circle: characterise an emulator, fit, and compare with the device it was made of.

    .venv/bin/python tests/bench/bench_circle.py [SEEDS] [FIRST] [JSON]

Not a test: it prints, for every parameter that the fit calls measured, in how many of the seeds
the 95 % interval holds the truth, the mean distance of the estimate from it, and the mean width of
the interval, both relative. The preset of the fit is wrong in every parameter that it informs.
"""

import json
import sys
from pathlib import Path

import numpy as np

HELPERS = Path(__file__).parents[1] / "helpers"
NORMAL = 1.96  # standard errors of half a 95 % interval


def table(rounds):
    """One line for each parameter.

    The last two columns are of (value - truth) over the standard error that the interval stands
    for: a mean away from 0 is a bias, a spread above 1 an interval that is too narrow.
    """
    head = f"{'parameter':<24}{'held':>9}{'truth':>12}{'mean error':>12}{'half width':>12}"
    lines = [f"{head}{'z mean':>9}{'z spread':>9}"]
    for name in dict.fromkeys(name for each in rounds for name in each):
        truth, value, low, high = np.array([each[name] for each in rounds if name in each]).T
        held = int(((low <= truth) & (truth <= high)).sum())
        scale = abs(truth[0]) or 1.0
        error, width = np.mean(value - truth) / scale, np.mean(high - low) / scale / 2.0
        line = f"{name:<24}{f'{held}/{len(truth)}':>9}{truth[0]:>12.4g}"
        z = 2.0 * NORMAL * (value - truth) / np.maximum(high - low, 1e-300)
        spread = float(z.std(ddof=1)) if len(z) > 1 else np.nan
        lines.append(f"{line}{error:>12.2%}{width:>12.2%}{z.mean():>9.2f}{spread:>9.2f}")
    return "\n".join(lines)


def main():
    """Measure so many seeds and print the table after each."""
    sys.path.insert(0, str(HELPERS))
    from xbar_circle import circle

    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    json_file = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    rounds = []
    for seed in range(first, first + seeds):
        rounds.append(circle(seed))
        if json_file is not None:
            json_file.write_text(json.dumps(rounds))
        print(f"after {len(rounds)} boards\n{table(rounds)}\n", flush=True)


if __name__ == "__main__":
    main()
