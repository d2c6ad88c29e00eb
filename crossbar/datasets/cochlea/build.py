"""Recordings to one file of spikes: resumed where it stopped, the same for any workers."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from device_models import atomic
from device_models.errors import ConfigError, DataError
from device_models.streams import stream

from .. import sound
from .journal import Journal, opened
from .kernels import FIBRES
from .membrane import CHANNELS, table
from .model import Spikes, prepared, spikes_of
from .recordings import Recording, recordings

VERSION = 1  # of the model: what an older one began is not continued
ENDING = ".clips"


class Built(NamedTuple):
    """What was made.

    Attributes:
        path: Of the file.
        recordings: In it.
        new: Of them, those converted by this call.
        spikes: In it.
        fibre_hertz: Mean rate of a fibre.
        sha256: Of the file, hexadecimal.
    """

    path: Path
    recordings: int
    new: int
    spikes: int
    fibre_hertz: float
    sha256: str


def build(
    folder: Path,
    out: Path,
    *,
    seed: int = 0,
    workers: int = 1,
    limit: int | None = None,
    progress: Callable[[int, int], None] = lambda total, left: None,
) -> Built:
    """Convert recordings to spikes and write them as one file, see `shd.of_arrays`.

    The order is one fixed shuffle, so that the first ones are like all of them. What is converted
    is kept in `out` + `.clips` until all recordings are; a call with the same folder and seed goes
    on there.

    Args:
        folder: See `recordings`.
        out: The file; there must be none yet.
        seed: Of the fibres. Each recording has numbers of its own.
        workers: Threads.
        limit: How many recordings; None: all.
        progress: Called with the number of recordings, and how many of them are left.

    Raises:
        DataError: See `recordings`; or a recording is damaged or silent.
        ConfigError: The file is there already; see `journal.opened`.
        OSError: The file cannot be written.
    """
    if out.exists():
        raise ConfigError(f"{out} is there already; remove it, or name another --out")
    listed = recordings(folder)
    order = stream("order of recordings", 0).permutation(len(listed))[:limit]
    out.parent.mkdir(parents=True, exist_ok=True)
    clips = out.with_name(out.name + ENDING)
    with opened(clips, _first_line(folder, listed, seed)) as journal:
        wanted = [int(number) for number in order if int(number) not in journal.spikes]
        _convert(listed, wanted, journal, seed, workers, partial(progress, len(order)))
        of = {number: journal.spikes[number] for number in sorted(map(int, order))}
        content = _content(listed, of, seed)
        atomic.write(out, content)
        if len(order) == len(listed):
            clips.unlink()
    seconds = sum(listed[number].frames / listed[number].rate_hertz for number in of)
    spikes = sum(len(each.times) for each in of.values())
    hertz = sum(each.fibres for each in of.values()) / (seconds * CHANNELS * FIBRES)
    digest = hashlib.sha256(content).hexdigest()
    return Built(out, len(of), len(wanted), spikes, hertz, digest)


def _first_line(folder: Path, listed: list[Recording], seed: int) -> bytes:
    """What a journal is of: model, seed, recordings."""
    names = [[str(r.path.relative_to(folder)), *r[1:]] for r in listed]
    sizes = {str(path): path.stat().st_size for path in sorted({r.path for r in listed})}
    text = json.dumps([VERSION, seed, names, list(sizes.values())])
    return f"xbar cochlea {hashlib.sha256(text.encode()).hexdigest()}\n".encode()


def _convert(
    listed: list[Recording],
    wanted: list[int],
    journal: Journal,
    seed: int,
    workers: int,
    progress: Callable[[int], None],
) -> None:
    """Convert some recordings, in order, a few at a time."""
    progress(len(wanted))
    if not wanted:
        return
    responses, rest, left = table(), iter(wanted), len(wanted)

    def convert(number: int) -> tuple[int, Spikes]:
        return number, converted(listed[number], responses, stream("cochlea", seed, number))

    with ThreadPoolExecutor(workers) as pool:
        under_way = {pool.submit(convert, number) for number in islice(rest, 2 * workers)}
        try:
            while under_way:
                finished, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for number, spikes in map(Future.result, finished):
                    journal.add(number, spikes)
                under_way |= {pool.submit(convert, n) for n in islice(rest, len(finished))}
                left -= len(finished)
                progress(left)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def converted(
    recording: Recording, responses: NDArray[np.complex64], generator: np.random.Generator
) -> Spikes:
    """The spikes of a recording.

    Raises:
        DataError: It is damaged or silent.
    """
    samples = sound.part(recording.path, recording.start, recording.frames)
    try:
        return spikes_of(prepared(samples, recording.rate_hertz), responses, generator)
    except DataError as e:
        raise DataError(f"{recording.path}, sample {recording.start:,}: {e}") from e


def _content(listed: list[Recording], of: Mapping[int, Spikes], seed: int) -> bytes:
    """The file."""
    parts, chosen = list(of.values()), [listed[number] for number in of]
    buffer = io.BytesIO()
    np.savez(
        buffer,
        times=np.concatenate([spikes.times for spikes in parts]),
        units=np.concatenate([spikes.units for spikes in parts]),
        offsets=np.cumsum([0, *(len(spikes.times) for spikes in parts)], dtype=np.int64),
        labels=np.array([r.label for r in chosen], np.uint8),
        speakers=np.array([r.speaker for r in chosen], np.uint8),
        is_test=np.array([r.is_test for r in chosen], np.uint8),
        recordings=np.array(list(of), np.int64),
        seed=np.array(seed, np.int64),
    )
    return buffer.getvalue()
