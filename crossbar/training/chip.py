"""Builds the layers of a network on emulated boards."""

import dataclasses

import torch

from device_models.errors import ConfigError
from device_models.linear import GaussianUpdate
from device_models.model import DeviceModel

from ..boards.emulated import EmulatedBoard
from ..mapping import OneSided
from ..snn.layer import CrossbarLayer
from ..snn.network import signs
from ..tile import Tiling
from .config import Training


def build(config: Training, model: DeviceModel) -> list[CrossbarLayer]:
    """The two layers, manufactured and not yet programmed.

    Raises:
        ConfigError: `update_noise` is given for a device that has none.
    """
    network = config.network
    shapes = (network.inputs, network.hidden), (network.hidden, network.classes)
    layers = []
    for place, ((rows, outputs), sign, w_max) in enumerate(
        zip(shapes, signs(network), w_max_of(config, model), strict=True)
    ):
        unit = model.window_siemens / w_max
        mapping = OneSided(torch.from_numpy(sign), unit, model.g_min_siemens)
        board = EmulatedBoard(
            with_update_noise(model, config, unit),
            Tiling(rows, 2 * outputs, config.tile_rows, config.tile_columns),
            mapping.selected(outputs),
            v_read_volts=config.v_read_volts,
            t_read_seconds=config.t_read_seconds,
            seed=config.seed,
            place=place,
        )
        layers.append(CrossbarLayer(mapping, board))
    return layers


def w_max_of(config: Training, model: DeviceModel) -> tuple[float, float]:
    """The weights that the full window stands for, hidden layer and readout.

    Where the configuration leaves them open: 0.4 initial spreads per level of the device, so that
    one mean step of a 100-level device is 0.4 of the spread, and at most 2000 spreads, which no
    weight of a fine-grained device reaches. The factor is ours; DECISIONS.md has the measurement.
    """
    network = config.network
    spreads = min(0.4 * model.pulses_across, 2000.0)
    return (
        config.hidden_w_max or spreads * network.hidden_sigma,
        config.readout_w_max or spreads * network.readout_sigma,
    )


def with_update_noise(model: DeviceModel, config: Training, g_unit_siemens: float) -> DeviceModel:
    """The device with the noise that `update_noise` asks for, in siemens of one layer."""
    if config.update_noise == 0.0:
        return model
    if not isinstance(model, GaussianUpdate):
        raise ConfigError(
            f"update_noise = {config.update_noise:g} needs a gaussian_update device; "
            f"{config.device} has its own spread"
        )
    sigma = config.update_noise * config.network.hidden_sigma * g_unit_siemens
    return dataclasses.replace(model, update_sigma_siemens=sigma)
