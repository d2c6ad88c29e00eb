"""A layer as it lies on a board: its rows elsewhere, several copies of it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from device_models.errors import LimitError
from device_models.model import DeviceModel

from ..array.counters import Counters
from ..array.faults import FaultMap
from ..array.periphery import FrontEnd
from ..array.placement import Placement
from ..wires.array import WiredArray
from .protocol import (
    Board,
    EffectiveArray,
    Emulator,
    Indices,
    PulseBatch,
    PulseShape,
    ReadCounts,
    check_batch,
    check_devices,
)
from .write_verify import Algorithm


class RoutedBoard:
    """The board of a layer, (rows, columns), on a board of (rows, copies columns).

    A read is the mean of the averaged copies, a pulse goes to each of them. Bit lines of the other
    copies are never programmed and draw no current while the layer is read, but the converters of a
    tile run for all its bit lines. Counters are those of the array.

    Attributes:
        info: Of the layer.
        board: The array.
        placement: Where the layer lies on it.
    """

    def __init__(self, board: Board, placement: Placement) -> None:
        """Put a layer on a board."""
        self.board, self.placement = board, placement
        shape = len(placement.order), placement.averaged.shape[1]
        self.info = replace(board.info, shape=shape)

    @property
    def counters(self) -> Counters:
        """Of the array."""
        return self.board.counters

    def read(self, device: Indices | None = None) -> Tensor:
        """See `Board.read`: each averaged copy of a device is read once."""
        if device is None:
            return self.placement.mean(self.board.read())
        check_devices(self.info, device)
        reads = self.board.read(self._copies(device.reshape(-1)).numpy())
        return reads.mean(0).view(device.shape)

    def vmm(self, volts: Tensor) -> Tensor:
        """See `Board.vmm`."""
        if volts.ndim != 2 or volts.shape[1] != self.info.shape[0]:
            return self.board.vmm(volts)  # which has as many word lines, and says what is wrong
        routes = self.placement
        amperes = self.board.vmm(volts[:, routes.inverse])
        parts = amperes.view(len(volts), routes.copies, -1)
        return torch.where(routes.averaged, parts, 0.0).sum(1) / routes.count

    def pulse(self, pulses: PulseBatch, shape: PulseShape | None = None) -> None:
        """See `Board.pulse`: to every averaged copy.

        Raises:
            LimitError: A device that the layer has not, or a shape of each device's own.
        """
        check_batch(self.info, pulses)
        if shape is not None and any(isinstance(value, np.ndarray) for value in shape):
            raise LimitError("copies of a device take one pulse shape; nothing was sent")
        self.board.pulse(PulseBatch.of(self.placement.sent(pulses.array(self.info.shape))), shape)

    def wait(self, seconds: float) -> None:
        """See `Board.wait`."""
        self.board.wait(seconds)

    def close(self) -> None:
        """See `Board.close`."""
        self.board.close()

    def write(
        self,
        algorithm: Algorithm,
        sheet: DeviceModel,
        targets: Tensor,
        selected: Tensor,
        only: Tensor | None,
    ) -> Tensor:
        """Let an algorithm write the layer; every copy is verified on its own.

        Args:
            algorithm: Writes the array.
            sheet, targets, selected, only: See `write_verify.Algorithm`, of the layer.
        """
        routes = self.placement
        chosen = None if only is None else routes.sent(only)
        array = routes.copied(targets), routes.sent(selected), chosen
        return routes.mean(algorithm(self.board, sheet, *array))

    def _copies(self, device: Indices) -> Tensor:
        """Flat indices in the array of the averaged copies of devices, (count, devices) int64."""
        routes, columns = self.placement, self.info.shape[1]
        index = torch.from_numpy(np.asarray(device, np.int64))
        row, column = routes.order[index // columns], index % columns
        averaged = routes.averaged[:, column]  # as many of each column
        copy = averaged.T.nonzero()[:, 1].view(len(index), routes.count).T
        return (row * routes.copies + copy) * columns + column


class RoutedEmulator:
    """The truths of an emulated array, for the layer that lies on it; see `RoutedBoard`.

    Attributes:
        emulator: The array.
        placement: Where the layer lies on it.
    """

    def __init__(self, emulator: Emulator, placement: Placement) -> None:
        """Put a layer on an emulated array."""
        self.emulator, self.placement = emulator, placement

    @property
    def counters(self) -> Counters:
        """Of the array."""
        return self.emulator.counters

    @counters.setter
    def counters(self, counters: Counters) -> None:
        self.emulator.counters = counters

    @property
    def front_end(self) -> FrontEnd | None:
        """Of the array."""
        return self.emulator.front_end

    @front_end.setter
    def front_end(self, front: FrontEnd | None) -> None:
        self.emulator.front_end = front

    @property
    def wired(self) -> WiredArray | None:
        """Of the array."""
        return self.emulator.wired

    @property
    def faults(self) -> FaultMap | None:
        """Of the array."""
        return self.emulator.faults

    def effective(self) -> EffectiveArray:
        """See `Emulator.effective`: the mean of the averaged copies."""
        siemens, sigma = self.emulator.effective()
        spread = None if sigma is None else self.placement.spread(sigma)
        return EffectiveArray(self.placement.mean(siemens), spread)

    def array_siemens(self) -> Tensor:
        """Of the array."""
        return self.emulator.array_siemens()

    def driven_siemens(self) -> Tensor:
        """See `Emulator.driven_siemens`: copies that are not averaged are not driven, 0."""
        routes = self.placement
        rows = self.emulator.array_siemens()[routes.order]
        return torch.where(routes.averaged.view(1, -1), rows, 0.0)

    def healthy(self) -> Tensor:
        """See `Emulator.healthy`: of the averaged copies."""
        return self.placement.mean(self.emulator.healthy())

    def pulses_per_device(self) -> Tensor:
        """Of the array."""
        return self.emulator.pulses_per_device()

    def count_vmm(self, reads: ReadCounts) -> None:
        """See `Emulator.count_vmm`; `siemens` are those of the mean."""
        lines = reads.lines
        if lines is not None:
            lines = np.zeros_like(lines)
            lines[self.placement.order.numpy()] = reads.lines
        siemens = reads.siemens * self.placement.count
        self.emulator.count_vmm(reads._replace(siemens=siemens, lines=lines))

    def begin_epoch(self, epoch: int) -> None:
        """Of the array."""
        self.emulator.begin_epoch(epoch)

    def refresh(self) -> None:
        """Of the array."""
        self.emulator.refresh()

    def wait(self, seconds: float, *, temperature_kelvin: float | None = None) -> None:
        """Of the array."""
        self.emulator.wait(seconds, temperature_kelvin=temperature_kelvin)

    def state_dict(self) -> dict[str, Tensor]:
        """Of the array."""
        return self.emulator.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Of the array."""
        self.emulator.load_state_dict(state)
