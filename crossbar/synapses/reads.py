"""Settings of reads: what the network and the digital side see of the conductances, and when."""

from dataclasses import dataclass
from typing import Literal

from device_models.record import Record, quantity


@dataclass(frozen=True, kw_only=True)
class Reads(Record):
    """How and when conductances are read.

    Attributes:
        v_read_volts: On a driven word line.
        t_read_seconds: Of one read.
        readback_every: Updates between two read-backs of all weights by the digital side.
        readback_reads: Reads of every device that a read-back is the mean of.
        clock_every: Updates after which the devices are told the device time that has passed, one
            inference time per image.
        backward: What carries the error back: the weights as last `readback` and moved on by the
            pulses sent since, their `sign` alone times the mean size of the layer's weights, or the
            `true` ones, which only an emulator knows.
    """

    v_read_volts: float = quantity("V", 1e-3, 0.5, why="more disturbs the state", default=0.2)
    t_read_seconds: float = quantity("s", 1e-10, 1.0, default=100e-9)
    readback_every: int = quantity("updates", 1, 1_000_000, default=4)
    readback_reads: int = quantity("reads", 1, 1000, default=1)
    clock_every: int = quantity("updates", 1, 1_000_000, default=16)
    backward: Literal["readback", "true", "sign"] = "readback"
