"""A run on disk: configuration, device, one checkpoint, metrics and summary.

The checkpoint is the truth; `metrics.jsonl` and `summary.json` are written from it. Every file is
replaced whole, so a run killed at any moment is a run up to the last epoch that was finished.
"""

import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from device_models import atomic, npz
from device_models.claim import unfinished
from device_models.describe import describe
from device_models.errors import RunError
from device_models.model import DeviceModel
from device_models.npz import UNREADABLE, reason
from device_models.record import Tagged
from device_models.registry import MODELS, name_of
from device_models.schema import dump, load_tagged, override
from device_models.typed_json import parse

from ..datasets import load_dataset
from ..datasets.encode import Data, encode
from ..metrics.statistics import wilson_interval
from ..snn.parameters import Parameters, from_arrays, to_arrays
from ..synapses.policies import POLICIES
from ..synapses.policies.compatibility import default_policy
from . import checkpoint
from .config import Training
from .imports import digest_of, import_files, load_training, versions_of
from .row_schema import checked_rows, checked_summary
from .rows import with_output
from .run_folder import RUN
from .trainer import Trainer

T = TypeVar("T")
DISTRIBUTION = "xbar-hil"
LIBRARIES = ("torch", "numpy", "numba")
DEVICE_FILE = "device.yaml"
MOVABLE = ("board", "limits")  # what a run may go on with after an edit: where its cells are
MOST_SHOWN = 5  # edits
THEN = ", then "  # between the versions that went on with a run
ADDED = (  # over the epochs
    "pulses", "programming_operations", "programmed_devices", "reads", "energy_joules", "seconds"
)  # fmt: skip


