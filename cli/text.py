"""Words and numbers as every command prints them."""

from device_models.units import MICRO, format_si


def said(message: str, nothing: str) -> str:
    """The message, ending in what did not happen unless it says so already."""
    return message if "nothing was" in message else f"{message}; {nothing}"


def ascii_units(text: str) -> str:
    """Units as a terminal without other letters shows them: `um2`."""
    return text.replace(MICRO, "u").replace("\N{SUPERSCRIPT TWO}", "2")


def si(value: float, unit: str) -> str:
    """Three digits and a metric prefix: `1.5 kohm`."""
    return ascii_units(format_si(value, unit, digits=3))
