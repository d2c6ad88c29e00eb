"""Tests between groups of runs, and between the pairs of neurons of one: rows of a table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .comparisons import (
    KRUSKAL,
    PAIRED,
    STUDENT,
    WELCH,
    Comparison,
    compare_means,
    compare_ranks,
    holm,
)
from .spike_distances import PAIRS

RESULTS = (
    "test_accuracy", "hidden_spikes_per_image", "excitatory_percent", "rate_hz",
    "epochs_to_converge", *(f"distance_{form}_{pair}" for form in ("published", "textbook")
                            for pair in PAIRS),
)  # fmt: skip
NOTES = {
    STUDENT: "equal variances, uncorrected p: the published test",
    WELCH: "unequal variances",
    PAIRED: "runs of one seed paired",
    KRUSKAL: "ranks",
}
Row = dict[str, Any]


def between_groups(
    runs: Sequence[Mapping[str, Any]],
    compare: str,
    control: str,
    others: Sequence[str],
    generator: np.random.Generator,
) -> list[Row]:
    """Every group of runs against the control, and all groups by their ranks.

    Args:
        runs: A row for each, with labels and `RESULTS`.
        compare: Label whose values are the groups.
        control: Value of the group that the others are tested against.
        others: Labels (without the seed) within whose values groups are compared.
        generator: See `compare_ranks`.

    Returns:
        Rows with `p_holm`: corrected over all of one test and result.
    """
    strata = list(dict.fromkeys(tuple(run[name] for name in others) for run in runs))
    rows = list[Row]()
    for stratum in strata:
        inside = [run for run in runs if tuple(run[name] for name in others) == stratum]
        where = ", ".join(f"{n} {v}" for n, v in zip(others, stratum, strict=True)) or "all"
        groups = dict[str, list[Mapping[str, Any]]]()
        for run in inside:
            groups.setdefault(str(run[compare]), []).append(run)
        for result in RESULTS:
            rows += _of_result(groups, result, control, where, generator)
    return corrected(rows)


def _of_result(
    groups: Mapping[str, Sequence[Mapping[str, Any]]],
    result: str,
    control: str,
    where: str,
    generator: np.random.Generator,
) -> list[Row]:
    """The tests of one result; none where it is a number in fewer than two groups."""
    values = {name: _numbers(runs, result) for name, runs in groups.items()}
    values = {name: of_seed for name, of_seed in values.items() if of_seed}
    rows = list[Row]()
    for name, other in values.items():
        if name == control or control not in values:
            continue
        first = values[control]
        both = [key for key in first if key in other]
        tests = [(test, [*first.values()], [*other.values()]) for test in (STUDENT, WELCH)]
        if len(both) > 1:
            tests.append((PAIRED, [first[key] for key in both], [other[key] for key in both]))
        rows += [
            row_of(compare_means(a, b, test), result, where, "runs", (control, name))
            for test, a, b in tests
        ]
    if len(values) > 2:
        done = compare_ranks([[*each.values()] for each in values.values()], generator=generator)
        rows.append(row_of(done, result, where, "runs", tuple(values)))
    return rows


def _numbers(runs: Sequence[Mapping[str, Any]], result: str) -> dict[Any, float]:
    """Seed -> number; runs that have none, or that share a seed, get a key of their own."""
    seeds = [run.get("seed") for run in runs]
    keys = [s if seeds.count(s) == 1 else (s, i) for i, s in enumerate(seeds)]
    pairs = ((key, run.get(result)) for key, run in zip(keys, runs, strict=True))
    return {key: float(v) for key, v in pairs if v is not None and np.isfinite(v)}


def between_pairs(
    runs: Sequence[Mapping[str, Any]], group: Sequence[str], generator: np.random.Generator
) -> list[Row]:
    """E-E, E-I and I-I distances of runs, by ranks, as published: one number of each run.

    Successful and failed runs apart. The three numbers of a run are not independent of each other:
    the published test takes them for that.

    Args:
        runs: As `between_groups`, with `succeeded`.
        group: Labels within whose values runs are taken together.
        generator: See `compare_ranks`.
    """
    rows = list[Row]()
    keys = list(dict.fromkeys((*(r[n] for n in group), r["succeeded"]) for r in runs))
    for key in keys:
        inside = [r for r in runs if (*(r[n] for n in group), r["succeeded"]) == key]
        where = ", ".join(f"{n} {v}" for n, v in zip(group, key, strict=False))
        where = f"{where}, " * bool(where) + ("successful" if key[-1] else "failed") + " runs"
        for form in ("published", "textbook"):
            each = [[r[f"distance_{form}_{pair}"] for r in inside] for pair in PAIRS]
            if len(inside) > 1 and np.isfinite(each).all():
                done = compare_ranks(each, generator=generator)
                rows.append(row_of(done, f"distance_{form}", where, "runs", PAIRS))
    return corrected(rows)


def within_run(
    per_sample: Mapping[str, np.ndarray], rates: Mapping[str, np.ndarray],
    generator: np.random.Generator,
) -> list[Row]:  # fmt: skip
    """Tests within one run: they say something of its images and neurons, not of other networks.

    Args:
        per_sample: Form -> (samples, 3) distances of `PAIRS`, of each sample.
        rates: Group of neurons -> (neurons,) Hz.
        generator: See `compare_ranks`.
    """
    rows = list[Row]()
    for form, means in per_sample.items():
        each = {name: means[:, k] for k, name in enumerate(PAIRS) if np.isfinite(means[:, k]).all()}
        names = list(each)
        for k, a in enumerate(names):
            for b in names[k + 1 :]:
                done = compare_means(each[a], each[b], PAIRED)
                rows.append(row_of(done, f"distance_{form}", "one run", "images", (a, b)))
        if len(each) > 2:
            done = compare_ranks([*each.values()], generator=generator, draws=100)
            rows.append(row_of(done, f"distance_{form}", "one run", "images", tuple(each)))
    if len(rates) == 2:
        (a, x), (b, y) = rates.items()
        for test in (STUDENT, WELCH):
            done = compare_means(x, y, test)
            rows.append(row_of(done, "rate_hz", "one run", "neurons", (a, b)))
    return corrected(rows)


def row_of(
    done: Comparison, result: str, where: str, samples_are: str, groups: Sequence[str]
) -> Row:
    """One test as a row of `statistics.csv`."""
    note = NOTES[done.test]
    if samples_are != "runs":
        note = "distances of one image paired" if done.test == PAIRED else note
        note += "; of one network: says nothing of others"
    return {
        "result": result, "where": where, "test": done.test, "samples_are": samples_are,
        "groups": " | ".join(groups), "n": " | ".join(map(str, done.samples)),
        "means": " | ".join(f"{mean:.6g}" for mean in done.means),
        "difference": done.difference, "difference_low": done.low, "difference_high": done.high,
        "statistic": done.statistic, "degrees_of_freedom": done.degrees, "p": done.p,
        "effect_name": done.effect_name, "effect": done.effect, "effect_low": done.effect_low,
        "effect_high": done.effect_high, "note": note,
    }  # fmt: skip


def corrected(rows: Sequence[Row]) -> list[Row]:
    """The rows with `p_holm` and `tests_in_family`: those of one test of one result."""
    families = dict[tuple[str, str], list[int]]()
    for i, row in enumerate(rows):
        families.setdefault((row["test"], row["result"]), []).append(i)
    done = [dict(row) for row in rows]
    for members in families.values():
        tested = [i for i in members if not np.isnan(rows[i]["p"])]
        for i, p in zip(members, holm([rows[i]["p"] for i in members]), strict=True):
            done[i] |= {"p_holm": p, "tests_in_family": len(tested)}
    return done
