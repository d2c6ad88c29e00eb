"""What of a chip a sweep can change, and the values that it takes."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from device_models.errors import ConfigError
from device_models.record import did_you_mean


@dataclass(frozen=True)
class Axis:
    """One property of a chip.

    Attributes:
        title: Of the axis of a figure.
        unit: Of the values.
        changes: Value -> settings by their dotted names, as texts.
        rewrites: The weights are written to a new chip for each test; else the conductances stay.
    """

    title: str
    unit: str
    changes: Callable[[float], dict[str, str]]
    rewrites: bool = False


def both(*names: str, fraction: float = 1.0) -> Callable[[float], dict[str, str]]:
    """Changes that give every name the same fraction of the value."""
    return lambda value: dict.fromkeys(names, text(value * fraction))


def converters(bits: float) -> dict[str, str]:
    """Columns converted with so many bits."""
    return {"periphery.kind": "adc", "periphery.adc_bits": text(bits)}


def text(value: float) -> str:
    """A value as it is typed; a whole number without a point."""
    return str(whole(value))


def whole(value: float) -> float:
    """A whole number as an int, any other as it is."""
    return int(value) if value == value // 1 and abs(value) < 1e18 else value


AXES = {
    "wires": Axis(
        "segment of a word or bit line", "ohm", both("wires.word_ohms", "wires.bit_ohms")
    ),
    "tile": Axis(
        "rows and columns of a tile", "lines", both("tiles.tile_rows", "tiles.tile_columns")
    ),
    "tile_rows": Axis("rows of a tile", "lines", both("tiles.tile_rows")),
    "tile_columns": Axis("columns of a tile", "lines", both("tiles.tile_columns")),
    "v_read_volts": Axis("read voltage", "V", both("reads.v_read_volts")),
    "adc_bits": Axis("resolution of the converters", "bits", converters),
    "stuck": Axis(
        "share of stuck devices, half high and half low",
        "",
        both("faults.stuck_low_share", "faults.stuck_high_share", fraction=0.5),
        rewrites=True,
    ),
    "stuck_low": Axis(
        "share of devices stuck low", "", both("faults.stuck_low_share"), rewrites=True
    ),
}

EXPLORED = {name: axis for name, axis in AXES.items() if not axis.rewrites}  # devices stay


def changes(name: str, value: float) -> dict[str, tuple[str, str]]:
    """Settings of one value of an axis, as `override` takes them: a refusal names the axis."""
    return {field: (typed, name) for field, typed in AXES[name].changes(value).items()}


def parse_axes(
    typed: Iterable[str], known: Collection[str] = tuple(AXES)
) -> dict[str, list[float]]:
    """Texts such as `wires=1,2,5` or `adc_bits=LOW:HIGH[:STEP]` as axes and their values, rising.

    Args:
        typed: The texts.
        known: Names of the axes that there are.

    Raises:
        ConfigError: Another form, an axis that there is not, or one given twice.
    """
    axes: dict[str, list[float]] = {}
    for text in typed:
        name, equals, values = text.partition("=")
        if not equals or not name:
            raise ConfigError(f"--sweep takes NAME=VALUES such as adc_bits=3:8, not {text!r}")
        if name not in known:
            hint = did_you_mean(name, known) or f"; known: {', '.join(known)}"
            raise ConfigError(f"--sweep {name!r} is unknown{hint}")
        if name in axes:
            raise ConfigError(f"--sweep {name} is given twice")
        axes[name] = parse_values(name, values)
    return axes


def parse_values(name: str, values: str) -> list[float]:
    """`1,2,5` or `LOW:HIGH[:STEP]` as values, rising, each once.

    Args:
        name: Of what is swept, for the message.
        values: The text.

    Raises:
        ConfigError: Another form, or too many values.
    """
    try:
        if ":" in values:
            low, high, *step = (float(part) for part in values.split(":"))
            by = step[0] if step else 1.0
            count = max(0, int((high - low) / by + 1e-9) + 1)
            _check_count(name, count)
            points = [low + i * by for i in range(count)]
        else:
            points = [float(part) for part in values.split(",")]
    except (ValueError, ZeroDivisionError, OverflowError) as e:
        raise ConfigError(
            f"--sweep {name} takes values such as 1,2,5 or 3:10 or 0:0.2:0.05, not {values!r}"
        ) from e
    _check_count(name, len(points))
    return sorted({whole(point) for point in points})


def _check_count(name: str, count: int) -> None:
    """Refuse more values than anybody waits for, before they are made.

    Raises:
        ConfigError: There are too many, or none.
    """
    if not 0 < count <= 1000:
        raise ConfigError(f"--sweep {name} has {count:,} values; 1 to 1000 are possible")
