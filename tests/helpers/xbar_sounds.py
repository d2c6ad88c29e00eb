"""Folders of spoken digits and of words, made of noise by the tests."""

import csv
import io

import numpy as np
import pytest

DIGITS = ["file", "start", "length", "label", "speaker", "split"]


def noise(samples, seed=0, loudness=0.1):
    """A sound, full scale 1."""
    return loudness * np.random.default_rng(seed).standard_normal(samples)


def written(sound, rate):
    """A FLAC; skips the test where soundfile is not installed."""
    soundfile = pytest.importorskip("soundfile")
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def table(rows, columns):
    """A CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(dict(zip(columns, row, strict=True)) for row in rows)
    return text.getvalue().encode()


def digits(folder, count=6, samples=1_500, rate=24_000):
    """A folder of recordings, as `xbar data build-shd` takes it: one file, an index."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "all.flac").write_bytes(written(noise(count * samples), rate))
    rows = [
        ("all.flac", i * samples, samples, i % 20, i, "test" if i % 3 == 2 else "train")
        for i in range(count)
    ]
    (folder / "index.csv").write_bytes(table(rows, DIGITS))
    return folder
