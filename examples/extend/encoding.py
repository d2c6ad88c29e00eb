"""An encoding of one's own: a spike of each bright value, at a step that falls linearly with it.

Ours:

t = floor((1 - x) (T - 1)) for x >= threshold, x the value as a share of full brightness.
"""

from dataclasses import dataclass

import numpy as np

from crossbar.snn.encodings import ENCODINGS, Encoding
from crossbar.snn.encodings.events import flat, of_sorted_keys, sort_keys
from device_models.record import Record, quantity


class Linear(Encoding):
    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        threshold: float = quantity("of full brightness", 0.0, 1.0, default=0.2)

    def __init__(self, options):
        self.options = options

    def encode(self, samples, *, steps, generator):
        x = flat(samples, steps=steps) / 255.0
        sample, line = np.nonzero(x >= max(self.options.threshold, 1e-9))
        step = ((1.0 - x[sample, line]) * (steps - 1)).astype(np.int64)
        return of_sorted_keys(np.sort(sort_keys(sample, step, line)), samples=len(x), steps=steps)


ENCODINGS["linear"] = Linear

if __name__ == "__main__":
    from dataset import train

    from crossbar.datasets.settings import DataSettings

    train(data=DataSettings(set="tiny_digits", steps=50, encoding=Linear.Options()))
