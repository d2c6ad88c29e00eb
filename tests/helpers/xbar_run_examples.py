"""The examples of examples/extend one after the other, in one process, below the working folder.

After them their kernels against torch: see `xbar_extend`, which prints a line of its own.
"""

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
    import xbar_extend  # not before: it imports the examples, each of which is to be the program

    xbar_extend.main()


if __name__ == "__main__":
    main(sys.argv[1:])
