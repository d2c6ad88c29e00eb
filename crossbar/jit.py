"""How kernels are compiled: once per machine, kept in the user's cache folder."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba


def cache_folder() -> Path:
    """Folder of compiled kernels: `$NUMBA_CACHE_DIR`, else `xbar/kernels` in the user's cache."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given) if given else base / "xbar" / "kernels"


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile for the machine: releases the interpreter lock, reorders sums, keeps nan and inf.

    Sums are reordered by the compiler only (SIMD lanes), never by threads, so results do not depend
    on the number of threads. `nnan` and `ninf` stay off: a comparison with nan must remain false.
    """
    numba.config.CACHE_DIR = str(cache_folder())  # type: ignore[attr-defined]  # made at run time
    fast = {"nsz", "arcp", "contract", "afn", "reassoc"}
    compiled: Callable[..., Any] = numba.njit(
        nogil=True, cache=True, fastmath=fast, error_model="numpy"
    )(function)
    return compiled


def is_compiled(stem: str) -> bool:
    """Whether kernels of the file `stem`.py were compiled on this machine before."""
    return any(cache_folder().rglob(f"{stem}.*.nbi"))
