"""Two devices a synapse, of which at most one is above the floor."""

from dataclasses import dataclass

from torch import Tensor

from device_models.record import Record

from . import pairs
from .mapping import Route


class OneSided(pairs.Paired):
    """w = (G+ - G-) / g_unit, with at most one device of a pair above the floor.

    The columns of the array are the positive devices of all outputs, then the negative ones. Under
    Dale's law the row of an excitatory neuron lives on its positive devices and that of an
    inhibitory one on its negative devices; the others are parked at the floor and never selected.
    A row without a sign moves the opposing device down to the floor before it lifts its own.
    """

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """None."""

    def selected(self) -> Tensor:
        """See `Mapping.selected`."""
        return pairs.selected(self.signs, self.outputs)

    @property
    def is_fixed(self) -> bool:
        """See `Mapping.is_fixed`: where every row has a sign."""
        return bool((self.signs != 0).all())

    def route(self, up: Tensor, g: Tensor) -> Route:
        """See `Mapping.route`."""
        return pairs.one_sided(self.signs, up, g)
