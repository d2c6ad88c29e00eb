"""Event-driven kernels: any number of hidden layers, with or without recurrence, and a readout.

Every layer is one building block, forward (`forward`, or `converted` behind a periphery) and back
(`backward`); `run` takes chunks of samples through the network. Nothing here depends on threads.
"""

from .records import Columns, Constants, Course, Lines, Samples, Synapses, Tally
from .run import run_chunk, run_converted

__all__ = [
    "Columns",
    "Constants",
    "Course",
    "Lines",
    "Samples",
    "Synapses",
    "Tally",
    "run_chunk",
    "run_converted",
]
