"""What of a chip can change while its conductances stay: settings with one value changed."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # torch comes with it; the names of the axes alone must cost nothing
    from .config import Training


def wires(config: "Training", ohms: float) -> "Training":
    """Segments of word and bit lines of `ohms`."""
    changed = dataclasses.replace(config.wires, word_ohms=ohms, bit_ohms=ohms)
    return dataclasses.replace(config, wires=changed)


def tile(config: "Training", lines: float) -> "Training":
    """Square tiles."""
    return dataclasses.replace(config, tile_rows=whole(lines), tile_columns=whole(lines))


def tile_rows(config: "Training", lines: float) -> "Training":
    """Tiles of so many word lines."""
    return dataclasses.replace(config, tile_rows=whole(lines))


def tile_columns(config: "Training", lines: float) -> "Training":
    """Tiles of so many bit lines."""
    return dataclasses.replace(config, tile_columns=whole(lines))


def adc_bits(config: "Training", bits: float) -> "Training":
    """Columns converted with so many bits."""
    converter = dataclasses.replace(config.periphery, kind="adc", adc_bits=whole(bits))
    return dataclasses.replace(config, periphery=converter)


def v_read_volts(config: "Training", volts: float) -> "Training":
    """Another read voltage."""
    return dataclasses.replace(config, v_read_volts=volts)


def whole(value: float) -> Any:
    """A whole number as an int; any other as it is, for the record to refuse."""
    return int(value) if value == value // 1 and abs(value) < 1e18 else value


AXES: dict[str, Callable[["Training", float], "Training"]] = {
    axis.__name__: axis for axis in (adc_bits, tile, tile_rows, tile_columns, v_read_volts, wires)
}
