"""Devices that sit higher than any whose relaxation was measured."""

from collections.abc import Sequence

from torch import Tensor

from device_models.model import DeviceModel
from device_models.pulsed import Pulsed
from device_models.units import MICROSIEMENS

FEWEST = 1e-3  # fraction of the devices that is worth a warning


def unmeasured_relaxation(model: DeviceModel, siemens: Sequence[Tensor]) -> str:
    """One line on devices above `relax_measured_to_siemens`; empty where there are hardly any.

    Args:
        model: Kind of device.
        siemens: Their conductances, arrays of any shape.
    """
    most = model.relax_measured_to_siemens if isinstance(model, Pulsed) else None
    if not isinstance(model, Pulsed) or most is None or not model.relaxes:
        return ""
    above, count = sum(int((g > most).sum()) for g in siemens), sum(g.numel() for g in siemens)
    if above < max(FEWEST * count, 1):
        return ""
    return (
        f"warning: {above / count:.1%} of the devices are above {1e6 * most:.4g} {MICROSIEMENS}, "
        "the highest conductance whose relaxation was measured; they relax as those there"
    )
