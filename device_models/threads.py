"""One thread for linear algebra: many small factorisations, whose threads only wait for each other.

They wait actively, so the same work takes more processor time on a machine that others use. The
number of threads can also move the last bit of a product.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _libraries(loaded: frozenset[str]) -> ThreadpoolController:
    """Those of the modules that are loaded; finding them takes milliseconds, limiting them none."""
    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let the linear algebra of numpy, and of scipy where it is loaded, use one thread.

    Whatever the environment says, and for all threads of the process meanwhile.
    """
    loaded = frozenset({"numpy.linalg", "scipy.linalg"} & sys.modules.keys())
    with _libraries(loaded).limit(limits=1, user_api="blas"):
        yield
