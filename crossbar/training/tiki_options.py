"""The parameters of the policy `tiki_taka`."""

from dataclasses import dataclass

from device_models.record import Record, quantity


@dataclass(frozen=True, kw_only=True)
class TikiOptions(Record):
    """How gradients go to the fast array and from there to the layer. The defaults are ours.

    `pulses` are what the largest wanted change of an update sends to the fast array. After each
    update `lines` of its bit lines are read, in turn, and the buffer takes the share `rate` of their
    content for each update since their last read. After its read a line changes the sign in which it is written and read with the
    probability `chop`; 0 is the form without chopper.
    """

    pulses: float = quantity("pulses", 0.01, 1000.0, default=50.0)
    lines: int = quantity("lines", 1, 65_536, default=20)
    rate: float = quantity("", 0.0, 100.0, default=0.1)
    chop: float = quantity("", 0.0, 1.0, default=0.02)
