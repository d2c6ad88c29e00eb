"""Relaxation from readings some times after programming; the likelihood is in
`relaxation_likelihood`, the law in `device_models.relaxation`.

What the readings do not identify is the preset's: rates at several levels need a range of
conductance, tails many devices, the onset several times, the activation energy several
temperatures, and how runs differ needs two of them. Where there are several times the read error is
fitted too: it is there before anything relaxes. It is returned as `read_fraction` and
`read_exponent`, which repeated reads or pulses determine better. Where repeated reads of the same
devices are there, their noise, white and slow, is known.

A run is a file at one temperature. Runs differ by more than their devices: another chip, another
oven, another day. So the activation energy is one over all temperatures, and the uncertainty of it
contains how much runs differ (`run_effects`). A session is the readings of a run at one time: how
much they differ from a straight line in log time, and from each other, is fitted likewise.
"""

from dataclasses import replace

import numpy as np

from ...pulsed import Pulsed
from ..measurements import Floats, Ints, Retention
from . import bootstrap
from .changes import Changes, changes_of
from .parameters import ParameterSet
from .relaxation_fields import parameter_set
from .relaxation_likelihood import Values
from .relaxation_maximum import Parameter, RelaxationFit, maximise, settled
from .run_effects import SPREADS, Spread, spreads_of

MOST = 3000  # devices; more make the intervals narrower than the law is true
MOST_ROWS = 6000  # of them
MOST_READINGS = 16  # of a device; what is more says little: neighbours depend on each other
FEWEST = 3  # devices
SPAN = 2.0  # ratio of initial conductances from which there are several levels
LEVELS = ((1000, 7), (100, 5), (20, 3))  # from so many devices, rates at so many levels
SHAPE_DEVICES = 20  # from which the onset and the read error are fitted
TAIL_DEVICES = 100  # from which the tail is
SESSIONS = 3  # of a run, from which they are told from it
SESSION = "session_size", "session_shift"
ONSET_TIMES = 3  # later times from which the onset is fitted
MOST_EV = 5.0  # largest activation energy that is tried
# What is known of it before, ours: it matters where runs differ so much, or temperatures so
# little, that the readings alone allow anything.
USUAL_EV, USUAL_SIGMA_EV = 1.0, 0.7


