"""What the user states about files that do not."""

import math
from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigError
from ..record import Record, quantity

LEAST_VOLTS = 1e-6  # of a reading
LABELS = {  # as the user types them; `columns` and `same_devices` are taken by every format
    "v_read_volts": "--read-volts", "temperature_kelvin": "--temperature",
    "polarity": "--polarity", "ramp_pulses": "--ramp-pulses", "g_min_siemens": "--window",
    "g_max_siemens": "--window", "set_is_negative": "--set-is-negative",
    "drop_negative": "--drop-negative", "invert_current": "--invert-current", "clock": "--clock",
    "backwards": "--backwards", "ohmic": "--ohmic",
}  # fmt: skip
OF_READINGS = ("v_read_volts", "drop_negative", "invert_current")
WINDOW = ("g_min_siemens", "g_max_siemens")


@dataclass(frozen=True, kw_only=True)
class Options(Record):
    """Settings of the readers; None leaves a question to the file.

    Args:
        v_read_volts: Read voltage of files of currents without one, negative where the currents
            are. In files that state it per row: use the rows at this voltage, drop and count the
            others. In sweeps: where levels are taken, positive or negative.
        g_min_siemens: Conductance of the smallest value in a file of normalised conductances.
        g_max_siemens: Conductance of the largest value in it.
        polarity: Of the pulses of a file that does not say it of each; None: by the name of the
            column or file, else by the trend of each ramp.
        ramp_pulses: A file of one column holds ramps of this many rows, one after the other.
        set_is_negative: Whether a negative voltage is a SET, where a file gives only the voltage.
        temperature_kelvin: Of the devices in retention tables that do not state it; None: unknown,
            which counts as the reference temperature of the device model.
        drop_negative: Drop and count negative readings instead of refusing the file.
        invert_current: Currents are counted the other way, as at the grounded electrode: turn the
            sign of all.
        clock: Times are those of a clock: count them from the first reading of each device.
        backwards: Columns of trains that are listed from the last pulse to the first.
        ohmic: A reading under bias counts as one at the read voltage, as if devices were ohmic:
            rows of a curve tracer are then pulses. Without it they are dropped and counted.
        same_devices: Devices of one name in several files are one device.
        columns: Names of the columns of files without a header, in order.
    """

    v_read_volts: float | None = quantity("V", -100.0, 100.0, default=None)
    g_min_siemens: float | None = quantity("S", 1e-12, 0.1, default=None)
    g_max_siemens: float | None = quantity("S", 1e-12, 0.1, default=None)
    polarity: Literal["set", "reset"] | None = None
    ramp_pulses: int | None = quantity("rows", 2, 10_000_000, default=None)
    temperature_kelvin: float | None = quantity(
        "K", 200.0, 700.0, why="kelvin, add 273.15 to degrees Celsius", default=None
    )
    set_is_negative: bool = False
    drop_negative: bool = False
    invert_current: bool = False
    clock: bool = False
    backwards: tuple[str, ...] = ()
    ohmic: bool = False
    same_devices: bool = False
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check every field, that the window is one, and that the read voltage is not 0."""
        super().__post_init__()
        if self.v_read_volts is not None and abs(self.v_read_volts) < LEAST_VOLTS:
            raise ConfigError(
                f"--read-volts = {self.v_read_volts:g} is outside [{LEAST_VOLTS:g}, 100] V "
                "(positive or negative): no reading is taken at 0 V"
            )
        low, high = self.g_min_siemens, self.g_max_siemens
        if (low is None) != (high is None) or (
            low is not None and high is not None and low >= high
        ):
            raise ConfigError(
                f"--window {low}:{high} is no window: give both ends, the lower one first"
            )

    @property
    def kelvin(self) -> float:
        """The temperature, nan if not given."""
        return math.nan if self.temperature_kelvin is None else self.temperature_kelvin

    @property
    def window_siemens(self) -> tuple[float, float] | None:
        """The two ends of the window, if given."""
        if self.g_min_siemens is None or self.g_max_siemens is None:
            return None
        return self.g_min_siemens, self.g_max_siemens
