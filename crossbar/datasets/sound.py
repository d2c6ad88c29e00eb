"""Files of sound, by soundfile, which is optional."""

import io
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from device_models.errors import ConfigError, DataError


class SoundHeader(NamedTuple):
    """What a file says of itself."""

    rate_hertz: int
    frames: int


def header(path: Path) -> SoundHeader:
    """Rate and length of a file of one channel.

    Raises:
        ConfigError: soundfile is not installed.
        DataError: It is no sound, or of several channels.
    """
    module = _soundfile(str(path))
    try:
        with module.SoundFile(path) as file:
            if file.channels != 1:
                raise DataError(f"{path}: {file.channels} channels; one is taken")
            return SoundHeader(int(file.samplerate), int(file.frames))
    except (OSError, RuntimeError, ValueError, TypeError) as e:
        raise _no_sound(str(path), e) from e


def part(path: Path, start: int, frames: int) -> NDArray[np.float64]:
    """Samples of a file; no more memory is taken than they need, whatever its header says.

    Args:
        path: Of one channel.
        start: First sample.
        frames: How many.

    Returns:
        (frames,), full scale 1.

    Raises:
        ConfigError: soundfile is not installed.
        DataError: It is damaged, or ends before.
    """
    module = _soundfile(str(path))
    try:
        with module.SoundFile(path) as file:
            file.seek(start)
            samples: NDArray[np.float64] = file.read(frames, dtype="float64", always_2d=True)[:, 0]
    except (OSError, RuntimeError, ValueError, TypeError) as e:
        raise _no_sound(str(path), e) from e
    if len(samples) != frames:
        raise DataError(
            f"{path}: ends after {start + len(samples):,} of {start + frames:,} samples"
        )
    return samples


def whole(content: bytes, *, frames: int, where: str) -> NDArray[np.int16]:
    """A file of one channel as 16-bit integers.

    Args:
        content: The whole file.
        frames: How many samples it has.
        where: Its name, for the message.

    Raises:
        ConfigError: soundfile is not installed.
        DataError: It is damaged, or has another length.
    """
    module = _soundfile(where)
    try:
        with module.SoundFile(io.BytesIO(content)) as file:
            if (file.channels, file.frames) != (1, frames):
                raise DataError(
                    f"{where}: {file.channels} channels of {file.frames:,} samples; one of "
                    f"{frames:,} is there; nothing was loaded"
                )
            samples: NDArray[np.int16] = file.read(frames, dtype="int16")
    except (OSError, RuntimeError, ValueError, TypeError) as e:
        raise _no_sound(where, e) from e
    return samples


def _soundfile(where: str) -> ModuleType:
    """The library; imported when a sound is read.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import soundfile
    except (ImportError, OSError) as e:  # OSError: its C library is missing
        raise ConfigError(
            f"{where}: sound needs soundfile: pip install 'xbar-hil[audio]'; nothing was read"
        ) from e
    return soundfile  # type: ignore[no-any-return]  # no stubs


def _no_sound(where: str, error: Exception) -> DataError:
    """What is said of a file that the library does not read."""
    return DataError(f"{where}: no sound that can be read ({error}); nothing was read")
