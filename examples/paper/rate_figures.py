"""Figure 1c: best accuracy against the rate of the hidden layer.

The axis of the paper says "initial"; its code takes the rate after the first epoch, and so do we.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from series import COLOURS, Rows, best_percent, by_trial

from crossbar.figures import style

HERTZ_PER_SPIKE = 1.0 / 100 / 0.1  # 100 neurons, 100 ms
LOW_HZ, HIGH_HZ = 25.6, 50.0


def draw(rows: Rows, published: Mapping[str, Any]) -> tuple[Figure, list[str]]:
    """The figure, and lines for people.

    Args:
        rows: Of every epoch of every trial.
        published: `figure_1c` of `published.yaml`.
    """
    trials = [
        (str(t[0]["ei"]), float(t[1]["hidden_spikes_per_inference"]) * HERTZ_PER_SPIKE,
         best_percent(t))
        for t in by_trial(rows).values()
    ]  # fmt: skip
    figure = style.sheet(7.5, 4.5)
    axes = figure.subplots()
    axes.set_xscale("symlog", linthresh=1.0)
    axes.axvspan(*published["best_rate_hz"], color=style.GRID, zorder=0)
    for height, name in (("float_percent", "signed weights"), ("plateau_percent", "plateau")):
        axes.axhline(published[height], color=style.QUIET, linestyle="--", linewidth=1.0)
        axes.annotate(
            f"published: {name}, {published[height]} %", (1.0, published[height]), (-4, 3),
            xycoords=("axes fraction", "data"), textcoords="offset points", ha="right",
            color=style.QUIET, fontsize=style.TINY_POINTS,
        )  # fmt: skip
    ends = list[style.EndLabel]()
    for ratio in dict.fromkeys(ratio for ratio, *_ in trials):
        rates, best = np.array(sorted((r, b) for name, r, b in trials if name == ratio)).T
        axes.plot(rates, best, "o", color=COLOURS[ratio], markersize=5, alpha=0.8)
        ends.append(style.EndLabel(float(best[-1]), ratio, COLOURS[ratio]))
    axes.set(ylim=(0.0, 92.0), xlim=(0.0, None))
    style.dress(
        axes, x="rate of a hidden neuron after the first epoch (Hz)",
        y="best test accuracy of 31 tests (%)",
    )  # fmt: skip
    style.plain_ticks(axes.xaxis)
    style.name_lines(axes, ends)
    return figure, [line(ratio, trials) for ratio in dict.fromkeys(ratio for ratio, *_ in trials)]


def line(ratio: str, trials: list[tuple[str, float, float]]) -> str:
    """Best and worst at low rates, and at high ones."""
    own = [(rate, best) for name, rate, best in trials if name == ratio]
    low = [best for rate, best in own if 1.0 < rate <= LOW_HZ]
    high = [best for rate, best in own if rate > HIGH_HZ]
    words = f"{ratio}: up to {LOW_HZ:g} Hz {span(low)}"
    return f"{words}, above {HIGH_HZ:g} Hz {span(high)}"


def span(values: list[float]) -> str:
    """`72.0 to 81.2 %`."""
    return f"{min(values):.1f} to {max(values):.1f} % ({len(values)})" if values else "no trial"
