"""What is done to a whole array by the members of any `Board` alone."""

from torch import Tensor

from device_models.errors import ShapeError

from .protocol import Board, PulseBatch


def pulse_array(board: Board, counts: Tensor) -> None:
    """Send every device its own signed number of pulses, whole numbers (word lines, bit lines).

    Raises:
        ShapeError: There is not one count for each device.
    """
    if counts.shape != board.info.shape:
        raise ShapeError(
            f"counts has shape {tuple(counts.shape)}, the array {board.info.shape}; "
            "no pulse was applied"
        )
    board.pulse(PulseBatch.of(counts))
