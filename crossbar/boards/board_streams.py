"""The random streams of one emulated array in one epoch, and where they stand."""

import json
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from device_models.streams import stream, torch_stream


class BoardStreams:
    """One stream per purpose; all are named by the seed, the array and the epoch.

    Attributes:
        pulses: Of programming.
        reads: Of reads and products.
        time: Of device time that passes.
        conversions: Of converters.
    """

    def __init__(self, seed: int, index: int, epoch: int) -> None:
        """Begin an epoch of array `index`."""
        self.pulses = torch_stream("pulses", seed, index, epoch)
        self.reads = torch_stream("board reads", seed, index, epoch)
        self.time = torch_stream("device time", seed, index, epoch)
        self.conversions = stream("conversion noise", seed, index, epoch)

    def state(self) -> dict[str, Tensor]:
        """Where they stand, by name, uint8: for whoever goes on in the midst of an epoch."""
        bits = json.dumps(self.conversions.bit_generator.state).encode()
        torches = {name: getattr(self, name).get_state() for name in ("pulses", "reads", "time")}
        return torches | {"conversions": torch.frombuffer(bytearray(bits), dtype=torch.uint8)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from where `state` was taken.

        Raises:
            KeyError: A part is missing.
            ValueError: A part is no state of such a stream; nothing was changed.
        """
        try:
            bits = np.random.PCG64(0)
            bits.state = json.loads(state["conversions"].numpy().tobytes())
            made = {name: torch.Generator() for name in ("pulses", "reads", "time")}
            for name, generator in made.items():
                generator.set_state(state[name])
        except (RuntimeError, TypeError) as e:
            raise ValueError(f"it holds no state of a random stream ({e})") from e
        self.pulses, self.reads, self.time = made.values()
        self.conversions = np.random.Generator(bits)
