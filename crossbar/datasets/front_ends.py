"""Sound to features: values of some channels that change with every frame.

A frame is a Hann window; of its magnitudes at frequencies, triangles that are equally wide in mel
= 1127 ln(1 + hertz / 700) make channels, and

    x = ln(channel + floor)

of samples counted in units of the converter. The floor is what rounding makes of silence: without
it frames that are exactly zero lie far below all others.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from device_models.errors import ConfigError
from device_models.record import Record, quantity

AT_A_TIME = 100  # sounds whose frames fit a cache


class FrontEnd(ABC):
    """How sound becomes features: one class, and one line in `FRONT_ENDS`.

    Attributes:
        Options: The settings.
    """

    Options: ClassVar[type[Record]]

    @abstractmethod
    def __init__(self, options: Any) -> None:
        """Take the settings, an `Options`."""

    @abstractmethod
    def shape(self, samples: int) -> tuple[int, int]:
        """Channels and frames of a sound of so many samples.

        Raises:
            ConfigError: It is shorter than a window.
        """

    @property
    @abstractmethod
    def frame_seconds(self) -> float:
        """From one frame to the next."""

    @abstractmethod
    def features(self, sounds: NDArray[np.int16]) -> NDArray[np.float32]:
        """(sounds, channels, frames) of sounds, (sounds, samples).

        Raises:
            ConfigError: They are shorter than a window.
        """


class LogMel(FrontEnd):
    """Logarithms of mel channels, see the module.

    Source:
        The front end of D. Salaj et al., eLife 10, e65459, 2021, and P. Warden, arXiv 1804.03209;
        the floor is ours.
    """

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """Frames, channels and the floor."""

        window_seconds: float = quantity("s", 1e-3, 1.0, default=0.03)
        stride_seconds: float = quantity("s", 1e-4, 1.0, default=0.01)
        channels: int = quantity("channels", 1, 256, default=40)
        low_hertz: float = quantity("Hz", 0.0, 1e5, default=20.0)
        high_hertz: float = quantity("Hz", 1.0, 1e5, default=4000.0)
        floor: float = quantity("units", 1e-12, 1e6, default=10.0)
        sample_hertz: int = quantity("Hz", 1000, 192_000, default=16_000)

        def __post_init__(self) -> None:
            """Check that the channels are there.

            Raises:
                ConfigError: The lowest frequency is not the lowest, or the highest is not there.
            """
            super().__post_init__()
            if not self.low_hertz < self.high_hertz <= self.sample_hertz / 2:
                raise ConfigError(
                    f"channels from {self.low_hertz:g} to {self.high_hertz:g} Hz of sound of "
                    f"{self.sample_hertz:,} Hz; low_hertz < high_hertz <= "
                    f"{self.sample_hertz / 2:g} Hz is allowed"
                )

    def __init__(self, options: Options) -> None:
        """See `FrontEnd`."""
        self._options = options
        self._window = round(options.window_seconds * options.sample_hertz)
        self._stride = max(1, round(options.stride_seconds * options.sample_hertz))
        self._points = 1 << (self._window - 1).bit_length()

    @property
    def frame_seconds(self) -> float:
        """See `FrontEnd`."""
        return self._stride / self._options.sample_hertz

    def shape(self, samples: int) -> tuple[int, int]:
        """See `FrontEnd`."""
        if samples < self._window:
            raise ConfigError(
                f"sounds of {samples:,} samples are shorter than a window of {self._window:,} "
                "(data.front_end.window_seconds); nothing was encoded"
            )
        return self._options.channels, 1 + (samples - self._window) // self._stride

    def features(self, sounds: NDArray[np.int16]) -> NDArray[np.float32]:
        """See `FrontEnd`."""
        channels, frames = self._options.channels, self.shape(sounds.shape[1])[1]
        triangles, result = self._triangles(), np.empty((len(sounds), channels, frames), np.float32)
        hann = (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(self._window) / self._window)).astype(
            "f"
        )
        for first in range(0, len(sounds), AT_A_TIME):
            part = sounds[first : first + AT_A_TIME]
            windows = np.lib.stride_tricks.sliding_window_view(part, self._window, axis=1)
            spectra = self._magnitudes(windows[:, :: self._stride] * hann)
            mel = np.log(spectra @ triangles + np.float32(self._options.floor))
            result[first : first + AT_A_TIME] = mel.transpose(0, 2, 1)
        return result

    def _magnitudes(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of the frequencies, the last axis."""
        from scipy import fft

        return np.asarray(np.abs(fft.rfft(frames, self._points)), np.float32)

    def _triangles(self) -> NDArray[np.float32]:
        """(frequencies, channels): what each gives to each."""
        o = self._options
        mel = _mel(np.arange(self._points // 2 + 1) * o.sample_hertz / self._points)[:, None]
        corners = np.linspace(_mel(o.low_hertz), _mel(o.high_hertz), o.channels + 2)
        rise = (mel - corners[:-2]) / (corners[1:-1] - corners[:-2])
        fall = (corners[2:] - mel) / (corners[2:] - corners[1:-1])
        return np.asarray(np.maximum(np.minimum(rise, fall), 0.0), np.float32)


class Mfcc(LogMel):
    """Mel-frequency cepstral coefficients: the cosine transform (DCT-II) of log-mel channels."""

    @dataclass(frozen=True, kw_only=True)
    class Options(LogMel.Options):
        """As `LogMel.Options`, and how many coefficients, from the mean on."""

        coefficients: int = quantity("coefficients", 1, 256, default=20)

        def __post_init__(self) -> None:
            """Check that there are enough channels.

            Raises:
                ConfigError: There are fewer channels than coefficients.
            """
            super().__post_init__()
            if self.coefficients > self.channels:
                raise ConfigError(
                    f"{self.coefficients} coefficients of {self.channels} channels; at most as "
                    "many as channels are allowed"
                )

    def __init__(self, options: Options) -> None:
        """See `FrontEnd`."""
        super().__init__(options)
        self._coefficients = options.coefficients

    def shape(self, samples: int) -> tuple[int, int]:
        """See `FrontEnd`."""
        return self._coefficients, super().shape(samples)[1]

    def features(self, sounds: NDArray[np.int16]) -> NDArray[np.float32]:
        """See `FrontEnd`."""
        from scipy import fft

        mel = super().features(sounds)
        result: NDArray[np.float32] = fft.dct(mel, axis=1, norm="ortho")[:, : self._coefficients]
        return result


def _mel(hertz: Any) -> Any:
    """The pitch of a frequency."""
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)


FRONT_ENDS: dict[str, type[FrontEnd]] = {"log_mel": LogMel, "mfcc": Mfcc}
