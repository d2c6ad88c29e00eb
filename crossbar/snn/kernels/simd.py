"""Sixteen numbers at a time, in registers: what one cache line of 32-bit numbers holds.

The compiler keeps a loop's state in registers only where it can prove that no store of the loop
touches it; with arrays it cannot, and it vectorises no loop over time. `Lanes` says what is meant:
neurons of a block are lanes of a vector, and a whole time course runs in registers. They add,
multiply, divide and compare like numbers; the machine's own vectors (AVX2, AVX-512, NEON) come out.

A panel is a tuple of blocks side by side: as many columns of a crossbar as the registers of AVX2
hold sums of.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

LANES = 16
BITS = 64  # of an int64
_FAST = ("nsz", "arcp", "contract", "afn")  # as `jit`, but sums keep their order
_FLOATS = {types.float32: ir.FloatType(), types.float64: ir.DoubleType()}


class LanesType(types.Type):
    """Numba's type of `LANES` numbers of one dtype."""

    def __init__(self, dtype: types.Float) -> None:
        """Of float32 or float64."""
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype})")


class MaskType(types.Type):
    """Numba's type of `LANES` truths."""

    def __init__(self) -> None:
        """There is one."""
        super().__init__(name="Mask")


MASK = MaskType()


def _intrinsic(typed: Callable[..., Any]) -> Callable[..., Any]:
    """A function for kernels: `typed` gives its types and what writes its instructions."""
    function: Callable[..., Any] = intrinsic(typed)
    return function


def _vector(dtype: types.Float) -> ir.VectorType:
    """LLVM's type of the lanes."""
    return ir.VectorType(_FLOATS[dtype], LANES)


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    """Lanes are one LLVM vector."""

    def __init__(self, manager: Any, kind: LanesType) -> None:
        super().__init__(manager, kind, _vector(kind.dtype))


@register_model(MaskType)
class _MaskModel(models.PrimitiveModel):
    """A mask is one LLVM vector of bits."""

    def __init__(self, manager: Any, kind: MaskType) -> None:
        super().__init__(manager, kind, ir.VectorType(ir.IntType(1), LANES))


@_intrinsic
def data_pointer(typing: Any, array: Any) -> Any:
    """The numbers of an array in C order without their owner, as a pointer: one flat index.

    Whoever passes an array on counts it, atomically, and so do all threads that share it: for what
    is passed on a hundred times per sample that took longer than the arithmetic. The caller keeps
    the array alive; a kernel that makes an array itself must not take its pointer.
    """

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, args[0]).data

    is_flat = isinstance(array, types.Array) and array.layout == "C"
    return (types.CPointer(array.dtype)(array), make) if is_flat else None


@_intrinsic
def pointer_to(typing: Any, address: Any, like: Any) -> Any:
    """An address as a pointer to numbers of the type of `like`, a number or an array of such.

    The caller keeps the array alive; a table of addresses of one type stands for any number of
    records of arrays, which would be a type of its own each.
    """

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    kind = like.dtype if isinstance(like, types.Array) else like
    return types.CPointer(kind)(types.int64, like), make


@_intrinsic
def write(typing: Any, numbers: Any, at: Any, number: Any) -> Any:
    """Write one number to a place of numbers by pointer.

    `numbers[at] = number` may be dropped: numba removes assignments into what it takes for an array
    that nobody reads again.
    """

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind, given = numbers.dtype, signature.args[2]
        value = context.cast(builder, args[2], given, kind)
        builder.store(value, builder.gep(args[0], [args[1]]))
        return context.get_dummy_value()

    is_right = isinstance(numbers, types.CPointer)
    return (types.void(numbers, types.intp, number), make) if is_right else None


def _is_lanes_of(numbers: Any) -> bool:
    """Whether these are numbers by pointer that lanes can hold."""
    return isinstance(numbers, types.CPointer) and numbers.dtype in _FLOATS


def _load(builder: Any, kind: LanesType, pointer: Any, at: Any) -> Any:
    """The lanes that begin at a place."""
    place = builder.bitcast(builder.gep(pointer, [at]), _vector(kind.dtype).as_pointer())
    found = builder.load(place)
    found.align = kind.dtype.bitwidth // 8
    return found


