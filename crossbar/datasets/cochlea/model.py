"""Sound to spikes of the bushy cells, the chain of one recording."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from device_models.errors import DataError

from .kernels import DEAD_SAMPLES, RATE_HERTZ, channel_spikes, filtered
from .membrane import interpolation

SOUND_HERTZ = 2 * RATE_HERTZ  # what the membrane takes
RMS = 0.3
LEAST_SECONDS, MOST_SECONDS = 0.025, 2.7
AT_A_TIME = 50  # channels that are filtered together: they fit a cache


class Spikes(NamedTuple):
    """Spikes of a recording, in the order of their times.

    Attributes:
        times: (spikes,) uint16, in samples of 24 kHz.
        units: (spikes,) uint16, channel: 0 is the highest tone.
        fibres: Spikes of all auditory nerve fibres.
    """

    times: NDArray[np.uint16]
    units: NDArray[np.uint16]
    fibres: int


def check_form(frames: int, rate_hertz: int, *, where: str) -> None:
    """Refuse a recording that the inner ear cannot take.

    Raises:
        DataError: It has another rate than 48 or 24 kHz, or lasts less than 25 ms, or more than
            2.7 s (times are kept in 16 bits).
    """
    if rate_hertz not in (SOUND_HERTZ, RATE_HERTZ):
        raise DataError(
            f"{where}: {rate_hertz:,} Hz; the inner ear takes {SOUND_HERTZ:,} or {RATE_HERTZ:,} Hz"
        )
    seconds = frames / rate_hertz
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise DataError(
            f"{where}: {seconds:.3g} s of sound; {LEAST_SECONDS:g} to {MOST_SECONDS:g} s are taken"
        )


def prepared(sound: NDArray[np.float64], rate_hertz: int) -> NDArray[np.float64]:
    """A recording as the membrane takes it: 48 kHz, rms 0.3, under a Hann window.

    Args:
        sound: Of a form that `check_form` allows.
        rate_hertz: 48 or 24 kHz.

    Raises:
        DataError: It is silent.
    """
    if rate_hertz == RATE_HERTZ:
        from scipy.signal import resample_poly

        sound = resample_poly(sound, 2, 1)
    rms = np.sqrt(np.mean(sound**2))
    if not (np.isfinite(rms) and rms > 0.0):
        raise DataError("silence, or no sound")
    half = len(sound) // 2
    window, sound = np.hanning(2 * half), sound * (RMS / rms)
    sound[:half] *= window[:half]
    sound[len(sound) - half :] *= window[half:]
    return sound


def velocities(
    sound: NDArray[np.float64],
    table: NDArray[np.complex64],
    first: int = 0,
    last: int | None = None,
) -> NDArray[np.float32]:
    """Velocity of the membrane at some channels, at 24 kHz.

    Silence is appended up to a length whose transform is fast. What lies above 12 kHz folds, as
    published.

    Args:
        sound: At 48 kHz, see `prepared`.
        table: See `membrane.table`.
        first, last: Channels, those of the table if None.

    Returns:
        (channels, samples), len(sound) // 2 + 1 samples.
    """
    from scipy import fft

    samples = len(sound) // 2 + 1
    points = fft.next_fast_len(samples, real=True)
    spectrum = fft.rfft(sound.astype(np.float32), 2 * (points - 1))
    below, fraction = interpolation(points)
    part = table[first:last]
    result = np.empty((len(part), points // 2 + 1), np.complex64)
    filtered(spectrum, part, below, fraction, result)
    velocity: NDArray[np.float32] = fft.irfft(result, points, overwrite_x=True)
    return velocity[:, :samples]


def spikes_of(
    sound: NDArray[np.float64], table: NDArray[np.complex64], generator: np.random.Generator
) -> Spikes:
    """Spikes of all channels that a recording drives.

    Args:
        sound: At 48 kHz, see `prepared`.
        table: See `membrane.table`.
        generator: The fibres are drawn from it, channel by channel.
    """
    parts, fibres = [], 0
    for first in range(0, len(table), AT_A_TIME):
        velocity = velocities(sound, table, first, first + AT_A_TIME)
        most = len(velocity) * (velocity.shape[1] // (DEAD_SAMPLES + 1) + 1)
        times, units = np.empty(most, np.uint16), np.empty(most, np.uint16)
        count, of_fibres = channel_spikes(velocity, first, generator, times, units)
        parts.append((times[:count], units[:count]))
        fibres += of_fibres
    times, units = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.argsort(times, kind="stable")
    return Spikes(times[order], units[order], fibres)
