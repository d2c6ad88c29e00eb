"""A kind of layer of one's own: every line sends its spikes some steps later. No synapses; ours.

S_out[t] = S_in[t - delay]; so the error of a spike of step t is that of step t + delay.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from crossbar.snn.kernels import topology as kernel
from crossbar.snn.kernels.dispatch import implements
from crossbar.snn.kernels.forward import count_spikes, list_spikes
from crossbar.snn.kernels.simd import write
from crossbar.snn.topology import LAYERS, Dense
from device_models.record import Record, quantity


@dataclass(frozen=True, kw_only=True)
class Delay(Record):
    HAS_SYNAPSES: ClassVar = False
    TAKES_INJECTED: ClassVar = False
    neuron: ClassVar = None
    delay: int = quantity("steps", 1, 1000, default=3)

    sends = lambda self, incoming: incoming  # noqa: E731
    own_rows = lambda self: 0  # noqa: E731
    numbers = lambda self, incoming: DelayNumbers(self.delay, incoming.lines)  # noqa: E731

    def run(self, incoming, numbers, lines, drive, take_in):
        late = lines.new_zeros(lines.shape)
        late[:, self.delay :] = lines.clamp(max=1.0)[:, : -self.delay]
        return late, late.new_zeros(len(late), 0)


class DelayNumbers(NamedTuple):
    delay: int
    lines: int


@implements(kernel.forward, DelayNumbers, inline=False)
def _forward(topology, kind, lines, found, layer, c, start, keys, stats):
    trace = layer.trace
    words = 4 * trace.words  # of 16 bits, one for each line, in a step
    for at in range(start * words, c.steps * words):
        write(trace.fired, at, 0)
    for event in range(lines.first, lines.last):
        t, line = int(lines.times[event]) + topology.delay, int(lines.rows[event])
        if t < c.steps:
            at = t * words + line // 16
            write(trace.fired, at, trace.fired[at] | (1 << (line % 16)))
    count = list_spikes(trace, start, c.steps)
    count_spikes(layer, count, stats)
    return count


@implements(kernel.backward, DelayNumbers, inline=False)
def _backward(topology, kind, injected, is_given, lines, found, count, layer, c, start, last):
    pass  # it has no weights


@implements(kernel.carry, DelayNumbers, inline=False)
def _carry(topology, layer, below, c, start, last, hold):
    for t in range(start, last + 1):
        later = t + topology.delay
        for j in range(below.width):
            error = hold if j < topology.lines and t < c.steps else c.one - c.one
            if j < topology.lines and later <= last:
                error += layer.trace.errors[later * layer.trace.width + j]
            write(below.errors, t * below.width + j, error)


LAYERS["delay"] = Delay

if __name__ == "__main__":
    import crossbar as xb
    from crossbar.snn.neurons import LeakyIntegrator
    from dataset import training

    layers = Dense(neurons=40), Delay(delay=5), Dense(neurons=10, neuron=LeakyIntegrator())
    run = xb.train(training(network=xb.Network(layers=layers)))
    print(f"delay: {run.summary['test_accuracy']:.1%}")
