"""A board that refuses what its limits forbid, before anything is sent."""

import numpy as np
from torch import Tensor

from device_models.errors import LimitError, ShapeError

from ..array.counters import Counters
from .budget import Budget, Meter, PulseCosts, costs
from .limits import Limits, check_fits, check_pulses, refuse_beyond
from .protocol import Board, BoardInfo, Indices, PulseBatch, PulseShape, check_batch, check_volts


class LimitedBoard:
    """Another board within `Limits`. A refused pulse changes nothing, here or there.

    What was sent is added up in `meter`, from when the board was wrapped: `budget` says it. Trained
    through one of these, an emulated board gives the dry run of a real one with the same limits.

    A SET pulse draws no more than V g_most, and no more than its compliance where it has one. The
    energy of a pulse is taken as V^2 t g_most. A device whose kind takes a count for a width
    (`DeviceModel.count_is_width`) is counted as if each unit were a pulse.

    Attributes:
        board: The array.
        limits: What holds.
        meter: What was sent so far, for the limits that add up.
    """

    def __init__(
        self,
        board: Board,
        limits: Limits,
        *,
        most_siemens: float | None = None,
        meter: Meter | None = None,
    ) -> None:
        """Guard a board.

        Args:
            board: The array.
            limits: What holds from now on.
            most_siemens: Largest conductance that a device may have, from its device file; needed
                for a limit in joules, and for one in amperes where the board has no compliance.
            meter: What counts on from a saved state; None: from nothing.

        Raises:
            ConfigError: The board cannot hold these limits, or has narrower ones.
        """
        check_fits(limits, board.info, most_siemens)
        self.board, self.limits = board, limits
        self.meter = Meter(board.info, most_siemens) if meter is None else meter
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
        """What was sent since the board was wrapped, or since the saved state of `meter`."""
        spent = self.counters - self._before
        products = spent.column_conversions / self.info.shape[1]  # one for each row of tiles
        return self.meter.budget(spent.device_reads + products)

    def read(self, device: Indices | None = None) -> Tensor:
        """See `Board.read`."""
        return self.board.read(device)

    def vmm(self, volts: Tensor) -> Tensor:
        """See `Board.vmm`.

        Raises:
            LimitError: A voltage beyond the limit; nothing was read.
        """
        check_volts(self.info, volts)
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
        check_batch(self.info, pulses)
        each = costs(self.info, pulses, shape, self.meter.most_siemens)
        self._check(each, shape)
        try:
            self.board.pulse(pulses, shape)
        except (LimitError, ShapeError):  # nothing was sent
            raise
        except BaseException:  # it may have been
            self.meter.add(each)
            raise
        self.meter.add(each)

    def wait(self, seconds: float) -> None:
        """See `Board.wait`."""
        self.board.wait(seconds)

    def close(self) -> None:
        """See `Board.close`."""
        self.board.close()

    def _check(self, each: PulseCosts, shape: PulseShape | None) -> None:
        """Refuse what the limits forbid."""
        limits = self.limits
        check_pulses(limits, self.info, each, shape)
        if limits.pulses_per_cell is not None:
            after = self.meter.after(each)
            refuse_beyond(limits, self.info, each, "pulses_per_cell", after, "pulses")
        if limits.joules is not None:
            spent, more = self.meter.joules, float(each.joules.sum())
            if not spent + more <= limits.joules:
                raise LimitError(
                    f"pulses of up to {more:.4g} J after {spent:.4g} J exceed limits.joules = "
                    f"{limits.joules:g} J; nothing was sent"
                )
