"""Biases of a layer in digital memory: learned by the layer's own rule, on no device."""

import numpy as np
import torch
from torch import Tensor

from .optimizers import Optimizer


class DigitalBias:
    """What drives each column of a layer in every read.

    Attributes:
        values: (columns,) float32, weight units.
        optimizer: Turns their gradient into a wanted change, which they take exactly; None: they
            stay as they are.
    """

    def __init__(self, values: np.ndarray, optimizer: Optimizer) -> None:
        """Begin with some values; `optimizer` is of the shape (1, columns)."""
        self.values = values
        self.optimizer: Optimizer | None = optimizer

    def learn(self, gradient: np.ndarray, rate: float) -> None:
        """Move by what a gradient asks for.

        Args:
            gradient: Of the mean loss, (columns,) float32.
            rate: Learning rate of this update.
        """
        if self.optimizer is None:
            return
        wanted = self.optimizer.wanted(np.array(gradient[None], np.float32), rate)
        self.values = self.values + wanted[0].numpy()

    def state(self) -> dict[str, Tensor]:
        """The values, and what the rule keeps."""
        state = {} if self.optimizer is None else self.optimizer.state()
        return {"values": torch.from_numpy(self.values), **state}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up a saved state.

        Raises:
            KeyError: A part is missing.
        """
        self.values = state["values"].numpy()
        if self.optimizer is not None:
            self.optimizer.restore(state)


def with_row(matrix: np.ndarray, row: np.ndarray) -> np.ndarray:
    """A matrix (rows, columns) and one row behind it; (0, 0) stays that."""
    return np.concatenate([matrix, row[None].astype(matrix.dtype)]) if matrix.size else matrix
