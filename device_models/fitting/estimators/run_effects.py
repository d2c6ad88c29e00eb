"""How much runs and sessions differ: spreads of random effects from a fit with wide priors.

Near the maximum the likelihood is that of normal numbers, so for any spreads the effects and their
variances follow without another fit, and the spreads are those of restricted maximum likelihood (a
flat prior on all that is fixed), found by expectation and maximisation. Two to five runs alone
would often tell a spread of zero. So the logarithm of a spread has a normal prior about `USUAL`, as
wide as a factor e: this much of the answer is assumed, the more the fewer runs there are.

Source:
    D. A. Harville, J. Am. Stat. Assoc. 72, 320-338, 1977; against spreads of zero Y. Chung et al.,
    Psychometrika 78, 685-709, 2013. The log-normal prior is ours.
"""

from typing import NamedTuple

import numpy as np

from ..measurements import Floats
from .relaxation_maximum import RelaxationFit

SPREADS = {  # effect -> field
    "size": "relax_run_sigma", "shift": "relax_run_shift",
    "session_size": "relax_session_sigma", "session_shift": "relax_session_shift",
}  # fmt: skip
USUAL = 0.1  # spread of runs before any were seen
PRIOR_SIGMA = 1.0  # of its logarithm
ROUNDS = 60


class Spread(NamedTuple):
    """Spread of an effect.

    Attributes:
        value: The estimate.
        runs: How many runs it is known by, less than there are: each is known with an error.
    """

    value: float
    runs: float

    def draws(self, count: int, generator: np.random.Generator) -> Floats:
        """Values as likely as they are: those of few runs may be much larger, hardly smaller."""
        log = np.linspace(-5.0, 5.0, 401) + np.log(self.value)
        away, prior = log - np.log(USUAL), PRIOR_SIGMA**-2.0
        # The sum of squares that puts the maximum where the estimate is.
        above = prior * (np.log(self.value) - np.log(USUAL))
        total = self.value**2 * max(self.runs + above, 0.0)
        density = -self.runs * log - 0.5 * total * np.exp(-2.0 * log) - 0.5 * prior * away**2
        weights = np.exp(density - density.max())
        drawn: Floats = np.exp(generator.choice(log, count, p=weights / weights.sum()))
        return drawn


def spreads_of(fit: RelaxationFit) -> dict[str, Spread]:
    """Spread of each fitted effect."""
    x, wide = fit.vector, fit.precision
    # Where x would be with other penalties: the slopes of the likelihood at x and of a normal one.
    slope = fit.curvature @ x + wide * x
    names = [name for name in SPREADS if name in fit.at]
    spreads = dict.fromkeys(names, Spread(USUAL, 0.0))
    for _ in range(ROUNDS):
        precision = wide.copy()
        for name in names:
            precision[fit.at[name]] = spreads[name].value ** -2.0
        inverse = np.linalg.inv(fit.curvature + np.diag(precision))
        effect, variance = inverse @ slope, np.diag(inverse)
        for name in names:
            rows = fit.at[name]
            spreads[name] = _spread(effect[rows], variance[rows], spreads[name].value)
    return spreads


def _spread(effect: Floats, variance: Floats, before: float) -> Spread:
    """The spread of effects known with some variance, by one step of the iteration."""
    total, n = float((effect**2 + variance).sum()), len(effect)
    log, prior = np.log(before), PRIOR_SIGMA**-2.0
    for _ in range(20):  # Newton's method on a function of log spread with one maximum
        slope = -n + total * np.exp(-2.0 * log) - prior * (log - np.log(USUAL))
        curve = -2.0 * total * np.exp(-2.0 * log) - prior
        log -= np.clip(slope / curve, -1.0, 1.0)
    seen = float(np.clip(1.0 - variance * np.exp(-2.0 * log), 0.0, 1.0).sum())
    return Spread(float(np.exp(log)), seen)
