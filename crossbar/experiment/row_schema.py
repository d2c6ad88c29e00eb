"""What rows of `metrics.jsonl` and of a checkpoint must say: whatever reads them believes it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NotRequired, TypedDict

from device_models.typed_json import checked


class _Pulses(TypedDict):
    """Of `_Costs`."""

    set: int
    reset: int


class _Reads(TypedDict):
    """Of `_Costs`."""

    row_activations: int
    column_conversions: int
    device_reads: int


class _Joules(TypedDict):
    """Of `_Costs`."""

    read: float
    write: float


class _Costs(TypedDict):
    """What was sent and read."""

    pulses: _Pulses
    programming_operations: int
    programmed_devices: int
    reads: _Reads
    energy_joules: _Joules


class _Array(_Costs):
    """Of one array."""

    name: str
    pulses_per_device: NotRequired[dict[str, float]]


class _Spikes(TypedDict):
    """Per inference; rows of before have no `output`."""

    excitatory: float | None
    inhibitory: float | None
    total: float
    layers: tuple[float, ...]
    output: NotRequired[float | None]


class _ByClass(TypedDict):
    """Of the classes; hidden spikes per image."""

    images: tuple[int, ...]
    accuracy: tuple[float, ...]
    total: tuple[float, ...]
    excitatory: tuple[float, ...] | None
    inhibitory: tuple[float, ...] | None


class _Mapping(TypedDict):
    """See `Trainer`."""

    name: str
    devices: int
    clipped_share: float
    refreshed: int


class _Wear(TypedDict):
    """See `endurance.wear`."""

    pulses_per_device: dict[str, float]
    endurance_pulses: float | None


class _Periphery(TypedDict):
    """See `adc_calibration.report`."""

    clipped_conversions: NotRequired[int]


class Row(_Costs):
    """One epoch, the first of before training."""

    epoch: int
    train_accuracy: float | None
    train_loss: float | None
    train_spikes_per_inference: NotRequired[_Spikes | None]
    test_accuracy: float
    test_loss: float
    test_images: int
    spikes_per_inference: _Spikes
    rate_hz: float
    test_confusion: NotRequired[tuple[tuple[int, ...], ...]]
    test_by_class: NotRequired[_ByClass]
    layers: tuple[_Array, ...]
    mapping: _Mapping
    wear: NotRequired[_Wear]
    periphery: NotRequired[_Periphery]
    digital_bytes_per_synapse: dict[str, float]
    seconds: float


class Summary(TypedDict):
    """What of `summary.json` is used."""

    test_accuracy: float
    epochs: tuple[Row, ...]


def checked_rows(rows: Any) -> list[dict[str, Any]]:
    """The rows of a run, from JSON; keys that are not of `Row` stay as they are.

    A loss of a diverged training may be nan.

    Raises:
        ValueError: There is none, they are not of epochs one after the other, or one is no row.
    """
    typed = list(checked(tuple[Row, ...], rows, "rows", finite=False))
    if not typed or any(after["epoch"] != row["epoch"] + 1 for row, after in pairwise(typed)):
        raise ValueError("its rows are not those of epochs one after the other")
    for row in typed:
        _check_row(row, typed[0])
    return [_listed(row) for row in typed]


def _check_row(row: Row, first: Row) -> None:
    """Refuse a row whose numbers no epoch has, or with other arrays than the first.

    Raises:
        ValueError: Why.
    """
    for value in (row["test_accuracy"], row["train_accuracy"]):
        if value is not None and not 0.0 <= value <= 1.0:
            raise ValueError(f"rows: an accuracy of {value:g} is no share")
    if row["epoch"] < 0 or row["test_images"] < 1:
        raise ValueError("rows: an epoch below 0, or without test images")
    if [array["name"] for array in row["layers"]] != [array["name"] for array in first["layers"]]:
        raise ValueError("rows: the arrays change from epoch to epoch")


def _listed(value: Any) -> Any:
    """The same, with lists as JSON reads them: what is written again stays what it was."""
    if isinstance(value, dict):
        return {key: _listed(each) for key, each in value.items()}
    return [_listed(each) for each in value] if isinstance(value, tuple) else value


def checked_summary(content: Any) -> dict[str, Any]:
    """What `summary.json` says, from JSON.

    Raises:
        ValueError: It is none.
    """
    checked(Summary, content, "summary", finite=False)
    return dict(content)


def check_epoch(epoch: int, rows: Sequence[Any]) -> None:
    """Refuse rows that do not end at an epoch.

    Raises:
        ValueError: They do not.
    """
    if len(rows) != epoch + 1 or rows[-1]["epoch"] != epoch:
        raise ValueError(f"it has {len(rows)} rows of epochs at epoch {epoch}")
