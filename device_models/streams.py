"""One seed, one random stream per purpose: silencing a purpose moves no other.

A stream is named by its purpose and by where it is used (the epoch, the layer). Nothing about
random numbers therefore has to be saved: a resumed run names the same streams again.
"""

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def stream(purpose: str, seed: int, *place: int) -> np.random.Generator:
    """The numbers of one purpose at one place of a run, for numpy code."""
    # The length is part of the name, because numpy takes (5, 0) and (5,) for the same seed.
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), len(place), *place])


def torch_stream(purpose: str, seed: int, *place: int) -> "torch.Generator":
    """The same for torch code."""
    import torch  # here: whoever draws with numpy alone does not wait for it

    return torch.Generator().manual_seed(stream_key(purpose, seed, *place))


def stream_key(purpose: str, seed: int, *place: int) -> int:
    """A 63-bit number that names the stream, for kernels that count instead of drawing."""
    return int(stream(purpose, seed, *place).integers(2**63))
