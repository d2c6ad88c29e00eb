"""Graphs of NIR that others wrote."""

import importlib.util
import io

import numpy as np
from fuzz_boards import damaged_hdf5
from fuzz_reader import Reader
from xbar_nir import chain, input_of, lif, output_of, small

from crossbar.nir.reading import read_network


def graphs():
    """Layers of all kinds of weights, small."""
    import nir

    conv = nir.Conv2d(
        input_shape=(6, 6), weight=np.ones((2, 1, 3, 3)), stride=1, padding=0, dilation=1, groups=1,
        bias=np.zeros(2),
    )  # fmt: skip
    flat = nir.Flatten(input_type=np.array([2, 4, 4]), start_dim=0)
    line = [np.full(3, 1e-3), np.ones(3), np.zeros(3)]
    image = chain(
        nir, input_of(nir, 1, 6, 6), conv, lif(nir, (2, 4, 4)), flat,
        nir.Linear(weight=np.ones((3, 32))), nir.LI(*line), output_of(nir, 3),
    )  # fmt: skip
    files = [io.BytesIO(), io.BytesIO()]
    nir.write(files[0], small(nir, lines=6, hidden=5, classes=3))
    nir.write(files[1], image)
    return [file.getvalue() for file in files]


GRAPHS = {}
if importlib.util.find_spec("nir"):  # an extra of the package
    GRAPHS["graph"] = Reader(graphs, damaged_hdf5, read_network, "x.nir", 60)
