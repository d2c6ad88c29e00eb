"""Images to spikes: the latency code, stored as sorted events."""

import math
from dataclasses import dataclass

import numpy as np

from device_models.errors import ShapeError

_BATCH = 2000  # images sorted at a time: bounds the memory of the encoder


@dataclass(frozen=True)
class Events:
    """Input spikes of many samples: those of sample i are `offsets[i]:offsets[i + 1]`.

    Within a sample they are sorted by step, then by line. Three bytes an event: the 60,000
    training images of Fashion-MNIST take 60 MB.

    Attributes:
        rows: (events,) uint16, input line.
        times: (events,) uint8, step.
        offsets: (samples + 1,) int64.
    """

    rows: np.ndarray
    times: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.offsets) - 1


def latency_table(*, steps: int, tau_steps: float = 20.0, threshold: float = 0.2) -> np.ndarray:
    """Step at which a pixel of each grey value spikes; `steps` where it never does.

    A pixel x in [0, 1] charges a leaky membrane, which crosses the threshold at
    tau ln(x / (x - threshold)); darker pixels stay silent.

    Args:
        steps: Length of the simulation.
        tau_steps: Time constant of the membrane, steps.
        threshold: Threshold, share of full brightness.
    Returns:
        (256,) uint8.
    Source:
        F. Zenke, SpyTorch, Tutorial 2; M. Kilgore et al., Sci. Rep. 15, 24798, 2025.
    """
    table = np.full(256, steps)
    for grey in range(256):
        x = grey / 255.0
        if x >= threshold:
            x = max(x, threshold + 1e-7)
            table[grey] = min(steps, int(tau_steps * math.log(x / (x - threshold))))
    return table.astype(np.uint8)


def latency_code(images: np.ndarray, *, steps: int) -> Events:
    """Encode images by `latency_table`; at most one spike per pixel.

    Args:
        images: (samples, height, width) uint8, at most 65,535 pixels each.
        steps: Length of the simulation, at most 255.

    Raises:
        ShapeError: There is no image, or it has too many pixels for an event's two bytes.
    """
    if not len(images) or images[0].size > 65_535 or steps > 255:
        raise ShapeError(
            f"{images.shape} images in {steps} steps; an event holds a line below 65,536 and a "
            "step below 256, and there must be an image; nothing was encoded"
        )
    flat = images.reshape(len(images), -1)
    table = latency_table(steps=steps)
    batches = [slice(first, first + _BATCH) for first in range(0, len(flat), _BATCH)]
    counts = [(table[flat[batch]] < steps).sum(1) for batch in batches]
    offsets = np.concatenate([[0], *counts]).cumsum()
    rows, times = np.empty(offsets[-1], np.uint16), np.empty(offsets[-1], np.uint8)
    for batch in batches:
        when = table[flat[batch]]
        # One sort key per spike holds sample, step and line: no stable argsort per image needed.
        sample, line = np.nonzero(when < steps)
        key = (sample.astype(np.int64) << 24) | (when[sample, line].astype(np.int64) << 16) | line
        key.sort()
        own = slice(offsets[batch.start], offsets[batch.start] + len(key))
        rows[own] = key & 0xFFFF
        times[own] = (key >> 16) & 0xFF
    return Events(rows, times, offsets)
