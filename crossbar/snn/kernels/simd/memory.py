"""Between registers and arrays: pointers, and lanes, panels and rows of lanes by pointer."""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types

from .lanes import FAST, FLOATS, LANES, LanesType, kernel_intrinsic, splat_number, vector

BITS = 64  # of an int64


@kernel_intrinsic
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


@kernel_intrinsic
def pointer_to(typing: Any, address: Any, like: Any) -> Any:
    """An address as a pointer to numbers of the type of `like`, a number or an array of such.

    The caller keeps the array alive; a table of addresses of one type stands for any number of
    records of arrays, which would be a type of its own each.
    """

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    kind = like.dtype if isinstance(like, types.Array) else like
    return types.CPointer(kind)(types.int64, like), make


@kernel_intrinsic
def behind(typing: Any, numbers: Any, at: Any) -> Any:
    """Numbers by pointer from a place on, as a pointer."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]])

    return (numbers(numbers, types.intp), make) if isinstance(numbers, types.CPointer) else None


@kernel_intrinsic
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
    return isinstance(numbers, types.CPointer) and numbers.dtype in FLOATS


def _load(builder: Any, kind: LanesType, pointer: Any, at: Any) -> Any:
    """The lanes that begin at a place."""
    place = builder.bitcast(builder.gep(pointer, [at]), vector(kind.dtype).as_pointer())
    value = builder.load(place)
    value.align = kind.dtype.bitwidth // 8
    return value


def _store(builder: Any, kind: LanesType, pointer: Any, at: Any, lanes: Any) -> None:
    """Write lanes to a place."""
    place = builder.bitcast(builder.gep(pointer, [at]), vector(kind.dtype).as_pointer())
    builder.store(lanes, place).align = kind.dtype.bitwidth // 8


@kernel_intrinsic
def load(typing: Any, numbers: Any, at: Any) -> Any:
    """The lanes from a place of numbers by pointer on."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _load(builder, signature.return_type, *args)

    return (LanesType(numbers.dtype)(numbers, types.intp), make) if _is_lanes_of(numbers) else None


@kernel_intrinsic
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


@kernel_intrinsic
def load_panel(typing: Any, numbers: Any, at: Any, like: Any) -> Any:
    """As many lanes as in `like`, a tuple of blocks, from a place of numbers by pointer on."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind, panel = signature.args[2].dtype, args[2]
        for i, place, _ in _blocks(builder, args[1], args[2]):
            panel = builder.insert_value(panel, _load(builder, kind, args[0], place), i)
        return panel

    return (like(numbers, types.intp, like), make) if _is_lanes_of(numbers) else None


@kernel_intrinsic
def prefetch_panel(typing: Any, numbers: Any, at: Any, like: Any) -> Any:
    """Ask for as many lanes as in `like`, from a place of numbers by pointer on, ahead of use.

    A place behind the last number is no fault: nothing comes.
    """

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        for _, place, _ in _blocks(builder, args[1], args[2]):
            address = builder.bitcast(builder.gep(args[0], [place]), byte)
            builder.call(function, [address, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return (types.void(numbers, types.intp, like), make) if _is_lanes_of(numbers) else None


@kernel_intrinsic
def plus_row(typing: Any, panel: Any, numbers: Any, at: Any) -> Any:
    """A panel, with the numbers by pointer from a place on added to its lanes."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind, value = signature.args[0].dtype, args[0]
        for i, place, lanes in _blocks(builder, args[2], args[0]):
            lane = _load(builder, kind, args[1], place)
            value = builder.insert_value(value, builder.fadd(lanes, lane, flags=FAST), i)
        return value

    return (panel(panel, numbers, types.intp), make) if _is_lanes_of(numbers) else None


@kernel_intrinsic
def store_panel(typing: Any, numbers: Any, at: Any, panel: Any) -> Any:
    """Write a panel to a place of numbers by pointer and behind it."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        for _, place, lanes in _blocks(builder, args[1], args[2]):
            _store(builder, signature.args[2].dtype, args[0], place, lanes)
        return context.get_dummy_value()

    return (types.void(numbers, types.intp, panel), make) if _is_lanes_of(numbers) else None


@kernel_intrinsic
def add_panel(typing: Any, numbers: Any, at: Any, panel: Any) -> Any:
    """Add a panel to the numbers by pointer at a place and behind it."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[2].dtype
        for _, place, lanes in _blocks(builder, args[1], args[2]):
            before = _load(builder, kind, args[0], place)
            _store(builder, kind, args[0], place, builder.fadd(before, lanes, flags=FAST))
        return context.get_dummy_value()

    return (types.void(numbers, types.intp, panel), make) if _is_lanes_of(numbers) else None


