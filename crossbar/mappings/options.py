"""The parameters of mappings that have some."""

from dataclasses import dataclass

from device_models.record import Record, quantity


@dataclass(frozen=True, kw_only=True)
class MappingOptions(Record):
    """What `pair` and `sliced` leave open; the other mappings have no parameter.

    `refresh_share` is the share of the window beyond which a pair is refreshed (`pair`), or the
    finest slice hands over to the coarser ones (`sliced`); above 0.5, because the latter may stand
    at half of the window after a carry. `slices` pairs hold a weight of `sliced`, each `base` times
    finer than the one before.
    """

    refresh_share: float = quantity("", 0.55, 1.0, default=0.7)
    slices: int = quantity("pairs", 1, 8, default=2)
    base: int = quantity("", 2, 64, default=4)
