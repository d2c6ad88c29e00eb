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


def spreads_of(fit: RelaxationFit) -> dict[str, tuple[float, float]]:
    """Spread of each fitted effect and the standard error of its logarithm."""
    x, wide = fit.vector, fit.precision
    # Where x would be with other penalties: the slopes of the likelihood at x and of a normal one.
    told = fit.curvature @ x + wide * x
    names = [name for name in SPREADS if name in fit.at]
    spreads, errors = dict.fromkeys(names, USUAL), dict.fromkeys(names, PRIOR_SIGMA)
    for _ in range(ROUNDS):
        precision = wide.copy()
        for name in names:
            precision[fit.at[name]] = spreads[name] ** -2.0
        inverse = np.linalg.inv(fit.curvature + np.diag(precision))
        effect, variance = inverse @ told, np.diag(inverse)
        for name in names:
            rows = fit.at[name]
            spreads[name], errors[name] = _spread(effect[rows], variance[rows], spreads[name])
    return {name: (spreads[name], errors[name]) for name in names}


def _spread(effect: Floats, variance: Floats, before: float) -> tuple[float, float]:
    """The spread of effects known with some variance, and the error of its logarithm."""
    total, n = float((effect**2 + variance).sum()), len(effect)
    log, prior = np.log(before), PRIOR_SIGMA**-2.0
    for _ in range(20):  # Newton's method on a function of log spread with one maximum
        slope = -n + total * np.exp(-2.0 * log) - prior * (log - np.log(USUAL))
        curve = -2.0 * total * np.exp(-2.0 * log) - prior
        log -= np.clip(slope / curve, -1.0, 1.0)
    seen = float(np.clip(1.0 - variance * np.exp(-2.0 * log), 0.0, 1.0).sum())
    return float(np.exp(log)), float((2.0 * seen + prior) ** -0.5)
