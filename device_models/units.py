"""Numbers with their units as the terminal, figures and reports write them."""

import math

MICRO = "\N{MICRO SIGN}"
MICROSIEMENS = f"{MICRO}S"
OHMS = "\N{GREEK CAPITAL LETTER OMEGA}"
KILOHMS = f"k{OHMS}"
MM2, UM2 = "mm\N{SUPERSCRIPT TWO}", f"{MICRO}m\N{SUPERSCRIPT TWO}"

_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: MICRO, -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}


def si_prefix(largest: float) -> tuple[float, str]:
    """The SI prefix that writes `largest` as 1 to 1000: (factor to multiply with, letter)."""
    if not math.isfinite(largest) or largest <= 0.0:
        return 1.0, ""
    exponent = min(max(3 * math.floor(math.log10(largest) / 3 + 1e-9), -15), 9)
    return 10.0**-exponent, _PREFIXES[exponent]


def format_si(value: float, unit: str, *, digits: int = 4) -> str:
    """A number with its unit, with an SI prefix: `12.3 kohm`, `1 mS per decade`."""
    if not math.isfinite(value):
        return "\N{EM DASH}"
    if unit in ("", "pulses") or value == 0.0:
        return f"{value:.{digits}g} {unit}".strip()
    # In two steps: 999.96 is written as 1000 and belongs to the next prefix.
    factor, letter = si_prefix(abs(float(f"{value:.{digits}g}")))
    return f"{value * factor:.{digits}g} {letter}{unit}"


def format_count(value: float) -> str:
    """A count, or a number without a prefix: `12,300`, `45.6`, `0.00123`."""
    if not math.isfinite(value):
        return "\N{EM DASH}"
    return f"{value:,.0f}" if abs(value) >= 1000.0 else f"{value:.3g}"
