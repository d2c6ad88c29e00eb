"""The rate code: in every step a value spikes or does not, by a coin as biased as it is bright."""

from dataclasses import dataclass

import numpy as np

from device_models.record import Record, quantity

from .events import SAMPLES_AT_A_TIME, Encoding, Events, flat, joined, of_sorted_keys, sort_keys


@dataclass(frozen=True, kw_only=True)
class RateOptions(Record):
    """How bright is how busy.

    `peak_spikes_per_step` is the probability that a pixel of full brightness spikes in a step: 0.05
    at steps of 1 ms is 50 Hz, 0.3 is 6 spikes in 20 steps on average. A code is frozen, drawn once,
    or `fresh`, drawn anew in every epoch of training from the seed of the run and the number of the
    epoch; the images that a network is tested on keep theirs.
    """

    peak_spikes_per_step: float = quantity("", 0.0, 1.0, default=0.05)
    fresh: bool = False


class Rate(Encoding):
    """`rate_code` as an `Encoding`."""

    Options = RateOptions

    def __init__(self, options: RateOptions) -> None:
        """See `Encoding`."""
        self._options = options
        self.fresh = options.fresh

    def expected_spikes(self, samples: np.ndarray, *, steps: int) -> float:
        """See `Encoding.expected_spikes`."""
        full = samples.mean(dtype=np.float64) / 255.0  # as many values of full brightness
        return float(samples.size * full * self._options.peak_spikes_per_step * steps)

    def encode(self, samples: np.ndarray, *, steps: int, generator: np.random.Generator) -> Events:
        """See `Encoding.encode`."""
        peak = self._options.peak_spikes_per_step
        return rate_code(samples, steps=steps, peak_spikes_per_step=peak, generator=generator)


def rate_code(
    images: np.ndarray,
    *,
    steps: int,
    peak_spikes_per_step: float,
    generator: np.random.Generator,
) -> Events:
    """Encode images by independent Bernoulli trials, one per pixel and step.

    A pixel of grey value x spikes in a step with p = peak_spikes_per_step x / 255. Drawn are not
    the trials but the steps from one spike to the next, which are geometric with that p: the work
    is that of the spikes. floor(-E / ln(1 - p)) with E exponential of mean 1 is the number of
    silent steps before a spike.

    Args:
        images: See `Encoding.encode`.
        steps: Length of the simulation.
        peak_spikes_per_step: Of a pixel of grey value 255.
        generator: One number is drawn for each spike and one more for each pixel that may spike.

    Raises:
        ShapeError: See `Encoding.encode`.

    Source:
        L. Devroye, Non-Uniform Random Variate Generation, Springer 1986, chapter X.2.
    """
    pixels = flat(images, steps=steps)
    with np.errstate(divide="ignore"):  # p = 0 never spikes, p = 1 always does
        waits = -1.0 / np.log1p(-peak_spikes_per_step * np.arange(256) / 255.0)
    batches = []
    for first in range(0, len(pixels), SAMPLES_AT_A_TIME):
        batch = pixels[first : first + SAMPLES_AT_A_TIME]
        keys = _spikes(waits[batch], steps, generator)
        keys.sort()
        batches.append(of_sorted_keys(keys, samples=len(batch), steps=steps))
    return joined(batches)


def _spikes(waits: np.ndarray, steps: int, generator: np.random.Generator) -> np.ndarray:
    """Sort keys of a batch, all first spikes, then all second ones, ...

    Args:
        waits: (samples, lines), -1 / ln(1 - p); infinite where nothing spikes.
        steps: Length of the simulation.
        generator: See `rate_code`.
    """
    sample, line = np.nonzero(waits < np.inf)
    wait, key = waits[sample, line], sort_keys(sample, np.zeros_like(line), line)
    soonest = np.zeros(len(key))
    rounds = [np.empty(0, np.int64)]
    while len(key):
        step = np.floor(soonest + wait * generator.standard_exponential(len(key)))
        spikes = step < steps
        wait, key, step = wait[spikes], key[spikes], step[spikes]
        rounds.append(key | (step.astype(np.int64) << 16))
        soonest = step + 1.0
    return np.concatenate(rounds)
