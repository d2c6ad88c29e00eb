"""The parameters of the policy `tiki_taka`."""

from dataclasses import dataclass

from device_models.record import Record, quantity


@dataclass(frozen=True, kw_only=True)
class TikiOptions(Record):
    """How gradients go to the fast array and from there to the layer. The defaults are ours.

    `pulses` are what a device of the fast array gets per update, in the mean over the layer; left
    open, they follow from the device file (`default_pulses`). After each update `lines` of its bit
    lines are read, in turn; left open, all. After its read a line changes the sign in which it is
    written and read with the probability `chop`; 0 is the form without chopper.
    """

    pulses: float | None = quantity("pulses", 1e-4, 1000.0, default=None)
    lines: int | None = quantity("lines", 1, 65_536, default=None)
    chop: float = quantity("", 0.0, 1.0, default=1.0)
