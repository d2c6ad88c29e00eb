"""The tables of an analysis of spikes: one row a number, units in the names of the columns."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..experiment.spike_record import LAYER_NAME, RunSpikes
from ..metrics.rates import epochs_to_converge, excitatory_share
from ..metrics.spike_distances import FORMS, PAIRS
from ..metrics.spike_intervals import moments
from ..metrics.statistics import student_interval

Row = dict[str, Any]
ALL = "all"
PER_NEURON, POOLED = "per_neuron", "pooled_population_as_published"
BINS = 60
MOST_COMPONENTS = 10


def results_of(run: RunSpikes, success: float) -> Row:
    """The row of a run in `runs.csv`: one number for each result.

    Args:
        run: Which.
        success: Accuracy above which it is called successful.
    """
    sums, dt = run.sums, run.dt_seconds
    images = max(1, int(sums.images.sum()))
    layer = LAYER_NAME if any(row["layer"] == LAYER_NAME for row in run.by_class) else run.layer
    rows = [row for row in run.by_class if row["layer"] == layer]
    total = sum(row["total"] * row["images"] for row in rows) / images
    tested = np.array([row["test_accuracy"] for row in run.epochs])
    converged, threshold = epochs_to_converge(tested)
    result = {
        "run": run.name, **run.labels, "half": run.half, "images": images,
        "replayed_accuracy": run.accuracy, "test_accuracy": float(tested[-1]),
        "succeeded": bool(tested[-1] > success), "epochs": len(tested) - 1,
        "epochs_to_converge": converged, "converged_above": threshold,
        "hidden_spikes_per_image": total, "excitatory_percent": percent_of(rows),
        "layer": run.layer, "neurons": len(run.neurons),
        "rate_hz": float(sums.mean_rates_hz(dt).mean()),
    }  # fmt: skip
    for name, inside in sums.groups.items():
        said = moments(sums.intervals[inside].sum(0))
        result[f"{name}_rate_hz"] = float(sums.mean_rates_hz(dt)[inside].mean())
        result[f"{name}_median_interval_seconds"] = said.median * dt
        result[f"{name}_interval_cv"] = said.cv
    for form in FORMS:
        means, _ = student_interval(sums.distances.per_sample(form).T)
        result |= {
            f"distance_{form}_{pair}": float(m) for pair, m in zip(PAIRS, means, strict=True)
        }
    result["dimensions"] = sums.components().dimensions if images > 1 else float("nan")
    return result


def percent_of(rows: Sequence[Mapping[str, Any]]) -> float:
    """100 E / (E + I) of rows by class; nan without Dale's law."""
    if any(row["excitatory"] is None for row in rows):
        return float("nan")
    excitatory = sum(row["excitatory"] * row["images"] for row in rows)
    inhibitory = sum(row["inhibitory"] * row["images"] for row in rows)
    return float(100.0 * excitatory_share(np.array(excitatory), np.array(inhibitory)))


def tables_of(run: RunSpikes) -> dict[str, list[Row]]:
    """File -> its rows of one run."""
    return {
        "spikes_by_class.csv": spikes_by_class(run),
        "rates.csv": rates(run),
        "psth.csv": psth(run),
        "intervals.csv": intervals(run),
        "distances.csv": distances(run),
        "distance_matrix.csv": distance_matrix(run),
        "histograms.csv": histograms(run),
        "pca.csv": components(run),
    }


def spikes_by_class(run: RunSpikes) -> list[Row]:
    """Spikes per image and accuracy by class: of each epoch as recorded, and of the replay."""
    rows = list[Row]()
    for epoch in run.epochs:
        if (each := epoch.get("test_by_class")) is None:
            continue
        for k, name in enumerate(run.class_names):
            split = [each[n] and each[n][k] for n in ("excitatory", "inhibitory")]
            rows.append(_by_class(
                run.name, epoch["epoch"], "test of the epoch", LAYER_NAME, name, each["images"][k],
                split, each["total"][k], each["accuracy"][k],
            ))  # fmt: skip
    last = run.epochs[-1]["epoch"]
    rows += [
        _by_class(
            run.name, last, f"replay of the {run.half} half", row["layer"], row["class"],
            row["images"], [row["excitatory"], row["inhibitory"]], row["total"], row["accuracy"],
        )
        for row in run.by_class
    ]  # fmt: skip
    return rows


def _by_class(
    run: str, epoch: int, source: str, layer: str, name: str, images: int,
    split: Sequence[float | None], total: float, accuracy: float,
) -> Row:  # fmt: skip
    """A row of `spikes_by_class`."""
    excitatory, inhibitory = split
    percent = None
    if excitatory is not None and inhibitory is not None and excitatory + inhibitory > 0.0:
        percent = 100.0 * excitatory / (excitatory + inhibitory)
    return {
        "run": run, "epoch": epoch, "source": source, "layer": layer, "class": name,
        "images": images, "excitatory_spikes_per_image": excitatory,
        "inhibitory_spikes_per_image": inhibitory, "spikes_per_image": total,
        "excitatory_percent": percent, "accuracy": accuracy,
    }  # fmt: skip


def groups_by_neuron(run: RunSpikes) -> list[str]:
    """The group of each neuron that is looked at."""
    return [name for name, s in run.sums.groups.items() for _ in range(s.start, s.stop)]


