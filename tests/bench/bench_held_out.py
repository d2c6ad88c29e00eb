"""Held-out measurements: half of the devices of the shared sets fitted against the other half.

    .venv/bin/python tests/bench/bench_held_out.py [--only PART]

Not a test: it prints how many of the checked numbers of the held-out half lie inside the predicted
95 % bands, before and after a law, and what else a part measures.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import held_out_steps
from held_out_cycles import cycles
from held_out_reads import held_out_reads
from held_out_retention import bakes, relaxation

PARTS = {
    "bakes": bakes,
    "relaxation": relaxation,
    "cycles": cycles,
    "reads": held_out_reads,
    "steps": lambda: held_out_steps.measure(held_out_steps.steps),
    "voltages": lambda: held_out_steps.measure(held_out_steps.voltages),
}


def main() -> None:
    """Measure every part, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS)
    only = parser.parse_args().only
    for name, part in PARTS.items():
        if only in (None, name):
            part()


if __name__ == "__main__":
    main()
