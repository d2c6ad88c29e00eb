"""Samples to spikes, one file an encoding."""

from device_models.record import Record, Tagged

from .constant import Constant
from .crossings import Crossings
from .events import Encoding, Events
from .latency import Latency
from .rate import Rate
from .spike_trains import Recorded

ENCODINGS: dict[str, type[Encoding]] = {
    "latency": Latency,
    "rate": Rate,
    "constant": Constant,
    "crossings": Crossings,
    "spikes": Recorded,
}


def encoding_of(options: Record) -> Encoding:
    """The encoding whose `Options` these are."""
    return ENCODINGS[Tagged(ENCODINGS).name_of(options)](options)


__all__ = ["ENCODINGS", "Encoding", "Events", "encoding_of"]
