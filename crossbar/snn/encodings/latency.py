"""The latency code: the brighter a value, the sooner its only spike."""

import math
from dataclasses import dataclass

import numpy as np

from device_models.record import Record, quantity

from .events import (
    SAMPLES_AT_A_TIME,
    Encoding,
    Events,
    flat,
    joined,
    of_sorted_keys,
    sort_keys,
    time_type,
)


@dataclass(frozen=True, kw_only=True)
class LatencyOptions(Record):
    """The membrane of `latency_table`; the published values are the defaults."""

    tau_steps: float = quantity("steps", 1e-3, 1e6, default=20.0)
    threshold: float = quantity("of full brightness", 1e-3, 0.999, default=0.2)


class Latency(Encoding):
    """`latency_code` as an `Encoding`; it draws nothing."""

    Options = LatencyOptions

    def __init__(self, options: LatencyOptions) -> None:
        """See `Encoding`."""
        self._options = options

    def encode(self, samples: np.ndarray, *, steps: int, generator: np.random.Generator) -> Events:
        """See `Encoding.encode`."""
        tau, threshold = self._options.tau_steps, self._options.threshold
        return latency_code(samples, steps=steps, tau_steps=tau, threshold=threshold)


def latency_table(*, steps: int, tau_steps: float = 20.0, threshold: float = 0.2) -> np.ndarray:
    """Step at which a pixel of each grey value spikes; `steps` where it never does.

    A pixel x in [0, 1] charges a leaky membrane, which crosses the threshold at
    tau ln(x / (x - threshold)); darker pixels stay silent.

    Args:
        steps: Length of the simulation.
        tau_steps: Time constant of the membrane, steps.
        threshold: Threshold, share of full brightness.
    Returns:
        (256,), of the type `time_type`.
    Source:
        F. Zenke, SpyTorch, Tutorial 2; M. Kilgore et al., Sci. Rep. 15, 24798, 2025.
    """
    table = np.full(256, steps)
    for grey in range(256):
        x = grey / 255.0
        if x >= threshold:
            x = max(x, threshold + 1e-7)
            table[grey] = min(steps, int(tau_steps * math.log(x / (x - threshold))))
    return table.astype(time_type(steps))


def latency_code(
    images: np.ndarray, *, steps: int, tau_steps: float = 20.0, threshold: float = 0.2
) -> Events:
    """Encode images by `latency_table`; at most one spike per pixel.

    Args:
        images: See `Encoding.encode`.
        steps: Length of the simulation.
        tau_steps: See `latency_table`.
        threshold: See `latency_table`.

    Raises:
        ShapeError: See `Encoding.encode`.
    """
    pixels = flat(images, steps=steps)
    table = latency_table(steps=steps, tau_steps=tau_steps, threshold=threshold)
    batches = []
    for first in range(0, len(pixels), SAMPLES_AT_A_TIME):
        step = table[pixels[first : first + SAMPLES_AT_A_TIME]]
        sample, line = np.nonzero(step < steps)
        keys = sort_keys(sample, step[sample, line], line)
        keys.sort()
        batches.append(of_sorted_keys(keys, samples=len(step), steps=steps))
    return joined(batches)
