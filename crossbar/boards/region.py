"""The arrays of a network on one board: each has a rectangle of it, and asks the board for it."""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from device_models.errors import ShapeError

from ..array.counters import Counters
from .protocol import (
    Board,
    Indices,
    PulseBatch,
    PulseShape,
    check_batch,
    check_devices,
    check_volts,
)

# Vectors of one product: they fill a block of 16 MB on 4096 word lines, so that no transfer is cut
# in two; a sum of other vectors could differ in its last bit.
AT_A_TIME = 1024


class Stack:
    """Puts arrays on one board, one below the other on its word lines, all from bit line 0 on.

    A `BoardFactory` is its `place`. What the board counts goes to the array that was busy, and its
    clock goes on once where every array is told of the same time.

    Attributes:
        board: The board.
        regions: The arrays by their number, from the first word line on.
    """

    def __init__(self, board: Board) -> None:
        """Start with no array."""
        self.board, self.regions = board, dict[int, RegionBoard]()
        self._busy: RegionBoard | None = None
        self._before, self._seconds = board.counters, 0.0

    def place(self, number: int, shape: tuple[int, int]) -> "RegionBoard":
        """The array of a number, below those before it; the same one where it is asked again.

        Whether all of them are on the board is asked of `check`.
        """
        if number not in self.regions:
            first = sum(region.info.shape[0] for region in self.regions.values())
            self.regions[number] = RegionBoard(self, first, shape)
        return self.regions[number]

    def check(self) -> None:
        """Refuse arrays that are not on the board.

        Raises:
            ShapeError: It says how many lines and tiles they need, and what the board has.
        """
        info, shapes = self.board.info, [region.info.shape for region in self.regions.values()]
        needed = sum(words for words, _ in shapes), max((bits for _, bits in shapes), default=0)
        if needed[0] <= info.shape[0] and needed[1] <= info.shape[1]:
            return
        tile = [min(line) for line in zip(info.tile_shape, info.shape, strict=True)]
        tiles, present = (
            math.prod(math.ceil(lines / size) for lines, size in zip(shape, tile, strict=True))
            for shape in (needed, info.shape)
        )
        each = " + ".join(f"{words} x {bits}" for words, bits in shapes)
        raise ShapeError(
            f"the network needs {needed[0]} word lines x {needed[1]} bit lines ({each}, one below "
            f"the other), {tiles} tiles of {tile[0]} x {tile[1]}; {info.name} has {info.shape[0]} "
            f"x {info.shape[1]}, {present} of them; nothing was sent"
        )

    def turn_to(self, region: "RegionBoard") -> None:
        """Let the board count for an array from now on."""
        if region is not self._busy:
            self.settle()
            self._busy = region

    def settle(self) -> None:
        """Give the busy array what the board has counted for it."""
        now = self.board.counters
        if self._busy is not None:
            self._busy.counted += now - self._before
        self._before = now

    def advance_to(self, seconds: float) -> None:
        """Let device time pass up to this time since the start."""
        if seconds > self._seconds:
            self.board.wait(seconds - self._seconds)
            self._seconds = seconds


class RegionBoard:
    """The board of one array: a rectangle of a larger one; see `Stack`.

    Attributes:
        info: That of the board, with the shape of the array.
        counted: What was sent and read before the last `Stack.settle`.
    """

    def __init__(self, stack: Stack, first: int, shape: tuple[int, int]) -> None:
        """Take a place.

        Args:
            stack: Whose board it is.
            first: The first word line there.
            shape: (word lines, bit lines).
        """
        self._stack, self._first = stack, first
        self.info, self.counted = replace(stack.board.info, shape=shape), Counters()
        self._seconds = 0.0
        self._is_whole = shape == stack.board.info.shape

    @property
    def counters(self) -> Counters:
        """Of this array."""
        self._stack.settle()
        return self.counted

    def read(self, device: Indices | None = None) -> Tensor:
        """See `Board.read`."""
        if device is not None:
            check_devices(self.info, device)
        elif not self._is_whole:
            device = np.arange(math.prod(self.info.shape)).reshape(self.info.shape)
        self._stack.turn_to(self)
        return self._stack.board.read(None if device is None else self._there(device))

    def vmm(self, volts: Tensor) -> Tensor:
        """See `Board.vmm`; the word lines of the other arrays are not driven."""
        check_volts(self.info, volts)
        self._stack.turn_to(self)
        parts = [self._vmm(part) for part in torch.split(volts, AT_A_TIME)]
        return torch.cat(parts)[:, : self.info.shape[1]]

    def _vmm(self, volts: Tensor) -> Tensor:
        """What some vectors drive on all bit lines of the board."""
        words = self.info.shape[0]
        if not self._is_whole:
            every = volts.new_zeros((len(volts), self._stack.board.info.shape[0]))
            every[:, self._first : self._first + words] = volts
            volts = every
        return self._stack.board.vmm(volts)

    def pulse(self, pulses: PulseBatch, shape: PulseShape | None = None) -> None:
        """See `Board.pulse`."""
        check_batch(self.info, pulses)
        there = self._there(pulses.device).astype(pulses.device.dtype)
        self._stack.turn_to(self)
        self._stack.board.pulse(PulseBatch(there, pulses.count), shape)

    def wait(self, seconds: float) -> None:
        """See `Board.wait`: the board waits once for all its arrays."""
        self._seconds += seconds
        self._stack.advance_to(self._seconds)

    def close(self) -> None:
        """See `Board.close`: of the board."""
        self._stack.board.close()

    def _there(self, device: Indices) -> Indices:
        """Flat indices of devices on the board."""
        word, bit = np.divmod(np.asarray(device, np.int64), self.info.shape[1])
        return (word + self._first) * self._stack.board.info.shape[1] + bit
