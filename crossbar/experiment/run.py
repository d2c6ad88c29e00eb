"""A run on disk: configuration, device, one checkpoint, metrics and summary.

The checkpoint is the truth; `metrics.jsonl` and `summary.json` are written from it. Every file is
replaced whole, so a run killed at any moment is a run up to the last epoch that was finished.
"""

import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from device_models import atomic
from device_models.errors import RunError
from device_models.model import DeviceModel
from device_models.registry import MODELS, name_of
from device_models.schema import dump, load, load_tagged

from ..synapses.policies.compatibility import policy_of
from . import checkpoint
from .config import Training
from .trainer import Trainer


class Run:
    """One run directory.

    Attributes:
        folder: Where it is.
        config: `config.yaml`, the policy named.
        model: `device.yaml`.
        weights: `weights.npz`, written at the start of a run with `init_from`; None without.
    """

    def __init__(
        self,
        folder: Path,
        config: Training,
        model: DeviceModel,
        weights: Sequence[np.ndarray] | None = None,
    ) -> None:
        """Describe a run; nothing is written before `save`."""
        self.folder, self.model = folder, model
        self.config = replace(config, policy=policy_of(config, model))
        self.weights = weights

    @classmethod
    def new(cls, folder: Path, config: Training, model: DeviceModel) -> "Run":
        """A run that does not exist yet.

        Raises:
            RunError: The folder exists and is not empty, or cannot be made.
        """
        if folder.is_dir() and not any(folder.iterdir()):
            return cls(folder, config, model)
        if (folder / "checkpoint.npz").exists():
            raise RunError(
                f"{folder} is a run already; continue it with --resume {folder} or choose "
                "another --out; nothing was written"
            )
        if folder.exists():
            raise RunError(
                f"{folder} exists and is not a run; choose another --out; nothing was written"
            )
        above = next(parent for parent in folder.absolute().parents if parent.exists())
        if not (above.is_dir() and os.access(above, os.W_OK)):
            raise RunError(
                f"{folder} cannot be made, because {above} is no folder that can be written; "
                "nothing was written"
            )
        return cls(folder, config, model)

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """A run to continue or to look at.

        Raises:
            RunError: There is no run with a checkpoint.
            ConfigError: Its configuration was edited and is wrong now.
        """
        for name in ("config.yaml", "device.yaml", "checkpoint.npz"):
            if not (folder / name).is_file():
                raise RunError(f"{folder} is not a run that can be continued: it has no {name}")
        config = load(folder / "config.yaml", Training)
        model = load_tagged(folder / "device.yaml", "model", MODELS)
        return cls(folder, config, model, first_weights(folder) if config.init_from else None)

    def save(self, trainer: Trainer, before: list[np.ndarray]) -> None:
        """Write the state after an epoch.

        Raises:
            OSError: It cannot be written; the last checkpoint is untouched.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        device = dump(self.model, ("model", name_of(self.model)))
        atomic.write(self.folder / "config.yaml", dump(self.config).encode())
        atomic.write(self.folder / "device.yaml", device.encode())
        if self.weights is not None and not (self.folder / "weights.npz").exists():
            file = io.BytesIO()
            np.savez(file, *self.weights)
            atomic.write(self.folder / "weights.npz", file.getvalue())
        atomic.write(self.folder / "checkpoint.npz", checkpoint.save(trainer, before))
        self.write_metrics(trainer.rows)

    def restore(self, trainer: Trainer) -> list[np.ndarray]:
        """Put the trainer at the last checkpoint; returns the conductances before training."""
        before = checkpoint.restore(trainer, self.checkpoint())
        self.write_metrics(trainer.rows)
        return before

    def checkpoint(self) -> bytes:
        """Content of the last checkpoint."""
        return (self.folder / "checkpoint.npz").read_bytes()

    def write_metrics(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write `metrics.jsonl`: an object per epoch, the first of before training."""
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        atomic.write(self.folder / "metrics.jsonl", lines.encode())

    def write_summary(
        self,
        rows: Sequence[Mapping[str, Any]],
        twin_rows: Sequence[Mapping[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Write `summary.json` and return it.

        Args:
            rows: Epochs of the run.
            twin_rows: Those of its float twin, if it has one; the gap is what the run lacks.
        """
        found = summary(rows, self.config)
        if twin_rows is not None:
            accuracy = twin_rows[-1]["test_accuracy"]
            gap = accuracy - found["test_accuracy"]
            found["float_twin"] = {"test_accuracy": accuracy, "gap": gap}
        atomic.write(self.folder / "summary.json", (json.dumps(found, indent=2) + "\n").encode())
        return found


def first_weights(folder: Path) -> tuple[np.ndarray, ...]:
    """The weights that a run with `init_from` began with.

    Raises:
        RunError: They are not there.
    """
    try:
        with np.load(folder / "weights.npz", allow_pickle=False) as file:
            return tuple(file[name] for name in file.files)
    except (OSError, ValueError, EOFError, BadZipFile) as e:
        raise RunError(f"{folder} cannot be continued: weights.npz cannot be read ({e})") from e


def summary(rows: Sequence[Mapping[str, Any]], config: Training) -> dict[str, Any]:
    """What a run came to, from its epochs."""
    first, last = rows[0], rows[-1]

    def total(name: str) -> Any:
        if isinstance(first[name], Mapping):
            return {part: sum(row[name][part] for row in rows) for part in first[name]}
        return sum(row[name] for row in rows)

    return {
        "test_accuracy": last["test_accuracy"],
        "test_accuracy_interval": wilson_interval(last["test_accuracy"], last["test_images"]),
        "epochs": list(rows),
        "spikes_per_inference": last["spikes_per_inference"],
        "spikes_per_inference_initial": first["spikes_per_inference"],
        "rate_hz": {"initial": first["rate_hz"], "final": last["rate_hz"]},
        "pulses": total("pulses"),
        "programming_operations": total("programming_operations"),
        "programmed_devices": total("programmed_devices"),
        "reads": total("reads"),
        "energy_joules": total("energy_joules"),
        **by_array(rows),
        "seconds": total("seconds"),
        "seed": config.seed,
        "device": config.device,
        "ei": config.plan.ei,
        "policy": config.policy,
        **mapping(rows),
        **periphery(rows),
        **{name: last[name] for name in ("wear", "digital_bytes_per_synapse") if name in last},
        "version": version("xbar-hil"),
    }


def by_array(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What every array was sent and read for, added up; nothing if an epoch does not say."""
    if not all("layers" in row for row in rows):
        return {}

    def added(parts: Sequence[Any]) -> Any:
        if isinstance(parts[0], Mapping):
            return {name: added([part[name] for part in parts]) for name in parts[0]}
        return sum(parts)

    last = {"name", "pulses_per_device"}
    arrays = zip(*(row["layers"] for row in rows), strict=True)
    return {
        "layers": [
            {n: own[-1][n] if n in last else added([part[n] for part in own]) for n in own[-1]}
            for own in arrays
        ]
    }


def mapping(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mapping of a run, its refreshes added up; nothing for epochs that do not say."""
    told = [row["mapping"] for row in rows if "mapping" in row]
    if not told:
        return {}
    return {"mapping": told[0] | {"refreshed": sum(entry["refreshed"] for entry in told)}}


def periphery(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The periphery of a run, clipped conversions added up; nothing where it was ideal."""
    told = [row["periphery"] for row in rows if "periphery" in row]
    if not told or "clipped_conversions" not in told[-1]:
        return {"periphery": told[-1]} if told else {}
    clipped = sum(entry["clipped_conversions"] for entry in told)
    conversions = sum(row["reads"]["column_conversions"] for row in rows)
    share = clipped / max(1, conversions)
    return {"periphery": told[-1] | {"clipped_conversions": clipped, "clipped_share": share}}


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share of `n` independent trials.

    Source:
        E. B. Wilson, J. Am. Stat. Assoc. 22(158), 209-212, 1927.
    """
    z = 1.959964
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)
