"""What is done to a whole array by the members of any `Board` alone."""

from torch import Tensor

from device_models.errors import ShapeError

from .protocol import Board, PulseBatch, PulseShape


def pulse_array(board: Board, counts: Tensor, shape: PulseShape | None = None) -> None:
    """Send every device its own signed number of pulses, whole numbers (word lines, bit lines).

    Args:
        board: Where.
        counts: SET > 0, RESET < 0; a device with 0 gets none.
        shape: Amplitude and width of all of them; None: the board's own.

    Raises:
        ShapeError: There is not one count for each device.
    """
    if counts.shape != board.info.shape:
        raise ShapeError(
            f"counts has shape {tuple(counts.shape)}, the array {board.info.shape}; "
            "no pulse was applied"
        )
    board.pulse(PulseBatch.of(counts), shape)
