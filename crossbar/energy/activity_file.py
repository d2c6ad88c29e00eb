"""The file of a run that keeps its activity, `activity.npz`."""

import io
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from device_models import atomic, npz
from device_models.errors import ConfigError, RunError
from device_models.npz import UNREADABLE, reason
from device_models.typed_json import checked, parse

from ..snn.encodings.events import Events, Held
from .activity import Activity, RunMetadata, Sizes, Snapshot, layers_of
from .activity_checks import Header, check_held, check_layers, check_ranges, check_sizes

if TYPE_CHECKING:
    from ..snn.plan import Plan

FILE = "activity.npz"
EVENTS = ("rows", "times", "offsets")
HELD = "0.codes"


def write_activity(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write `activity.npz` into a run folder, whole or not at all.

    Args:
        folder: Of the run.
        arrays: As `pack` gives them.

    Raises:
        OSError: It cannot be written; what was there is untouched.
    """
    save(folder / FILE, arrays)


def pack(
    network: "Plan", about: RunMetadata, spikes: Sequence[Events], arrays: Sequence[Snapshot]
) -> dict[str, np.ndarray]:
    """The arrays of an activity file.

    Args:
        network: Its sizes.
        about: What to say of the run beside it.
        spikes, arrays: See `layers_of`.
    """
    held = spikes[0].held
    header = json.dumps({"network": Sizes.of(network, held)._asdict(), "run": vars(about)})
    packed = {"about": np.frombuffer(header.encode(), np.uint8)}
    fields = [{name: getattr(events, name) for name in EVENTS} for events in spikes]
    for parts in (fields, [array._asdict() for array in arrays]):
        for i, part in enumerate(parts):
            packed |= {f"{i}.{name}": array for name, array in part.items()}
    return packed if held is None else packed | {HELD: held.codes}


def save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a file, whole or not at all.

    Raises:
        OSError: It cannot be written; what was there is untouched.
    """
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub wants the flag first
    atomic.write(path, file.getvalue())


def events_of(arrays: Mapping[str, np.ndarray], start: str, lines: int, steps: int) -> Events:
    """Events of a file.

    Raises:
        ValueError: They are no events of such a layer.
    """
    parts = [arrays[start + name] for name in EVENTS]
    events = Events(parts[0], parts[1], parts[2])
    kinds = [array.dtype for array in parts]
    if kinds != [np.uint16, np.uint8 if steps <= 255 else np.uint16, np.int64] or any(
        array.ndim != 1 for array in parts
    ):
        raise ValueError(f"{start}rows, times and offsets are no events")
    ends = events.offsets
    whole = len(ends) and ends[0] == 0 and ends[-1] == len(events.rows) == len(events.times)
    if not whole or (np.diff(ends) < 0).any():
        raise ValueError(f"{start}offsets do not fit the events")
    if events.rows.max(initial=0) >= lines or events.times.max(initial=0) >= steps:
        raise ValueError(f"{start}rows or times lie outside {lines} lines and {steps} steps")
    # A line of recorded spikes may spike several times in a step: then it is driven as often.
    order = np.diff(events.times.astype(np.int64) << 16 | events.rows) >= 0
    order[ends[(ends > 0) & (ends < len(events.rows))] - 1] = True  # a sample begins anew
    if not order.all():
        raise ValueError(f"{start}rows and times are not sorted")
    return events


def read_arrays(
    path: Path, wanted: str, only: Collection[str] | None = None
) -> dict[str, np.ndarray]:
    """The arrays of an npz file.

    Args:
        path: The file.
        wanted: End of the message if it cannot be read.
        only: Names of those that are read, all of them in the file; None for all.

    Raises:
        RunError: It cannot be read.
    """
    try:
        return npz.read(path, only)
    except UNREADABLE as e:
        raise RunError(f"{path} cannot be read ({reason(e)}); {wanted}") from e


def read_activity(folder: Path) -> Activity:
    """The activity of a run.

    Raises:
        RunError: It has none, or the file is damaged.
    """
    return read_run(folder)[0]


def read_run(folder: Path) -> tuple[Activity, RunMetadata]:
    """The activity of a run, and what the file says of the run beside it.

    Raises:
        RunError: It has none, or the file is damaged.
    """
    path, wanted = folder / FILE, f"write it anew with: xbar train --resume {folder}"
    if not (folder / "checkpoint.npz").is_file():
        what = "it is a file" if folder.is_file() else "it has no checkpoint.npz"
        raise RunError(f"{folder} is no run: {what}")
    if not path.is_file():
        raise RunError(f"{folder} has no {FILE}, the spikes of its last test; {wanted}")
    arrays = read_arrays(path, wanted)
    try:
        return unpack(arrays)
    except (*UNREADABLE, ConfigError) as e:
        raise RunError(
            f"{path} is damaged, or of another version of xbar ({reason(e)}); {wanted}"
        ) from e


def unpack(arrays: Mapping[str, np.ndarray]) -> tuple[Activity, RunMetadata]:
    """An activity from its arrays, as `pack` gave them.

    Raises:
        ValueError, KeyError, TypeError, ConfigError: They are no such arrays.
    """
    header = checked(Header, parse(arrays["about"].tobytes()), "about")
    network, about = header["network"], header["run"]
    check_sizes(network)
    check_ranges(about)
    lines = network.inputs, *network.hidden
    spikes = [events_of(arrays, f"{i}.", n, network.steps) for i, n in enumerate(lines)]
    if network.top:
        held = Held(arrays[HELD], network.unit, network.top)
        check_held(held, len(spikes[0]), network.inputs)
        spikes[0] = replace(spikes[0], held=held)
    crossbars = [
        Snapshot(*(arrays[f"{i}.{n}"] for n in Snapshot._fields))
        for i in range(len(network.crossbars))
    ]
    check_layers(network, spikes, crossbars)
    layers = layers_of(network, spikes, crossbars)
    return Activity(layers, len(spikes[0]), network.steps, network.dt_seconds, False), about
