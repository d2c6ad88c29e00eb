"""What the arrays of a torch model are, and what they did so far."""

from dataclasses import dataclass

import torch

from device_models.errors import ConfigError

from ..array.counters import Counters
from .module import ArrayModule


@dataclass(frozen=True)
class ArraySummary:
    """One array.

    Attributes:
        name: As `named_modules` has it.
        kind: Class of the layer.
        rows: Word lines.
        outputs: Weights of a row.
        columns: Bit lines.
        tiles: That it is cut into.
        devices: Of the array.
        clipped_share: Of the first weights, those beyond what the mapping holds.
        counters: Pulses, reads and joules so far.
    """

    name: str
    kind: str
    rows: int
    outputs: int
    columns: int
    tiles: int
    devices: int
    clipped_share: float
    counters: Counters


@dataclass(frozen=True)
class Summary:
    """The arrays of a model; `print` shows a table. Made by `summary`.

        >>> from crossbar import nn
        >>> made = nn.summary(nn.Linear(200, 10, device="ideal.yaml"))
        >>> made.tiles, [array.columns for array in made.arrays]  # 128 x 128 each; pairs of devices
        (2, [20])

    Source:
        The counters of the boards.

    Attributes:
        arrays: In the order of the model.
    """

    arrays: tuple[ArraySummary, ...]

    @property
    def devices(self) -> int:
        """Of all arrays."""
        return sum(array.devices for array in self.arrays)

    @property
    def tiles(self) -> int:
        """Of all arrays."""
        return sum(array.tiles for array in self.arrays)

    @property
    def counters(self) -> Counters:
        """Of all arrays, those of reads among them; joules are of devices alone."""
        return sum((array.counters for array in self.arrays), Counters())

    def __str__(self) -> str:
        """A table, a line for each array and one for all."""
        head = ("array", "rows x columns", "tiles", "devices", "SET", "RESET", "write J", "read J")
        rows: list[tuple[str, ...]] = [head]
        for a in self.arrays:
            size = f"{a.rows} x {a.columns}"
            rows.append((f"{a.name or '-'} ({a.kind})", size, *_cells(a.tiles, a.devices, a)))
        total = ArraySummary("all", "", 0, 0, 0, self.tiles, self.devices, 0.0, self.counters)
        rows.append(("all", "", *_cells(self.tiles, self.devices, total)))
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        )


def _cells(tiles: int, devices: int, array: ArraySummary) -> tuple[str, ...]:
    """The numbers of a line."""
    c = array.counters
    counts = tiles, devices, c.set_pulses, c.reset_pulses
    return (*(f"{n:,}" for n in counts), f"{c.write_joules:.3g}", f"{c.read_joules:.3g}")


def named_arrays(model: torch.nn.Module) -> dict[str, ArrayModule]:
    """The layers on arrays by name, each once.

    Raises:
        ConfigError: There is none.
    """
    named = {n: each for n, each in model.named_modules() if isinstance(each, ArrayModule)}
    if not named:
        raise ConfigError(
            f"{type(model).__name__} has no layer on an array; crossbar.nn.from_torch makes some"
        )
    return named


def summary(model: torch.nn.Module) -> Summary:
    """Arrays, tiles, devices, pulses and joules of a model so far; no array is read for it.

        >>> from crossbar import nn
        >>> nn.summary(nn.Linear(200, 10, device="ideal.yaml")).devices
        4000

    Source:
        The counters of the boards, joules those of the device file.

    Raises:
        ConfigError: It has no array.
    """
    arrays = []
    for name, layer in named_arrays(model).items():
        recipe = layer.array.recipe
        mapping = recipe.mapping
        tiling = recipe.hardware.tiling(len(mapping.signs), mapping.columns)
        arrays.append(
            ArraySummary(
                name=name,
                kind=type(layer).__name__,
                rows=tiling.rows,
                outputs=mapping.outputs,
                columns=mapping.columns,
                tiles=tiling.down * tiling.across,
                devices=mapping.devices,
                clipped_share=layer.clipped_share,
                counters=layer.counters,
            )
        )
    return Summary(tuple(arrays))
