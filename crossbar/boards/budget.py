"""What pulses cost a board before they are sent: pulses, cells, device time, energy at worst."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from device_models.errors import LimitError, ShapeError

from ..array.counters import Counters
from .protocol import BoardInfo, PulseBatch, PulseShape

Values = NDArray[np.float64]


class PulseCosts(NamedTuple):
    """Of each entry of a batch that gets pulses.

    Attributes:
        device: Flat indices.
        count: Pulses, positive, int64.
        is_set: Whether they are SET pulses, bool.
        volts: Amplitude, positive; nan where the board does not say its own.
        seconds: Width; nan likewise.
        amperes: Largest current of a SET pulse: at the largest conductance, or the compliance where
            that is less; 0 of a RESET pulse, which nothing limits; infinite where neither is known.
        joules: Of all pulses of the entry at the largest conductance; nan where that is unknown.
    """

    device: NDArray[np.int64]
    count: NDArray[np.int64]  # type: ignore[assignment]  # hides tuple.count
    is_set: NDArray[np.bool_]
    volts: Values
    seconds: Values
    amperes: Values
    joules: Values


def costs(
    info: BoardInfo, pulses: PulseBatch, shape: PulseShape | None, most_siemens: float | None
) -> PulseCosts:
    """What each device of a batch would get.

    The energy of a pulse is V^2 t (g_before + g_after) / 2, so never above V^2 t g_most.

    Args:
        info: Of the board; says its own pulses.
        pulses: The batch.
        shape: Amplitude, width and compliance; None: the board's own.
        most_siemens: Largest conductance that a device may have; None where unknown.

    Raises:
        ShapeError: One value per device is given, but not as many as there are devices.
    """
    sent = pulses.count != 0
    is_set = pulses.count[sent] > 0
    wanted = PulseShape() if shape is None else shape
    values = []
    for name, given in (("volts", wanted.volts), ("seconds", wanted.seconds)):
        if given is None:
            amplitudes = (getattr(info, f"{way}_{name}") for way in ("set", "reset"))
            up, down = (np.nan if value is None else value for value in amplitudes)
            values.append(np.where(is_set, up, down))
        else:
            if np.shape(given) not in ((), pulses.count.shape):
                raise ShapeError(
                    f"{name} of the pulses has shape {np.shape(given)}, the batch "
                    f"{pulses.count.shape}; nothing was sent"
                )
            every = np.broadcast_to(np.asarray(given, np.float64), pulses.count.shape)
            values.append(every[sent])
    volts, seconds = values
    count = np.abs(pulses.count[sent].astype(np.int64))
    most = volts * (np.inf if most_siemens is None else most_siemens)
    limit = wanted.compliance_amperes or info.compliance_amperes or np.inf
    amperes = np.where(is_set, np.fmin(most, limit), 0.0)
    siemens = np.nan if most_siemens is None else most_siemens
    joules = volts**2 * seconds * siemens * count
    device = pulses.device[sent].astype(np.int64)
    return PulseCosts(device, count, is_set, volts, seconds, amperes, joules)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What some pulses come to.

    Attributes:
        set_pulses: SET pulses.
        reset_pulses: RESET pulses.
        cells: Devices that get any.
        most_pulses: Those of the device that gets most.
        most_volts: Largest amplitude; 0 where the board does not say.
        most_seconds: Longest pulse; likewise.
        pulse_seconds: Device time of all pulses, one after another.
        read_seconds: Device time of the reads between them, one after another.
        worst_joules: Energy of the pulses if every device had the largest conductance; None where
            that conductance is not known.
    """

    set_pulses: int = 0
    reset_pulses: int = 0
    cells: int = 0
    most_pulses: int = 0
    most_volts: float = 0.0
    most_seconds: float = 0.0
    pulse_seconds: float = 0.0
    read_seconds: float = 0.0
    worst_joules: float | None = 0.0

    @property
    def device_seconds(self) -> float:
        """Of pulses and reads."""
        return self.pulse_seconds + self.read_seconds

    def table(self) -> str:
        """As text, one line for each number, with its unit."""
        joules = "unknown" if self.worst_joules is None else f"{self.worst_joules:.4g} J"
        rows = {
            "SET pulses": f"{self.set_pulses}",
            "RESET pulses": f"{self.reset_pulses}",
            "cells": f"{self.cells}",
            "most in one cell": f"{self.most_pulses}",
            "largest amplitude": f"{self.most_volts:g} V",
            "longest pulse": f"{self.most_seconds:g} s",
            "device time": f"{self.device_seconds:.4g} s",
            "energy at worst": joules,
        }
        return "\n".join(f"{name:<18}{text}" for name, text in rows.items())


