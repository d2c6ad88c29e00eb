"""Lanes add, multiply, divide and compare like numbers; masks choose and count."""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import lower_builtin, type_callable

from .lanes import FAST, LANES, MASK, LanesType, kernel_intrinsic, splat_number, vector


@kernel_intrinsic
def splat(typing: Any, number: Any) -> Any:
    """One number in all lanes."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return splat_number(builder, signature.args[0], args[0])

    return LanesType(number)(number), make


@kernel_intrinsic
def as_wide(typing: Any, lanes: Any, like: Any) -> Any:
    """float32 lanes in the dtype of the lanes `like`."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        is_same = signature.args[0] == signature.args[1]
        return args[0] if is_same else builder.fpext(args[0], vector(like.dtype))

    return like(lanes, like), make


@kernel_intrinsic
def select(typing: Any, mask: Any, a: Any, b: Any) -> Any:
    """`a` where the mask is set, else `b`."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(*args)

    return a(mask, a, b), make


@kernel_intrinsic
def bits(typing: Any, mask: Any) -> Any:
    """A mask as a whole number: bit i is lane i."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(builder.bitcast(args[0], ir.IntType(LANES)), ir.IntType(64))

    return types.int64(mask), make


@kernel_intrinsic
def ones(typing: Any, number: Any) -> Any:
    """How many bits of an int64 are set."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(number), make


@kernel_intrinsic
def lowest(typing: Any, number: Any) -> Any:
    """Place of the lowest bit that is set in an int64, which is not 0."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.int64(number), make


def _unary(name: str) -> Callable[..., Any]:
    """An operation of LLVM on all lanes."""

    @kernel_intrinsic
    def run(typing: Any, lanes: Any) -> Any:
        def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = args[0].type
            full = f"llvm.{name}.v{LANES}f{lanes.dtype.bitwidth}"
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(kind, [kind]), full
            )
            return builder.call(function, args)

        return lanes(lanes), make

    return run


absolute, root, rounded, exponential = (_unary(name) for name in ("fabs", "sqrt", "rint", "exp"))


@kernel_intrinsic
def total(typing: Any, lanes: Any) -> Any:
    """Sum over the lanes."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values = [builder.extract_element(args[0], ir.IntType(32)(i)) for i in range(LANES)]
        while len(values) > 1:
            pairs = zip(values[::2], values[1::2], strict=True)
            values = [builder.fadd(a, b, flags=FAST) for a, b in pairs]
        return values[0]

    return lanes.dtype(lanes), make


def _lanes(builder: Any, kind: Any, value: Any, dtype: types.Float) -> Any:
    """Lanes of a value: itself, or a number in all lanes."""
    return value if isinstance(kind, LanesType) else splat_number(builder, dtype, value)


def _operator(function: Callable[..., Any], name: str, compares: str = "") -> None:
    """Let an operator take lanes; a number beside them stands in all lanes. False for nan."""

    def typed(context: Any) -> Callable[[Any, Any], Any]:
        def result(a: Any, b: Any) -> Any:
            lanes = a if isinstance(a, LanesType) else b
            if not isinstance(lanes, LanesType):
                return None
            fits = all(kind in (lanes, lanes.dtype) for kind in (a, b))
            return (MASK if compares else lanes) if fits else None

        return result

    def lowered(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds = signature.args
        dtype = next(kind.dtype for kind in kinds if isinstance(kind, LanesType))
        both = [_lanes(builder, k, v, dtype) for k, v in zip(kinds, args, strict=True)]
        if compares:
            return builder.fcmp_ordered(compares, *both)
        return getattr(builder, name)(*both, flags=FAST)

    type_callable(function)(typed)
    for kinds in ((LanesType, LanesType), (LanesType, types.Float), (types.Float, LanesType)):
        lower_builtin(function, *kinds)(lowered)


_operator(operator.add, "fadd")
_operator(operator.iadd, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")
_operator(operator.truediv, "fdiv")
_operator(operator.gt, "fcmp", ">")
_operator(operator.eq, "fcmp", "==")
