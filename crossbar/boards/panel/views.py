"""What the panel shows, as JSON: no view reads a cell or changes anything."""

import base64
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..limits import MOST_PULSES
from ..protocol import BoardInfo
from ..scpi.bench import Bench
from .history import CellEvent, Floats, Pulsing, WatchedBoard

MOST_LINES = 256  # of a map, either way; a larger array is looked at through a window
BINS = 48
SHOWN_PULSES, SHOWN_ERRORS, SHOWN_EVENTS = 40, 30, 80
DECADES = (-6.0, -3.0)  # of a map that holds no number yet


@dataclass(frozen=True)
class Window:
    """Which part of the array a map shows.

    Attributes:
        word: First word line.
        bit: First bit line.
        words: Word lines.
        bits: Bit lines.
    """

    word: int
    bit: int
    words: int
    bits: int

    @classmethod
    def at(cls, shape: tuple[int, int], word: int, bit: int) -> "Window":
        """The window that begins at a cell, moved to lie within the array."""
        words, bits = min(shape[0], MOST_LINES), min(shape[1], MOST_LINES)
        return cls(
            max(0, min(word, shape[0] - words)), max(0, min(bit, shape[1] - bits)), words, bits
        )


def state(bench: Bench, watched: WatchedBoard, *, now: float, clients: int) -> dict[str, Any]:
    """All but the map: the board, settings, counters, last pulses, last errors.

    Args:
        bench: What is shown.
        watched: Its board.
        now: Seconds since the start of the instrument.
        clients: SCPI connections.
    """
    limits, settings = bench.settings.limits, bench.settings
    pulses = [_operation(watched.info, entry) for entry, _ in _first(watched, SHOWN_PULSES)]
    return {
        "board": board(watched.info),
        "now_seconds": now,
        "clients": clients,
        "writer": None if bench.writer is None else bench.writer.name,
        "is_output": settings.is_output,
        "idle": settings.idle,
        "limits": {
            "volts": limits.volts,
            "seconds": limits.seconds,
            "compliance_amperes": bench.compliance_amperes,
            "pulses": MOST_PULSES,
        },
        "counters": watched.counters.as_dict(),
        "pulses": pulses,
        "errors": [error._asdict() for error in reversed(bench.refusals)][:SHOWN_ERRORS],
    }


def board(info: BoardInfo) -> dict[str, Any]:
    """What the board is."""
    return {
        "name": info.name,
        "words": info.shape[0],
        "bits": info.shape[1],
        "is_emulator": info.is_emulator,
        "read_volts": info.read_volts,
        "set_volts": info.set_volts,
        "set_seconds": info.set_seconds,
        "reset_volts": info.reset_volts,
        "reset_seconds": info.reset_seconds,
    }


def map_of(
    bench: Bench, watched: WatchedBoard, *, word: int, bit: int, of_reads: bool, known: int
) -> dict[str, Any]:
    """Conductances of a window of the array, and the histogram of all of them.

    Args:
        bench: What is shown.
        watched: Its board.
        word: First word line.
        bit: First bit line.
        of_reads: The last reads, where the board has a truth too.
        known: Checksum of the map that the page has; the same one is not sent again.
    Returns:
        `siemens`: float32, little endian, base64, word line by word line; nan: never read.
    """
    truth = None if of_reads else watched.truth()
    values = watched.last_siemens if truth is None else truth
    window = Window.at(watched.info.shape, word, bit)
    part = values.reshape(watched.info.shape)[
        window.word : window.word + window.words, window.bit : window.bit + window.bits
    ]
    data = part.astype("<f4").tobytes()
    about = {**vars(window), "source": "reads" if truth is None else "truth"}
    check = zlib.crc32(repr(about).encode(), zlib.crc32(values.tobytes()))
    if check == known:
        return {"check": check, "is_same": True}
    siemens = base64.b64encode(data).decode()
    return {"check": check, "is_same": False, **about, "siemens": siemens, **_spread(bench, values)}


def cell(watched: WatchedBoard, word: int, bit: int) -> dict[str, Any]:
    """What is known of one cell, and its last pulses and reads, newest first."""
    device, truth = word * watched.info.shape[1] + bit, watched.truth()
    return {
        "word": word,
        "bit": bit,
        "truth_siemens": None if truth is None else number(truth[device]),
        "last_siemens": number(watched.last_siemens[device]),
        "last_seconds": number(watched.last_seconds[device]),
        "set_pulses": int(watched.set_pulses[device]),
        "reset_pulses": int(watched.reset_pulses[device]),
        "events": [_event(event) for event in watched.history(device, SHOWN_EVENTS)],
    }


def number(value: float | np.floating) -> float | None:
    """A number of JSON; None for nan and infinity."""
    return float(value) if np.isfinite(value) else None


def _first(watched: WatchedBoard, most: int) -> list[tuple[Pulsing, int]]:
    """The newest operations."""
    return list(zip(watched.pulses.newest_first(), range(most), strict=False))


def _operation(info: BoardInfo, entry: Pulsing) -> dict[str, Any]:
    """One row of the last pulses: of several devices the medians of what differs."""
    sent = entry.count != 0
    count, one = entry.count[sent], len(entry.device) == 1
    word, bit = divmod(int(entry.device[0]), info.shape[1])
    return {
        "seconds": entry.seconds,
        "word": word if one else None,
        "bit": bit if one else None,
        "devices": len(entry.device),
        "set_pulses": int(np.maximum(count.astype(np.int64), 0).sum()),
        "reset_pulses": int(np.maximum(-count.astype(np.int64), 0).sum()),
        "volts": _range(entry.volts[sent]),
        "width_seconds": _range(entry.width_seconds[sent]),
        "before_siemens": _median(entry.before),
        "after_siemens": _median(entry.after),
    }


def _event(event: CellEvent) -> dict[str, Any]:
    """One row of the history of a cell."""
    return {
        "seconds": event.seconds,
        "count": event.count,
        "volts": number(event.volts),
        "width_seconds": number(event.width_seconds),
        "before_siemens": number(event.before),
        "siemens": number(event.siemens),
    }


def _range(values: Floats) -> list[float] | None:
    """Smallest and largest; None where nothing is known."""
    finite = values[np.isfinite(values)]
    return [float(finite.min()), float(finite.max())] if finite.size else None


def _median(values: Floats) -> float | None:
    """The median of what is known."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else None


def _spread(bench: Bench, values: Floats) -> dict[str, Any]:
    """The ends of the colour scale, and the histogram between them, in equal steps of log10."""
    positive = values[np.isfinite(values) & (values > 0.0)]
    low, high = DECADES
    if bench.sheet is not None:
        low, high = np.log10([bench.sheet.g_min_siemens, bench.sheet.g_max_siemens]).tolist()
    elif positive.size:
        low, high = np.log10(positive.min()), np.log10(positive.max())
        low, high = float(np.floor(low)), float(np.ceil(high))
    high = max(high, low + 1e-3)
    counts, _ = np.histogram(np.log10(positive).clip(low, high), BINS, (low, high))
    return {
        "low_siemens": 10.0**low,
        "high_siemens": 10.0**high,
        "histogram": counts.tolist(),
        "median_siemens": _median(positive),
        "known": int(positive.size),
        "cells": int(values.size),
    }
