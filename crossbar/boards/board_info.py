"""What an emulated board says of itself."""

from device_models.model import DeviceModel
from device_models.pulsed import Pulsed

from ..array.tile import Tiling
from .protocol import BoardInfo


def info_of(
    model: DeviceModel, tiling: Tiling, read_volts: float, read_seconds: float
) -> BoardInfo:
    """What an emulated board of some devices is; pulses without volts where the model has none."""
    pulses: dict[str, float] = {}
    if isinstance(model, Pulsed):
        pulses = {
            "set_volts": model.set_volts,
            "set_seconds": model.width_seconds,
            "reset_volts": model.reset_volts,
            "reset_seconds": model.width_seconds,
        }
        if model.compliance_amperes is not None:
            pulses["compliance_amperes"] = model.compliance_amperes
    return BoardInfo(
        name=f"emulated {type(model).__name__}",
        shape=(tiling.rows, tiling.columns),
        tile_shape=(tiling.tile_rows, tiling.tile_columns),
        read_volts=read_volts,
        read_seconds=read_seconds,
        grid=None,
        is_emulator=True,
        **pulses,
    )
