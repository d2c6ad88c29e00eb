"""What the lines of a tile leave of a programming pulse, one device at a time.

A pulse drives the word line of its device and grounds its bit line (RESET: the other way round,
through the same resistances). Seen from the device, each of its two lines is a source of voltage u
behind a resistance R, and of the pulse it gets

    V_device / V = (1 - 2 f + f (u_word + u_bit)) / (1 + g (R_word + R_bit)).

f = 0 with a transistor at each device (1T1R): all others are cut off and R is that of the segments
and ends in series, so this is exact. The far corner of a 128 x 128 tile of 2 ohm a segment loses
R = 512 ohm: 9 % of a pulse at 200 uS, 34 % at 1 mS.

Without transistors (1R) the other devices of both lines carry f V, f = 1/2 or 1/3 as the lines are
biased (`half_select`), and load them. Of a line with its devices to the bias of the lines that they
lead to, resistance and voltage towards either end follow device by device:

    r <- segment + 1 / (g + 1 / r),    v <- v / (1 + g r),

and R and u join both sides. That the crossing lines hold their bias is exact where they have no
resistance; otherwise they give way, and a little less is lost than said here.

Source:
    Thevenin's theorem; A. Chen, IEEE Trans. Electron Devices 60, 1318, 2013, for the full network.
"""

from typing import NamedTuple

import numpy as np

from .wires import Floats, Wires

TINY_OHMS = 1e-30  # of an ideal end: 0 would be divided by


class Behind(NamedTuple):
    """What a device sees of its two lines, each (rows, columns) of its tile.

    Attributes:
        fraction: Of the amplitude, if the device let no current pass.
        ohms: In series with the device.
    """

    fraction: Floats
    ohms: Floats

    def reaching(self, g: Floats) -> Floats:
        """V_device / V at conductances `g`, siemens; whatever broadcasts."""
        return np.asarray(self.fraction / (1.0 + g * self.ohms))


def behind_transistors(wires: Wires, rows: int, columns: int) -> Behind:
    """Of the devices of a tile with a transistor each: no conductance matters but their own.

    Args:
        wires: The lines; open and bridged ones are taken for whole.
        rows: Word lines.
        columns: Bit lines.
    """
    return _behind(np.zeros((rows, columns)), wires, 0.0)


def half_selected(g: Floats, wires: Wires, bias: float) -> Behind:
    """Of the devices of a tile without transistors.

    Args:
        g: Conductances, siemens, shape (rows, columns).
        wires: As above.
        bias: f of the module: the fraction of the amplitude on the other devices of both lines.
    """
    return _behind(g, wires, bias)


def _behind(g: Floats, wires: Wires, bias: float) -> Behind:
    """Both lines of every device, in series."""
    word_ends = wires.word_ohms, wires.driver_ohms, wires.drive_both_ends
    bit_ends = wires.bit_ohms, wires.sense_ohms, wires.ground_both_ends
    word_volts, word_ohms = _line(g, *word_ends)
    bit_volts, bit_ohms = (part[:, ::-1].T for part in _line(g[::-1].T, *bit_ends))
    return Behind(1.0 - 2.0 * bias + bias * (word_volts + bit_volts), word_ohms + bit_ohms)


def _line(g: Floats, segment: float, end: float, both_ends: bool) -> tuple[Floats, Floats]:
    """Voltage per volt and resistance of parallel lines at each place, without its own device."""
    near_volts, near_ohms = _towards_end(g, segment, end + segment, driven=True)
    far = end + segment if both_ends else np.inf
    far_volts, far_ohms = (
        part[:, ::-1] for part in _towards_end(g[:, ::-1], segment, far, driven=both_ends)
    )
    part = near_ohms / (near_ohms + far_ohms)
    return near_volts + (far_volts - near_volts) * part, near_ohms * (1.0 - part)


def _towards_end(
    g: Floats, segment: float, first_ohms: float, *, driven: bool
) -> tuple[Floats, Floats]:
    """Source and resistance that each place sees towards the end before the first one.

    Args:
        g: Conductances to the bias, (lines, places).
        segment: Resistance between two places.
        first_ohms: Between the end and the first place; infinite where the line does not end there.
        driven: Whether there is one volt at the end.
    """
    volts, ohms = np.zeros(g.shape), np.empty(g.shape)
    ohms[:, 0], volts[:, 0] = max(first_ohms, TINY_OHMS), float(driven)
    with np.errstate(divide="ignore"):  # an end that is not there, and no device before it
        for place in range(1, g.shape[1]):
            load, before = g[:, place - 1], ohms[:, place - 1]
            ohms[:, place] = segment + 1.0 / (load + 1.0 / before)
            if driven:
                volts[:, place] = volts[:, place - 1] / (1.0 + load * before)
    return volts, ohms
