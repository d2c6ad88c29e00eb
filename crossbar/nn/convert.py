"""From a torch model to one whose weights are conductances, and back to numbers."""

import copy
import warnings
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import torch

from device_models.errors import ConfigError
from device_models.model import DeviceModel
from device_models.record import Record, shown

from ..mappings import MAPPINGS
from .array import Programming
from .hardware import Hardware
from .layers import Conv2d, Linear
from .module import ArrayModule, Mode
from .settings import Bias

CLIPPED_IS_MUCH = 0.01  # of the weights of a layer: then a person is told


def from_torch(
    module: torch.nn.Module,
    *,
    device: str | DeviceModel = "oxram.yaml",
    mapping: str | Record = "one_sided",
    ei: str | None = None,
    programming: Programming = "write_verify",
    bias: Bias = "digital",
    w_max: float | None = None,
    mode: Mode = "exact",
    hardware: Hardware | None = None,
    seed: int = 0,
    keep: Sequence[str] = (),
) -> torch.nn.Module:
    """A copy of a model with every `torch.nn.Linear` and `Conv2d` on an array of its own.

    All else is copied as it is; a layer that occurs twice is one array. Arrays are named by their
    place in the model, whatever the order in which it was built.

        >>> import torch
        >>> from crossbar import nn
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
        >>> on_arrays = nn.from_torch(model, device="ideal.yaml", programming="exact")
        >>> x = torch.ones(1, 4)
        >>> bool((on_arrays(x) - model(x)).abs().max() < 1e-6)
        True

    Args:
        module: The model, or one layer. Not modified.
        device: See `Linear`, like the next one.
        mapping: Likewise.
        ei: Dale's law of the lines between the layers, see `Linear`; those that come into the
            first one are excitatory then. Weights of the wrong sign become 0.
        programming: How the weights are written, see `Linear`.
        bias: What becomes of biases: a `digital` number, or a `row` of devices.
        w_max: Weight that the full window stands for; None: the largest weight of each layer. One
            that is to be trained on needs some room above that.
        mode: See `Linear`, like the next one.
        hardware: Likewise.
        seed: Of everything random.
        keep: Names of layers, as `named_modules` has them, that stay as they are.

    Source:
        Ex-situ transfer by write-verify, as `crossbar.boards.write_verify` says.

    Raises:
        ConfigError: There is no such layer, or one has what no array has (groups, a padding mode);
            nothing was written.
    """
    named = _convertible(module, keep)
    signs = [None if ei is None else "100:0"] + [ei] * (len(named) - 1)
    copied = copy.deepcopy(module)
    for (name, layer), of_rows in zip(named.items(), signs, strict=True):
        made = _on_array(
            layer,
            device=device,
            mapping=mapping,
            ei=of_rows,
            programming=programming,
            bias="none" if layer.bias is None else bias,
            w_max=w_max,
            mode=mode,
            hardware=hardware,
            seed=_seed_of(seed, name),
        )
        _tell(name, made)
        if not name:
            return made
        parent, _, last = name.rpartition(".")
        setattr(copied.get_submodule(parent), last, made)
    return _with_shared(module, copied, named)


def _convertible(module: torch.nn.Module, keep: Sequence[str]) -> dict[str, Any]:
    """The layers that become arrays, by name; arguments and errors as `from_torch`."""
    named = {
        name: layer
        for name, layer in module.named_modules()
        if type(layer) in (torch.nn.Linear, torch.nn.Conv2d) and name not in keep
    }
    if not named:
        raise ConfigError(
            f"{type(module).__name__} has no torch.nn.Linear or Conv2d that is to become an array; "
            "nothing was written"
        )
    for name, layer in named.items():
        _check(name, layer)
    return named


def _with_shared(
    module: torch.nn.Module, copied: torch.nn.Module, named: dict[str, Any]
) -> torch.nn.Module:
    """The copy, where other names of a layer that was replaced lead to the same array."""
    first = {id(layer): name for name, layer in named.items()}
    for name, layer in module.named_modules(remove_duplicate=False):
        if id(layer) in first and name not in named:
            parent, _, last = name.rpartition(".")
            setattr(copied.get_submodule(parent), last, copied.get_submodule(first[id(layer)]))
    return copied


def _on_array(layer: Any, *, w_max: float | None, bias: Bias, **settings: Any) -> ArrayModule:
    """One layer on an array, of the type and on the device of torch that it had."""
    weight = layer.weight.detach()
    row = layer.bias.detach() if bias == "row" else None
    largest = float(weight.abs().max()) if row is None else float(
        torch.maximum(weight.abs().max(), row.abs().max())
    )  # fmt: skip
    settings |= {"w_max": w_max or _filling(settings["mapping"], largest), "bias": bias}
    flat = weight.flatten(1).T
    if row is not None:
        flat = torch.cat((flat, row[None]))
    made: ArrayModule
    if isinstance(layer, torch.nn.Linear):
        made = Linear(layer.in_features, layer.out_features, weight=flat.T, **settings)
    else:
        made = Conv2d(
            layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride,
            layer.padding, layer.dilation, weight=flat.T, **settings,
        )  # fmt: skip
    made = made.to(device=weight.device, dtype=weight.dtype).train(layer.training)
    if made.bias is not None:
        made.bias.data.copy_(layer.bias.detach())
    return made


def _filling(mapping: str | Record, largest: float) -> float:
    """The weight of the full window where the mapping just reaches `largest`."""
    kinds = [k for name, k in MAPPINGS.items() if mapping == name or type(mapping) is k.Options]
    if not kinds:
        return 1.0  # the layer says what is wrong
    options = None if isinstance(mapping, str) else mapping
    unit = kinds[0](torch.ones(1, dtype=torch.int8), 1, 1.0, 0.0, 1.0, options=options)
    return min(max(largest / unit.w_max, 1e-6), 1e3)


def _seed_of(seed: int, name: str) -> int:
    """The seed of the layer of this name."""
    return (seed + zlib.crc32(name.encode())) % 2**31


def _check(name: str, layer: Any) -> None:
    """Refuse what no array has.

    Raises:
        ConfigError: It is named.
    """
    if not isinstance(layer, torch.nn.Conv2d):
        return
    wrong: list[tuple[str, Any, Callable[[Any], bool]]] = [
        ("groups", layer.groups, lambda value: value == 1),
        ("padding_mode", layer.padding_mode, lambda value: value == "zeros"),
        ("padding", layer.padding, lambda value: not isinstance(value, str)),
    ]
    for what, value, fits in wrong:
        if not fits(value):
            raise ConfigError(
                f"{name or 'the layer'}: a convolution with {what} = {shown(value)} has no array; "
                f"leave it out with keep=[{name!r}]; nothing was written"
            )


def _tell(name: str, layer: ArrayModule) -> None:
    """Warn where many weights are beyond what the mapping holds."""
    if layer.clipped_share > CLIPPED_IS_MUCH:
        warnings.warn(
            f"{name or 'the layer'}: {layer.clipped_share:.0%} of its weights are beyond what its "
            "mapping holds, by size or by sign, and stand at the nearest that it does",
            stacklevel=3,
        )
