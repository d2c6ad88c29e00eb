"""What of a chip `xbar analyze RUN --sweep` can change, and the values that it takes."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossbar.experiment import sweep_axes
from device_models.errors import ConfigError

if TYPE_CHECKING:
    from crossbar.experiment.config import Training


@dataclass(frozen=True)
class Sweep:
    """One property of the chip that may be swept.

    Attributes:
        title: Of the axis.
        unit: Of the values.
        changed: The settings with one value.
        rewritten: The weights are written to a new chip for each test; else the conductances stay.
    """

    title: str
    unit: str
    changed: "Callable[[Training, float], Training]"
    rewritten: bool = False


def _stuck_low(config: "Training", share: float) -> "Training":
    faults = dataclasses.replace(config.faults, stuck_low_share=share)
    return dataclasses.replace(config, faults=faults)


def _stuck_both(config: "Training", share: float) -> "Training":
    low = _stuck_low(config, share / 2)
    return dataclasses.replace(
        low, faults=dataclasses.replace(low.faults, stuck_high_share=share / 2)
    )


SWEEPS = {
    "wires": Sweep("segment of a word or bit line", "ohm", sweep_axes.wires),
    "tile": Sweep("rows and columns of a tile", "lines", sweep_axes.tile),
    "adc_bits": Sweep("resolution of the converters", "bits", sweep_axes.adc_bits),
    "stuck": Sweep("share of stuck devices, half high and half low", "", _stuck_both, True),
    "stuck_low": Sweep("share of devices stuck low", "", _stuck_low, True),
}


def parsed(text: str) -> tuple[str, list[float]]:
    """`NAME=1,2,5` or `NAME=LOW:HIGH[:STEP]` as a name and its values, rising.

    Raises:
        ConfigError: Another form, or a property that cannot be swept.
    """
    name, _, values = text.partition("=")
    if name not in SWEEPS:
        raise ConfigError(f"--sweep {name!r} is unknown; known: {', '.join(SWEEPS)}")
    return name, values_of(name, values)


def values_of(name: str, values: str) -> list[float]:
    """`1,2,5` or `LOW:HIGH[:STEP]` as values, rising, each once.

    Args:
        name: Of what is swept, for the message.
        values: The text.

    Raises:
        ConfigError: Another form, or too many values.
    """
    try:
        if ":" in values:
            low, high, *step = (float(part) for part in values.split(":"))
            by = step[0] if step else 1.0
            found = [low + i * by for i in range(int((high - low) / by + 1e-9) + 1)]
        else:
            found = [float(part) for part in values.split(",")]
    except (ValueError, ZeroDivisionError, OverflowError) as e:
        raise ConfigError(
            f"--sweep {name} takes values such as 1,2,5 or 3:10 or 0:0.2:0.05, not {values!r}"
        ) from e
    if not 0 < len(found) <= 1000:
        raise ConfigError(f"--sweep {name} has {len(found)} values; 1 to 1000 are possible")
    return sorted(set(found))
