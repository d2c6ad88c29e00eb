"""Work on some devices of an array: their flat indices, and new values at them."""

import numpy as np
import torch
from torch import Tensor


def which(values: Tensor) -> slice | Tensor:
    """Flat places that are not 0 or False; all of them are a slice, which copies nothing."""
    # numpy takes a fifth of torch's time to compare and count, and a third to list.
    flat = values.numpy().ravel()
    if np.count_nonzero(flat) == len(flat):
        return slice(None)
    return torch.from_numpy(np.flatnonzero(flat))


def at(array: Tensor, where: slice | Tensor) -> Tensor:
    """Values of an array at some flat places, as `which` gives them; may be a view."""
    flat = array.flatten()
    return flat[where] if isinstance(where, slice) else flat.index_select(0, where)


def put(old: Tensor, where: slice | Tensor, new: Tensor, only: Tensor | None) -> Tensor:
    """A copy of an array with new values at some flat places, or at those of them in a mask.

    Args:
        old: Any shape. Not modified.
        where: As `which` gives it.
        new: One value per place; the result may share its memory.
        only: Which places change (bool, shape of `new`); None for all.
    """
    if only is not None:
        new = torch.where(only, new, at(old, where))
    if isinstance(where, slice):
        return new.view_as(old)
    return old.flatten().index_copy(0, where, new).view_as(old)