def _store(builder: Any, kind: LanesType, pointer: Any, at: Any, lanes: Any) -> None:
    """Write lanes to a place."""
    place = builder.bitcast(builder.gep(pointer, [at]), _vector(kind.dtype).as_pointer())
    builder.store(lanes, place).align = kind.dtype.bitwidth // 8


@_intrinsic
def load(typing: Any, numbers: Any, at: Any) -> Any:
    """The lanes from a place of numbers by pointer on."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _load(builder, signature.return_type, *args)

    return (LanesType(numbers.dtype)(numbers, types.intp), make) if _is_lanes_of(numbers) else None


@_intrinsic
def store(typing: Any, numbers: Any, at: Any, lanes: Any) -> Any:
    """Write lanes to a place of numbers by pointer and behind it."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _store(builder, signature.args[2], *args)
        return context.get_dummy_value()

    return (types.void(numbers, types.intp, lanes), make) if _is_lanes_of(numbers) else None


def _blocks(builder: Any, at: Any, panel: Any) -> Any:
    """Number, place and lanes of each block of a panel that begins at a place."""
    for i in range(panel.type.count):
        place = builder.add(at, ir.Constant(at.type, i * LANES))
        yield i, place, builder.extract_value(panel, i)


@_intrinsic
def load_panel(typing: Any, numbers: Any, at: Any, like: Any) -> Any:
    """As many lanes as in `like`, a tuple of blocks, from a place of numbers by pointer on."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind, panel = signature.args[2].dtype, args[2]
        for i, place, _ in _blocks(builder, args[1], args[2]):
            panel = builder.insert_value(panel, _load(builder, kind, args[0], place), i)
        return panel

    return (like(numbers, types.intp, like), make) if _is_lanes_of(numbers) else None


@_intrinsic
def plus_row(typing: Any, panel: Any, numbers: Any, at: Any) -> Any:
    """A panel, with the numbers by pointer from a place on added to its lanes."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind, found = signature.args[0].dtype, args[0]
        for i, place, lanes in _blocks(builder, args[2], args[0]):
            own = _load(builder, kind, args[1], place)
            found = builder.insert_value(found, builder.fadd(lanes, own, flags=_FAST), i)
        return found

    return (panel(panel, numbers, types.intp), make) if _is_lanes_of(numbers) else None


@_intrinsic
def store_panel(typing: Any, numbers: Any, at: Any, panel: Any) -> Any:
    """Write a panel to a place of numbers by pointer and behind it."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        for _, place, lanes in _blocks(builder, args[1], args[2]):
            _store(builder, signature.args[2].dtype, args[0], place, lanes)
        return context.get_dummy_value()

    return (types.void(numbers, types.intp, panel), make) if _is_lanes_of(numbers) else None


@_intrinsic
def add_panel(typing: Any, numbers: Any, at: Any, panel: Any) -> Any:
    """Add a panel to the numbers by pointer at a place and behind it."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[2].dtype
        for _, place, lanes in _blocks(builder, args[1], args[2]):
            before = _load(builder, kind, args[0], place)
            _store(builder, kind, args[0], place, builder.fadd(before, lanes, flags=_FAST))
        return context.get_dummy_value()

    return (types.void(numbers, types.intp, panel), make) if _is_lanes_of(numbers) else None


@_intrinsic
def load_rows(typing: Any, numbers: Any, at: Any, stride: Any, like: Any) -> Any:
    """A tuple of lanes as long as `like`: those from a place on, from `stride` behind it, ..."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind, state = signature.args[3].dtype, args[3]
        for i in range(signature.args[3].count):
            place = builder.add(args[1], builder.mul(args[2], ir.Constant(args[2].type, i)))
            state = builder.insert_value(state, _load(builder, kind, args[0], place), i)
        return state

    is_right = _is_lanes_of(numbers) and isinstance(like, types.UniTuple)
    return (like(numbers, types.intp, types.intp, like), make) if is_right else None


@_intrinsic
def store_rows(typing: Any, numbers: Any, at: Any, stride: Any, state: Any) -> Any:
    """Write a tuple of lanes as `load_rows` reads it."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[3].dtype
        for i in range(signature.args[3].count):
            place = builder.add(args[1], builder.mul(args[2], ir.Constant(args[2].type, i)))
            _store(builder, kind, args[0], place, builder.extract_value(args[3], i))
        return context.get_dummy_value()

    is_right = _is_lanes_of(numbers) and isinstance(state, types.UniTuple)
    return (types.void(numbers, types.intp, types.intp, state), make) if is_right else None


