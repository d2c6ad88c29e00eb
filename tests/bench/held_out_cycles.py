# ruff: noqa: T201  # it talks on the terminal
"""The part `cycles` of `bench_held_out.py`: memory of full SETs and RESETs."""

import dataclasses
import json
from unittest import mock

import numpy as np

DRAWS = range(5, 13)  # of the generative model: the numbers of one draw miss together


def cycles() -> None:
    """Memory of cycles: levels, changes, correlations; log score of a held-out cycle."""
    from xbar_measured import nirram_cycles

    from device_models.fitting.estimators import cycle_memory

    sets = {
        "1,024 cells, cycles 25 and 50": nirram_cycles(),
        "one cell, every 100th of 1,005,000 cycles": _one_cell(),
    }
    sets |= {
        f"128 devices x 96 cycles, drawn from the Synaptogen parameters, draw {seed}": _synaptogen(
            128, 96, seed
        )
        for seed in DRAWS
    }
    for name, measured in sets.items():
        known, held_out = _halves(measured)
        with mock.patch.object(cycle_memory, "can_be_told", return_value=False):
            before = _checked(known, held_out, {"full_levels_correlation": 0.0})
        after = _checked(known, held_out, {})
        print(f"\n{name}: {len(known.cycles[0])} rows against {len(held_out.cycles[0])}")
        for kind in ("over that of the cycle before", "correlation", "spread of the cycles", ""):
            _print_shares(kind or "all", [c for c in before[1] if kind in c.name],
                          [c for c in after[1] if kind in c.name])  # fmt: skip
        for side in ("set", "reset"):
            gain = _gain(side, before[0], after[0], held_out)
            print(f"  log score of {'LRS' if side == 'set' else 'HRS'}: {gain:+.3f} nat per cycle")


def _print_shares(name, before, after):
    """One line: numbers inside, before and after."""
    inside = [sum(int(c.inside.sum()) for c in checks) for checks in (before, after)]
    total = sum(len(c.labels) for c in after)
    if total:
        print(f"  {name}: {inside[0]} -> {inside[1]} of {total} inside", flush=True)


def _checked(known, held_out, change):
    """The fit of one part, and the checks of the other against it."""
    from device_models.fitting.fit import fit
    from device_models.fitting.parameter_draws import drawn_models
    from device_models.fitting.predictive_checks import checks, predictions
    from device_models.presets import load_device

    generator = np.random.default_rng(0)
    fitted = fit(known, load_device("oxram_literature"), generator=generator, bootstrap=100)
    models = [dataclasses.replace(m, **change) for m in drawn_models(fitted, seed=0)]
    return fitted, checks(held_out, predictions(models, held_out, seed=0))


def _halves(measured):
    """Random halves of the devices; of one device, the first and the second half of its cycles."""
    table = measured.cycles[0]
    devices = len(np.unique(table.device))
    first = np.random.default_rng(17).permutation(devices)[table.device] < devices / 2
    if devices == 1:
        first = np.arange(len(table)) < len(table) // 2
    return [dataclasses.replace(measured, cycles=(table.take(rows),)) for rows in (first, ~first)]


def _gain(side, before, after, held_out):
    """Log-density per held-out cycle, after less before, of the scores by the fitted levels."""
    from device_models.fitting.cycle_series import ordered
    from device_models.fitting.estimators import cycle_likelihood as likelihood
    from device_models.open_loop import levels

    sign, table = (1, held_out.cycles[0]) if side == "set" else (-1, held_out.cycles[0])
    g = table.lrs_siemens if sign > 0 else table.hrs_siemens
    law = levels(after.model, sign)
    knots = likelihood.ndtri(np.array(law.probabilities))
    order = ordered(table.device, table.cycle)
    y = np.interp(np.log(g[order.rows]), np.log(law.quantiles_siemens), knots)
    scores = likelihood.Scores(y, order)
    total = [_log_score(levels(fitted.model, sign).cycles, scores) for fitted in (before, after)]
    return (total[1] - total[0]) / len(y)


def _log_score(law, scores):
    """Log-density of some scores, whose marginal is standard normal."""
    from device_models.fitting.estimators.cycle_likelihood import Parameters, log_likelihood

    with np.errstate(divide="ignore"):
        shares = np.array([law.d2d_share, law.memory_share])
        logits = np.clip(np.log(shares / (1.0 - shares)), -30.0, 30.0)
        noise = float(np.log(law.d2d_noise_sigma))
    if scores.devices == 1:  # its own part is all that there is
        logits[0], noise = -30.0, -np.inf
    p = Parameters(*logits.tolist(), float(np.log(law.memory_cycles)), noise, 0.0, 0.0)
    return float(log_likelihood(scores, p).sum())


def _one_cell():
    """10,050 cycles of one cell, one in a hundred of its first million."""
    from xbar_measured import measured_file

    from device_models.fitting.measurements import Cycles, Measurements

    path = measured_file("stanford_1t1r_nirram/nirram.npz")
    _, lrs, hrs, cycle = np.load(path)["1us_endurance"].astype(np.float64).T
    table = Cycles(device=np.zeros(len(cycle), np.int64), cycle=cycle.astype(np.int64),
                   lrs_siemens=1.0 / lrs, hrs_siemens=1.0 / hrs, source=path.name)  # fmt: skip
    return Measurements(cycles=(table,), devices=("186",))


def _synaptogen(devices, each, seed):
    """Cycles of the generative model: VAR(10) of four features, warped, scaled by device.

    Of the published parameters of T. Hennen et al., Front. Neurosci. 16, 941753 (2022).
    """
    from xbar_measured import measured_file

    from device_models.fitting.measurements import Cycles, Measurements

    path, generator = (
        measured_file("synaptogen_reram/default_params.json"),
        np.random.default_rng(seed),
    )
    p = json.loads(path.read_text("utf-8"))
    var, order, burn = np.array(p["VAR_010"]), 10, 400
    x = np.zeros((order + burn + each, 4, devices))
    for k in range(order, len(x)):
        past = x[k - order : k].reshape(4 * order, devices)  # the last lag comes last
        x[k] = var[:, :4] @ generator.normal(size=(4, devices)) + var[:, 4:] @ past
    x = np.stack(
        [
            np.polyval(g, x[-each:, i])
            for i, g in enumerate(np.array(p["\N{GREEK SMALL LETTER GAMMA}"]))
        ]
    )
    kind = generator.choice(3, size=devices, p=np.array(p["wk"]) / np.sum(p["wk"]))
    means, roots = np.array(p["μDtD"]), np.array(p["LDtD"]).reshape(8, 3, 8)
    z = generator.normal(size=(devices, 8))
    device = means[:, kind] + np.einsum("ikj,kj->ik", roots[:, kind], z)
    spread = np.abs(device[4:])
    hrs, lrs = (device[i] + spread[i] * x[i] for i in (0, 2))
    device, cycle = np.repeat(np.arange(devices), each), np.tile(np.arange(each), devices)
    table = Cycles(device=device, cycle=cycle,
                   lrs_siemens=1.0 / np.maximum(lrs, 1e3).T.ravel(),
                   hrs_siemens=10.0**-hrs.T.ravel(), source=path.name)  # fmt: skip
    return Measurements(cycles=(table,), devices=tuple(map(str, range(devices))))
