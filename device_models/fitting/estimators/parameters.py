"""The result of one estimator."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ..measurements import Floats


@dataclass(frozen=True, kw_only=True)
class ParameterSet:
    """Parameters that one kind of measurement informs.

    Attributes:
        values: Field of the device model -> estimate, in its unit.
        intervals: Field -> ends of its 95 % interval; the fields of `values`.
        choices: Field whose value belongs to the law, not to the data -> that value.
        tables: Field that holds many numbers -> those; measured, without an interval.
        draws: Field of `values` or `tables` -> repeats that spread as the estimate is uncertain,
            shape (draws,) or (draws, numbers); one row of all fields belongs together.
        remarks: Field -> how it was estimated and what it contains, for its source line.
        devices: How many devices informed it.
        rows: How many observations.
        files: Where they came from.
        warnings: What the user must know.
    """

    values: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    choices: dict[str, str | float] = field(default_factory=dict)
    tables: dict[str, tuple[float, ...]] = field(default_factory=dict)
    draws: dict[str, Floats] = field(default_factory=dict, compare=False)
    remarks: dict[str, str] = field(default_factory=dict)
    devices: int = 0
    rows: int = 0
    files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def extended(
        self, values: dict[str, float], intervals: dict[str, tuple[float, float]], remark: str
    ) -> "ParameterSet":
        """The set with more parameters, all of which have the same remark."""
        return replace(
            self,
            values=self.values | values,
            intervals=self.intervals | intervals,
            remarks=self.remarks | dict.fromkeys(values, remark),
        )


def sources(tables: Iterable[object]) -> tuple[str, ...]:
    """The files of some tables, each once."""
    return tuple(dict.fromkeys(str(getattr(table, "source", "")) for table in tables))
