"""The area of a chip, block by block."""

from dataclasses import dataclass

import numpy as np

from device_models.errors import ConfigError
from device_models.record import shown

from .chip import ChipSpec
from .counts import LayerCounts
from .inference_cost import Floats, Price, adds_digitally

PASSIVE = ("cells", "routing")  # do not leak


@dataclass(frozen=True, eq=False)
class PricedBlock:
    """As `results.AreaItem`, with a vector of sizes; `unit_m2` is (k,)."""

    component: str
    count: float
    cost: str
    unit_m2: Floats

    @property
    def m2(self) -> Floats:
        """All of them."""
        return np.asarray(self.count * self.unit_m2)


def tiles_of(layer: LayerCounts, chip: ChipSpec) -> int:
    """Tiles of a layer, with all copies of its array."""
    return layer.tiles_down * layer.tiles_across * chip.copies_of(layer.positions)


def tiles_needed(counts: tuple[LayerCounts, ...], chip: ChipSpec) -> int:
    """Tiles that hold the network."""
    return sum(tiles_of(layer, chip) for layer in counts)


def check_fits(counts: tuple[LayerCounts, ...], chip: ChipSpec) -> None:
    """Refuse a chip with too few tiles.

    Raises:
        ConfigError: Says how many are needed, and by which layer.
    """
    needed = tiles_needed(counts, chip)
    if chip.tiles is not None and chip.tiles < needed:
        takes = ", ".join(
            f"{layer.name} {layer.tiles_down} x {layer.tiles_across}" for layer in counts
        )
        raise ConfigError(
            f"chip {shown(chip.name)} has {chip.tiles} tiles of {chip.tile_rows} x "
            f"{chip.tile_columns}; the network needs {needed} (rows x columns of tiles: {takes})"
        )


def area_blocks(
    counts: tuple[LayerCounts, ...], chip: ChipSpec, price: Price, *, sliced: bool
) -> list[PricedBlock]:
    """Every block of the chip; one with fixed `tiles` has all of them, used or not.

    Args:
        counts: Events of the layers, for their tiles and neurons.
        chip: The chip.
        price: Prices at the chip.
        sliced: See `inference_cost.Reading`.
    """
    tiles = chip.tiles or tiles_needed(counts, chip)
    adding = sum(tiles_of(layer, chip) for layer in counts if adds_digitally(layer, sliced=sliced))
    columns, adcs = tiles * chip.tile_columns, tiles * chip.adcs_per_tile
    cells = f"cell_area_{chip.cell.lower()}"
    square = (chip.node_nm * 1e-9) ** 2
    blocks = [
        PricedBlock("cells", columns * chip.tile_rows, cells, price(cells) * square),
        PricedBlock("driver", tiles * chip.tile_rows, "driver_area", price("driver_area")),
    ]
    blocks += [
        PricedBlock(
            "dac",
            tiles_of(layer, chip) * chip.tile_rows,
            "dac_level_area",
            2**layer.dac_bits * price("dac_level_area"),
        )
        for layer in counts
        if layer.dac_bits
    ]
    if chip.adc_kind != "none":
        blocks.append(PricedBlock("adc", adcs, "adc_area", price("adc_area")))
        hold = price("sample_and_hold_area")
        blocks.append(PricedBlock("sample_and_hold", columns, "sample_and_hold_area", hold))
        add = price("shift_add_area")
        blocks.append(PricedBlock("shift_add", adding * chip.adcs_per_tile, "shift_add_area", add))
    neuron = f"neuron_area_{chip.neuron}"
    states = sum(layer.neurons + layer.adapting for layer in counts)
    memory = tiles * chip.buffer_bytes + sum(-(-layer.delay_bits // 8) for layer in counts)
    blocks += [
        PricedBlock("neuron", states, neuron, price(neuron)),
        PricedBlock("buffer", memory, "buffer_area", price("buffer_area")),
        PricedBlock("router", tiles, "router_area", price("router_area")),
    ]
    routing = price("routing_share") * np.sum([block.m2 for block in blocks], axis=0)
    blocks.append(PricedBlock("routing", 1, "routing_share", routing))
    return [block for block in blocks if block.count]


def leakage_watts(blocks: list[PricedBlock], price: Price) -> Floats:
    """Power of the chip at rest, watts, (k,): that of its periphery and digital blocks."""
    leaking = [block.m2 for block in blocks if block.component not in PASSIVE]
    return np.asarray(price("leakage_density") * np.sum(leaking, axis=0))
