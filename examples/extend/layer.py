"""A kind of layer of one's own: every line sends its spikes some steps later. No synapses; ours.

S_out[t] = S_in[t - delay]; so the error of a spike of step t is that of step t + delay.
"""

from dataclasses import dataclass
from typing import NamedTuple

from crossbar.snn.kernels import topology as kernel
from crossbar.snn.kernels.dispatch import implements
from crossbar.snn.kernels.forward import count_spikes, list_spikes
from crossbar.snn.kernels.simd import write
from crossbar.snn.topology import LAYERS, Dense
from device_models.record import Record, quantity


@dataclass(frozen=True, kw_only=True)
class Delay(Record):
    HAS_SYNAPSES, TAKES_INJECTED, neuron = False, False, None
    delay: int = quantity("steps", 1, 1000, default=3)
    sends = lambda self, incoming: incoming
    recurrent_rows = lambda self: 0
    numbers = lambda self, incoming: DelayNumbers(self.delay, incoming.lines)

    def run(self, incoming, numbers, lines, drive, take_in):
        late = lines.new_zeros(lines.shape)
        late[:, self.delay :] = lines.clamp(max=1.0)[:, : -self.delay]
        return late, late.new_zeros(len(late), 0)


class DelayNumbers(NamedTuple):
    delay: int
    lines: int


@implements(kernel.forward, DelayNumbers, inline=False)
def _forward(topology, kind, lines, bin_count, layer, c, start, keys, stats):
    trace = layer.trace
    words = 4 * trace.words  # of a step: 16 lines each
    for at in range(start * words, c.steps * words):
        write(trace.fired, at, 0)
    for event in range(lines.first, lines.last):
        t, line = int(lines.times[event]) + topology.delay, int(lines.rows[event])
        at = t * words + line // 16
        if t < c.steps:
            write(trace.fired, at, trace.fired[at] | (1 << (line % 16)))
    count = list_spikes(trace, start, c.steps)
    count_spikes(layer, count, stats)
    return count


@implements(kernel.backward, DelayNumbers, inline=False)
def _backward(topology, kind, injected, is_given, lines, bin_count, count, layer, c, start, last):
    pass  # it has no weights


@implements(kernel.carry, DelayNumbers, inline=False)
def _carry(topology, layer, below, c, start, last, hold):
    width = below.width  # as wide as the own one
    for at in range(start * width, (last + 1) * width):
        is_line = at % width < topology.lines and at // width < c.steps
        later = at + topology.delay * width
        error = layer.trace.errors[later] if later < (last + 1) * width else c.one - c.one
        write(below.errors, at, error + hold if is_line else c.one - c.one)


LAYERS["delay"] = Delay

if __name__ == "__main__":
    from dataset import train

    import crossbar as xb
    from crossbar.snn.neurons import LeakyIntegrator

    output = Dense(neurons=10, neuron=LeakyIntegrator())
    train(network=xb.Network(layers=(Dense(neurons=40), Delay(), output)))
