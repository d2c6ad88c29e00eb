"""Event-driven kernels: any number of hidden layers, with or without recurrence, and a readout.

Every layer is one building block, forward (`forward`; `recurrent`, if it drives itself; `converted`
behind a periphery) and back (`backward`, `recurrent`); `run` takes chunks of samples through the
network. Neurons go in blocks of sixteen (`lanes`). Nothing here depends on threads.
"""

from .bptt import run_chunk, run_converted
from .records import (
    BatchStats,
    Columns,
    Constants,
    CrossbarRows,
    EventSlice,
    LayerTrace,
    OutputTrace,
    Samples,
    Scratch,
    TimeBins,
)

__all__ = [
    "BatchStats",
    "Columns",
    "Constants",
    "CrossbarRows",
    "EventSlice",
    "LayerTrace",
    "OutputTrace",
    "Samples",
    "Scratch",
    "TimeBins",
    "run_chunk",
    "run_converted",
]
