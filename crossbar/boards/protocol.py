"""The seam: all that a trainer may ask of an array of devices, and what an emulated one adds.

Whatever answers `Board` can be trained on. `Emulator` is what the fast engines, checkpoints and
reports ask besides; nobody who reads or pulses needs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import NamedTuple, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from device_models.errors import LimitError, ShapeError

from ..array.counters import Counters
from ..array.faults import FaultMap
from ..array.periphery import FrontEnd
from ..wires.array import WiredArray

Indices = NDArray[np.integer]
MOST_BYTES, MOST_PULSES = 4, 2**31 - 1  # of a count
LONGEST_SECONDS = 1e12  # that pass at once; 32-bit times of devices hold the sum of many


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What an instrument can set and resolve; None: without a step, or without an end.

    Attributes:
        dac_volts: Step of a voltage.
        most_volts: Largest voltage, either sign; beyond it nothing is sent.
        time_seconds: Step of a pulse width.
        least_seconds: Shortest pulse.
        most_seconds: Longest pulse.
        adc_amperes: Step of a measured current.
        most_amperes: Largest current, either sign; one beyond it is measured as this.
    """

    dac_volts: float | None = None
    most_volts: float | None = None
    time_seconds: float | None = None
    least_seconds: float | None = None
    most_seconds: float | None = None
    adc_amperes: float | None = None
    most_amperes: float | None = None


@dataclass(frozen=True, kw_only=True)
class BoardInfo:
    """What a board is, and what its reads and pulses are unless an operation says otherwise.

    Attributes:
        name: Who answers.
        shape: (word lines, bit lines).
        tile_shape: Largest (word lines, bit lines) that are read together.
        read_volts: Of a word line in a read.
        read_seconds: Duration of a read.
        set_volts: Amplitude of a SET pulse; None where the board does not say.
        set_seconds: Its width.
        reset_volts: Amplitude of a RESET pulse, positive; None likewise.
        reset_seconds: Its width.
        compliance_amperes: Largest current of a SET pulse; None without a limit.
        grid: What it can set and resolve; None: everything.
        is_emulator: Whether the devices are simulated.
    """

    name: str
    shape: tuple[int, int]
    tile_shape: tuple[int, int]
    read_volts: float
    read_seconds: float
    set_volts: float | None = None
    set_seconds: float | None = None
    reset_volts: float | None = None
    reset_seconds: float | None = None
    compliance_amperes: float | None = None
    grid: Grid | None = None
    is_emulator: bool


class PulseBatch(NamedTuple):
    """Signed pulses for some devices of an array, each named once.

    Attributes:
        device: Flat indices of the devices, int32 (devices,), in any order.
        count: Their signed pulses, SET > 0, RESET < 0, int32 (devices,); a device with 0 gets none.
    """

    device: np.ndarray
    count: np.ndarray  # type: ignore[assignment]  # hides tuple.count, which means nothing here

    @classmethod
    def of(cls, counts: Tensor) -> Self:
        """Of an array of counts, whole numbers (word lines, bit lines)."""
        flat = counts.to(torch.int32).contiguous().view(-1).numpy()
        device = np.flatnonzero(flat != 0).astype(np.int32)
        return cls(device, flat[device])

    def array(self, shape: tuple[int, int]) -> Tensor:
        """As an array of counts, int32, 0 where nothing is sent."""
        counts = torch.zeros(shape, dtype=torch.int32)
        counts.view(-1).numpy()[self.device] = self.count
        return counts


class PulseShape(NamedTuple):
    """What the pulses of a batch are; a board without a compliance refuses one that may be met.

    Attributes:
        volts: Amplitude, positive for SET and RESET alike, of all or (devices,) one of each; None:
            the board's own.
        seconds: Width, likewise.
        compliance_amperes: Largest current of the SET pulses of the batch; None: the board's own,
            which may be none.
    """

    volts: float | NDArray[np.float64] | None = None
    seconds: float | NDArray[np.float64] | None = None
    compliance_amperes: float | None = None


