"""How many threads the libraries below get while we work."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from device_models.threads import one_blas_thread


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch and linear algebra use one thread: arrays are small, more only wait for each other.

    Kernels have threads of their own, which do not wait.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with one_blas_thread():
            yield
    finally:
        torch.set_num_threads(threads)