def estimate(
    table: Retention,
    model: Pulsed,
    *,
    generator: np.random.Generator,
    resamples: int,
    read_measured: bool = False,
    files: Ints | None = None,
) -> ParameterSet:
    """Fit the relaxation of a device type.

    Args:
        table: Readings; the first one of each device is where its change starts.
        model: Its read noise, and what is not identified.
        generator: Of the joint draws. The intervals are those of infinitely many resamples of
            devices, by the scores of the likelihood, and of runs, by their spread.
        resamples: Joint draws; 0 for no intervals either.
        read_measured: The read noise of the model, white and slow, was measured on these devices,
            and is no relaxation; that of others is left in.
        files: Number of the file of each row; None: they are of one file.
    """
    files = np.zeros(len(table), np.int64) if files is None else files
    changes = changes_of(table, files, model, read_measured=read_measured)
    parameters = ParameterSet(devices=changes.count, rows=len(table), files=(table.source,))
    if changes.count < FEWEST:
        warning = "relaxation needs 3 devices with readings at two times: the preset's is kept"
        return replace(parameters, warnings=(warning,))
    warnings = bootstrap.few_devices_warnings(changes.count, "retention")
    remark = "change since the first reading, less its read error"
    few = changes.thinned(MOST_READINGS)
    few = few.subset(min(MOST, MOST_ROWS * few.count // len(few.device)))
    if few.count < changes.count:
        remark += f"; {few.count} of {changes.count} devices, evenly chosen"
    highest = float(changes.first.max())
    fit, levels, spreads = fitted(few, model)
    fields = parameter_set(
        fit, few, model, levels=levels, spreads=spreads, remark=remark, highest=highest,
        generator=generator, draws=resamples,
    )  # fmt: skip
    return replace(
        fields,
        devices=changes.count,
        rows=parameters.rows,
        files=parameters.files,
        warnings=(*_remarks(few), *warnings),
    )


def _remarks(changes: Changes) -> tuple[str, ...]:
    """What one run cannot tell."""
    warm = len(np.unique(np.round(changes.heat, 2)))
    if changes.runs > 1 and (warm == 1 or changes.runs > 2):
        return ()
    if changes.runs == 1:
        return ("retention of one run: how runs differ (relax_run_sigma) is not told by it",)
    return (
        "retention at two temperatures: how runs differ is assumed, not measured, and with it the "
        "interval of relax_activation_ev",
    )


# --- what is fitted ------------------------------------------------------------------------------


def fitted(changes: Changes, model: Pulsed) -> tuple[RelaxationFit, Floats, dict[str, Spread]]:
    """The maximum, its levels in the unit of the changes, and spreads of runs.

    A first maximum with wide priors of the runs tells how much they differ, a second one uses it;
    a third one knows what had moved before the first readings. Sessions are searched from where a
    fit without them ended: from the start of all they can make up for an onset far from its own.
    """
    levels = levels_of(changes)
    free, held = _parameters(changes, model, levels)
    if alike := {name: np.zeros(len(free[name].start)) for name in SESSION if name in free}:
        others = {name: one for name, one in free.items() if name not in alike}
        fit = maximise(changes, others, held | alike, levels, model.relax_cycle_pulses)
        free = _from(free, fit)
    fit = maximise(changes, free, held, levels, model.relax_cycle_pulses)
    spreads: dict[str, Spread] = {}
    if free.keys() & SPREADS.keys():
        spreads = spreads_of(fit)
        again = {
            name: replace(one, sigma=spreads[name].value) if name in spreads else one
            for name, one in _from(free, fit).items()
        }
        free = again
        fit = maximise(changes, free, held, levels, model.relax_cycle_pulses)
    if (changes.began_seconds > 0.0).any():
        changes = settled(changes, fit)
        fit = maximise(changes, _from(free, fit), held, levels, model.relax_cycle_pulses)
    return fit, levels, spreads


def _from(free: dict[str, Parameter], fit: RelaxationFit) -> dict[str, Parameter]:
    """The parameters, searched from where a fit ended; priors stay where they were."""
    return {name: replace(one, begin=tuple(fit.values[name])) for name, one in free.items()}


def levels_of(changes: Changes) -> Floats:
    """Where the rates are: even shares of the first readings lie between them."""
    low, high = np.quantile(changes.first, (0.02, 0.98))
    count = next((k for n, k in LEVELS if changes.count >= n), 1)
    if count == 1 or high / max(low, 1e-12) < SPAN:
        return np.array([float(np.median(changes.first))])
    even = np.quantile(changes.first, np.linspace(0.02, 0.98, count))
    # Between even shares and even distances: both ends of the range have devices, and none too few.
    return np.unique((even + np.linspace(low, high, count)) / 2.0)


def _parameters(
    changes: Changes, model: Pulsed, levels: Floats
) -> tuple[dict[str, Parameter], Values]:
    """The fitted parameters with their starting points, and the fixed ones with their values."""
    k, runs, sessions = len(levels), changes.runs, int(changes.session.max()) + 1
    held = {
        "dof": np.log([model.relax_tail_dof]),
        "onset": np.log([model.relax_onset_seconds]),
        "decades": np.array([model.relax_onset_decades]),
        "activation": np.array([model.relax_activation_ev]),
        "exponent": np.array([model.relax_cycle_exponent]),
        **dict.fromkeys(("size", "shift"), np.zeros(runs)),
        **dict.fromkeys(SESSION, np.zeros(sessions)),
    }
    free = {
        "drift": Parameter((0.0,) * k),
        "spread": Parameter((-2.0,) * k),
        "skew": Parameter((0.0,) * k, sigma=0.5),
    }
    if changes.count >= TAIL_DEVICES:
        free["dof"] = Parameter((1.4,), np.log(1.2), np.log(100.0), sigma=1.5)
    if len(np.unique(np.round(changes.heat, 2))) > 1:
        free["activation"] = Parameter((USUAL_EV,), 0.0, MOST_EV, sigma=USUAL_SIGMA_EV)
    if runs > 1:
        free |= dict.fromkeys(("size", "shift"), Parameter((0.0,) * runs, sigma=0.5))
    if changes.count >= SHAPE_DEVICES:
        free |= _shape(changes)
        if sessions >= runs * SESSIONS:
            each = Parameter((0.0,) * sessions, sigma=0.3)
            free |= dict.fromkeys(SESSION, each)
    return free, {name: value for name, value in held.items() if name not in free}


def _shape(changes: Changes) -> dict[str, Parameter]:
    """What only several times tell, or histories that differ."""
    free = dict[str, Parameter]()
    seconds = changes.seconds[changes.seconds > 0.0]
    times = int(np.median(np.bincount(changes.device)))
    if times > 1 and not changes.read_measured:
        soon = np.abs(changes.change[changes.seconds <= 1.01 * seconds.min()])
        begin = float(np.log(np.median(soon) + 1e-3 * changes.motion))
        free["error"] = Parameter((begin,), begin - 10.0, begin + 2.0)
        free["power"] = Parameter((0.0,), -3.0, 1.0)  # 1: a constant relative error
    if times >= ONSET_TIMES:
        early, late = np.log(seconds.min()), np.log(seconds.max())
        free["onset"] = Parameter((early,), early - 14.0, late, sigma=5.0)
        if changes.count >= TAIL_DEVICES:
            free["decades"] = Parameter((1.0,), 0.0, 6.0, sigma=2.0)
    if np.ptp(changes.cycles) > 0.0:
        free["exponent"] = Parameter((0.0,), -2.0, 2.0)
    return free
