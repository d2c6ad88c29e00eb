"""Kernels that wait until something is computed: a settings file is read without a compiler.

A kind (a neuron, a layer, a loss) has its settings, its equations in torch and its kernels in one
file. Settings are read by commands that compute nothing and must not wait for numba and torch. So
the kernels stand in a function that `kernels` marks, which imports what it needs and is called when
the engine that runs them is imported, or at once, if it was.
"""

from collections.abc import Callable

_waiting: list[Callable[[], None]] = []
_is_loaded = False


def kernels(register: Callable[[], None]) -> Callable[[], None]:
    """Mark a function that registers kernels by `kernels.dispatch.implements`."""
    if _is_loaded:
        register()
    else:
        _waiting.append(register)
    return register


def load_kernels() -> None:
    """Call what waits; kinds that come later register at once."""
    global _is_loaded  # noqa: PLW0603  # one process, one compiler
    _is_loaded = True
    while _waiting:
        _waiting.pop(0)()
