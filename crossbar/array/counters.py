"""What an array did, counted where it happens; energies are sums over these events."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Counters:
    """Everything that costs energy or wears a device. Counters add up.

    Attributes:
        set_pulses: SET pulses sent.
        reset_pulses: RESET pulses sent.
        lost_pulses: Those of both that were sent to a stuck device or along an open line.
        programming_operations: Calls that sent at least one pulse.
        programmed_devices: Devices that got a pulse, summed over the operations.
        row_activations: Word lines driven during vector-matrix products, one per line and step.
        column_conversions: Bit lines read out: all of a tile's, in each step that drives one of
            its word lines.
        clipped_conversions: Conversions of currents above the range of the converter.
        device_reads: Single-device reads, such as a read-back or a verify.
        write_joules: Energy of the pulses.
        read_joules: Energy that the read voltage dissipates in the devices.
    """

    set_pulses: int = 0
    reset_pulses: int = 0
    lost_pulses: int = 0
    programming_operations: int = 0
    programmed_devices: int = 0
    row_activations: int = 0
    column_conversions: int = 0
    clipped_conversions: int = 0
    device_reads: int = 0
    write_joules: float = 0.0
    read_joules: float = 0.0

    def __add__(self, other: "Counters") -> "Counters":
        """The events of both."""
        theirs = vars(other)
        return Counters(**{name: value + theirs[name] for name, value in vars(self).items()})

    def __sub__(self, other: "Counters") -> "Counters":
        """The events of `self` that came after `other`."""
        theirs = vars(other)
        return Counters(**{name: value - theirs[name] for name, value in vars(self).items()})

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers by name."""
        return asdict(self)
