"""What the lines of a tile are made of, and which of them are broken."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from device_models.errors import ConfigError, LimitError, ShapeError
from device_models.record import Record, quantity

Floats = NDArray[np.float64]

Refresh = Literal["every", "epoch", "adaptive"]

_BYTES = 8
LEAST_OHMS = 1e-6  # of a line that is not ideal; of metal a segment has 0.1 ohm and more
HOLDS = 1e-14  # of the conductance of a segment


@dataclass(frozen=True)
class Wires(Record):
    """Resistances of the lines of a tile.

    Word line i is driven at column 0 through its driver and one segment; bit line j is grounded
    below the last row through one segment and its sense amplifier; one segment lies between
    neighbouring devices. A line at 0 V is driven to 0 V, it does not float.

    Attributes:
        word_ohms: One segment of a word line.
        bit_ohms: One segment of a bit line.
        driver_ohms: Output resistance of a driver.
        sense_ohms: Input resistance of a sense amplifier.
        drive_both_ends: Word lines are also driven behind the last column, at the same voltage.
        ground_both_ends: Bit lines are also grounded above the first row; both currents are sensed.
        open_words: Word lines cut at every driver: they float.
        open_bits: Bit lines cut at every sense amplifier.
        bridged_words: Word line i is shorted to i + 1 at column 0, for each i named.
        bridged_bits: Bit line j is shorted to j + 1 at the last row, for each j named.
        bridge_ohms: Resistance of such a short.
        refresh: When a tile whose devices moved is solved anew; see `WiredArray`.
        bound: Relative error of the currents that `adaptive` lets pass until then.
        pulse_loss: Programming pulses lose amplitude on the lines too; see `wires.pulse_loss`.
    """

    word_ohms: float = quantity("ohm", 0.0, 1e9, default=0.0)
    bit_ohms: float = quantity("ohm", 0.0, 1e9, default=0.0)
    driver_ohms: float = quantity("ohm", 0.0, 1e9, default=0.0)
    sense_ohms: float = quantity("ohm", 0.0, 1e9, default=0.0)
    drive_both_ends: bool = False
    ground_both_ends: bool = False
    open_words: tuple[int, ...] = quantity("", 0, 1_000_000, default=())
    open_bits: tuple[int, ...] = quantity("", 0, 1_000_000, default=())
    bridged_words: tuple[int, ...] = quantity("", 0, 1_000_000, default=())
    bridged_bits: tuple[int, ...] = quantity("", 0, 1_000_000, default=())
    bridge_ohms: float = quantity("ohm", 1e-6, 1e12, default=1.0)
    refresh: Refresh = "adaptive"
    bound: float = quantity("", 1e-9, 1.0, default=1e-2)
    pulse_loss: bool = False

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            ConfigError: One is outside its range, or a resistance is so small that 64 bits cannot
                tell it from none.
        """
        super().__post_init__()
        for name in ("word_ohms", "bit_ohms", "driver_ohms", "sense_ohms"):
            if 0.0 < (ohms := getattr(self, name)) < LEAST_OHMS:
                raise ConfigError(
                    f"{name} = {ohms:g} is between 0 and {LEAST_OHMS:g} ohm, too small to be "
                    "solved; 0 is a line without resistance"
                )

    @property
    def ideal(self) -> bool:
        """Whether nothing is lost: no resistance and no fault."""
        return not (self.has_faults or self.word_ohms or self.bit_ohms or self.ends)

    @property
    def ends(self) -> bool:
        """Whether drivers or sense amplifiers have resistance."""
        return self.driver_ohms > 0.0 or self.sense_ohms > 0.0

    @property
    def couples(self) -> bool:
        """Whether lines of both kinds have resistance, and none is broken."""
        return self.word_ohms > 0.0 and self.bit_ohms > 0.0 and not self.has_faults

    @property
    def has_faults(self) -> bool:
        """Whether a line is open or bridged."""
        return bool(self.open_words or self.open_bits or self.bridged_words or self.bridged_bits)

    def check(self, g: Floats) -> None:
        """Refuse conductances that these wires cannot carry.

        Args:
            g: Siemens, shape (rows, columns).

        Raises:
            ShapeError: `g` is no matrix of real numbers, or a faulty line lies outside it.
            LimitError: A conductance is negative or not finite, or the transfer matrix would need
                more memory than the machine has free.
        """
        if g.dtype.kind not in "fiu":
            raise ShapeError(
                f"conductances are of type {g.dtype}, not real numbers; nothing was solved"
            )
        if g.ndim != 2 or 0 in g.shape:
            raise ShapeError(
                f"conductances have shape {g.shape}, not (rows, columns); nothing was solved"
            )
        if not (np.isfinite(g).all() and (g >= 0.0).all()):
            worst = g[~(np.isfinite(g) & (g >= 0.0))][0]
            raise LimitError(
                f"a conductance is {worst:g} S; allowed are finite values of 0 S and more; "
                "nothing was solved"
            )
        self.check_lines(*g.shape)

    def check_lines(self, rows: int, columns: int) -> None:
        """Refuse broken lines that a tile of this size does not have.

        Raises:
            ShapeError: It names the first one.
        """
        for name, last in (
            ("open_words", rows - 1),
            ("open_bits", columns - 1),
            ("bridged_words", rows - 2),
            ("bridged_bits", columns - 2),
        ):
            outside = [line for line in getattr(self, name) if line > last]
            if outside:
                raise ShapeError(
                    f"{name} names line {outside[0]}; a tile of {rows} x {columns} allows 0 to "
                    f"{last}; nothing was solved"
                )


def connects(g: Floats, *segments_ohms: float) -> NDArray[np.bool_]:
    """Whether devices hold a line that is open: 64 bits tell them from none beside its segments.

    Args:
        g: Conductances, siemens.
        segments_ohms: Of the lines; 0 where they have none.
    """
    least = max((HOLDS / ohms for ohms in segments_ohms if ohms > 0.0), default=0.0)
    return g > least


def check_volts(v_volts: Floats, rows: int) -> None:
    """Refuse voltages that are not (vectors, rows), real and finite.

    Raises:
        ShapeError: Another shape or type.
        LimitError: A voltage is not finite.
    """
    if v_volts.dtype.kind not in "fiu":
        raise ShapeError(
            f"voltages are of type {v_volts.dtype}, not real numbers; nothing was read"
        )
    if v_volts.ndim != 2 or v_volts.shape[1] != rows:
        raise ShapeError(
            f"voltages have shape {v_volts.shape}, not (vectors, {rows} rows); nothing was read"
        )
    if not np.isfinite(v_volts).all():
        raise LimitError("a voltage is not finite; nothing was read")


def bytes_needed(rows: int, columns: int) -> int:
    """Memory of one transfer matrix and of what its elimination keeps, bytes.

    The currents of all columns so far for every row, (columns, rows), twice while one step is
    added, and a few dense blocks (rows, rows).
    """
    return _BYTES * (3 * rows * columns + 8 * rows * rows)
