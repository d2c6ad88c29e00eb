"""A policy of one's own: no device ever gets more than `most` pulses in an update. Ours.

n = clip(floor(wanted / step + u), -most, most) with u uniform in [0, 1): stochastic rounding, so
that changes below a step are not lost on average, and an update that takes `most` pulse widths at
most.
"""

from dataclasses import dataclass

import torch

from crossbar.synapses.policies import POLICIES
from crossbar.synapses.policies.policy import Memoryless
from crossbar.synapses.pulse_router import route
from device_models.record import Record, quantity


class Capped(Memoryless):
    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        most: int = quantity("pulses", 1, 1000, default=4)

    def __init__(self, shape, options):
        self.shape, self.options = shape, options

    @classmethod
    def build(cls, layer, options, make_array):
        return cls(layer.mapping.shape, options)

    def update(self, wanted, estimate, *, generator):
        step = torch.where(wanted > 0, estimate.up.step, estimate.down.step)
        count = (wanted / step + torch.rand(wanted.shape, generator=generator)).floor()
        return route(count.clamp(-self.options.most, self.options.most).int(), estimate)


POLICIES["capped"] = Capped

if __name__ == "__main__":
    from dataset import train

    train(policy=Capped.Options(most=2))
