"""A number with its doubt: low, typical, high."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """Low, typical and high value of one quantity, in that order.

    Sums add low to low and high to high, as if all constants erred the same way; what is likely
    says `uncertainty.monte_carlo`.
    """

    low: float
    typical: float
    high: float

    def __add__(self, other: "Span") -> "Span":
        """The sum, value by value."""
        return Span(self.low + other.low, self.typical + other.typical, self.high + other.high)

    def __mul__(self, factor: "float | Span") -> "Span":
        """The product with a number, or value by value with a span; nothing is negative."""
        by = factor if isinstance(factor, Span) else Span(factor, factor, factor)
        return Span(self.low * by.low, self.typical * by.typical, self.high * by.high)

    __rmul__ = __mul__


def exactly(value: float) -> Span:
    """A number without doubt."""
    return Span(value, value, value)


def total(spans: "list[Span]") -> Span:
    """The sum of any number of spans."""
    return sum(spans, Span(0.0, 0.0, 0.0))
