"""Arrays that callers hand over: real numbers of the right kind, or one line that says what not."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import ShapeError


def real_numbers(values: ArrayLike, what: str, nothing: str) -> NDArray[np.float64]:
    """A new array of 64 bits.

    Args:
        values: Anything that can be an array.
        what: Its name in the message, in the plural.
        nothing: What did not happen.

    Raises:
        ShapeError: They are no real numbers: complex, text, or rows of different lengths.
    """
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as e:  # the last one of torch
        raise ShapeError(f"{what} are no array of numbers ({e}); {nothing}") from e
    if array.dtype.kind not in "fiu":
        raise ShapeError(f"{what} are of type {array.dtype}, not real numbers; {nothing}")
    return array.astype(np.float64)


def check_array(
    array: object,
    what: str,
    dtype: np.typing.DTypeLike,
    shape: tuple[int, ...],
    nothing: str,
    *,
    in_one_piece: bool = True,
) -> None:
    """Refuse what is not just the array that a kernel believes it to be.

    Args:
        array: What was handed over.
        what: Its name in the message.
        dtype: Of its numbers.
        shape: Of it; -1 for any length.
        nothing: What did not happen.
        in_one_piece: Whether it must lie so, in C order.

    Raises:
        ShapeError: It has another type or shape, or does not lie in one piece.
    """
    if not isinstance(array, np.ndarray):
        wanted = _described(dtype, shape)
        raise ShapeError(f"{what}: {type(array).__name__}, not an array {wanted}; {nothing}")
    fits = array.shape == shape or (
        len(array.shape) == len(shape)
        and all(length in (-1, there) for length, there in zip(shape, array.shape, strict=True))
    )
    if array.dtype != dtype or not fits:
        given, wanted = _described(array.dtype, array.shape), _described(dtype, shape)
        raise ShapeError(f"{what}: {given}, not {wanted}; {nothing}")
    if in_one_piece and not array.flags.c_contiguous:
        raise ShapeError(f"{what}: does not lie in one piece (np.ascontiguousarray); {nothing}")


def _described(dtype: np.typing.DTypeLike, shape: tuple[int, ...]) -> str:
    """Type and shape of an array as a person writes them."""
    return f"{np.dtype(dtype)} of shape {_text(shape)}"


def _text(shape: tuple[Any, ...]) -> str:
    """A shape as a person writes it."""
    return "(" + ", ".join("any" if length == -1 else str(length) for length in shape) + ")"
