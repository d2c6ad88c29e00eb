"""The area of a chip, block by block."""

from dataclasses import dataclass

import numpy as np

from device_models.errors import ConfigError

from .chip import Chip
from .counts import LayerCounts
from .inference_cost import Floats, Price, adds_digitally

PASSIVE = ("cells", "routing")  # do not leak


@dataclass(frozen=True, eq=False)
class Block:
    """As `results.AreaItem`, with a vector of sizes; `unit_m2` is (k,)."""

    component: str
    count: float
    cost: str
    unit_m2: Floats

    @property
    def m2(self) -> Floats:
        """All of them."""
        return np.asarray(self.count * self.unit_m2)


def tiles_needed(counts: tuple[LayerCounts, ...]) -> int:
    """Tiles that hold the network."""
    return sum(layer.tiles_down * layer.tiles_across for layer in counts)


def check_fits(counts: tuple[LayerCounts, ...], chip: Chip) -> None:
    """Refuse a chip with too few tiles.

    Raises:
        ConfigError: Says how many are needed, and by which layer.
    """
    needed = tiles_needed(counts)
    if chip.tiles is not None and chip.tiles < needed:
        takes = ", ".join(
            f"{layer.name} {layer.tiles_down} x {layer.tiles_across}" for layer in counts
        )
        raise ConfigError(
            f"chip {chip.name!r} has {chip.tiles} tiles of {chip.tile_rows} x {chip.tile_columns}; "
            f"the network needs {needed} (rows x columns of tiles: {takes})"
        )


def blocks(
    counts: tuple[LayerCounts, ...], chip: Chip, price: Price, *, sliced: bool
) -> list[Block]:
    """Every block of the chip; one with fixed `tiles` has all of them, used or not.

    Args:
        counts: Events of the layers, for their tiles and neurons.
        chip: The chip.
        price: Prices at the chip.
        sliced: See `account.Reading`.
    """
    tiles = chip.tiles or tiles_needed(counts)
    adding = sum(
        layer.tiles_down * layer.tiles_across
        for layer in counts
        if adds_digitally(layer, sliced=sliced)
    )
    columns, adcs = tiles * chip.tile_columns, tiles * chip.adcs_per_tile
    cells = f"cell_area_{chip.cell.lower()}"
    square = (chip.node_nm * 1e-9) ** 2
    found = [
        Block("cells", columns * chip.tile_rows, cells, price(cells) * square),
        Block("driver", tiles * chip.tile_rows, "driver_area", price("driver_area")),
    ]
    if chip.adc_kind != "none":
        found.append(Block("adc", adcs, "adc_area", price("adc_area")))
        hold = price("sample_and_hold_area")
        found.append(Block("sample_and_hold", columns, "sample_and_hold_area", hold))
        add = price("shift_add_area")
        found.append(Block("shift_add", adding * chip.adcs_per_tile, "shift_add_area", add))
    neuron = f"neuron_area_{chip.neuron}"
    found += [
        Block("neuron", sum(layer.outputs for layer in counts), neuron, price(neuron)),
        Block("buffer", tiles * chip.buffer_bytes, "buffer_area", price("buffer_area")),
        Block("router", tiles, "router_area", price("router_area")),
    ]
    share = price("routing_share") * np.sum([block.m2 for block in found], axis=0)
    found.append(Block("routing", 1, "routing_share", share))
    return [block for block in found if block.count]


def leakage_watts(found: list[Block], price: Price) -> Floats:
    """Power of the chip at rest, watts, (k,): that of its periphery and digital blocks."""
    leaking = [block.m2 for block in found if block.component not in PASSIVE]
    return np.asarray(price("leakage_density") * np.sum(leaking, axis=0))
