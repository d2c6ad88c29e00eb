"""The examples of examples/extend one after the other, in one process, below the working folder."""

import runpy
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples" / "extend"


def main(names):
    """Run each as its own `python NAME.py` would; compiled kernels are shared."""
    sys.path.insert(0, str(EXAMPLES))
    for name in names:
        sys.argv = [str(EXAMPLES / f"{name}.py")]
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
