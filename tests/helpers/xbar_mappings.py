"""Mappings and layers on them, for tests."""

import torch

from crossbar.array.tile import Tiling
from crossbar.boards.simulated import SimulatedBoard
from crossbar.mappings import MAPPINGS
from crossbar.synapses.effective import effective_weights
from crossbar.synapses.synapses import Synapses
from crossbar.wires.array import WiredArray

G_MIN, G_MAX, W_MAX = 1e-6, 1e-3, 2.0
UNIT = (G_MAX - G_MIN) / W_MAX
OUTPUTS = 4
BOUND = torch.tensor([1, -1, 1, 1, -1, -1], dtype=torch.int8)
MIXED = torch.tensor([1, -1, 0, 1, 0, -1], dtype=torch.int8)
FREE = torch.zeros(6, dtype=torch.int8)
SIGNS = {"bound": BOUND, "mixed": MIXED, "free": FREE}
# Every mapping with every kind of rows it takes; tiles of 3 columns: two blocks of references.
CASES = [(n, s) for n in MAPPINGS for s in SIGNS if n != "dale" or s == "bound"]
IDS = [f"{name} {signs}" for name, signs in CASES]


def mapping_of(name, signs="bound", *, outputs=OUTPUTS, w_max=W_MAX, tile_columns=3, **options):
    """A mapping by name, for rows of some signs."""
    rows = SIGNS[signs] if isinstance(signs, str) else signs
    unit, kind = (G_MAX - G_MIN) / w_max, MAPPINGS[name]
    return kind(rows, outputs, unit, G_MIN, G_MAX, tile_columns, kind.Options(**options))


def some_weights(mapping, *, share=1.0, kind=torch.float64, seed=0):
    """Weights that the mapping can hold, all over that share of its limits."""
    low, high = (share * bound for bound in mapping.limits())
    u = torch.rand(mapping.shape, generator=torch.Generator().manual_seed(seed)).double()
    return (low + (high - low) * u).to(kind)


def layer_on(model, mapping, *, wires=None, seed=0):
    """The mapping on a fresh board of such devices; all at their floor."""
    shape, tile = (len(mapping.signs), mapping.columns), (128, mapping.tile_columns)
    board = SimulatedBoard(
        model, Tiling(*shape, *tile), mapping.selected(), v_read_volts=0.2, t_read_seconds=1e-7,
        seed=seed, index=0, wired=None if wires is None else WiredArray(shape, tile, wires),
    )  # fmt: skip
    return Synapses(mapping, board, model)


def effective(layer):
    """What the emulator knows of a layer on a board of its own."""
    return effective_weights(layer.mapping, layer.board.effective())
