"""A layer as it lies on an emulated board: its rows elsewhere, several copies of it."""

from dataclasses import replace

import torch
from torch import Tensor

from device_models.errors import ShapeError
from device_models.model import DeviceModel, DeviceState

from ..array.counters import Counters
from ..array.faults import Broken
from ..array.periphery import FrontEnd
from ..array.placement import Placement
from ..wires.array import WiredArray
from .protocol import Axis, PulseBatch, check_line, counts_of_line, counts_of_one
from .simulated import Algorithm, SimulatedBoard


class RoutedBoard:
    """The board of a layer, (rows, columns), on an array of (rows, copies columns).

    A read is the mean of the averaged copies, a pulse goes to each of them, and each is verified on
    its own. Bit lines of the other copies are never programmed and draw no current while the layer
    is read, but the converters of a tile run for all its bit lines. `state`, counters and `broken`
    are those of the array.
    """

    def __init__(self, board: SimulatedBoard, placement: Placement) -> None:
        """Put a layer on a board."""
        self.board, self.placement = board, placement
        shape = len(placement.order), placement.averaged.shape[1]
        self.info = replace(board.info, shape=shape)

    @property
    def counters(self) -> Counters:
        """Of the array."""
        return self.board.counters

    @counters.setter
    def counters(self, counters: Counters) -> None:
        self.board.counters = counters

    @property
    def model(self) -> DeviceModel:
        """See `SimulatedBoard`."""
        return self.board.model

    @property
    def state(self) -> DeviceState:
        """Of the array."""
        return self.board.state

    @property
    def wired(self) -> WiredArray | None:
        """Of the array."""
        return self.board.wired

    @property
    def broken(self) -> Broken | None:
        """Of the array."""
        return self.board.broken

    @property
    def front_end(self) -> FrontEnd | None:
        """Of the array."""
        return self.board.front_end

    @front_end.setter
    def front_end(self, front: FrontEnd | None) -> None:
        self.board.front_end = front

    @property
    def g(self) -> Tensor:
        """What a noiseless read would see now, siemens."""
        return self.placement.mean(self.board.g)

    @property
    def read_sigma(self) -> Tensor | None:
        """Spread of one read, siemens; None without noise."""
        sigma = self.board.read_sigma
        return None if sigma is None else self.placement.spread(sigma)

    @property
    def pulsed(self) -> Tensor:
        """Of the array."""
        return self.board.pulsed

    def pulses_per_device(self) -> Tensor:
        """See `SimulatedBoard.pulses_per_device`."""
        return self.board.pulses_per_device()

    def restore(self, state: DeviceState, pulsed: Tensor | None = None) -> None:
        """See `SimulatedBoard.restore`."""
        self.board.restore(state, pulsed)

    def reseed(self, epoch: int) -> None:
        """See `SimulatedBoard.reseed`."""
        self.board.reseed(epoch)

    def settle(self) -> None:
        """See `SimulatedBoard.settle`."""
        self.board.settle()

    def wait(self, seconds: float, *, temperature_kelvin: float | None = None) -> None:
        """See `SimulatedBoard.wait`."""
        self.board.wait(seconds, temperature_kelvin=temperature_kelvin)

    def read_all(self) -> Tensor:
        """See `Board.read_all`."""
        return self.placement.mean(self.board.read_all())

    def read_slice(self, line: int, axis: Axis) -> Tensor:
        """See `Board.read_slice`."""
        check_line(self.info.shape, line, axis)
        place = self.placement
        if axis == "word":
            parts = self.board.read_slice(int(place.order[line]), "word").view(place.copies, -1)
            return torch.where(place.averaged, parts, 0.0).sum(0) / place.count
        copies = torch.nonzero(place.averaged[:, line]).flatten().tolist()
        columns = self.info.shape[1]
        reads = [self.board.read_slice(copy * columns + line, "bit") for copy in copies]
        return torch.stack(reads).mean(0)[place.order]

    def read_one(self, word_line: int, bit_line: int) -> float:
        """See `Board.read_one`."""
        check_line(self.info.shape, word_line, "word")
        check_line(self.info.shape, bit_line, "bit")
        place, columns = self.placement, self.info.shape[1]
        copies = torch.nonzero(place.averaged[:, bit_line]).flatten().tolist()
        row = int(place.order[word_line])
        return sum(self.board.read_one(row, c * columns + bit_line) for c in copies) / place.count

    def vmm(self, v_volts: Tensor) -> Tensor:
        """See `Board.vmm`."""
        if v_volts.ndim != 2 or v_volts.shape[1] != self.info.shape[0]:
            return self.board.vmm(v_volts)  # which has as many word lines, and says what is wrong
        place = self.placement
        amperes = self.board.vmm(v_volts[:, place.inverse])
        parts = amperes.view(len(v_volts), place.copies, -1)
        return torch.where(place.averaged, parts, 0.0).sum(1) / place.count

    def count_vmm(
        self, activations: int, tile_steps: int, siemens: float, clipped: int = 0
    ) -> None:
        """See `SimulatedBoard.count_vmm`; `siemens` are those of the mean."""
        self.board.count_vmm(activations, tile_steps, siemens * self.placement.count, clipped)

    def pulse_one(self, word_line: int, bit_line: int, count: int) -> None:
        """See `Board.pulse_one`."""
        self.pulse_array(counts_of_one(self.info.shape, word_line, bit_line, count))

    def pulse_slice(self, line: int, axis: Axis, counts: Tensor) -> None:
        """See `Board.pulse_slice`."""
        self.pulse_array(counts_of_line(self.info.shape, line, axis, counts))

    def pulse_array(self, counts: Tensor) -> None:
        """See `Board.pulse_array`: to every averaged copy."""
        if counts.shape != self.info.shape:
            raise ShapeError(
                f"counts has shape {tuple(counts.shape)}, the array {self.info.shape}; "
                "no pulse was applied"
            )
        self.board.pulse_array(self.placement.sent(counts))

    def pulse_devices(self, sent: PulseBatch) -> None:
        """See `SimulatedBoard.pulse_devices`."""
        self.pulse_array(sent.array(self.info.shape))

    def program(
        self,
        targets_siemens: Tensor,
        only: Tensor | None = None,
        algorithm: Algorithm | None = None,
    ) -> Tensor:
        """See `SimulatedBoard.program`; every copy is verified on its own."""
        place = self.placement
        chosen = None if only is None else place.sent(only)
        return place.mean(self.board.program(place.copied(targets_siemens), chosen, algorithm))

    def close(self) -> None:
        """See `Board.close`."""
        self.board.close()
