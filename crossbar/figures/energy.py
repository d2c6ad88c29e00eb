"""Pictures of an estimate: where the energy and the area go, and what they hang on."""

import math
from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from device_models.units import MM2, format_si, si_prefix

from ..energy.interval import Interval, total
from ..energy.results import AREA_COMPONENTS, COMPONENT_NAMES, COMPONENTS, ChipEstimate, EnergyItem
from ..energy.study import DesignPoint, RunEstimate, Study, settings_name
from ..energy.uncertainty import Bar
from . import energy_runs, style

# P. Tol's "muted" scheme without the wine red, which means SET. What is no component is grey.
COLOURS = {
    "array": "#332288",
    "cells": "#332288",
    "driver": "#88CCEE",
    "dac": "#6699CC",
    "adc": "#CC6677",
    "sample_and_hold": "#DDCC77",
    "shift_add": "#999933",
    "neuron": "#117733",
    "buffer": "#44AA99",
    "router": "#AA4499",
    "leakage": style.FAINT,
    "routing": style.FAINT,
}
MOST_BARS = 12


def components(estimate: ChipEstimate) -> Figure:
    """Energy of one inference by component, all and each layer: spike-gated | dense."""
    layers = list(dict.fromkeys(item.layer for item in estimate.items))
    groups = {"all": list(estimate.items)}
    groups |= {name: [i for i in estimate.items if i.layer == name] for name in layers}
    figure = style.sheet(12.0, 1.5 + 0.42 * len(groups))
    gated, dense = figure.subplots(1, 2, sharey=True)
    times = estimate.joules_dense.typical / (estimate.joules.typical or math.nan)
    _panel(gated, list(groups.values()), "spike-gated", lambda item: item.joules)
    _panel(dense, list(groups.values()), f"dense: {times:.3g} x", lambda item: item.joules_dense)
    for axes in (gated, dense):
        style.name_rows(axes, list(groups))
    gated.invert_yaxis()
    _legend(figure, [c for c in COMPONENTS if any(i.component == c for i in estimate.items)])
    return figure


def _panel(
    axes: Axes,
    groups: Sequence[Sequence[EnergyItem]],
    title: str,
    joules: Callable[[EnergyItem], Interval],
) -> None:
    """One stacked bar for each group, and its sum behind it."""
    sums = [sum(joules(item).typical for item in items) for items in groups]
    factor, letter = si_prefix(max(sums))
    for row, items in enumerate(groups):
        left = 0.0
        for component in COMPONENTS:
            parts = (joules(item).typical for item in items if item.component == component)
            width = factor * sum(parts)
            axes.barh(row, width, 0.62, left, color=COLOURS[component])
            left += width
        axes.annotate(
            format_si(sums[row], "J", digits=3), (left, row), xytext=(6, 0),
            textcoords="offset points", va="center", fontsize=style.SMALL_POINTS, color=style.INK,
        )  # fmt: skip
    axes.set_xlim(0.0, 1.2 * factor * max(sums) or 1.0)  # room for the numbers behind the bars
    style.dress(axes, x=f"energy of an inference ({letter}J), typical", title=title)


def _legend(figure: Figure, components: Sequence[str]) -> None:
    """The names of the components above the axes, in the order of the bars."""
    patches = [Patch(color=COLOURS[name], label=COMPONENT_NAMES[name]) for name in components]
    figure.legend(
        handles=patches, loc="outside upper left", ncols=len(patches), frameon=False,
        fontsize=style.SMALL_POINTS, handlelength=1.0, handleheight=1.0, columnspacing=1.4,
    )  # fmt: skip


def tornado(bars: Sequence[Bar], typical_joules: float) -> Figure:
    """How far each constant alone moves the energy of an inference, widest first."""
    drawn = bars[:MOST_BARS]
    figure = style.sheet(10.0, 1.2 + 0.36 * len(drawn))
    axes = figure.subplots()
    ends = [joules for bar in drawn for joules in (bar.low_joules, bar.high_joules)]
    low, high = min([*ends, typical_joules]), max([*ends, typical_joules])
    factor, letter = si_prefix(high)
    for row, bar in enumerate(drawn):
        for joules, colour in (
            (bar.low_joules, style.INHIBITORY),
            (bar.high_joules, style.EXCITATORY),
        ):
            width = factor * (joules - typical_joules)
            axes.barh(row, width, 0.6, factor * typical_joules, color=colour)
            below = joules < typical_joules
            axes.annotate(
                format_si(joules, "J", digits=3), (factor * joules, row),
                xytext=(-4 if below else 4, 0), textcoords="offset points", va="center",
                ha="right" if below else "left", fontsize=style.SMALL_POINTS, color=style.INK,
            )  # fmt: skip
    axes.axvline(factor * typical_joules, color=style.INK, lw=1.0)
    margin = 0.13 * (high - low) or 0.1 * high
    axes.set_xlim(factor * (low - margin), factor * (high + margin))
    style.dress(axes, x=f"energy of an inference ({letter}J)")
    style.name_rows(axes, [bar.name for bar in drawn])
    axes.invert_yaxis()
    return figure


