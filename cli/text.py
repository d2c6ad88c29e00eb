"""Words and numbers as every command prints them."""

import math

PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}


def said(message: str, nothing: str) -> str:
    """The message, ending in what did not happen unless it says so already."""
    return message if "nothing was" in message else f"{message}; {nothing}"


def si(value: float, unit: str) -> str:
    """Three digits and a metric prefix: `1.5 kohm`."""
    if value == 0.0:
        return f"0 {unit}"
    # In two steps: 999.9 is printed as 1e+03 and belongs to the next prefix.
    rounded = float(f"{value:.3g}")
    exponent = min(max(3 * math.floor(math.log10(rounded) / 3 + 1e-12), -15), 9)
    return f"{rounded / 10.0**exponent:.3g} {PREFIXES[exponent]}{unit}"
