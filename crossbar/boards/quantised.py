"""A board behind an instrument that sets and measures in steps."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from device_models.errors import ConfigError, LimitError

from ..array.counters import Counters
from .protocol import Board, Grid, Indices, PulseBatch, PulseShape

Values = NDArray[np.float64]
SAME = 1e-9  # of a step: what is this close to the grid is on it, and stays as it is


class QuantisedBoard:
    """What another board does, with volts, seconds and amperes in the steps of a grid.

    A pulse is sent with the nearest amplitude and width that the grid has, the board's own ones
    too: where those are not on the grid, its board must take other pulses. A read measures the
    current at the read voltage, a product that of a bit line; each is rounded to the converter's
    step and held within its range.

    Attributes:
        board: The array.
        info: Of it, with the grid, and with pulses that are on the grid.
        grid: The steps.
    """

    def __init__(self, board: Board, grid: Grid) -> None:
        """Put an instrument in front of a board.

        Raises:
            ConfigError: A step is not above 0, or the board's own read or pulse is beyond the
                range of the grid.
        """
        for name in ("dac_volts", "time_seconds", "adc_amperes"):
            step = getattr(grid, name)
            if step is not None and not 0.0 < step < np.inf:
                raise ConfigError(f"grid.{name} = {step:g} is no step; nothing was sent")
        self.board, self.grid = board, grid
        info = board.info
        try:
            self.info = replace(
                info,
                grid=grid,
                read_volts=float(self._volts(info.read_volts)),
                set_volts=_some(info.set_volts, self._volts),
                reset_volts=_some(info.reset_volts, self._volts),
                set_seconds=_some(info.set_seconds, self._seconds),
                reset_seconds=_some(info.reset_seconds, self._seconds),
            )
        except LimitError as e:
            raise ConfigError(f"{info.name} does not fit the instrument: {e}") from e

    @property
    def counters(self) -> Counters:
        """Of the array."""
        return self.board.counters

    def read(self, device: Indices | None = None) -> Tensor:
        """See `Board.read`."""
        siemens = self.board.read(device)
        return self._amperes(siemens * self.info.read_volts) / self.info.read_volts

    def vmm(self, volts: Tensor) -> Tensor:
        """See `Board.vmm`.

        Raises:
            LimitError: A voltage beyond the range.
        """
        set_volts = torch.from_numpy(self._volts(volts.double().numpy())).to(volts.dtype)
        return self._amperes(self.board.vmm(set_volts))

    def pulse(self, pulses: PulseBatch, shape: PulseShape | None = None) -> None:
        """See `Board.pulse`.

        Raises:
            LimitError: An amplitude or a width beyond the range.
        """
        volts, seconds, amperes = PulseShape() if shape is None else shape
        if volts is None:
            volts = self._own(pulses, "volts")
        else:
            volts = _plain(self._volts(np.asarray(volts, np.float64)))
        if seconds is None:
            seconds = self._own(pulses, "seconds")
        else:
            seconds = _plain(self._seconds(np.asarray(seconds, np.float64)))
        sent = PulseShape(volts, seconds, amperes)
        self.board.pulse(pulses, None if all(value is None for value in sent) else sent)

    def wait(self, seconds: float) -> None:
        """See `Board.wait`."""
        self.board.wait(seconds)

    def close(self) -> None:
        """See `Board.close`."""
        self.board.close()

    def _own(self, pulses: PulseBatch, name: str) -> float | Values | None:
        """Amplitudes or widths of the board's own pulses; None where those are on the grid."""
        ways = [f"{way}_{name}" for way in ("set", "reset")]
        standing = [getattr(self.board.info, way) for way in ways]
        rounded = [getattr(self.info, way) for way in ways]
        if standing == rounded or None in rounded:
            return None
        return _plain(np.where(pulses.count > 0, *rounded))

    def _volts(self, volts: float | Values) -> Values:
        """Volts on the grid, of either sign."""
        most = self.grid.most_volts
        beyond = _beyond(volts, -np.inf if most is None else -most, most)
        if beyond is not None:
            text = f"{beyond:g} V is beyond the instrument's +/-{most or np.inf:g} V"
            raise LimitError(f"{text}; nothing was sent")
        return _rounded(volts, self.grid.dac_volts)

    def _seconds(self, seconds: float | Values) -> Values:
        """Widths on the grid."""
        least, most = self.grid.least_seconds, self.grid.most_seconds
        beyond = _beyond(seconds, 0.0 if least is None else least, most)
        if beyond is not None:
            raise LimitError(
                f"a pulse of {beyond:g} s, the instrument has {least or 0.0:g} to "
                f"{most or np.inf:g} s; nothing was sent"
            )
        rounded = _rounded(seconds, self.grid.time_seconds)
        if (rounded <= 0.0).any():
            step = self.grid.time_seconds
            raise LimitError(f"a pulse is shorter than half a step of {step:g} s; nothing was sent")
        return rounded

    def _amperes(self, amperes: Tensor) -> Tensor:
        """Currents as the converter gives them; nan stays."""
        step, most = self.grid.adc_amperes, self.grid.most_amperes
        if most is not None:
            amperes = amperes.clamp(-most, most)
        if step is None:
            return amperes
        return ((amperes.double() / step).round() * step).to(amperes.dtype)


def _some(value: float | None, rounded: Callable[[float], Values]) -> float | None:
    """A value on the grid; None stays."""
    return None if value is None else float(rounded(value))


def _beyond(values: float | Values, least: float, most: float | None) -> float | None:
    """The first value that is not in [least, most]; None if all are. nan is in no range."""
    array = np.atleast_1d(np.asarray(values, np.float64)).reshape(-1)
    outside = ~((array >= least) & (array <= (np.inf if most is None else most)))
    outside |= ~np.isfinite(array)
    return float(array[outside][0]) if outside.any() else None


def _rounded(values: float | Values, step: float | None) -> Values:
    """The nearest multiples of a step; what is one but for its last bits stays as it is."""
    array = np.asarray(values, np.float64)
    if step is None:
        return array
    per_unit = round(1.0 / step)
    # n / 10 has the last bits of the number that a person writes, n 0.1 has not.
    is_decimal = per_unit > 0 and abs(per_unit * step - 1.0) < SAME
    number = np.round(array / step)
    nearest = number / per_unit if is_decimal else number * step
    return np.asarray(np.where(np.abs(nearest - array) <= SAME * step, array, nearest))


def _plain(values: Values) -> float | Values:
    """One number where an array holds one alone, or the same everywhere."""
    if values.ndim == 0:
        return float(values)
    equal = values.size > 0 and bool((values == values.flat[0]).all())
    return float(values.flat[0]) if equal else values
