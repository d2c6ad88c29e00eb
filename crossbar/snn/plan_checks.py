"""What some inputs, steps and boards that are given cannot do for a network."""

from typing import TYPE_CHECKING

from device_models.errors import ConfigError

from .network import Network
from .topology import Delays

if TYPE_CHECKING:
    from .plan import Plan


def check_delays(network: Network, index: int, steps: int) -> None:
    """Refuse delays that are longer than a sample.

    Raises:
        ConfigError: A layer has some; says what is allowed.
    """
    layer = network.layers[index]
    if isinstance(layer, Delays) and layer.most_steps >= steps:
        raise ConfigError(
            f"{network.title(index)}: most_steps = {layer.most_steps} reaches beyond samples of "
            f"{steps} steps; [0, {steps - 1}] are allowed; nothing was written"
        )


def check_held(network: "Plan") -> None:
    """Refuse amplitudes as the input of a network that cannot take them.

    Raises:
        ConfigError: The first layer has no crossbar, or its own neurons drive it too.
    """
    first = network.layers[0]
    if first.crossbar is None or not first.settings.CAN_HOLD:
        raise ConfigError(
            f"{network.network.title(0)} gets amplitudes of a constant code and takes spikes "
            "alone; let a dense or conv2d layer come first, or choose another data.encoding; "
            "nothing was written"
        )


def check_on_boards(network: "Plan") -> None:
    """Refuse a network that boards alone cannot compute.

    Raises:
        ConfigError: A layer has biases that are on no board.
    """
    for layer in network.synaptic:
        if layer.bias == "digital":
            raise ConfigError(
                f"{network.network.title(layer.index)}: bias = digital is on no board; make it "
                "row, or give no boards; nothing was read"
            )
