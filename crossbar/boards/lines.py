"""Which lines of an array float, lie at ground or are connected: a board that remembers it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from device_models.errors import LimitError

from ..array.counters import Counters
from .protocol import Board, BoardInfo, Indices, PulseBatch, PulseShape, check_batch, check_devices


class Lines:
    """A board whose lines are switched to hard ground, or not.

    A grounded line is short-circuited: nothing can be driven or measured there. A pulse to one of
    its devices is refused, a read gives nan and is not made. A line that is not grounded floats
    until an operation connects it, for as long as that takes.

    Attributes:
        board: The array.
        grounded_words: Which word lines are grounded, bool. Every line floats at first.
        grounded_bits: Likewise, bit lines.
    """

    def __init__(self, board: Board) -> None:
        """Take a board with all lines floating."""
        self.board = board
        self.grounded_words, self.grounded_bits = (np.zeros(n, np.bool_) for n in board.info.shape)

    @property
    def info(self) -> BoardInfo:
        """Of the array."""
        return self.board.info

    @property
    def counters(self) -> Counters:
        """Of the array."""
        return self.board.counters

    # Idle states and selection

    def float_all(self) -> None:
        """Disconnect every line."""
        self.grounded_words[:] = self.grounded_bits[:] = False

    def ground_all(self) -> None:
        """Switch every line to ground."""
        self.grounded_words[:] = self.grounded_bits[:] = True

    def select(self, words: Sequence[int] = (), bits: Sequence[int] = ()) -> None:
        """Release lines from ground and switch all others to it.

        Raises:
            LimitError: A line that the array has not; nothing was switched.
        """
        chosen = tuple(
            self._mask(numbers, axis) for axis, numbers in (("word", words), ("bit", bits))
        )
        self.grounded_words, self.grounded_bits = (~mask for mask in chosen)

    @contextmanager
    def selected(self, words: Sequence[int] = (), bits: Sequence[int] = ()) -> Iterator[None]:
        """`select` for the length of a block; then, whatever happens in it, as before."""
        before = self.grounded_words.copy(), self.grounded_bits.copy()
        self.select(words, bits)
        try:
            yield
        finally:
            self.grounded_words, self.grounded_bits = before

    def _mask(self, numbers: Sequence[int], axis: str) -> NDArray[np.bool_]:
        """Some lines, bool (lines,)."""
        lines = self.info.shape[axis == "bit"]
        for line in numbers:
            if not 0 <= line < lines:
                raise LimitError(
                    f"there is no {axis} line {line}, {self.info.name} has 0 to {lines - 1}; "
                    "nothing was switched"
                )
        mask = np.zeros(lines, np.bool_)
        mask[list(numbers)] = True
        return mask

    def _grounded(self, device: Indices) -> NDArray[np.bool_]:
        """Which of some devices lie on a grounded line."""
        columns = self.info.shape[1]
        return self.grounded_words[device // columns] | self.grounded_bits[device % columns]

    # Board

    def read(self, device: Indices | None = None) -> Tensor:
        """See `Board.read`; nan on grounded lines."""
        if not (self.grounded_words.any() or self.grounded_bits.any()):
            return self.board.read(device)
        words, bits = self.info.shape
        index = np.arange(words * bits).reshape(words, bits) if device is None else device
        check_devices(self.info, index)
        free = ~self._grounded(index)
        siemens = torch.full(index.shape, torch.nan)
        if free.any():
            siemens[torch.from_numpy(free)] = self.board.read(index[free]).to(siemens.dtype)
        return siemens

    def vmm(self, volts: Tensor) -> Tensor:
        """See `Board.vmm`; nan on grounded bit lines.

        Raises:
            LimitError: A grounded word line is driven.
        """
        if volts.ndim == 2 and volts.shape[1] == self.info.shape[0]:
            driven = (volts != 0).any(0).numpy() & self.grounded_words
            if driven.any():
                line = int(np.flatnonzero(driven)[0])
                raise LimitError(f"word line {line} is grounded; nothing was read")
        amperes = self.board.vmm(volts)
        if not self.grounded_bits.any():
            return amperes
        return amperes.masked_fill(torch.from_numpy(self.grounded_bits), torch.nan)

    def pulse(self, pulses: PulseBatch, shape: PulseShape | None = None) -> None:
        """See `Board.pulse`.

        Raises:
            LimitError: A device lies on a grounded line.
        """
        check_batch(self.info, pulses)
        refused = self._grounded(pulses.device) & (pulses.count != 0)
        if refused.any():
            word, bit = divmod(int(pulses.device[refused][0]), self.info.shape[1])
            where = f"word line {word}" if self.grounded_words[word] else f"bit line {bit}"
            raise LimitError(
                f"a pulse to word line {word}, bit line {bit}: {where} is grounded; "
                "nothing was sent"
            )
        self.board.pulse(pulses, shape)

    def wait(self, seconds: float) -> None:
        """See `Board.wait`."""
        self.board.wait(seconds)

    def close(self) -> None:
        """See `Board.close`."""
        self.board.close()
