"""Amplitudes that a law was fitted to: how far beyond them it is believed.

`set_fitted_volts` and `reset_fitted_volts` are the lowest and highest amplitude that was measured;
empty ones say nothing, and any amplitude is allowed.
"""

from typing import TYPE_CHECKING

from .errors import ConfigError

if TYPE_CHECKING:
    from .pulsed import Pulsed

BEYOND = 0.2  # of either end


def check(p: "Pulsed") -> None:
    """Refuse a range that is none.

    Raises:
        ConfigError: It is not two numbers that do not fall.
    """
    for way in ("set", "reset"):
        ends = getattr(p, f"{way}_fitted_volts")
        if ends and not (len(ends) == 2 and ends[0] <= ends[1]):
            raise ConfigError(
                f"{way}_fitted_volts must be the lowest and the highest amplitude, not {ends}"
            )


def allowed_volts(p: "Pulsed", way: str) -> tuple[float, float] | None:
    """The amplitudes at which the law of "set" or "reset" is believed; None: at any."""
    ends = getattr(p, f"{way}_fitted_volts")
    return (ends[0] * (1.0 - BEYOND), ends[1] * (1.0 + BEYOND)) if ends else None


def in_words(p: "Pulsed", way: str) -> str:
    """What is allowed, as the end of "it must be"."""
    low, high = getattr(p, f"{way}_fitted_volts")
    return f"within {BEYOND:.0%} of the fitted range, {low:g} to {high:g} V"
