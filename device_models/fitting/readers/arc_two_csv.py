"""Time series of one ArC TWO crosspoint as text: five columns without a header.

The columns are those of the HDF5 file (`arc_two`), as `numpy.savetxt` writes them: `current`,
`voltage`, `pulse_width`, `read_voltage`, `op_type`, separated by commas, semicolons, tabs or
spaces.
"""

from pathlib import Path

from ..lines import Head
from ..measurements import Measurements
from ..options import Options
from ..table import read_table
from .arc_two import COLUMNS, FIELDS, measurements
from .reader import Reader, bare_numbers


def sniff(head: Head) -> bool:
    """Whether the first row is five numbers, the last of them 1, 2 or 3."""
    cells = bare_numbers(head)
    return len(cells) == len(FIELDS) and cells[-1] in (1.0, 2.0, 3.0)


def read(path: Path, options: Options) -> Measurements:
    """Read one time series; see `Reader`. It is of one device, "1"."""
    table = read_table(path, COLUMNS, names=FIELDS)
    return measurements(table, "arc-two-csv", options)


EXAMPLE = """2e-6,0.2,0,0.2,1
4e-6,1.5,1e-6,0.2,3
6e-6,1.5,1e-6,0.2,3
"""
READER = Reader(
    "time series of ArC TWO as text: five columns without a header", sniff, read, COLUMNS, EXAMPLE,
    options=("v_read_volts", "set_is_negative"),
)  # fmt: skip
