"""Exponential and logarithm of float32, written so that loops of them become SIMD code.

Those of numba are calls of a library, one number at a time, which take twenty times as long.

Source:
    S. L. Moshier, Cephes (exp); FreeBSD's msun, e_logf.c (log).
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.extending import intrinsic

from device_models.jit import inlined

ONE, HALF = np.float32(1.0), np.float32(0.5)
LOG2E, LN2 = np.float32(1.44269504), np.float32(0.693147181)
LEAST, MOST = np.float32(-87.0), np.float32(88.0)  # exponents between which exp is a normal number
EXP = tuple(map(np.float32, (1.9875691e-4, 1.3981999e-3, 8.3334519e-3, 4.1665796e-2, 0.16666665)))
LOG = tuple(map(np.float32, (0.6666666, 0.4000097, 0.28498787, 0.24279079)))
ROOT_HALF = np.int32(0x3F3504F3)  # bits of sqrt(1/2)
BIAS, FRACTION = np.int32(127), np.int32(23)  # of the exponent; bits below it


def _same_bits(kind: Any, other: Any, word: ir.Type) -> Callable[..., Any]:
    """A function that reads the bits of a number as one of another type."""

    def typed(context: Any, number: Any) -> Any:
        def cast(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.bitcast(args[0], word)

        return other(kind), cast

    function: Callable[..., Any] = intrinsic(typed)
    return function


bits_of = _same_bits(numba.float32, numba.int32, ir.IntType(32))
from_bits = _same_bits(numba.int32, numba.float32, ir.FloatType())


@inlined
def exp(x: Any) -> Any:
    """e^x of a float32, to 3e-7 of it; held at e^-87 and e^88."""
    x = min(max(x, LEAST), MOST)
    whole = np.floor(x * LOG2E + HALF)
    r = x - whole * LN2
    series = (((EXP[0] * r + EXP[1]) * r + EXP[2]) * r + EXP[3]) * r + EXP[4]
    scale = from_bits((np.int32(whole) + BIAS) << FRACTION)
    return ((series * r + HALF) * r * r + r + ONE) * scale


@inlined
def log(x: Any) -> Any:
    """Natural logarithm of a normal positive float32, to 2e-7 of it or of one."""
    bits = bits_of(x)
    power = (bits - ROOT_HALF) >> FRACTION
    f = from_bits(bits - (power << FRACTION)) - ONE
    s = f / (f + ONE + ONE)
    z = s * s
    series = z * (LOG[0] + z * (LOG[1] + z * (LOG[2] + z * LOG[3])))
    half = HALF * f * f
    return s * (half + series) - half + f + np.float32(power) * LN2