def _splat(builder: Any, dtype: types.Float, number: Any) -> Any:
    """One number in all lanes."""
    i32 = ir.IntType(32)
    first = ir.Constant(_vector(dtype), ir.Undefined)
    first = builder.insert_element(first, number, i32(0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(i32, LANES), [0] * LANES))


@_intrinsic
def splat(typing: Any, number: Any) -> Any:
    """One number in all lanes."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, signature.args[0], args[0])

    return LanesType(number)(number), make


@_intrinsic
def change_mask(typing: Any, numbers: Any, at: Any) -> Any:
    """Bit i of an int64: whether the 8- or 16-bit numbers at `at + i` and `at + i + 1` differ."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.VectorType(ir.IntType(numbers.dtype.bitwidth), BITS)
        one = ir.Constant(args[1].type, 1)
        pair = []
        for place in args[1], builder.add(args[1], one):
            found = builder.load(builder.bitcast(builder.gep(args[0], [place]), kind.as_pointer()))
            found.align = numbers.dtype.bitwidth // 8
            pair.append(found)
        return builder.bitcast(builder.icmp_unsigned("!=", *pair), ir.IntType(BITS))

    is_right = isinstance(numbers, types.CPointer) and numbers.dtype in (types.uint8, types.uint16)
    return (types.int64(numbers, types.intp), make) if is_right else None


@_intrinsic
def load_u16x4(typing: Any, numbers: Any, at: Any) -> Any:
    """Four 16-bit numbers by pointer as one int64, the first in the lowest bits."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.bitcast(args[0], ir.IntType(64).as_pointer())
        found = builder.load(builder.gep(place, [args[1]]))
        found.align = 2
        return found

    is_right = isinstance(numbers, types.CPointer) and numbers.dtype == types.uint16
    return (types.int64(numbers, types.intp), make) if is_right else None


@_intrinsic
def as_wide(typing: Any, lanes: Any, like: Any) -> Any:
    """float32 lanes in the dtype of the lanes `like`."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        is_same = signature.args[0] == signature.args[1]
        return args[0] if is_same else builder.fpext(args[0], _vector(like.dtype))

    return like(lanes, like), make


@_intrinsic
def select(typing: Any, mask: Any, a: Any, b: Any) -> Any:
    """`a` where the mask is set, else `b`."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(*args)

    return a(mask, a, b), make


@_intrinsic
def bits(typing: Any, mask: Any) -> Any:
    """A mask as a whole number: bit i is lane i."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(builder.bitcast(args[0], ir.IntType(LANES)), ir.IntType(64))

    return types.int64(mask), make


@_intrinsic
def ones(typing: Any, number: Any) -> Any:
    """How many bits of an int64 are set."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(number), make


@_intrinsic
def lowest(typing: Any, number: Any) -> Any:
    """Place of the lowest bit that is set in an int64, which is not 0."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.int64(number), make


def _unary(name: str) -> Callable[..., Any]:
    """An operation of LLVM on all lanes."""

    @_intrinsic
    def run(typing: Any, lanes: Any) -> Any:
        def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = args[0].type
            full = f"llvm.{name}.v{LANES}f{lanes.dtype.bitwidth}"
            made = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(kind, [kind]), full
            )
            return builder.call(made, args)

        return lanes(lanes), make

    return run


absolute, root, rounded = _unary("fabs"), _unary("sqrt"), _unary("rint")


@_intrinsic
def total(typing: Any, lanes: Any) -> Any:
    """Sum over the lanes."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values = [builder.extract_element(args[0], ir.IntType(32)(i)) for i in range(LANES)]
        while len(values) > 1:
            pairs = zip(values[::2], values[1::2], strict=True)
            values = [builder.fadd(a, b, flags=_FAST) for a, b in pairs]
        return values[0]

    return lanes.dtype(lanes), make


def _lanes(builder: Any, kind: Any, value: Any, dtype: types.Float) -> Any:
    """Lanes of a value: itself, or a number in all lanes."""
    return value if isinstance(kind, LanesType) else _splat(builder, dtype, value)


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
        return getattr(builder, name)(*both, flags=_FAST)

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
