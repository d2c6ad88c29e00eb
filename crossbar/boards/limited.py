"""A board that refuses what its limits forbid, before anything is sent."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from device_models.errors import LimitError, ShapeError

from ..array.counters import Counters
from .budget import Budget, Meter, PulseCosts, Values, costs
from .limits import Limits, check_fits
from .protocol import Board, BoardInfo, Indices, PulseBatch, PulseShape, check_devices


class LimitedBoard:
    """Another board within `Limits`. A refused pulse changes nothing, here or there.

    What was sent is added up here, from when the board was wrapped: `budget` says it. Trained
    through one of these, an emulated board gives the dry run of a real one with the same limits.

    A SET pulse draws no more than V g_most, and no more than the compliance of the board where it
    has one. The energy of a pulse is taken as V^2 t g_most. A device whose kind takes a count for
    a width (`DeviceModel.count_is_width`) is counted as if each unit were a pulse.

    Attributes:
        board: The array.
        limits: What holds.
        most_siemens: Largest conductance that a device may have; None where unknown.
    """

    def __init__(self, board: Board, limits: Limits, *, most_siemens: float | None = None) -> None:
        """Guard a board.

        Args:
            board: The array.
            limits: What holds from now on.
            most_siemens: Largest conductance that a device may have, from its device file; needed
                for a limit in joules, and for one in amperes where the board has no compliance.

        Raises:
            ConfigError: The board cannot hold these limits, or has narrower ones.
        """
        check_fits(limits, board.info, most_siemens)
        self.board, self.limits, self.most_siemens = board, limits, most_siemens
        self._meter = Meter(board.info, most_siemens)
        self._before = board.counters

    @property
    def info(self) -> BoardInfo:
        """Of the array."""
        return self.board.info

    @property
    def counters(self) -> Counters:
        """Of the array."""
        return self.board.counters

    def budget(self) -> Budget:
        """What was sent since the board was wrapped, or since what was put back with `restore`."""
        spent = self.counters - self._before
        products = spent.column_conversions / self.info.shape[1]  # one for each row of tiles
        return self._meter.budget(spent.device_reads + products)

    def state(self) -> dict[str, np.ndarray]:
        """What was sent so far, for the limits that add up: pulses of each device, and joules."""
        return {"pulses": self._meter.pulses.copy(), "joules": np.array(self._meter.joules)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Count from a saved `state` on.

        Raises:
            ShapeError: It is of a board of another size.
        """
        if state["pulses"].shape != self._meter.pulses.shape:
            raise ShapeError(
                f"pulses of {state['pulses'].size} devices were counted, {self.info.name} has "
                f"{self._meter.pulses.size}; nothing was sent"
            )
        self._meter.pulses = state["pulses"].astype(np.int64)
        self._meter.joules = float(state["joules"])

    def read(self, device: Indices | None = None) -> Tensor:
        """See `Board.read`."""
        return self.board.read(device)

    def vmm(self, volts: Tensor) -> Tensor:
        """See `Board.vmm`.

        Raises:
            LimitError: A voltage beyond the limit; nothing was read.
        """
        values = volts.double().numpy()
        beyond = ~(np.abs(values) <= self.limits.volts)
        if beyond.any():
            raise LimitError(
                f"{values[beyond][0]:g} V on a word line exceeds limits.volts = "
                f"{self.limits.volts:g} V; nothing was read"
            )
        return self.board.vmm(volts)

    def pulse(self, pulses: PulseBatch, shape: PulseShape | None = None) -> None:
        """See `Board.pulse`.

        Raises:
            LimitError: A pulse beyond the limits; nothing was sent.
        """
        check_devices(self.info, pulses.device)
        each = costs(self.info, pulses, shape, self.most_siemens)
        self._check(each, PulseShape() if shape is None else shape)
        try:
            self.board.pulse(pulses, shape)
        except (LimitError, ShapeError):  # nothing was sent
            raise
        except BaseException:  # it may have been
            self._meter.add(each)
            raise
        self._meter.add(each)

    def wait(self, seconds: float) -> None:
        """See `Board.wait`."""
        self.board.wait(seconds)

    def close(self) -> None:
        """See `Board.close`."""
        self.board.close()

    def _check(self, each: PulseCosts, shape: PulseShape) -> None:
        """Refuse what the limits forbid."""
        limits = self.limits
        # An emulated device may have no volts at all; a real one that does not say them is refused.
        no_volts, no_seconds = (
            self.info.is_emulator and given is None and np.isnan(own)
            for given, own in zip(shape, (each.volts, each.seconds), strict=True)
        )
        self._check_each(each, "volts", each.volts, "V", (each.volts > 0.0) | no_volts)
        self._check_each(each, "seconds", each.seconds, "s", (each.seconds > 0.0) | no_seconds)
        if limits.compliance_amperes is not None:
            own = self.info.compliance_amperes or np.inf
            most = np.inf if self.most_siemens is None else self.most_siemens
            amperes = np.where(each.is_set, np.fmin(each.volts * most, own), 0.0)
            self._check_each(each, "compliance_amperes", amperes, "A")
        if limits.pulses_per_cell is not None:
            self._check_each(each, "pulses_per_cell", self._meter.after(each), "pulses")
        if limits.joules is not None:
            spent, more = self._meter.joules, float(each.joules.sum())
            if not spent + more <= limits.joules:
                raise LimitError(
                    f"pulses of up to {more:.4g} J after {spent:.4g} J exceed limits.joules = "
                    f"{limits.joules:g} J; nothing was sent"
                )

    def _check_each(
        self,
        each: PulseCosts,
        name: str,
        values: Values | NDArray[np.int64],
        unit: str,
        allowed: NDArray[np.bool_] | bool = True,
    ) -> None:
        """Refuse a batch of which one entry is beyond a limit, or not `allowed` at all."""
        limit: float = getattr(self.limits, name)
        refused = (values > limit) | ~np.asarray(allowed) | (np.isnan(values) & (allowed is True))
        if not refused.any():
            return
        first = int(np.flatnonzero(refused)[0])
        word, bit = divmod(int(each.device[first]), self.info.shape[1])
        raise LimitError(
            f"{values[first]:g} {unit} for word line {word}, bit line {bit}: limits.{name} = "
            f"{limit:g} {unit}; nothing was sent"
        )
