"""Distances in standard errors. A test takes 5 as its limit: false alarm 6e-7, two-sided."""

import math

FALSE_ALARM = 6e-7  # that of 5 sigma, for the tests that give a probability


def z_of_mean(samples, mean):
    """Distance of the sample mean from `mean`; the standard error comes from the samples."""
    samples = samples.double()
    return float((samples.mean() - mean) / samples.std() * math.sqrt(samples.numel()))


def z_of_sigma(samples, sigma):
    """Distance of the sample spread from `sigma` (normal samples)."""
    ratio = float(samples.double().std() / sigma)
    return (ratio - 1.0) * math.sqrt(2 * (samples.numel() - 1))


def z_of_share(hits, share):
    """Distance of the share of true entries from `share`."""
    error = math.sqrt(share * (1.0 - share) / hits.numel())
    return float((hits.double().mean() - share) / error)