def certainty(percentiles: Mapping[str, Interval]) -> Figure:
    """Median and 5 to 95 % of each component and of their sum over the draws.

    Args:
        percentiles: As `monte_carlo` names them; those of joules of an inference are drawn.
    """
    spans = {name: percentiles[f"joules.{name}"] for name in COMPONENTS}
    spans = {"all": percentiles["joules"]} | {
        n: span for n, span in spans.items() if span.low > 0.0
    }
    figure = style.sheet(10.0, 1.2 + 0.36 * len(spans))
    axes = figure.subplots()
    factor, letter = si_prefix(percentiles["joules"].typical)
    for row, (name, span) in enumerate(spans.items()):
        colour = COLOURS.get(name, style.INK)
        ends = [factor * span.low, factor * span.high]
        axes.plot(ends, [row, row], color=colour, lw=5.0, solid_capstyle="butt", alpha=0.6)
        axes.plot(factor * span.typical, row, "o", color=colour, ms=6)
    axes.set_xscale("log")
    style.plain_ticks(axes.xaxis)
    axes.minorticks_off()
    axes.set_yticks(range(len(spans)), [COMPONENT_NAMES.get(name, name) for name in spans])
    axes.invert_yaxis()
    style.dress(axes, x=f"energy of an inference ({letter}J): median, 5 to 95 % of the draws")
    axes.tick_params(axis="y", length=0)
    return figure


def area(estimate: ChipEstimate) -> Figure:
    """Area of each component, low to high, with its fraction of the typical total."""
    sums = {
        name: total([item.m2 for item in estimate.area if item.component == name])
        for name in AREA_COMPONENTS
    }
    drawn = sorted(
        ((n, m2) for n, m2 in sums.items() if m2.high > 0.0), key=lambda s: -s[1].typical
    )
    figure = style.sheet(10.0, 1.2 + 0.36 * len(drawn))
    axes = figure.subplots()
    for row, (name, m2) in enumerate(drawn):
        axes.barh(row, 1e6 * m2.typical, 0.6, color=COLOURS[name])
        ends = [1e6 * m2.low, 1e6 * m2.high]
        axes.plot(ends, [row, row], color=style.INK, lw=1.0, marker="|", ms=6)
        fraction = m2.typical / estimate.m2.typical
        axes.annotate(
            f"{1e6 * m2.typical:.3g} {MM2}, {100 * fraction:.2g} %", (ends[1], row),
            xytext=(6, 0), textcoords="offset points", va="center",
            fontsize=style.SMALL_POINTS, color=style.INK,
        )  # fmt: skip
    axes.set_xlim(0.0, 1.25 * 1e6 * max(m2.high for _, m2 in drawn))
    style.dress(axes, x=f"area ({MM2}); line: low to high constants")
    style.name_rows(axes, [COMPONENT_NAMES[name] for name, _ in drawn])
    axes.invert_yaxis()
    return figure


def draw(study: Study) -> dict[str, Figure]:
    """Every picture of a report of which there is something to draw, in the order of the page."""
    e = study.first
    figures = {"energy": components(e), "area": area(e)}
    if study.bars:
        figures["tornado"] = tornado(study.bars, e.joules.typical)
    if study.runs[0].percentiles:
        figures["certainty"] = certainty(study.runs[0].percentiles)
    if len(study.runs) > 1:
        figures["runs"] = energy_runs.runs([run_point(run) for run in study.runs])
    if study.explored:
        figures["front"] = energy_runs.pareto_front([design_point(each) for each in study.explored])
    return figures


def run_point(run: RunEstimate) -> energy_runs.AccuracyPoint:
    """A run as a point of a picture, with 5 to 95 % of the draws where there are any."""
    e = run.estimate
    joules = run.percentiles.get("joules", e.joules)
    return energy_runs.AccuracyPoint(
        run.name, e.run.accuracy, e.run.accuracy_interval, joules, e.m2
    )


def design_point(each: DesignPoint) -> energy_runs.AccuracyPoint:
    """A chip of an exploration as a point of a picture."""
    e, accuracy = each.estimate, each.accuracy
    name = settings_name(each.settings)
    return energy_runs.AccuracyPoint(
        name, accuracy, (accuracy, accuracy), e.joules, e.m2, each.pareto_optimal
    )
