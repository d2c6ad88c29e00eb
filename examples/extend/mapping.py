"""A mapping of one's own: w = (G+ - G-) / unit with the devices of a pair on neighbouring columns,
so that wires and temperature are nearly the same for both. Ours.

Weights rise by SET of G+ and fall by RESET of it; G- is a reference in the middle of the window.
"""

from dataclasses import dataclass

import torch

from crossbar.mappings import MAPPINGS, Mapping, Route
from device_models.record import Record


@dataclass(frozen=True)
class Neighbours(Mapping):
    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        pass

    columns = property(lambda self: 2 * self.outputs)
    middle = property(lambda self: (self.g_min_siemens + self.g_max_siemens) / 2)
    w_max = property(lambda self: (self.g_max_siemens - self.middle) / self.g_unit_siemens)

    def weights(self, g):
        return (g[:, 0::2] - g[:, 1::2]) / self.g_unit_siemens

    def variance(self, sigma):
        return (sigma[:, 0::2] ** 2 + sigma[:, 1::2] ** 2) / self.g_unit_siemens**2

    def targets(self, weights):
        pairs = torch.stack((weights * self.g_unit_siemens, torch.zeros_like(weights)), 2)
        return pairs.flatten(1) + self.middle

    def selected(self):
        return torch.ones((len(self.signs), self.columns), dtype=torch.bool)

    def devices_of(self, synapses):
        return synapses.repeat_interleave(2, 1)

    def route(self, up, g):
        return Route(2 * self.own_columns(), up.to(torch.int8) * 2 - 1)

    def headroom(self, g):
        return self.to_zero(g)


MAPPINGS["neighbours"] = Neighbours

if __name__ == "__main__":
    from dataset import train

    train(mapping="neighbours")
