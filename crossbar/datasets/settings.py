"""What a network is shown: the data set, its code and its clock."""

from dataclasses import dataclass

from device_models.record import Record, choice, quantity, tagged

from ..snn.encodings import ENCODINGS
from ..snn.encodings.events import MOST_STEPS
from . import DATASETS


@dataclass(frozen=True, kw_only=True)
class DataSettings(Record):
    """The data of a run.

    `held_back` training images take the place of the test images: the network does not learn them
    and is tested on them, and the real test images stay unseen. Choose settings that way. Which
    images these are is the same for every run and seed (`encode.held_back_images`), so that what is
    compared is compared on the same images.
    """

    set: str = choice(DATASETS, default="fashion_mnist")
    encoding: Record = tagged(ENCODINGS, default="latency")
    steps: int = quantity("steps", 2, MOST_STEPS, default=100)
    dt_seconds: float = quantity("s", 1e-6, 1.0, default=1e-3)
    held_back: int = quantity("images", 0, 10_000_000, default=0)

    @property
    def seconds(self) -> float:
        """Duration of one sample in network time."""
        return self.steps * self.dt_seconds