class Run:
    """One run directory.

    Attributes:
        folder: Where it is.
        config: `config.yaml`, the policy named.
        model: `device.yaml`.
        first: `weights.npz`, written at the start of a run with `init_from`; None without.
    """

    _trainer: Trainer | None = None

    def __init__(
        self,
        folder: Path,
        config: Training,
        model: DeviceModel,
        first: Parameters | None = None,
    ) -> None:
        """Describe a run; nothing is written before `save`."""
        self.folder, self.model = folder, model
        policy = config.policy or POLICIES[default_policy(model)].Options()
        self.config = replace(config, policy=policy)
        self.first = first

    @classmethod
    def new(
        cls,
        folder: Path,
        config: Training,
        model: DeviceModel,
        first: Parameters | None = None,
    ) -> "Run":
        """A run that does not exist yet, by the versions that are installed.

        Raises:
            ConfigError: A file to import is not there.
        """
        config = replace(config, imports=import_files(config.imports, Path(), "imports"))
        return cls(
            folder, replace(config, versions=installed_versions(config.imports)), model, first
        )

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """A run to continue or to look at.

        Raises:
            RunError: There is no run with a checkpoint.
            ConfigError: Its configuration was edited and is wrong now.
        """
        for name in ("config.yaml", "device.yaml", "checkpoint.npz"):
            if not (folder / name).is_file():
                begun = unfinished(folder) == RUN
                hint = f"; its training had just begun: begin it anew, --out {folder}" * begun
                what = "it is a file" if folder.is_file() else f"it has no {name}{hint}"
                raise RunError(f"{folder} is not a run that can be continued: {what}")
        settings = (folder / "config.yaml").read_bytes()
        if not settings.strip():
            raise RunError(f"{folder / 'config.yaml'} is empty: the run cannot be continued")
        if not re.search(rb"^versions:", settings, re.MULTILINE):
            raise RunError(
                f"{folder / 'config.yaml'} does not say its versions: it is cut off, or of the "
                "first edition of xbar, whose settings had other names; put it back, or train anew"
            )
        config = load_training(folder / "config.yaml")
        model = load_tagged(folder / "device.yaml", "model", MODELS)
        return cls(folder, config, model, first_parameters(folder) if config.init_from else None)

    def on_chip(self, changes: Mapping[str, tuple[str, str]]) -> "Run":
        """The same devices and weights on another chip; not to be saved.

        Args:
            changes: Settings by their dotted names, as `override` takes them.

        Raises:
            ConfigError: A value is outside its range.
        """
        return Run(self.folder, override(self.config, changes), self.model, self.first)

    @property
    def trainer(self) -> Trainer:
        """Where the last epoch left it.

        Raises:
            RunError: The run was opened, not trained in this process.
        """
        if self._trainer is None:
            raise RunError(
                f"{self.folder} was opened, not trained here, and has no trainer; "
                f"crossbar.train(resume={str(self.folder)!r}) gives a run that has one"
            )
        return self._trainer

    @trainer.setter
    def trainer(self, trainer: Trainer) -> None:
        self._trainer = trainer

    @property
    def settings(self) -> dict[str, str]:
        """All that determines the pulses, by name; epochs and versions may change."""
        rows = {name: text for name, text, *_ in describe(self.config)}
        named = {name: text for name, text in rows.items() if name not in ("epochs", "versions")}
        device = dump(self.model, ("model", name_of(self.model)))
        return named | {DEVICE_FILE: digest_of(device.encode())}

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The epochs of `metrics.jsonl`, the first of before training.

        Raises:
            RunError: The file cannot be read.
        """
        path = self.folder / "metrics.jsonl"
        spikes = bool(self.config.network.layers[-1].neuron.SPIKES)  # type: ignore[attr-defined]  # of every last layer
        try:
            lines = path.read_text("utf-8").splitlines()
            rows = checked_rows([parse(line) for line in lines])
            return [with_output(row, spikes=spikes) for row in rows]
        except UNREADABLE as e:
            raise RunError(f"{path} cannot be read ({reason(e)})") from e

    @property
    def summary(self) -> dict[str, Any]:
        """What `summary.json` says.

        Raises:
            RunError: The run was never finished, or the file cannot be read.
        """
        path = self.folder / "summary.json"
        if not path.is_file():
            raise RunError(f"{self.folder} has no summary.json: its training was never finished")
        try:
            return checked_summary(parse(path.read_text("utf-8")))
        except UNREADABLE as e:
            raise RunError(f"{path} cannot be read ({reason(e)})") from e

    def load_data(self, data_dir: Path | None = None, *, notice: Callable[[str], None]) -> Data:
        """The encoded samples of the run.

        Args:
            data_dir: Folder of the data set; by default it is looked for, then fetched.
            notice: Told what goes on, line by line.

        Raises:
            DataError: They cannot be had.
        """
        dataset = load_dataset(self.config.data.set, data_dir, notice=notice)
        return encode(dataset, self.config.data, seed=self.config.seed)

    def note_versions(self) -> list[str]:
        """Take note of the versions that go on with the run; one line for each that differs.

        The same seed may give other pulses there.
        """
        lines = []
        for name, installed in installed_versions(self.config.imports).items():
            began = self.config.versions.get(name, "an unknown version")
            if began.rpartition(THEN)[2] != installed:
                lines.append(
                    f"note: {self.folder} was trained with {name} {began}, this is {installed}; "
                    "equal seeds may give other pulses"
                )
                self.config.versions[name] = f"{began}{THEN}{installed}"
        return lines

    def note_edits(self) -> list[str]:
        """A line for each edit of the files since the last epoch that a run may go on with.

        Raises:
            RunError: One that would make it another run.
        """
        before, now = self.from_checkpoint(checkpoint.settings), self.settings
        names = [name for name in {**before, **now} if before and before.get(name) != now.get(name)]
        edits = {name: f"{before.get(name, 'none')} -> {now.get(name, 'none')}" for name in names}
        if fixed := [name for name in edits if not name.startswith(MOVABLE)]:
            what = ", ".join(
                f"{name} was edited" if name == DEVICE_FILE else f"{name} {edits[name]}"
                for name in fixed[:MOST_SHOWN]
            ) + ", ..." * (len(fixed) > MOST_SHOWN)
            raise RunError(
                f"{self.folder} was edited since its last epoch ({what}), and a run that goes on "
                "keeps its settings: undo that, or train anew with --config; nothing was written"
            )
        return [f"note: {self.folder} goes on with {name} {edit}" for name, edit in edits.items()]

    def save(self, trainer: Trainer, before: list[np.ndarray]) -> None:
        """Write the state after an epoch.

        Raises:
            OSError: It cannot be written; the last checkpoint is untouched.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        device = dump(self.model, ("model", name_of(self.model)))
        atomic.write(self.folder / "config.yaml", dump(self.config).encode())
        atomic.write(self.folder / "device.yaml", device.encode())
        if self.first is not None and not (self.folder / "weights.npz").exists():
            file = io.BytesIO()
            arrays = to_arrays(self.first, trainer.setup.network)
            np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub wants the flag first
            atomic.write(self.folder / "weights.npz", file.getvalue())
        atomic.write(
            self.folder / "checkpoint.npz", checkpoint.save(trainer, before, self.settings)
        )
        self.write_metrics(trainer.rows)

    def restore(self, trainer: Trainer) -> list[np.ndarray]:
        """Put the trainer at the last checkpoint; returns the conductances before training.

        Raises:
            RunError: It is damaged, or of another run.
        """
        before = self.from_checkpoint(lambda content: checkpoint.restore(trainer, content))
        self.write_metrics(trainer.rows)
        return before

    def checkpoint(self) -> bytes:
        """Content of the last checkpoint.

        Raises:
            RunError: It cannot be read.
        """
        path = self.folder / "checkpoint.npz"
        try:
            return path.read_bytes()
        except OSError as e:
            raise RunError(f"{path} cannot be read ({reason(e)})") from e

    def from_checkpoint(self, read: Callable[[bytes], T]) -> T:
        """What a function of `experiment.checkpoint` reads from the last one.

        Raises:
            RunError: It names the file.
        """
        content = self.checkpoint()
        try:
            return read(content)
        except RunError as e:
            raise RunError(f"{self.folder / 'checkpoint.npz'}: {e}") from e

    def write_metrics(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write `metrics.jsonl`: an object per epoch, the first of before training."""
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        atomic.write(self.folder / "metrics.jsonl", lines.encode())

    def write_summary(
        self,
        rows: Sequence[Mapping[str, Any]],
        baseline_rows: Sequence[Mapping[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Write `summary.json` and return it.

        Args:
            rows: Epochs of the run.
            baseline_rows: Those of its float baseline, if it has one; the gap is what the run
                lacks.
        """
        content = summary(rows) | {
            "seed": self.config.seed,
            "device": self.config.device,
            "ei": self.config.network.ei,
            "policy": Tagged(POLICIES).name_of(self.config.policy),
            "version": version(DISTRIBUTION),
        }
        if baseline_rows is not None:
            accuracy = baseline_rows[-1]["test_accuracy"]
            gap = accuracy - content["test_accuracy"]
            content["float_baseline"] = {"test_accuracy": accuracy, "gap": gap}
        atomic.write(self.folder / "summary.json", (json.dumps(content, indent=2) + "\n").encode())
        return content


def installed_versions(imports: Iterable[str]) -> dict[str, str]:
    """What the pulses of a run depend on besides its settings."""
    packages = {"xbar": version(DISTRIBUTION), **{name: version(name) for name in LIBRARIES}}
    return packages | versions_of(imports)


def first_parameters(folder: Path) -> Parameters:
    """What a run with `init_from` began with.

    Raises:
        RunError: They are not there.
    """
    try:
        return from_arrays(npz.read(folder / "weights.npz"))
    except UNREADABLE as e:
        raise RunError(
            f"{folder} cannot be continued: weights.npz cannot be read ({reason(e)})"
        ) from e


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The results of a run, from its epochs."""
    first, last = rows[0], rows[-1]
    return {
        "test_accuracy": last["test_accuracy"],
        "test_accuracy_interval": wilson_interval(last["test_accuracy"], last["test_images"]),
        "epochs": list(rows),
        "spikes_per_inference": last["spikes_per_inference"],
        "spikes_per_inference_initial": first["spikes_per_inference"],
        "rate_hz": {"initial": first["rate_hz"], "final": last["rate_hz"]},
        **{name: total([row[name] for row in rows]) for name in ADDED},
        "layers": by_array(rows),
        **mapping(rows),
        **periphery(rows),
        **(
            {"wear": last["wear"]} if "wear" in last else {}
        ),  # none of boards that are not emulated
        "digital_bytes_per_synapse": last["digital_bytes_per_synapse"],
    }


def total(values: Sequence[Any]) -> Any:
    """The sum of numbers, or of mappings of numbers by name."""
    if isinstance(values[0], Mapping):
        return {name: total([value[name] for value in values]) for name in values[0]}
    return sum(values)


def by_array(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What every array was sent and read for, added up."""
    lasting = {"name", "pulses_per_device"}
    arrays = zip(*(row["layers"] for row in rows), strict=True)
    return [
        {n: parts[-1][n] if n in lasting else total([part[n] for part in parts]) for n in parts[-1]}
        for parts in arrays
    ]


def mapping(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mapping of a run, its refreshes added up."""
    refreshed = sum(row["mapping"]["refreshed"] for row in rows)
    return {"mapping": rows[0]["mapping"] | {"refreshed": refreshed}}


def periphery(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The periphery of a run, clipped conversions added up; nothing where it was ideal."""
    entries = [row["periphery"] for row in rows if "periphery" in row]
    if not entries or "clipped_conversions" not in entries[-1]:
        return {"periphery": entries[-1]} if entries else {}
    clipped = sum(entry["clipped_conversions"] for entry in entries)
    conversions = sum(row["reads"]["column_conversions"] for row in rows)
    share = clipped / max(1, conversions)
    return {"periphery": entries[-1] | {"clipped_conversions": clipped, "clipped_share": share}}
