"""Kernels that a record's type picks: how a neuron, a layer or a loss brings its own.

A stub is a function without a body of its own. `implements(stub, Record)` lets it run the decorated
function wherever its first argument is such a record; the compiler makes what a network uses and
nothing else, and keeps it on disk like any other kernel, also of a file outside the package.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from numba.core import types
from numba.extending import overload

from device_models.jit import add_source
from device_models.kernel_compiler import for_callers

F = TypeVar("F", bound=Callable[..., Any])
_kernels: set[tuple[Callable[..., Any], type | None]] = set()  # a stub, and whose first argument


def is_record(kind: Any, record: type | None) -> bool:
    """Whether a type of numba is this one, or that of this NamedTuple class, or (None) of None."""
    if record is None:
        return isinstance(kind, types.NoneType)
    if issubclass(record, types.Type):
        return isinstance(kind, record)
    return getattr(kind, "instance_class", None) is record


def implements(
    stub: Callable[..., Any], record: type | None, *, inline: bool = True
) -> Callable[[F], F]:
    """Register a kernel for the calls of a stub whose first argument is a record of this class.

    Args:
        stub: One of `kernels.neuron`, `kernels.topology` or `kernels.loss`.
        record: A NamedTuple class, or None.
        inline: Whether its code becomes that of its callers: for the inside of a loop.
    """

    def register(function: F) -> F:
        add_source(function)
        _kernels.add((stub, record))

        @overload(stub, strict=False, jit_options=for_callers(forceinline=inline))
        def choose(first: Any, *args: Any) -> Any:
            return function if is_record(first, record) else None

        return function

    return register


def implements_where(stub: Callable[..., Any], holds: Callable[[Any], bool]) -> Callable[[F], F]:
    """Register a kernel, inline, for the calls whose first argument is of such a class.

    Args:
        stub: As for `implements`.
        holds: NamedTuple class -> whether the kernel is for it.
    """

    def register(function: F) -> F:
        add_source(function)

        @overload(stub, strict=False, jit_options=for_callers(forceinline=True))
        def choose(first: Any, *args: Any) -> Any:
            record = getattr(first, "instance_class", None)
            return function if record is not None and holds(record) else None

        return function

    return register


def missing_kernels(record: Any, stubs: Iterable[Callable[..., Any]]) -> list[str]:
    """The stubs, by name, that the class of a record brings no kernel for."""
    return [stub.__name__ for stub in stubs if (stub, type(record)) not in _kernels]
