"""A number with its doubt: low, typical, high."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """Low, typical and high value of one quantity, in that order.

    Sums add low to low and high to high, as if all constants erred the same way; what is likely
    says `uncertainty.monte_carlo`.
    """

    low: float
    typical: float
    high: float

    def __add__(self, other: "Interval") -> "Interval":
        """The sum, value by value."""
        return Interval(self.low + other.low, self.typical + other.typical, self.high + other.high)

    def __mul__(self, factor: "float | Interval") -> "Interval":
        """The product with a number, or value by value with a span; nothing is negative."""
        by = factor if isinstance(factor, Interval) else Interval(factor, factor, factor)
        return Interval(self.low * by.low, self.typical * by.typical, self.high * by.high)

    __rmul__ = __mul__


def exactly(value: float) -> Interval:
    """A number without doubt."""
    return Interval(value, value, value)


def total(spans: "list[Interval]") -> Interval:
    """The sum of any number of spans."""
    return sum(spans, Interval(0.0, 0.0, 0.0))