class Board(Protocol):
    """An array of devices that can be read and pulsed, and nothing else.

    Conductances cannot be set: `write_verify.program` too sends pulses and reads. Whatever is
    refused, with LimitError or ShapeError, sends nothing.
    """

    @property
    def info(self) -> BoardInfo:
        """What the board is."""

    @property
    def counters(self) -> Counters:
        """What was sent and read so far."""

    def read(self, device: Indices | None = None) -> Tensor:
        """Conductances, siemens, each with the noise of one read; nan where there is no device.

        Args:
            device: Flat indices, any shape, which is that of the result; None for all devices,
                (word lines, bit lines).
        """

    def vmm(self, volts: Tensor) -> Tensor:
        """Bit-line currents, amperes, (vectors, bit lines), for voltages (vectors, word lines)."""

    def pulse(self, pulses: PulseBatch, shape: PulseShape | None = None) -> None:
        """Send some devices their signed numbers of pulses, in one programming operation.

        Args:
            pulses: Which devices get how many.
            shape: Amplitude, width and compliance; None: those of `info`.
        """

    def wait(self, seconds: float) -> None:
        """Let device time pass."""

    def close(self) -> None:
        """Let go of the array; idempotent."""


class EffectiveArray(NamedTuple):
    """An array as its column amplifiers see it, through lines and faults.

    Attributes:
        siemens: What a noiseless read sees, (word lines, bit lines).
        read_sigma: Spread of one read, siemens, likewise; None without noise.
    """

    siemens: Tensor
    read_sigma: Tensor | None


class ReadCounts(NamedTuple):
    """Vector-matrix products that an engine computed from an `EffectiveArray`.

    Attributes:
        activations: Word lines driven at the read voltage, over all steps.
        tile_steps: (row of tiles, step) pairs in which a line was driven.
        siemens: Conductance of all driven devices, summed.
        clipped: Conversions above the range.
        lines: How often each word line was driven, (word lines,); None where that is not known.
    """

    activations: int
    tile_steps: int
    siemens: float
    clipped: int = 0
    lines: NDArray[np.float64] | None = None


class Emulator(Protocol):
    """The truths of an emulated array, of the layer that lies on it where it says so.

    Attributes:
        counters: As of the board; a restored run sets them.
        front_end: What the columns are read with; None for ideal ammeters. Calibration sets it.
    """

    counters: Counters
    front_end: FrontEnd | None

    @property
    def wired(self) -> WiredArray | None:
        """The wires of the tiles; None without resistance."""

    @property
    def faults(self) -> FaultMap | None:
        """What is broken in the array; None for a perfect one."""

    def effective(self) -> EffectiveArray:
        """What reads of the layer see now; not to be modified, and it follows later pulses."""

    def array_siemens(self) -> Tensor:
        """What noiseless reads of every device of the array see now; see `effective`."""

    def driven_siemens(self) -> Tensor:
        """What the rows of the layer drive, (rows, bit lines of the array), siemens."""

    def healthy(self) -> Tensor:
        """Fraction of the devices behind each crossing of the layer that pulses move, float."""

    def pulses_per_device(self) -> Tensor:
        """Pulses of each device of the array that is ever programmed, int32 (devices,)."""

    def count_vmm(self, reads: ReadCounts) -> None:
        """Count products that an engine computed from `effective`."""

    def begin_epoch(self, epoch: int) -> None:
        """Start the random streams of an epoch, and see all devices anew."""

    def refresh(self) -> None:
        """See all devices anew, and through the wires exactly."""

    def wait(self, seconds: float, *, temperature_kelvin: float | None = None) -> None:
        """Let device time pass, at the reference temperature of the devices by default."""

    def state_dict(self) -> dict[str, Tensor]:
        """The devices, by name: all that pulses, time and manufacture did to them."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put the devices into a saved state.

        Raises:
            KeyError: A part is missing.
            ValueError: It holds other devices.
        """


def check_devices(info: BoardInfo, device: Indices) -> None:
    """Refuse what names no devices of the array; a negative index is none.

    Raises:
        ShapeError: It is no array of whole numbers.
        LimitError: The array has no such device.
    """
    if not isinstance(device, np.ndarray) or device.dtype.kind not in "iu":
        raise ShapeError(
            f"devices are named by an array of whole numbers, not by {_kind(device)}; nothing was "
            "sent"
        )
    last = info.shape[0] * info.shape[1] - 1
    if not device.size or device.view(f"u{device.itemsize}").max() <= last:  # below 0: huge ones
        return
    wrong = device[(device < 0) | (device > last)].flat[0]
    raise LimitError(f"there is no device {wrong}, {info.name} has 0 to {last}; nothing was sent")


