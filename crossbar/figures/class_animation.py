"""Classes on their way through training: excitatory share against spikes, a picture an epoch.

The animation S4 of the excitatory:inhibitory study, of its Figure 3.

Source:
    M. Kilgore et al., Sci. Rep. 15, 24798, 2025.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import style

Epochs = Sequence[Mapping[str, Any]]
FRAMES_A_SECOND = 3
LAST_FRAMES = 6  # the end stays
DOTS_PER_INCH = 90
WRITERS: dict[str, type[Any]] = {"gif": PillowWriter, "mp4": FFMpegWriter}
MOST_NAMED = 1  # runs whose classes are named


def can_write(kind: str) -> bool:
    """Whether this machine can write an animation of this kind; `mp4` needs ffmpeg."""
    return bool(WRITERS[kind].isAvailable())


def animate(runs: Mapping[str, Epochs], class_names: Sequence[str], kind: str) -> bytes | None:
    """The animation as a file; None where no run says its spikes by class and kind of neuron.

    Args:
        runs: Name -> rows of `metrics.jsonl`.
        class_names: Of the data set.
        kind: `gif` or `mp4`.
    """
    tracks = [track for epochs in runs.values() if (track := _track(epochs)) is not None]
    if not tracks:
        return None
    frames = max(len(track) for track in tracks)
    figure = style.sheet(6.8, 5.4)
    writer: AbstractMovieWriter = WRITERS[kind](fps=FRAMES_A_SECOND)
    names = class_names if len(tracks) <= MOST_NAMED else []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"classes.{kind}"
        with writer.saving(figure, str(path), dpi=DOTS_PER_INCH):
            for frame in [*range(frames), *[frames - 1] * LAST_FRAMES]:
                _draw(figure, tracks, frame, names)
                writer.grab_frame()
        return path.read_bytes()


def last_frame(runs: Mapping[str, Epochs], class_names: Sequence[str]) -> Figure | None:
    """The end of the animation as a picture."""
    tracks = [track for epochs in runs.values() if (track := _track(epochs)) is not None]
    if not tracks:
        return None
    figure = style.sheet(6.8, 5.4)
    names = class_names if len(tracks) <= MOST_NAMED else []
    _draw(figure, tracks, max(len(track) for track in tracks) - 1, names)
    return figure


def _track(epochs: Epochs) -> np.ndarray | None:
    """Spikes, excitatory percent and accuracy of each class: (epochs, 3, classes)."""
    rows = [row.get("test_by_class") for row in epochs]
    if not all(row and row["excitatory"] is not None for row in rows):
        return None
    return np.stack([_of_epoch(row) for row in rows if row])


def _of_epoch(row: Mapping[str, Any]) -> np.ndarray:
    """(3, classes), as `_track`."""
    total, excitatory = np.array(row["total"]), np.array(row["excitatory"])
    percent = np.divide(100.0 * excitatory, total, out=np.full(len(total), np.nan), where=total > 0)
    return np.stack([total, percent, 100.0 * np.array(row["accuracy"])])


def _draw(figure: Figure, tracks: Sequence[np.ndarray], frame: int, names: Sequence[str]) -> None:
    """One picture; a run that has ended stays where it is."""
    figure.clear()
    axes = figure.subplots()
    spikes = np.concatenate([track[:, 0].ravel() for track in tracks])
    some = spikes[spikes > 0.0]
    low, high = (some.min(), some.max()) if some.size else (0.5, 2.0)
    now = [track[min(frame, len(track) - 1)] for track in tracks]
    if frame and names:  # where classes come from
        ended = tracks[0][frame - 1 : frame + 1]
        axes.plot(ended[:, 0], ended[:, 1], color=style.FAINT, lw=1)
    total, percent, accuracy = np.concatenate(now, axis=1)
    points = axes.scatter(
        total, percent, c=accuracy, cmap=style.MAP, vmin=0.0, vmax=100.0, s=44 if names else 22,
        edgecolors=style.INK, linewidths=0.5, zorder=3,
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(low / 1.3, high * 1.8)
    shares = np.concatenate([track[:, 1].ravel() for track in tracks])
    bottom, top = np.nanmin([*shares, 100.0]), np.nanmax([*shares, 0.0])
    axes.set_ylim(bottom - 4.0, top + 4.0)
    if names:
        _name_classes(axes, names, total, percent)
    style.dress(axes, x="hidden spikes per image of the class", y="excitatory share (%)",
                title=f"Epoch {frame}" + " (before training)" * (frame == 0))  # fmt: skip
    style.plain_ticks(axes.xaxis)
    bar = figure.colorbar(points, ax=axes, location="bottom", shrink=0.6, aspect=30)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=style.SMALL_POINTS, color=style.FAINT, labelcolor=style.INK)
    bar.set_label("accuracy of the class (%)", fontsize=style.TEXT_POINTS, color=style.INK)


def _name_classes(axes: Axes, names: Sequence[str], total: np.ndarray, percent: np.ndarray) -> None:
    """Names right of the axes, each with a line to its point."""
    low, high = axes.get_ylim()
    placed = [k for k in np.argsort(percent) if np.isfinite(percent[k]) and total[k] > 0.0]
    heights = style.spread([(percent[k] - low) / (high - low) for k in placed], 0.06)
    for k, height in zip(placed, heights, strict=True):
        axes.annotate(
            names[k], (total[k], percent[k]), xytext=(1.04, height), textcoords="axes fraction",
            va="center", fontsize=style.TINY_POINTS, color=style.INK, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": style.FAINT, "lw": 0.7, "zorder": 1},
        )  # fmt: skip
