"""Boards of every kind for the tests of the laboratory functions and of the conformance suite."""

import dataclasses

import numpy as np
import torch
from xbar_devices import at, gen, quiet, registered

from crossbar.array.faults import Faults, draw
from crossbar.array.placement import Placement
from crossbar.array.tile import Tiling
from crossbar.boards.checked import CheckedBoard
from crossbar.boards.limited import LimitedBoard
from crossbar.boards.limits import limits_of
from crossbar.boards.protocol import Grid
from crossbar.boards.quantised import QuantisedBoard
from crossbar.boards.region import Stack
from crossbar.boards.routed import RoutedBoard
from crossbar.boards.simulated import SimulatedBoard
from crossbar.wires.array import WiredArray
from crossbar.wires.wires import Wires
from device_models.presets import load_device

OXRAM = load_device("oxram_literature")
COARSE = dataclasses.replace(load_device("ideal"), states=1000)
GRID = Grid(
    dac_volts=0.1, most_volts=10.0, time_seconds=2e-8, least_seconds=4e-8, most_seconds=1.0,
    adc_amperes=1e-9, most_amperes=1e-3,
)  # fmt: skip


def simulated(
    model=OXRAM, shape=(10, 8), *, seed=3, x=0.5, wires=None, faults=None, tile=(128, 128)
):
    """An emulated board whose devices stand around a fraction `x` of their window."""
    tiling = Tiling(*shape, *tile)
    wired = None if wires is None else WiredArray(shape, tile, wires)
    board = SimulatedBoard(
        model, tiling, torch.ones(shape, dtype=torch.bool), v_read_volts=0.2,
        t_read_seconds=1e-7, seed=seed, index=0, wired=wired, faults=faults,
    )  # fmt: skip
    board.restore(at(model, x + 0.2 * (torch.rand(shape, generator=gen(5)) - 0.5)))
    return board


def exact(shape=(10, 8), **options):
    """A board without spread of any kind."""
    return simulated(quiet(OXRAM), shape, **options)


def fixed(shape=(10, 8)):
    """A board without spread whose device file knows no other pulse than 1.2 V, 1.3 V, 100 ns."""
    return simulated(quiet(registered("soft_bounds")), shape)


def routed():
    """A layer on three copies, of which two are averaged."""
    rows, columns, copies = 10, 8, 3
    z = np.random.default_rng(4)
    averaged = np.ones((copies, columns), bool)
    averaged[z.integers(0, copies, columns), np.arange(columns)] = False
    where = Placement(torch.from_numpy(z.permutation(rows)), torch.from_numpy(averaged))
    return RoutedBoard(simulated(shape=(rows, copies * columns)), where)


def broken_lines():
    """An array of which 4 % of the devices are stuck and some lines are open."""
    tiling, shares = Tiling(40, 30, 128, 128), Faults(stuck_high_share=0.02, stuck_low_share=0.02)
    faults = draw(shares, tiling, OXRAM, generator=np.random.default_rng(1))
    return simulated(shape=(40, 30), faults=faults)


def limited():
    """A board within the limits of its device file."""
    return LimitedBoard(simulated(), limits_of(OXRAM), most_siemens=OXRAM.g_max_siemens)


def region():
    """The second of two arrays on one board."""
    stack = Stack(simulated(shape=(16, 12)))
    stack.place(0, (6, 12))
    return stack.place(1, (10, 8))


BOARDS = {  # name -> a board that every check must accept
    "oxram": lambda: simulated(load_device("oxram")),
    "oxram_literature": simulated,
    "ideal": lambda: simulated(COARSE),
    "taox_tabulated": lambda: simulated(load_device("taox_tabulated")),
    "gaussian_update": lambda: simulated(load_device("gaussian_update")),
    "tiles": lambda: simulated(shape=(40, 30), tile=(16, 16)),
    "wires": lambda: simulated(shape=(24, 16), wires=Wires(word_ohms=2.0, bit_ohms=2.0)),
    "faults": broken_lines,
    "routed": routed,
    "limited": limited,
    "region": region,
    "checked": lambda: CheckedBoard(simulated(), most_siemens=OXRAM.g_max_siemens),
    "quantised": lambda: QuantisedBoard(simulated(), GRID),
}
