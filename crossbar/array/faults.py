"""What is broken in an array: stuck devices, open and bridged lines; drawn from rates or loaded."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from device_models import npz
from device_models.errors import ConfigError, LimitError, ShapeError
from device_models.model import DeviceModel
from device_models.npz import UNREADABLE, reason
from device_models.pulse_law import OWN, PulseDrive, square_seconds
from device_models.pulsed import Pulsed
from device_models.record import Record, quantity, shown

from ..wires.wires import Floats, Wires
from .tile import Tiling

Mask = NDArray[np.bool_]

# Median of the 27 devices of 625 that read above 300 uS (383 to 1236 uS), over the top level of
# the working window, 233 uS: data of O. Yousuf et al., Nat. Commun. 16, 1250, 2025, figure 3d.
HIGH_OVER_TOP = 676.0 / 233.0
# Same chip: stuck low near 10 uS, lowest working level 133 uS. Second-hand.
LOW_OVER_BOTTOM = 10.0 / 133.0


@dataclass(frozen=True, kw_only=True)
class Faults(Record):
    """How much of an array is broken; all zero is a perfect one.

    Stuck devices are drawn independently of each other, lines likewise, each line of each tile for
    itself. One seed draws the same numbers whatever the rates: the devices that are stuck at a low
    rate are among those at a higher one.

    Attributes:
        stuck_high_share: Of the devices; they read `stuck_high_siemens` and never move.
        stuck_low_share: Likewise, `stuck_low_siemens`.
        stuck_high_siemens: None: `HIGH_OVER_TOP` times the top of the device's window.
        stuck_low_siemens: None: `LOW_OVER_BOTTOM` times its bottom.
        open_word_share: Word lines of a tile cut off from their driver.
        open_bit_share: Bit lines of a tile cut off from their sense amplifier.
        bridged_word_share: Of the neighbouring pairs of word lines; needs wires with resistance.
        bridged_bit_share: Likewise, bit lines.
        map: File with the given faults instead of drawn ones, see `load`.
    """

    stuck_high_share: float = quantity("", 0.0, 1.0, default=0.0)
    stuck_low_share: float = quantity("", 0.0, 1.0, default=0.0)
    stuck_high_siemens: float | None = quantity("S", 0.0, 1.0, default=None)
    stuck_low_siemens: float | None = quantity("S", 0.0, 1.0, default=None)
    open_word_share: float = quantity("", 0.0, 1.0, default=0.0)
    open_bit_share: float = quantity("", 0.0, 1.0, default=0.0)
    bridged_word_share: float = quantity("", 0.0, 1.0, default=0.0)
    bridged_bit_share: float = quantity("", 0.0, 1.0, default=0.0)
    map: str | None = None

    def __post_init__(self) -> None:
        """Check the fields and the rules between them.

        Raises:
            ConfigError: A field is outside its range, the stuck shares exceed 1, or rates are
                given beside a map.
        """
        super().__post_init__()
        if self.stuck_high_share + self.stuck_low_share > 1.0:
            raise ConfigError("stuck_high_share and stuck_low_share together exceed 1")
        if self.map is not None and self.any_rate:
            raise ConfigError("faults have a map and rates; give one of them")

    @property
    def any_rate(self) -> bool:
        """Whether something is drawn."""
        shares = (getattr(self, f.name) for f in fields(self) if f.name.endswith("_share"))
        return any(share > 0.0 for share in shares)

    @property
    def none(self) -> bool:
        """Whether nothing is broken."""
        return self.map is None and not self.any_rate


@dataclass(frozen=True, kw_only=True, eq=False)
class FaultMap:
    """The faults of one array of (rows, columns), cut into tiles (`down`, `across`).

    Attributes:
        stuck_siemens: (rows, columns); nan where healthy.
        open_words: (rows, across) bool: the word line of that row in each tile.
        open_bits: (down, columns) bool.
        bridged_words: (rows, across) bool: shorted to the next row of the tile.
        bridged_bits: (down, columns) bool: shorted to the next column of the tile.
    """

    tiling: Tiling
    stuck_siemens: Floats
    open_words: Mask
    open_bits: Mask
    bridged_words: Mask
    bridged_bits: Mask

    def __post_init__(self) -> None:
        """Refuse faults that the array cannot have.

        Raises:
            ShapeError: A part has another shape, or the last line of a tile is bridged to the next.
            LimitError: A device is stuck at a negative or infinite conductance.
        """
        for name, shape in shapes(self.tiling).items():
            given = getattr(self, name).shape
            if given != shape:
                raise ShapeError(f"{name} has shape {given}, the array needs {shape}")
        wrong = (self.stuck_siemens < 0.0) | np.isinf(self.stuck_siemens)
        if wrong.any():
            i, j = (int(index[0]) for index in np.nonzero(wrong))
            raise LimitError(
                f"stuck_siemens has {self.stuck_siemens[i, j]:g} S at word line {i}, bit line {j}; "
                "allowed are finite values of 0 S and more, and nan for a healthy device"
            )
        ends = self.bridged_words[_last(self.tiling.rows, self.tiling.tile_rows)].any()
        if ends or self.bridged_bits[:, _last(self.tiling.columns, self.tiling.tile_columns)].any():
            raise ShapeError("the last line of a tile is bridged to the next, outside the tile")

    @cached_property
    def stuck(self) -> Mask:
        """Which devices are stuck, (rows, columns)."""
        return ~np.isnan(self.stuck_siemens)

    @cached_property
    def cut(self) -> Mask:
        """Which devices lie on an open line, (rows, columns)."""
        words, bits = self.open_words, self.open_bits
        tiling = self.tiling
        right = np.repeat(words, tiling.tile_columns, 1)[:, : tiling.columns]
        return right | np.repeat(bits, tiling.tile_rows, 0)[: tiling.rows]

    def tile_wires(self, wires: Wires) -> list[Wires]:
        """The lines of every tile with its own faults, row of tiles by row of tiles."""
        tiling, tiles = self.tiling, []
        for down in range(tiling.down):
            rows = slice(down * tiling.tile_rows, (down + 1) * tiling.tile_rows)
            for across in range(tiling.across):
                columns = slice(across * tiling.tile_columns, (across + 1) * tiling.tile_columns)
                lines = replace(
                    wires,
                    open_words=_both(wires.open_words, self.open_words[rows, across]),
                    open_bits=_both(wires.open_bits, self.open_bits[down, columns]),
                    bridged_words=_both(wires.bridged_words, self.bridged_words[rows, across]),
                    bridged_bits=_both(wires.bridged_bits, self.bridged_bits[down, columns]),
                )
                tiles.append(lines)
        return tiles

    def as_dict(self) -> dict[str, int]:
        """How much is broken, for reports."""
        return {
            "stuck_devices": int(self.stuck.sum()),
            "open_words": int(self.open_words.sum()),
            "open_bits": int(self.open_bits.sum()),
            "bridged_words": int(self.bridged_words.sum()),
            "bridged_bits": int(self.bridged_bits.sum()),
        }


class Broken:
    """The faults of an array as its board applies them.

    A stuck device reads its conductance, is paid for by V^2 t g per pulse, and neither moves nor
    wears. Without wires a device on an open line carries no current and gets no pulse. Bridges act
    on reads alone, through the wires.

    Attributes:
        faults: The map.
        cut: Devices on an open line, bool (rows, columns).
        dead: Devices that no pulse moves: stuck, or on an open line.
    """

    def __init__(self, faults: FaultMap) -> None:
        """Keep what every read and pulse needs."""
        self.faults = faults
        self._stuck = torch.from_numpy(faults.stuck)
        self._siemens = torch.from_numpy(np.nan_to_num(faults.stuck_siemens))
        self.cut = torch.from_numpy(faults.cut)
        self.dead = self._stuck | self.cut

    def conductance(self, g: Tensor, where: Tensor | None = None) -> Tensor:
        """Conductances with those of stuck devices, siemens; `g` is not modified.

        Args:
            g: Without them.
            where: Flat indices of the devices in `g`; None for all.
        """
        parts = self._stuck, self._siemens.to(g.dtype)
        stuck, siemens = parts if where is None else (part.flatten()[where] for part in parts)
        return torch.where(stuck, siemens, g)

    def reaching(self, counts: Tensor) -> Tensor:
        """The pulses that move something; counts of a wrong shape are left to the device model."""
        if counts.shape != self.dead.shape:
            return counts
        return counts.masked_fill(self.dead, 0)

    def lost(self, model: DeviceModel, counts: Tensor) -> int:
        """Pulses that are sent to devices which do not react."""
        return sum(model.pulses(counts.masked_fill(~self.dead, 0)))

    def joules(self, model: DeviceModel, counts: Tensor, drive: PulseDrive = OWN) -> float:
        """Energy of the pulses to stuck devices whose lines are whole."""
        if not isinstance(model, Pulsed):
            return 0.0  # writing them is free
        if not drive.is_own:
            weights = counts.abs() * square_seconds(model, counts, drive) * self._siemens
            return float(weights[self._stuck & ~self.cut].sum())
        paid = torch.where(self._stuck & ~self.cut, counts, 0).double()
        squares = torch.where(paid > 0, model.set_volts**2, model.reset_volts**2)
        return float((paid.abs() * squares * self._siemens).sum()) * model.width_seconds


def shapes(tiling: Tiling) -> dict[str, tuple[int, int]]:
    """Shape of every part of a `FaultMap`."""
    by_word, by_bit = (tiling.rows, tiling.across), (tiling.down, tiling.columns)
    return {
        "stuck_siemens": (tiling.rows, tiling.columns),
        "open_words": by_word,
        "open_bits": by_bit,
        "bridged_words": by_word,
        "bridged_bits": by_bit,
    }


def healthy(tiling: Tiling) -> FaultMap:
    """An array without faults."""
    return FaultMap(tiling=tiling, **{k: _part(k, None, s) for k, s in shapes(tiling).items()})


def draw(
    faults: Faults, tiling: Tiling, model: DeviceModel, *, generator: np.random.Generator
) -> FaultMap:
    """Faults of one array at the given rates.

    Args:
        faults: The rates.
        tiling: The array.
        model: Its devices; their window sets the levels that are left open.
        generator: Source of one uniform number per device and per line.
    """
    size = shapes(tiling)
    uniform = {name: generator.random(shape) for name, shape in size.items()}
    high, low = faults.stuck_high_siemens, faults.stuck_low_siemens
    u, stuck = uniform["stuck_siemens"], np.full(size["stuck_siemens"], np.nan)
    own_low, own_high = stuck_levels(model)
    stuck[u < faults.stuck_high_share] = own_high if high is None else high
    stuck[u >= 1.0 - faults.stuck_low_share] = own_low if low is None else low
    bridged_words = uniform["bridged_words"] < faults.bridged_word_share
    bridged_words[_last(tiling.rows, tiling.tile_rows)] = False
    bridged_bits = uniform["bridged_bits"] < faults.bridged_bit_share
    bridged_bits[:, _last(tiling.columns, tiling.tile_columns)] = False
    return FaultMap(
        tiling=tiling,
        stuck_siemens=stuck,
        open_words=uniform["open_words"] < faults.open_word_share,
        open_bits=uniform["open_bits"] < faults.open_bit_share,
        bridged_words=bridged_words,
        bridged_bits=bridged_bits,
    )


def stuck_levels(model: DeviceModel) -> tuple[float, float]:
    """Where devices of a kind are stuck low and high unless somebody says so, siemens."""
    return model.g_min_siemens * LOW_OVER_BOTTOM, model.g_max_siemens * HIGH_OVER_TOP


def with_stuck_devices(
    faults: FaultMap | None, tiling: Tiling, stuck_siemens: Tensor | None
) -> FaultMap | None:
    """The faults of an array together with the stuck devices of their kind.

    Args:
        faults: Of the array; what it says of a device holds. None for a perfect array.
        tiling: The array.
        stuck_siemens: See `DeviceModel.draw_stuck`.
    """
    if stuck_siemens is None:
        return faults
    array = healthy(tiling) if faults is None else faults
    of_kind = stuck_siemens.numpy()
    return replace(array, stuck_siemens=np.where(array.stuck, array.stuck_siemens, of_kind))


def save(path: Path, maps: Sequence[FaultMap]) -> None:
    """Write the faults of all layers as `load` reads them."""
    parts = {
        f"{index}.{name}": getattr(faults, name)
        for index, faults in enumerate(maps)
        for name in shapes(faults.tiling)
    }
    np.savez(path, **parts)


def load(path: Path, index: int, tiling: Tiling) -> FaultMap:
    """The faults of one layer from a file.

    Args:
        path: An npz file. `0.stuck_siemens` is that part of layer 0 (the hidden one), and so on;
            the parts are those of `FaultMap`, one that is absent stands for no such fault. Rows are
            word lines of the array, columns its bit lines, of all copies of the layer.
        index: Of the layer, from 0.
        tiling: Its array.

    Raises:
        ConfigError: The file cannot be read, or does not fit the array.
    """
    try:
        arrays = npz.read(path)
    except UNREADABLE as e:
        raise ConfigError(
            f"the fault map {path} cannot be read ({reason(e)}); nothing was built"
        ) from e
    size = shapes(tiling)
    for name in arrays:
        number, _, part = name.partition(".")
        if not number.isdigit() or part not in size:
            raise ConfigError(
                f"the fault map {path} holds {shown(name)}; allowed are LAYER.PART, the parts "
                f"being {', '.join(size)}; nothing was built"
            )
    parts = {part: arrays.get(f"{index}.{part}") for part in size}
    try:
        return FaultMap(tiling=tiling, **{k: _part(k, parts[k], size[k]) for k in size})
    except (ShapeError, LimitError) as e:
        raise ConfigError(f"the fault map {path}, layer {index}: {e}; nothing was built") from e


def check_bridges(faults: FaultMap, wires: Wires) -> None:
    """Refuse bridges between lines that ideal sources hold.

    Raises:
        ConfigError: Lines are bridged that have no resistance at all: the short would be between
            two ideal voltage sources.
    """
    for name, ohms in (
        ("word", wires.word_ohms + wires.driver_ohms),
        ("bit", wires.bit_ohms + wires.sense_ohms),
    ):
        if getattr(faults, f"bridged_{name}s").any() and ohms == 0.0:
            end = "driver" if name == "word" else "sense"
            raise ConfigError(
                f"bridged {name} lines need lines with resistance: set wires.{name}_ohms or "
                f"wires.{end}_ohms; nothing was built"
            )


def _part(name: str, given: np.ndarray | None, shape: tuple[int, int]) -> np.ndarray:
    """One part of a map in its dtype; the healthy one where it is absent.

    Raises:
        ShapeError: It holds no numbers, or a mask holds anything but truth values.
    """
    if name == "stuck_siemens":
        if given is not None and given.dtype.kind not in "fiu":
            raise ShapeError(f"{name} holds {given.dtype}, not numbers")
        return np.full(shape, np.nan) if given is None else given.astype(np.float64)
    if given is not None and given.dtype != np.bool_:
        raise ShapeError(f"{name} holds {given.dtype}, not true or false for each line")
    return np.zeros(shape, np.bool_) if given is None else given


def _last(lines: int, of_tile: int) -> list[int]:
    """The last line of every tile."""
    return [min(first + of_tile, lines) - 1 for first in range(0, lines, of_tile)]


def _both(named: tuple[int, ...], mask: Mask) -> tuple[int, ...]:
    """Lines named by the settings or by the map."""
    return tuple(sorted({*named, *np.flatnonzero(mask).tolist()}))
