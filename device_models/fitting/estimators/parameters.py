"""What one estimator found."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..measurements import Floats


@dataclass(frozen=True, kw_only=True)
class Part:
    """Parameters that one kind of measurement informs.

    Attributes:
        values: Field of the device model -> estimate, in its unit.
        intervals: Field -> ends of its 95 % interval; the fields of `values`.
        tables: Field that holds many numbers -> those; measured, without an interval.
        draws: Field of `values` or `tables` -> repeats that spread as the estimate is uncertain,
            shape (draws,) or (draws, numbers); one row of all fields belongs together.
        words: Field -> what to say beside it: how it was found, what it contains.
        devices: How many devices informed it.
        rows: How many observations.
        files: Where they came from.
        warnings: What a reader must know.
    """

    values: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    tables: dict[str, tuple[float, ...]] = field(default_factory=dict)
    draws: dict[str, Floats] = field(default_factory=dict, compare=False)
    words: dict[str, str] = field(default_factory=dict)
    devices: int = 0
    rows: int = 0
    files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def sources(tables: Iterable[object]) -> tuple[str, ...]:
    """The files of some tables, each once."""
    return tuple(dict.fromkeys(str(getattr(table, "source", "")) for table in tables))
