"""The types of the compiler: lanes and masks, each one LLVM vector."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic, models, register_model

LANES = 16
FAST = ("nsz", "arcp", "contract", "afn")  # as `jit`, but sums keep their order
FLOATS = {types.float32: ir.FloatType(), types.float64: ir.DoubleType()}


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


def kernel_intrinsic(typed: Callable[..., Any]) -> Callable[..., Any]:
    """A function for kernels: `typed` gives its types and what writes its instructions."""
    function: Callable[..., Any] = intrinsic(typed)
    return function


def vector(dtype: types.Float) -> ir.VectorType:
    """LLVM's type of the lanes."""
    return ir.VectorType(FLOATS[dtype], LANES)


def splat_number(builder: Any, dtype: types.Float, number: Any) -> Any:
    """One number in all lanes."""
    i32 = ir.IntType(32)
    first = ir.Constant(vector(dtype), ir.Undefined)
    first = builder.insert_element(first, number, i32(0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(i32, LANES), [0] * LANES))


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    """Lanes are one LLVM vector."""

    def __init__(self, manager: Any, kind: LanesType) -> None:
        super().__init__(manager, kind, vector(kind.dtype))


@register_model(MaskType)
class _MaskModel(models.PrimitiveModel):
    """A mask is one LLVM vector of bits."""

    def __init__(self, manager: Any, kind: MaskType) -> None:
        super().__init__(manager, kind, ir.VectorType(ir.IntType(1), LANES))
