"""Losses: one file each, and the table of their names.

Another one: `LOSSES["mine"] = Mine`, see `protocol`.
"""

from device_models.record import Record

from .max_over_time import MaxOverTime
from .mean_over_time import LastStep, MeanOverTime
from .mse_count import MseCount, MseRate

LOSSES: dict[str, type[Record]] = {
    "max_over_time": MaxOverTime,
    "mean_over_time": MeanOverTime,
    "last_step": LastStep,
    "mse_count": MseCount,
    "mse_rate": MseRate,
}

__all__ = ["LOSSES", "LastStep", "MaxOverTime", "MeanOverTime", "MseCount", "MseRate"]