class Meter:
    """Adds up what pulses come to.

    Attributes:
        info: Of the board.
        most_siemens: Largest conductance that a device may have; None where unknown.
        pulses: Of each device so far, int64 (devices,).
    """

    def __init__(self, info: BoardInfo, most_siemens: float | None) -> None:
        """Start at nothing."""
        self.info, self.most_siemens = info, most_siemens
        self.pulses = np.zeros(info.shape[0] * info.shape[1], np.int64)
        self._sets = self._resets = 0
        self._volts = self._seconds = self._pulse_seconds = 0.0
        self.joules = 0.0  # nan once an energy was not known

    def after(self, each: PulseCosts) -> NDArray[np.int64]:
        """Pulses of each device named, if these were added; a device may be named twice."""
        total = self.pulses[each.device]
        _, index, inverse = np.unique(each.device, return_index=True, return_inverse=True)
        if len(index) == len(each.device):
            return total + each.count
        sums = np.bincount(inverse, weights=each.count).astype(np.int64)
        return total + sums[inverse]

    def add(self, each: PulseCosts) -> None:
        """Add pulses."""
        np.add.at(self.pulses, each.device, each.count)
        self._sets += int(each.count[each.is_set].sum())
        self._resets += int(each.count[~each.is_set].sum())
        self._volts = max(self._volts, float(np.nanmax(each.volts, initial=0.0)))
        self._seconds = max(self._seconds, float(np.nanmax(each.seconds, initial=0.0)))
        self._pulse_seconds += float(np.nansum(each.seconds * each.count))
        self.joules += float(each.joules.sum())

    def state(self) -> dict[str, np.ndarray]:
        """What adds up in limits: pulses of each device, and joules."""
        return {"pulses": self.pulses.copy(), "joules": np.array(self.joules)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Count from a saved `state` on.

        Raises:
            ShapeError: It is of a board of another size.
            LimitError: Something in it no pulses can come to.
        """
        pulses, joules = state["pulses"], state["joules"]
        if pulses.shape != self.pulses.shape:
            raise ShapeError(
                f"pulses of {pulses.size} devices were counted, {self.info.name} has "
                f"{self.pulses.size}; nothing was sent"
            )
        if pulses.dtype.kind != "i" or (pulses < 0).any():
            raise LimitError(
                "pulses of a device were counted that are no whole number of 0 or more; "
                "nothing was sent"
            )
        is_energy = joules.shape == () and joules.dtype.kind == "f"
        if not is_energy or joules < 0.0 or np.isinf(joules):
            raise LimitError(
                f"joules of {joules} were counted, not a number of 0 or more; nothing was sent"
            )
        self.pulses = pulses.astype(np.int64)
        self.joules = float(joules)

    def budget(self, reads: float = 0.0) -> Budget:
        """All of it, with so many reads, one after another."""
        return Budget(
            set_pulses=self._sets,
            reset_pulses=self._resets,
            cells=int(np.count_nonzero(self.pulses)),
            most_pulses=int(self.pulses.max(initial=0)),
            most_volts=self._volts,
            most_seconds=self._seconds,
            pulse_seconds=self._pulse_seconds,
            read_seconds=reads * self.info.read_seconds,
            worst_joules=None if np.isnan(self.joules) else self.joules,
        )


def dry_run(
    info: BoardInfo,
    pulses: PulseBatch,
    shape: PulseShape | None = None,
    *,
    most_siemens: float | None = None,
) -> Budget:
    """What a batch would come to on a board; nothing is sent. For arguments see `costs`."""
    meter = Meter(info, most_siemens)
    meter.add(costs(info, pulses, shape, most_siemens))
    return meter.budget()


def device_seconds(spent: Counters, info: BoardInfo) -> float:
    """Device time of counted events, one after another, seconds.

    Pulses have the widths of `info`, which counters do not say; `Meter` knows others. A product
    takes one read for each row of tiles that it drives.

    Args:
        spent: The events.
        info: Of the board that counted them.
    """
    set_seconds, reset_seconds = info.set_seconds or 0.0, info.reset_seconds or 0.0
    reads = spent.device_reads + spent.column_conversions / info.shape[1]
    pulses = spent.set_pulses * set_seconds + spent.reset_pulses * reset_seconds
    return pulses + reads * info.read_seconds
