# ruff: noqa: T201  # it talks on the terminal
"""Two files of `bench.py --only settings --json FILE`, row by row: what became dearer.

    python tests/bench/compare.py OLD NEW [--most 1.25]

Ratios to the default of the same run are compared, by the clock that says less: seconds are those
of a machine and its load. Exit code 1 where a row costs `--most` times what it did, or more.
"""

import argparse
import json
import sys
from pathlib import Path


def ratio(row: dict) -> float:
    """What a row costs in defaults."""
    return min(row[clock]["median"] for clock in ("ratio", "cpu_ratio"))


def lines(old: dict, new: dict, most: float) -> tuple[list[str], bool]:
    """One line per row, the dearer ones first, and whether one is `most` times dearer."""
    both = {name: ratio(new[name]) / ratio(old[name]) for name in new if name in old}
    said = [f"{'':28s} {'before':>7s} {'now':>7s} {'times':>6s} {'wanted':>7s}"]
    for name in sorted(both, key=lambda name: -both[name]):
        times, now, wanted = both[name], ratio(new[name]), new[name]["wanted"]
        said.append(
            f"{name:28s} {ratio(old[name]):7.2f} {now:7.2f} {times:6.2f}"
            f" {'' if wanted is None else f'<= {wanted:g}':>7s}"
            f"{' DEARER' if times >= most else ''}"
            f"{' above what is wanted' if wanted is not None and now > wanted else ''}"
        )
    said += [
        f"{name:28s} only in {'NEW' if name in new else 'OLD'}"
        for name in sorted(set(old) ^ set(new))
    ]
    return said, any(times >= most for times in both.values())


def main() -> int:
    """Print, and say by the exit code whether a row is dearer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--most", type=float, default=1.25, help="times that are no regression")
    typed = parser.parse_args()
    old, new = (json.loads(path.read_text())["settings"] for path in (typed.old, typed.new))
    said, is_dearer = lines(old, new, typed.most)
    print("\n".join(said))
    return int(is_dearer)


if __name__ == "__main__":
    sys.exit(main())