def rates(run: RunSpikes) -> list[Row]:
    """Mean rate of each neuron in each class, and over all."""
    each = np.vstack([run.sums.rates_hz(run.dt_seconds), run.sums.mean_rates_hz(run.dt_seconds)])
    groups = groups_by_neuron(run)
    return [
        {"run": run.name, "layer": run.layer, "neuron": int(neuron), "group": groups[i],
         "class": name, "rate_hz": float(each[k, i])}
        for k, name in enumerate([*run.class_names, ALL])
        for i, neuron in enumerate(run.neurons)
    ]  # fmt: skip


def psth(run: RunSpikes) -> list[Row]:
    """Mean rate of a neuron at each step, by class and group."""
    return [
        {"run": run.name, "layer": run.layer, "group": group, "class": name,
         "seconds": t * run.dt_seconds, "rate_hz": float(value)}
        for group, of_classes in run.sums.psth_hz(run.dt_seconds).items()
        for name, of_steps in zip([*run.class_names, ALL], of_classes, strict=True)
        for t, value in enumerate(of_steps)
    ]  # fmt: skip


def intervals(run: RunSpikes) -> list[Row]:
    """Histograms of the intervals of each neuron, and of the pooled population; no zeros."""
    groups, dt = groups_by_neuron(run), run.dt_seconds
    parts: list[tuple[str, Any, str, np.ndarray]] = [
        (PER_NEURON, int(neuron), group, histogram)
        for neuron, group, histogram in zip(run.neurons, groups, run.sums.intervals, strict=True)
    ]
    parts += [(POOLED, ALL, group, h) for group, h in run.sums.pooled.items()]
    return [
        {"run": run.name, "layer": run.layer, "form": form, "neuron": neuron, "group": group,
         "interval_seconds": int(k) * dt, "intervals": int(histogram[k])}
        for form, neuron, group, histogram in parts
        for k in np.flatnonzero(histogram)
    ]  # fmt: skip


def distances(run: RunSpikes) -> list[Row]:
    """Mean Van Rossum distances of pairs, by class: over images, with 95 % intervals."""
    labels, rows = run.sums.labels, list[Row]()
    for form in FORMS:
        each = run.sums.distances.per_sample(form)
        for k, name in enumerate([*run.class_names, ALL]):
            inside = each if name == ALL and k == len(run.class_names) else each[labels == k]
            if not len(inside):
                continue
            means, halves = student_interval(inside.T)
            rows += [
                {"run": run.name, "layer": run.layer, "form": form, "class": name, "pairs": pair,
                 "images": len(inside), "distance": float(mean),
                 "distance_low": float(mean - half), "distance_high": float(mean + half)}
                for pair, mean, half in zip(PAIRS, means, halves, strict=True)
                if np.isfinite(mean)
            ]  # fmt: skip
    return rows


def distance_matrix(run: RunSpikes) -> list[Row]:
    """Mean distance of every two neurons, over images."""
    means = {form: run.sums.distances.means(form) for form in FORMS}
    groups, neurons = groups_by_neuron(run), run.neurons.tolist()
    return [
        {"run": run.name, "layer": run.layer, "neuron_a": a, "neuron_b": neurons[j],
         "group_a": groups[i], "group_b": groups[j],
         **{form: float(means[form][i, j]) for form in FORMS}}
        for i, a in enumerate(neurons)
        for j in range(i + 1, len(neurons))
    ]  # fmt: skip


def histograms(run: RunSpikes) -> list[Row]:
    """Weights and conductances of each layer, before and after training, in equal bins."""
    rows = list[Row]()
    for part in run.values:
        for quantity, pair in (
            ("weight", (part.before, part.after)),
            ("conductance_siemens", (part.siemens_before, part.siemens_after)),
        ):
            edges = np.histogram_bin_edges(np.concatenate(pair), BINS)
            for when, values in zip(("before", "after"), pair, strict=True):
                counts = np.histogram(values, edges)[0]
                rows += [
                    {"run": run.name, "layer": part.name, "rows_of": part.neurons,
                     "quantity": quantity, "training": when, "from": float(low), "to": float(high),
                     "count": int(count)}
                    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
                ]  # fmt: skip
    return rows


def components(run: RunSpikes) -> list[Row]:
    """Principal components of spikes per image: shares of the variance, and where classes lie.

    `share` and `dimensions` are of the images of the class alone; `centre` and `spread` are along
    the components of all images.
    """
    if int(run.sums.images.sum()) < 2:
        return []
    every, labels = run.sums.components(), run.sums.labels
    most = min(MOST_COMPONENTS, len(run.neurons))
    scores = every.scores(run.sums.of_samples, most)
    rows = list[Row]()
    for k, name in enumerate([*run.class_names, ALL]):
        is_all = k == len(run.class_names)
        inside = scores if is_all else scores[labels == k]
        if len(inside) < 2:
            continue
        of_class = every if is_all else run.sums.components(k)
        rows += [
            {"run": run.name, "layer": run.layer, "class": name, "component": i + 1,
             "share": float(of_class.shares[i]), "dimensions": of_class.dimensions,
             "centre_spikes": float(inside[:, i].mean()),
             "spread_spikes": float(inside[:, i].std(ddof=1))}
            for i in range(most)
        ]  # fmt: skip
    return rows
