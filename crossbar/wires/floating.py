"""Lines of a tile that open ends and missing devices cut off from every source and every amplifier.

What hangs together by devices and bridges is at one potential with nothing to drive a current: a
piece that no driver and no sense amplifier ties down carries 0 A, whatever its potential, which no
law determines. It is taken for 0 V.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .wires import Floats, Wires, connects

Bools = NDArray[np.bool_]


class FloatingLines(NamedTuple):
    """Which lines belong to a piece that floats.

    Attributes:
        words: (rows,)
        bits: (columns,)
    """

    words: Bools
    bits: Bools

    def __bool__(self) -> bool:
        """Whether there is one."""
        return bool(self.words.any() or self.bits.any())

    def held(self, wires: Wires) -> Wires:
        """The wires with the ends of these lines closed."""
        return replace(
            wires,
            open_words=tuple(i for i in wires.open_words if not self.words[i]),
            open_bits=tuple(j for j in wires.open_bits if not self.bits[j]),
        )


def floating_lines(g: Floats, wires: Wires) -> FloatingLines:
    """The lines of all pieces that float.

    Args:
        g: Conductances, siemens, shape (rows, columns); see `connects`.
        wires: The lines.
    """
    from scipy.sparse import coo_array  # see `transfer`
    from scipy.sparse.csgraph import connected_components

    rows, columns = g.shape
    nothing = FloatingLines(np.zeros(rows, bool), np.zeros(columns, bool))
    if not (wires.open_words or wires.open_bits):
        return nothing
    nodes = np.arange(rows + columns + 1)
    words, bits, outside = nodes[:rows], nodes[rows:-1], nodes[-1:]
    device_words, device_bits = np.nonzero(connects(g, wires.word_ohms, wires.bit_ohms))
    bridged_words, bridged_bits = (
        np.array(each, np.int64) for each in (wires.bridged_words, wires.bridged_bits)
    )
    driven = np.delete(words, wires.open_words)
    sensed = np.delete(bits, wires.open_bits)
    tied = np.concatenate([driven, sensed])
    one = [words[device_words], words[bridged_words], bits[bridged_bits], tied]
    other = [bits[device_bits], words[bridged_words + 1], bits[bridged_bits + 1]]
    a, b = np.concatenate(one), np.concatenate([*other, np.repeat(outside, len(tied))])
    joined = coo_array((np.ones(len(a)), (a, b)), shape=(len(nodes), len(nodes)))
    _, piece = connected_components(joined, directed=False)
    floats = piece != piece[-1]
    return FloatingLines(floats[:rows], floats[rows:-1])
