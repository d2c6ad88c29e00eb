"""Two devices a synapse, of which at most one is above the floor."""

from torch import Tensor

from . import pairs
from .mapping import Mapping, Route


class OneSided(Mapping):
    """w = (G+ - G-) / g_unit, with at most one device of a pair above the floor.

    The columns of the array are the positive devices of all outputs, then the negative ones. Under
    Dale's law the row of an excitatory neuron lives on its positive devices and that of an
    inhibitory one on its negative devices; the others are parked at the floor and never selected.
    A row without a sign moves the opposing device down to the floor before it lifts its own.
    """

    @property
    def columns(self) -> int:
        """See `Mapping.columns`."""
        return 2 * self.outputs

    @property
    def reach(self) -> float:
        """See `Mapping.reach`: the full window."""
        return (self.g_max_siemens - self.g_min_siemens) / self.g_unit_siemens

    def weights(self, g: Tensor) -> Tensor:
        """See `Mapping.weights`."""
        return pairs.weights(g, self.g_unit_siemens)

    def variance(self, sigma: Tensor) -> Tensor:
        """See `Mapping.variance`."""
        return pairs.variance(sigma, self.g_unit_siemens)

    def targets(self, weights: Tensor) -> Tensor:
        """See `Mapping.targets`."""
        return pairs.targets(weights, self.g_unit_siemens, self.g_min_siemens)

    def selected(self) -> Tensor:
        """See `Mapping.selected`."""
        return pairs.selected(self.signs, self.outputs)

    def devices_of(self, synapses: Tensor) -> Tensor:
        """See `Mapping.devices_of`."""
        return synapses.repeat(1, 2)

    def route(self, up: Tensor, g: Tensor) -> Route:
        """See `Mapping.route`."""
        return pairs.one_sided(self.signs, up, g)

    def counts(self, pulses: Tensor, route: Route) -> Tensor:
        """See `Mapping.counts`."""
        return pairs.counts(pulses, route)
