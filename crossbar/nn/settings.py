"""From the arguments of a layer on an array to what the array is made from."""

import math
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from device_models.errors import ConfigError, ShapeError
from device_models.model import DeviceModel
from device_models.presets import load_device
from device_models.record import Record, did_you_mean, shown
from device_models.streams import torch_stream

from ..experiment.array_parts import open_w_max
from ..mappings import MAPPINGS, Mapping
from ..snn.topology.synaptic import excitatory_count
from .array import Recipe
from .hardware import Hardware

Bias = Literal["digital", "row", "none"]
BIASES = ("digital", "row", "none")


def recipe_of(
    signs: Tensor,
    outputs: int,
    weights: Tensor | None,
    device: str | DeviceModel,
    mapping: str | Record,
    w_max: float | None,
    hardware: Hardware,
    seed: int | torch.Generator,
) -> tuple[Recipe, Tensor]:
    """The recipe of an array, and the first weights that are to be written into it.

    Args:
        signs: Of its rows, that of a bias among them, int8.
        outputs: Columns of weights.
        weights: First weights, (rows, outputs); None: drawn.
        device: See `Linear`, like the next ones.
        mapping: Likewise.
        w_max: Likewise.
        hardware: Likewise.
        seed: Likewise.

    Raises:
        ConfigError, ShapeError: A setting or the weights do not fit; nothing was written.
    """
    is_model = isinstance(device, DeviceModel)
    sheet = device if isinstance(device, DeviceModel) else load_device(device)
    rows, number = len(signs), _seed(seed)
    index = rows << 32 | outputs << 1
    spread = 1.0 / math.sqrt(3.0 * rows)  # of what is drawn, whatever the seed
    if weights is None:
        weights = first_weights(signs, outputs, number, index)
    else:
        spread = float(weights.std()) if weights.numel() > 1 else 1.0
    if weights.shape != (rows, outputs) or not bool(torch.isfinite(weights).all()):
        raise ShapeError(
            f"first weights of shape {tuple(weights.T.shape)} must be finite numbers of shape "
            f"({outputs}, {rows}); nothing was written"
        )
    w_max = w_max or open_w_max(rows, spread or 1.0, sheet)
    recipe = Recipe(
        device=type(device).__name__ if is_model else str(device),
        sheet=sheet,
        mapping=_mapping(mapping, signs, outputs, sheet, w_max, hardware),
        hardware=hardware,
        seed=number,
        index=index,
    )
    return recipe, weights


def first_weights(signs: Tensor, outputs: int, seed: int, index: int) -> Tensor:
    """Weights to begin with, (rows, outputs): Uniform(+-1 / sqrt(rows)), as torch's own layers.

    Rows with a sign get the sizes with that sign.
    """
    generator = torch_stream("first weights", seed, index)
    bound = 1.0 / math.sqrt(max(1, len(signs)))
    drawn = (2.0 * torch.rand((len(signs), outputs), generator=generator) - 1.0) * bound
    sign = signs[:, None]
    return torch.where(sign == 0, drawn, sign * drawn.abs())


def signs_of(ei: str | None, lines: int, each: int = 1) -> Tensor:
    """Signs of the rows that some lines, or channels of `each` rows, drive; int8.

    Raises:
        ConfigError: `ei` is no ratio.
    """
    excitatory = excitatory_count(ei, lines)
    if excitatory is None:
        return torch.zeros(lines * each, dtype=torch.int8)
    signs = np.where(np.arange(lines) < excitatory, 1, -1).astype(np.int8)
    return torch.from_numpy(np.repeat(signs, each))


def _mapping(
    mapping: str | Record,
    signs: Tensor,
    outputs: int,
    sheet: DeviceModel,
    w_max: float,
    hardware: Hardware,
) -> Mapping:
    """What the conductances mean; `w_max` is the weight that the window stands for."""
    if isinstance(mapping, str):
        one_of("mapping", mapping, tuple(MAPPINGS))
    for name, kind in MAPPINGS.items():
        options = kind.Options() if mapping == name else mapping
        if type(options) is kind.Options:
            return kind(
                signs, outputs, sheet.window_siemens / w_max,
                sheet.g_min_siemens, sheet.g_max_siemens, hardware.tiles.tile_columns, options,
            )  # fmt: skip
    raise ConfigError(f"mapping must be a name or its Options, not {shown(mapping)}")


def bias_of(bias: Bias | bool) -> Bias:
    """The kind of bias; torch's True is a digital one."""
    if isinstance(bias, bool):
        return "digital" if bias else "none"
    chosen: Bias = one_of("bias", bias, BIASES)
    return chosen


def one_of(what: str, value: Any, allowed: tuple[str, ...]) -> Any:
    """A value of a few.

    Raises:
        ConfigError: It is none of them.
    """
    if value not in allowed:
        near = did_you_mean(str(value), allowed)
        raise ConfigError(
            f"{what} must be one of {', '.join(allowed)}, not {shown(value)}{near}; nothing was "
            "built"
        )
    return value


def _seed(seed: int | torch.Generator) -> int:
    """The seed of an array; of a generator, its next number."""
    if isinstance(seed, torch.Generator):
        return int(torch.randint(2**31 - 1, (), generator=seed, device=seed.device))
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**31:
        raise ConfigError(
            f"seed must be a whole number in [0, 2^31) or a torch.Generator, not {shown(seed)}; "
            "nothing was built"
        )
    return seed