def check_batch(info: BoardInfo, pulses: PulseBatch) -> None:
    """Refuse pulses that are no batch for the array.

    Raises:
        ShapeError: They are no `PulseBatch` of one whole number for each device.
        LimitError: The array has no such device, or a count is beyond 32 bits.
    """
    if not isinstance(pulses, PulseBatch):
        raise ShapeError(f"pulses must be a PulseBatch, not {_kind(pulses)}; nothing was sent")
    device, count = pulses
    check_devices(info, device)
    if not isinstance(count, np.ndarray) or count.dtype.kind != "i":
        raise ShapeError(
            f"counts of pulses are an array of signed whole numbers, not {_kind(count)}; nothing "
            "was sent"
        )
    if device.ndim != 1 or count.shape != device.shape:
        raise ShapeError(
            f"devices have shape {device.shape}, their counts of pulses {count.shape}; a batch has "
            "one count for each device; nothing was sent"
        )
    if count.itemsize > MOST_BYTES and count.size and np.abs(count).max() > MOST_PULSES:
        raise LimitError(
            f"{np.abs(count).max()} pulses for one device; a batch has at most {MOST_PULSES}; "
            "nothing was sent"
        )


def check_volts(info: BoardInfo, volts: Tensor) -> None:
    """Refuse what are no voltages of the word lines.

    Raises:
        ShapeError: It is no tensor of real numbers (vectors, word lines).
        LimitError: One is not finite.
    """
    rows = info.shape[0]
    if not isinstance(volts, Tensor) or volts.is_complex():
        raise ShapeError(
            f"voltages are a tensor of real numbers, not {_kind(volts)}; nothing was read"
        )
    if volts.ndim != 2 or volts.shape[1] != rows:
        raise ShapeError(
            f"voltages have shape {tuple(volts.shape)}, not (vectors, {rows} word lines); nothing "
            "was read"
        )
    if not bool(torch.isfinite(volts).all()):
        raise LimitError("a voltage is not finite; nothing was read")


def check_seconds(seconds: float) -> None:
    """Refuse a time that cannot pass.

    Raises:
        LimitError: It is negative, or longer than `LONGEST_SECONDS`.
    """
    if not (isinstance(seconds, Real) and 0.0 <= seconds <= LONGEST_SECONDS):
        raise LimitError(
            f"{seconds!r} s cannot pass: a time is from 0 to {LONGEST_SECONDS:g} s, 30,000 years"
        )


def _kind(value: object) -> str:
    """What was handed over: its class, and of an array what it holds."""
    dtype = getattr(value, "dtype", None)
    return type(value).__name__ + (f" of {dtype}" if dtype is not None else "")


def refuse_other_shape(info: BoardInfo, pulses: PulseBatch, shape: PulseShape | None) -> None:
    """Refuse pulses that differ from those of `info`, for boards that have no others.

    Raises:
        LimitError: They do.
    """
    wanted = PulseShape() if shape is None else shape
    for name, unit, value in (("volts", "V", wanted.volts), ("seconds", "s", wanted.seconds)):
        if value is None:
            continue
        fixed = {way: getattr(info, f"{way}_{name}") for way in ("set", "reset")}
        up, down = (np.nan if each is None else each for each in fixed.values())
        fits = np.where(pulses.count > 0, up, down) == value
        if not fits[pulses.count != 0].all():
            text = ", ".join(f"{way.upper()} {each} {unit}" for way, each in fixed.items())
            raise LimitError(
                f"pulses of {value} {unit} are asked of {info.name}, whose pulses are fixed: "
                f"{text}; nothing was sent"
            )
    refuse_compliance(info, pulses, wanted.compliance_amperes)


def refuse_compliance(info: BoardInfo, pulses: PulseBatch, amperes: float | None) -> None:
    """Refuse a current limit of SET pulses that is not that of a board which can set none.

    Raises:
        LimitError: It is another one; RESET pulses are not limited and pass.
    """
    if amperes in (None, info.compliance_amperes) or not (pulses.count > 0).any():
        return
    most = "no compliance" if info.compliance_amperes is None else f"{info.compliance_amperes:g} A"
    raise LimitError(
        f"a compliance of {amperes:g} A is asked of {info.name}, which has {most}; nothing was sent"
    )
