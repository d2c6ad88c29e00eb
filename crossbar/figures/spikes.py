"""Pictures of the spikes of one run: by class, rates, PSTH, intervals, distances, components."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from device_models.units import MICROSIEMENS

from ..experiment.spike_record import RunSpikes
from ..metrics.spike_distances import PAIRS
from ..metrics.spike_intervals import moments
from . import style

COLOURS = {"excitatory": style.EXCITATORY, "inhibitory": style.INHIBITORY, "all": style.INK}
PAIR_COLOURS = {"E-E": style.EXCITATORY, "E-I": style.QUIET, "I-I": style.INHIBITORY}
MOST_POINTS = 2500  # of a scatter
MARKERS = {"o": "\N{BLACK CIRCLE}", "^": "\N{BLACK UP-POINTING TRIANGLE}", "s": "\N{BLACK SQUARE}"}
BINS = 40
TITLES = {"published": "as published: root of the sum", "textbook": "textbook: squared integral"}


def figures_of(run: RunSpikes) -> dict[str, Figure]:
    """Name -> picture; those that cannot be drawn of this run are left out."""
    drawn: dict[str, Callable[[RunSpikes], Figure | None]] = {
        "spikes_by_class": by_class, "rates": rates, "psth": psth, "intervals": intervals,
        "distances": distances, "histograms": histograms, "pca": pca,
    }  # fmt: skip
    figures = {name: draw(run) for name, draw in drawn.items()}
    return {name: figure for name, figure in figures.items() if figure is not None}


def by_class(run: RunSpikes) -> Figure:
    """Spikes per image and accuracy of each class; the excitatory share over the epochs."""
    figure = style.sheet(11.0, 0.28 * len(run.class_names) + 1.6)
    epochs = [row for row in run.epochs if "test_by_class" in row]
    has_split = run.by_class[0]["excitatory"] is not None
    both = has_split and len(epochs) > 1
    left, right = (
        figure.subplots(1, 2, width_ratios=(1.2, 1)) if both else (figure.subplots(), None)
    )
    rows = [row for row in run.by_class if row["layer"] == run.by_class[-1]["layer"]]
    names = ("excitatory", "inhibitory") if has_split else ("total",)
    at, start = np.arange(len(rows)), np.zeros(len(rows))
    for name in names:
        widths = np.array([row[name] for row in rows])
        left.barh(at, widths, left=start, height=0.7, color=COLOURS.get(name, style.INK))
        start += widths
    for y, row in zip(at, rows, strict=True):
        text = f"{row['accuracy']:.0%} right"
        if has_split and row["total"] > 0.0:
            text = f"{row['excitatory'] / row['total']:.0%} E, {text}"
        left.text(
            start[y] + 0.01 * start.max(), float(y), text, va="center", fontsize=style.TINY_POINTS
        )
    left.set_xlim(0.0, 1.35 * max(start.max(), 1e-9))
    left.invert_yaxis()
    style.dress(left, x="hidden spikes per image", title=f"After training, {run.half} half")
    style.name_rows(left, [row["class"] for row in rows])
    if has_split:
        legend(left, names)
    if right is not None:
        _share_by_epoch(figure, right, run, epochs)
    return figure


def _share_by_epoch(
    figure: Figure, axes: Axes, run: RunSpikes, epochs: Sequence[Mapping[str, Any]]
) -> None:
    """Excitatory share of the spikes of each class in each epoch."""
    each = [row["test_by_class"] for row in epochs]
    excitatory, total = (np.array([row[n] for row in each]).T for n in ("excitatory", "total"))
    share = 100.0 * np.divide(excitatory, total, out=np.full(total.shape, np.nan), where=total > 0)
    first, last = epochs[0]["epoch"], epochs[-1]["epoch"]
    image = axes.imshow(
        share, aspect="auto", cmap=style.MAP, interpolation="nearest",
        extent=(first - 0.5, last + 0.5, len(share) - 0.5, -0.5),
    )  # fmt: skip
    style.dress(axes, x="epoch (0: before training)", title="Excitatory share of the spikes")
    axes.grid(visible=False)
    style.name_rows(axes, run.class_names)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    style.colour_bar(figure, image, axes, "excitatory (%)")


def legend(axes: Axes, names: Sequence[str], *, is_inside: bool = False) -> None:
    """What the colours of groups mean: above the axes on the right, or inside of narrow ones."""
    patches = [Patch(color=COLOURS.get(name, style.INK), label=name) for name in names]
    axes.legend(
        handles=patches, loc="upper right" if is_inside else "lower right",
        bbox_to_anchor=(1.0, 0.995), ncols=1 if is_inside else len(names),
        frameon=False, fontsize=style.SMALL_POINTS, borderaxespad=0.1, handlelength=1.0,
    )  # fmt: skip


def rates(run: RunSpikes) -> Figure:
    """Rate of every neuron by class, and how the groups differ."""
    figure = style.sheet(11.0, 3.8)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.5))
    mean = run.sums.mean_rates_hz(run.dt_seconds)
    edges = np.linspace(0.0, max(float(mean.max()), 1e-9), 21)
    for name, inside in run.sums.groups.items():
        counts = np.histogram(mean[inside], edges)[0] / (inside.stop - inside.start)
        left.stairs(100.0 * counts, edges, color=COLOURS[name], lw=style.LINE_POINTS)
        left.axvline(float(mean[inside].mean()), color=COLOURS[name], lw=1.0, ls=":")
    style.dress(left, x="rate of a neuron (Hz); dotted: mean", y="neurons of the group (%)",
                title="Over all classes")  # fmt: skip
    legend(left, list(run.sums.groups), is_inside=True)
    each = run.sums.rates_hz(run.dt_seconds)
    order = np.concatenate([
        inside.start + np.argsort(-mean[inside]) for inside in run.sums.groups.values()
    ])  # fmt: skip
    image = right.imshow(each[:, order], aspect="auto", cmap=style.MAP, interpolation="nearest")
    _borders(right, run, across_only=True)
    what = ", ".join(f"{s.stop - s.start} {n}" for n, s in run.sums.groups.items())
    style.dress(right, x=f"neurons, by rate: {what}", title=f"By class, {run.layer}")
    right.grid(visible=False)
    style.name_rows(right, run.class_names)
    style.colour_bar(figure, image, right, "rate (Hz)")
    return figure


def _borders(axes: Axes, run: RunSpikes, *, across_only: bool = False) -> None:
    """White lines between the groups of neurons."""
    for inside in list(run.sums.groups.values())[1:]:
        axes.axvline(inside.start - 0.5, color="white", lw=1.5)
        if not across_only:
            axes.axhline(inside.start - 0.5, color="white", lw=1.5)


def psth(run: RunSpikes) -> Figure:
    """Mean rate over time: of the groups over all classes, and of each class."""
    figure = style.sheet(11.0, 3.8)
    left, right = figure.subplots(1, 2)
    each = run.sums.psth_hz(run.dt_seconds)
    steps = run.sums.counts.shape[-1]
    times = np.arange(steps + 1) * run.dt_seconds * 1e3
    for name, rows in each.items():
        left.stairs(rows[-1], times, color=COLOURS[name], lw=style.LINE_POINTS)
    style.dress(left, x="time since the image began (ms)", y="rate of a neuron (Hz)",
                title="All classes")  # fmt: skip
    legend(left, list(each))
    sizes = [s.stop - s.start for s in run.sums.groups.values()]
    total = np.average(np.stack([*each.values()]), axis=0, weights=sizes)[:-1]
    image = right.imshow(
        total, aspect="auto", cmap=style.MAP, interpolation="nearest",
        extent=(0.0, times[-1], len(total) - 0.5, -0.5),
    )  # fmt: skip
    style.dress(right, x="time since the image began (ms)", title=f"By class, {run.layer}")
    right.grid(visible=False)
    style.name_rows(right, run.class_names)
    style.colour_bar(figure, image, right, "rate of a neuron (Hz)")
    return figure


def intervals(run: RunSpikes) -> Figure | None:
    """Inter-spike intervals of neurons, and gaps of the pooled population as published."""
    if not any(histogram.any() for histogram in run.sums.pooled.values()):
        return None
    figure = style.sheet(11.0, 3.6)
    left, right = figure.subplots(1, 2)
    per_neuron = {name: run.sums.intervals[s].sum(0) for name, s in run.sums.groups.items()}
    pooled = {name: run.sums.pooled[name] for name in run.sums.groups}
    for axes, each, title in (
        (left, per_neuron, "Of single neurons"),
        (right, pooled, "Gaps of the pooled population (published form)"),
    ):
        ms, last = run.dt_seconds * 1e3, 1
        for name, histogram in each.items():
            count = max(1, int(histogram.sum()))
            last = max(last, int(np.searchsorted(np.cumsum(histogram), 0.995 * count)) + 1)
            edges = (np.arange(len(histogram) + 1) - 0.5) * ms
            axes.stairs(100.0 * histogram / count, edges, color=COLOURS[name], lw=style.LINE_POINTS)
        axes.set_xlim(-0.5 * ms, (last + 1) * ms)
        said = [f"{n}: median {moments(h).median * ms:.3g} ms" for n, h in each.items()]
        style.write(axes, 0.97, 0.95, "\n".join(said), to="top right")
        style.dress(axes, x="interval (ms)", y="intervals of the group (%)", title=title)
    legend(left, list(per_neuron))
    return figure


def distances(run: RunSpikes) -> Figure | None:
    """Mean Van Rossum distance of every two neurons, and of pairs within and between groups."""
    if len(run.neurons) < 2:
        return None
    figure = style.sheet(11.0, 4.0)
    panels = figure.subplots(1, 3, width_ratios=(1.25, 1, 1))
    sums = run.sums.distances
    means = sums.means("published")
    shown = np.where(np.eye(len(means), dtype=bool), np.nan, means)
    image = panels[0].imshow(shown, cmap=style.MAP, interpolation="nearest")
    _borders(panels[0], run)
    names = " | ".join(run.sums.groups)
    style.dress(panels[0], x=f"neuron: {names}", y="neuron", title="Of pairs, as published")
    panels[0].grid(visible=False)
    style.colour_bar(figure, image, panels[0], "mean distance")
    for axes, form in zip(panels[1:], ("published", "textbook"), strict=True):
        each = sums.per_sample(form)  # type: ignore[arg-type]  # both are forms
        drawn = [
            (pair, each[:, k]) for k, pair in enumerate(PAIRS) if np.isfinite(each[:, k]).all()
        ]
        for x, (pair, values) in enumerate(drawn):
            _box(axes, x, values, PAIR_COLOURS[pair] if len(drawn) > 1 else style.INK)
        labels = [pair for pair, _ in drawn] if len(run.sums.groups) > 1 else ["all pairs"]
        axes.set_xticks(range(len(drawn)), labels)
        axes.set_xlim(-0.6, len(drawn) - 0.4)
        axes.set_ylim(0.0)
        squared = ", squared" if form == "textbook" else ""
        style.dress(axes, x="pairs of neurons", y=f"mean distance of an image{squared}",
                    title=TITLES[form])  # fmt: skip
    return figure


def _box(axes: Axes, x: float, values: np.ndarray, colour: str) -> None:
    """Median, quartiles, 5 and 95 % of some values, with the median written beside."""
    low, first, median, third, high = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))
    axes.plot([x, x], [low, high], color=colour, lw=1.2)
    axes.bar(x, third - first, 0.5, first, color=colour, alpha=0.55)
    axes.plot([x - 0.25, x + 0.25], [median, median], color=style.INK, lw=style.LINE_POINTS)
    axes.text(x, high, f"{median:.3g}\n", ha="center", va="center", fontsize=style.SMALL_POINTS)


def histograms(run: RunSpikes) -> Figure | None:
    """Weights and conductances of each layer, before and after training."""
    if not run.values:
        return None
    names = list(dict.fromkeys(part.name for part in run.values))
    figure = style.sheet(11.0, 3.0 * len(names))
    panels = figure.subplots(len(names), 2, squeeze=False)
    for (left, right), name in zip(panels, names, strict=True):
        parts = [part for part in run.values if part.name == name]
        for axes, unit, factor in ((left, "", 1.0), (right, f" ({MICROSIEMENS})", 1e6)):
            pairs = [
                (p.neurons, (p.siemens_before, p.siemens_after) if unit else (p.before, p.after))
                for p in parts
            ]
            every = np.concatenate([values for _, pair in pairs for values in pair]) * factor
            edges = np.histogram_bin_edges(every, BINS)
            for group, (before, after) in pairs:
                for values, dashes in ((before, ":"), (after, "-")):
                    counts = np.histogram(values * factor, edges)[0] / max(1, len(values))
                    axes.stairs(100.0 * counts, edges, color=COLOURS[group], ls=dashes, lw=1.5)
            axes.set_yscale("log")
            what = f"conductance{unit}" if unit else "weight"
            style.dress(axes, x=what, y="of the group (%)", title=name)
            style.plain_ticks(axes.yaxis)
        groups = [part.neurons for part in parts]
        if groups != ["all"]:
            legend(left, [f"{group}" for group in groups])
        style.write(right, 0.97, 0.95, "dotted: before training", to="top right")
    return figure


def pca(run: RunSpikes) -> Figure | None:
    """Images along the first two principal components, and the variance along all."""
    if int(run.sums.images.sum()) < 3 or len(run.neurons) < 2 or not run.sums.of_samples.any():
        return None
    figure = style.sheet(11.0, 4.6)
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    every, labels = run.sums.components(), run.sums.labels
    scores = every.scores(run.sums.of_samples, 2)
    shown = style.evenly(len(scores), MOST_POINTS)
    names = list[style.EndLabel]()
    for k, name in enumerate(run.class_names):
        chosen = shown[labels[shown] == k]
        colour = style.SERIES[k % len(style.SERIES)]
        marker = [*MARKERS][k // len(style.SERIES) % len(MARKERS)]
        left.scatter(*scores[chosen].T, s=9, color=colour, marker=marker, alpha=0.45, lw=0)
        if len(chosen):
            middle = float(np.median(scores[labels == k, 1]))
            names.append(style.EndLabel(middle, f"{MARKERS[marker]} {name}", colour))
    left.set_ylim(*left.get_ylim())
    style.name_lines(left, names, least_gap=0.06)
    share = 100.0 * every.shares
    style.dress(left, x=f"component 1 (spikes per image; {share[0]:.0f} % of the variance)",
                y=f"component 2 ({share[1]:.0f} %)", title=f"Images, {run.layer}")  # fmt: skip
    numbers = np.arange(1, len(share) + 1)
    right.plot(numbers, np.cumsum(share), color=style.INK, lw=style.LINE_POINTS)
    right.set_ylim(0.0, 102.0)
    style.write(right, 0.97, 0.06, f"{every.dimensions:.1f} dimensions\n(participation ratio)",
                to="bottom right")  # fmt: skip
    style.dress(right, x="components", y="variance up to there (%)", title="Variance")
    return figure