@kernel_intrinsic
def plus_products(
    typing: Any, panel: Any, numbers: Any, at: Any, factors: Any, first: Any, apart: Any, like: Any
) -> Any:
    """A panel, with the products of some factors and the lanes from a place on added.

    The factors, one a block of `like`, are `factors[first + i * apart]`; the lanes are as many
    blocks as make up the panel with them. Sums of factor i stand side by side.
    """

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind, (value, matrix, place, pointer, start, step, _) = signature.args[0].dtype, args
        rows = signature.args[6].count
        blocks = signature.args[0].count // rows
        lanes = []
        for block in range(blocks):
            offset = ir.Constant(place.type, block * LANES)
            lanes.append(_load(builder, kind, matrix, builder.add(place, offset)))
        for row in range(rows):
            at_factor = builder.add(start, builder.mul(step, ir.Constant(step.type, row)))
            factor = splat_number(
                builder, kind.dtype, builder.load(builder.gep(pointer, [at_factor]))
            )
            for block in range(blocks):
                i = row * blocks + block
                product = builder.fmul(factor, lanes[block], flags=FAST)
                total = builder.fadd(builder.extract_value(value, i), product, flags=FAST)
                value = builder.insert_value(value, total, i)
        return value

    is_right = _is_lanes_of(numbers) and panel.count % like.count == 0
    arguments = (panel, numbers, types.intp, factors, types.intp, types.intp, like)
    return (panel(*arguments), make) if is_right else None


@kernel_intrinsic
def store_products(typing: Any, numbers: Any, at: Any, apart: Any, panel: Any, like: Any) -> Any:
    """Write the sums of a panel of `plus_products`, those of a factor `apart` behind the last's."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer, start, step, value, _ = args
        rows = signature.args[4].count
        blocks = signature.args[3].count // rows
        for row in range(rows):
            first = builder.add(start, builder.mul(step, ir.Constant(step.type, row)))
            for block in range(blocks):
                place = builder.add(first, ir.Constant(first.type, block * LANES))
                lanes = builder.extract_value(value, row * blocks + block)
                _store(builder, signature.args[3].dtype, pointer, place, lanes)
        return context.get_dummy_value()

    arguments = (numbers, types.intp, types.intp, panel, like)
    return (types.void(*arguments), make) if _is_lanes_of(numbers) else None


@kernel_intrinsic
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


@kernel_intrinsic
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


@kernel_intrinsic
def change_mask(typing: Any, numbers: Any, at: Any) -> Any:
    """Bit i of an int64: whether the 8- or 16-bit numbers at `at + i` and `at + i + 1` differ."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.VectorType(ir.IntType(numbers.dtype.bitwidth), BITS)
        one = ir.Constant(args[1].type, 1)
        pair = []
        for place in args[1], builder.add(args[1], one):
            value = builder.load(builder.bitcast(builder.gep(args[0], [place]), kind.as_pointer()))
            value.align = numbers.dtype.bitwidth // 8
            pair.append(value)
        return builder.bitcast(builder.icmp_unsigned("!=", *pair), ir.IntType(BITS))

    is_right = isinstance(numbers, types.CPointer) and numbers.dtype in (types.uint8, types.uint16)
    return (types.int64(numbers, types.intp), make) if is_right else None


@kernel_intrinsic
def load_u16x4(typing: Any, numbers: Any, at: Any) -> Any:
    """Four 16-bit numbers by pointer as one int64, the first in the lowest bits."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.bitcast(args[0], ir.IntType(64).as_pointer())
        value = builder.load(builder.gep(place, [args[1]]))
        value.align = 2
        return value

    is_right = isinstance(numbers, types.CPointer) and numbers.dtype == types.uint16
    return (types.int64(numbers, types.intp), make) if is_right else None
