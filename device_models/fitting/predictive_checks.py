"""Whether a fitted model predicts what was measured: quantiles against the scatter of predictions.

A quantity (the SET step at low conductance, the LRS, ...) is reduced to a few numbers, mostly its
5/25/50/75/95 % quantiles, in the same way for the measurement and for each of `SIMULATIONS`
repetitions of the experiment on simulated devices. A further repetition lies between the k-th
lowest and the k-th highest of n of them with the probability 1 - 2 k / (n + 1), whatever their
distribution: between the lowest and the highest of 39 with 95 %. (Bands of fewer repetitions cover
less than 95 %.) A measured number outside fails. Of true models 5 % of the numbers fail, so a few
failures are no proof; `Check.effect` is their size.

Every repetition has other parameters, drawn from the uncertainty of the fit
(`parameter_draws.drawn_models`), so a band covers the uncertainty of the parameters besides the
scatter of devices, pulses and reads. `Check.vague` marks bands that are too wide to be informative.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model import DeviceModel
from ..streams import torch_stream
from .measurements import Floats, Ints, Measurements, Reads, StepTable
from .quantities import FEWEST, SummaryStatistics, summarise
from .result import Fit
from .simulate import simulate

SIMULATIONS = 39  # the fewest that have a 95 % band
TAIL = 0.025  # of one more repetition beyond either end of the band
MOST_ROWS = 200_000  # of a table; what is more than that is left out of the check
MOST_BINS = 24  # conductances of a table of step quantiles
VAGUE = 0.5  # width of an uninformative band of a fraction or a correlation
_SAME = 1e-6  # relative; conductances are simulated in float32

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Check:
    """One quantity, measured and predicted; the arrays have the shape of `labels`.

    Attributes:
        name: As in `SummaryStatistics`, as are `kind`, `unit`, `labels` and `rows`.
        measured: The numbers of the measurement.
        predicted: Their means over the repetitions.
        low: Lower end of the 95 % band of one repetition.
        high: Upper end.
    """

    name: str
    kind: str
    unit: str
    labels: tuple[str, ...]
    rows: int
    measured: Floats
    predicted: Floats
    low: Floats
    high: Floats

    @property
    def inside(self) -> Mask:
        """Whether each measured number lies in its band; false where there is no prediction."""
        tolerance = _SAME * np.abs(self.measured)
        return (self.measured >= self.low - tolerance) & (self.measured <= self.high + tolerance)

    @property
    def vague(self) -> Mask:
        """Whether the band is wider than the measured spread from 5 to 95 %: a weak test.

        Of a quantity with a single number: wider than `VAGUE`.
        """
        most = VAGUE if len(self.labels) == 1 else float(np.ptp(self.measured))
        return np.asarray(self.high - self.low > most)

    @property
    def effect(self) -> Floats:
        """Measured minus predicted, over the larger of the two spreads from 5 to 95 %.

        Of a quantity with a single number: the difference itself.
        """
        off = self.measured - self.predicted
        if len(self.labels) == 1:
            return off
        spread = max(np.ptp(self.measured), np.ptp(self.predicted))
        return off / spread if spread > 0.0 else np.where(off == 0.0, 0.0, np.inf)


SPREADS = ("d2d_step_sigma", "d2d_bound_sigma", "d2d_threshold_volts")


def checked_model(fit: Fit) -> tuple[DeviceModel, tuple[str, ...]]:
    """The device to repeat the experiments with, and which of its spreads are switched off.

    A spread between devices that no file informed is off: the measured devices are then taken for
    median ones, as the fit did, and an assumed spread cannot hide a wrong step in a wide band.
    """
    assumed = [e.name for e in fit.estimates if e.status != "measured" and e.name in SPREADS]
    off = tuple(name for name in assumed if getattr(fit.model, name, 0.0) > 0.0)
    silent: dict[str, Any] = dict.fromkeys(off, 0.0)
    return replace(fit.model, **silent), off


def predictions(
    model: DeviceModel | Sequence[DeviceModel],
    measurements: Measurements,
    *,
    seed: int,
    count: int = SIMULATIONS,
) -> list[Measurements]:
    """Repetitions of the experiments on new devices, each from its own stream.

    Args:
        model: One for all repetitions, or one for each.
        measurements: What is repeated.
        seed: Of the streams.
        count: Repetitions of one model.
    """
    models = [model] * count if isinstance(model, DeviceModel) else model
    return [
        simulate(one, measurements, generator=torch_stream("predictive check", seed, i))
        for i, one in enumerate(models)
    ]


def checks(measured: Measurements, simulated: Sequence[Measurements]) -> list[Check]:
    """Compare every quantity that the measurements hold.

    Args:
        measured: What was measured.
        simulated: Its repetitions, at least 2, from `predictions`.
    """
    repetitions = [summarise(one, measured) for one in simulated]
    return [
        _check(quantity, np.stack([one[i].numbers for one in repetitions]))
        for i, quantity in enumerate(summarise(measured, measured))
    ]


def _check(statistics: SummaryStatistics, repetitions: Floats) -> Check:
    """One quantity against its repetitions, shape (repetitions, labels)."""
    low, middle, high = band(repetitions)
    return Check(
        name=statistics.name,
        kind=statistics.kind,
        unit=statistics.unit,
        labels=statistics.labels,
        rows=statistics.rows,
        measured=statistics.numbers,
        predicted=middle,
        low=low,
        high=high,
    )


def band(repetitions: Floats) -> tuple[Floats, Floats, Floats]:
    """Lower end, mean and upper end of the 95 % band of one more repetition, see the module.

    Args:
        repetitions: Numbers of each repetition, shape (repetitions, ...); nan if one has none.

    Returns:
        Each of the shape of one repetition; nan where less than half of them have the number.
    """
    n = np.isfinite(repetitions).sum(0)
    enough = n >= max(2, len(repetitions) / 2)
    nothing = np.where(enough, 0.0, np.nan)
    ordered = np.sort(
        np.where(np.isfinite(repetitions), repetitions, np.nan), axis=0
    )  # nan comes last
    k = np.maximum(1, (TAIL * (n + 1) + 1e-9).astype(int))
    low, high = (
        np.take_along_axis(ordered, np.maximum(rank, 0)[None], axis=0)[0] + nothing
        for rank in (k - 1, n - k)
    )
    mean = np.where(np.isfinite(repetitions), repetitions, 0.0).sum(0) / np.maximum(n, 1)
    return low, mean + nothing, high


def excerpt(measurements: Measurements, most_rows: int = MOST_ROWS) -> Measurements:
    """At most about so many rows per table, and `MOST_BINS` conductances of tables of steps.

    Of pulses, cycles and retention whole devices are taken, or whole ramps of one device, evenly
    chosen; of reads the first ones of every series.
    """
    return replace(
        measurements,
        pulses=tuple(
            t.take(_of_every_nth_group(t.device * 2**20 + t.ramp, most_rows))
            for t in measurements.pulses
        ),
        cycles=tuple(t.take(_of_every_nth_group(t.device, most_rows)) for t in measurements.cycles),
        reads=tuple(_fewer_reads(t, most_rows) for t in measurements.reads),
        retention=tuple(
            t.take(_of_every_nth_group(t.device, most_rows)) for t in measurements.retention
        ),
        steps=tuple(_fewer_bins(t) for t in measurements.steps),
    )


def _of_every_nth_group(group: Ints, most_rows: int) -> Mask:
    """The rows of every n-th group, n such that about `most_rows` remain."""
    every = -(-len(group) // most_rows)
    if every <= 1:
        return np.ones(len(group), bool)
    number = np.unique(group, return_inverse=True)[1]
    return np.asarray(number % every == 0)


def _fewer_reads(table: Reads, most_rows: int) -> Reads:
    """As many reads of each series."""
    start = np.flatnonzero(np.diff(table.series, prepend=-1) != 0)
    series = np.cumsum(np.diff(table.series, prepend=-1) != 0) - 1
    most = max(FEWEST, most_rows // max(1, len(start)))
    return table.take(np.arange(len(table)) - start[series] < most)


def _fewer_bins(table: StepTable) -> StepTable:
    """Conductances of a table of steps, evenly chosen, with both ends of its range."""
    count = len(table.g_siemens)
    keep = np.linspace(0.0, count - 1.0, min(count, MOST_BINS)).round().astype(np.int64)
    return replace(table, g_siemens=table.g_siemens[keep], dg_siemens=table.dg_siemens[:, keep])
