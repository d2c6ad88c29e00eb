"""Sixteen numbers at a time, in registers: what one cache line of 32-bit numbers holds.

The compiler keeps a loop's state in registers only where it can prove that no store of the loop
touches it; with arrays it cannot, and it vectorises no loop over time. `Lanes` says what is meant:
neurons of a block are lanes of a vector, and a whole time course runs in registers. They add,
multiply, divide and compare like numbers; the machine's own vectors (AVX2, AVX-512, NEON) come out.

A panel is a tuple of blocks side by side: as many columns of a crossbar as the registers of AVX2
hold sums of.
"""

from .arithmetic import (
    absolute,
    as_wide,
    bits,
    exponential,
    lowest,
    ones,
    root,
    rounded,
    select,
    splat,
    total,
)
from .lanes import LANES, LanesType, MaskType
from .memory import (
    BITS,
    add_panel,
    behind,
    change_mask,
    data_pointer,
    load,
    load_panel,
    load_rows,
    load_u16x4,
    plus_products,
    plus_row,
    pointer_to,
    prefetch_panel,
    store,
    store_panel,
    store_products,
    store_rows,
    write,
)

__all__ = [
    "BITS",
    "LANES",
    "LanesType",
    "MaskType",
    "absolute",
    "add_panel",
    "as_wide",
    "behind",
    "bits",
    "change_mask",
    "data_pointer",
    "exponential",
    "load",
    "load_panel",
    "load_rows",
    "load_u16x4",
    "lowest",
    "ones",
    "plus_products",
    "plus_row",
    "pointer_to",
    "prefetch_panel",
    "root",
    "rounded",
    "select",
    "splat",
    "store",
    "store_panel",
    "store_products",
    "store_rows",
    "total",
    "write",
]
