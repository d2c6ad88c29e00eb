"""Every reader of files that others wrote: whole files to begin with, what damages and reads one.

A reader is tried as a function in this process. What it may do: return, or raise one of the
project's own errors, whose message is lines of text that any terminal shows.
"""

import functools
import hashlib
import importlib.util
import json
import struct
from pathlib import Path

import fuzz_mutations as damage
import numpy as np
import xbar_sounds
from fuzz_boards import BOARDS, damaged_hdf5, hdf5
from fuzz_graphs import GRAPHS
from fuzz_reader import Reader, packed
from xbar_training import small, synthetic

from crossbar.array import faults
from crossbar.array.tile import Tiling
from crossbar.datasets.cifar10 import parse_batch
from crossbar.datasets.cochlea.recordings import recordings
from crossbar.datasets.idx import read_idx
from crossbar.datasets.shd import half_of_hdf5, halves_of_built
from crossbar.energy.activity import RunMetadata
from crossbar.energy.activity_file import pack
from crossbar.energy.assumed import bernoulli
from crossbar.energy.chip import load_chip
from crossbar.energy.costs import load_costs
from crossbar.energy.counts import count, counts_of_run
from crossbar.energy.estimate import estimate
from crossbar.energy.record_activity import Snapshot
from crossbar.experiment import builder, checkpoint
from crossbar.experiment.characterization import reopen
from crossbar.experiment.imports import load_training
from crossbar.experiment.network_settings import load_network
from crossbar.experiment.run import Run
from crossbar.experiment.transfer import parameters_of
from crossbar.snn.parameters import initial, shapes_of, to_arrays
from device_models.aihwkit import from_aihwkit, read_config
from device_models.describe import describe
from device_models.errors import CalibrationError
from device_models.fitting.options import Options
from device_models.fitting.readers import FORMATS
from device_models.fitting.readers import read as read_measurements
from device_models.presets import load_device
from device_models.schema import dump

ROOT = Path(__file__).resolve().parents[2]
ROWS = Path(__file__).parent / "metrics.jsonl"  # of a training of six neurons
TILING = Tiling(rows=12, columns=10, tile_rows=8, tile_columns=5)


def shipped(pattern, most=4000):
    """The content of small files of the checkout."""
    found = (path.read_bytes() for path in sorted(ROOT.glob(pattern)))
    return [content for content in found if len(content) < most]


# --- measurements and devices --------------------------------------------------------------------


def tables():
    """The example of every format, and tables as laboratories write them."""
    more = [
        b"Time / s;Conductance [uS]\r\n0,1;12,5\r\n0,2;13,5\r\n",
        b"# T = 300\n\nt_seconds\tr (kohm)\n0\t10\n1\t11\n",
        b"\xff\xfe" + "device,op,g_siemens\nä,read,1e-5\nä,set,\nä,read,2e-5\n".encode("utf-16-le"),
    ]
    return [reader.example.encode() for reader in FORMATS.values() if reader.example] + more


def read_table(path):
    """What `xbar fit` reads."""
    window = {"g_min_siemens": 1e-6, "g_max_siemens": 1e-4}
    try:
        read_measurements([path], options=Options(**window))
    except CalibrationError as e:
        if "--read-volts" not in str(e):
            raise
        read_measurements([path], options=Options(v_read_volts=0.1, **window))


def read_device(path):
    """What `xbar devices` says of a device, drawing left out."""
    from cli.devices import headline, page, parameters, summary

    model = load_device(str(path))
    page(summary(headline(path.name, model)) | {"parameters": parameters(model)}).encode()
    dump(model).encode()


def aihwkit_files():
    """Devices of aihwkit as JSON."""
    common = {
        "dw_min": 0.001, "dw_min_dtod": 0.3, "dw_min_std": 0.3, "up_down": 0.0,
        "up_down_dtod": 0.01, "w_max": 0.6, "w_max_dtod": 0.3, "w_min": -0.6, "w_min_dtod": 0.3,
    }  # fmt: skip
    exp = {"A_up": 0.0008, "A_down": 0.005, "gamma_up": 12.4, "gamma_down": 13.0, "a": 0.24, "b": 0}
    soft = {"class": "SoftBoundsDevice", **common, "mult_noise": True}
    linear = {**soft, "class": "LinearStepDevice", "gamma_up": 0.1, "gamma_down": 0.1}
    files = [soft, linear, {"device": {"class": "ExpStepDevice", **common, **exp}}]
    return [json.dumps(each, indent=1).encode() for each in files]


def read_aihwkit(path):
    """What `xbar devices --from-aihwkit` makes of a file."""
    window = {"g_min_siemens": 1e-6, "g_max_siemens": 1e-4}
    dump(from_aihwkit(read_config(path), preset(), **window)).encode()


@functools.cache
def preset():
    """The device that lends what aihwkit does not know."""
    return load_device("oxram.yaml")


# --- settings ------------------------------------------------------------------------------------


def settings_files():
    """Settings of trainings, short and long."""
    layers = b"[{kind: dense, neurons: 8}, {kind: dense, neurons: 10, neuron: leaky_integrator}]"
    short = b"epochs: 1\nnetwork: {layers: " + layers + b"}\n"
    wires = short + b"wires: {word_ohms: 2, bit_ohms: 1, open_words: [3], bridged_bits: [1]}\n"
    tiles = b"tiles: {tile_rows: 64, tile_columns: 4}\nfaults: {stuck_low_share: 0.1}\n"
    periphery = b"periphery: {kind: adc, adc_bits: 4}\nmapping: reference_column\n"
    return [wires, short + tiles, tiles + periphery, dump(small()).encode()]


def read_settings(path):
    """Settings, the network that they describe, and its arrays where they are small."""
    config = load_training(path)
    describe(config)
    dump(config).encode()
    network = builder.plan_of(config, data())
    mappings = builder.mappings_of(config, load_device("ideal.yaml"), network)
    devices = sum(rows * columns for rows, columns in network.crossbars)
    if devices * config.tiles.copies * max(m.devices for m in mappings) < 50_000 * devices:
        trainer_of(config) if devices * config.tiles.copies < 20_000 else None


@functools.cache
def data():
    """A few images."""
    return synthetic(24, 8)


def trainer_of(config):
    """A trainer that has not begun."""
    return builder.trainer(config, load_device("ideal.yaml"), data(), threads=1)


# --- runs ----------------------------------------------------------------------------------------


@functools.cache
def trainer():
    """One whose arrays are as they were made, with the rows of another training."""
    made = trainer_of(small(network={"hidden": 6}))
    made.rows = [json.loads(line) for line in ROWS.read_text().splitlines()]
    made.epoch = len(made.rows) - 1
    return made


@functools.cache
def checkpoints():
    """Its checkpoint."""
    return [checkpoint.save(trainer(), trainer().conductances())]


def sealed(arrays):
    """Arrays with the checksum that belongs to them: damage that no checksum tells."""
    rest = {name: array for name, array in arrays.items() if name != "sha256"}
    return rest | {"sha256": checkpoint.digest(rest)}


def read_checkpoint(path):
    """What goes on with a run, and what looks at one."""
    content = path.read_bytes()
    checkpoint.conductances(content)
    checkpoint.restore(trainer(), content)


@functools.cache
def activities():
    """An activity file of the same network."""
    network, generator = trainer().setup.network, np.random.default_rng(0)
    lines = (network.inputs, *network.hidden)
    spikes = [bernoulli(4, network.steps, n, 0.05, generator) for n in lines]
    arrays = [
        Snapshot(
            np.full((rows, 2 * outputs), 1e-5, np.float32), *np.full((2, rows), outputs, np.int64)
        )
        for rows, outputs in network.crossbars
    ]
    about = RunMetadata(
        epochs=trainer().epoch, training_images=24, accuracy=0.5, accuracy_interval=(0.2, 0.8),
        ei="80:20", mapping="pair", device="ideal.yaml", seed=0, v_read_volts=0.2,
        t_read_seconds=1e-7, pulse_seconds=1e-7, endurance_pulses=1e6, tile_rows=128,
        tile_columns=128, adc_bits=8,
    )  # fmt: skip
    return [packed(**pack(network, about, spikes, arrays))]


def read_run_counts(path):
    """What `xbar estimate` makes of a run."""
    run = counts_of_run(path.parent)
    count(run.activity, run.tile_rows, run.tile_columns)
    estimate(run, load_chip("proposal_28nm"), load_costs(["default"]))


def run_folder(folder):
    """All files of a run but its activity."""
    run = Run.new(folder, small(network={"hidden": 6}), load_device("ideal.yaml"))
    (folder / "config.yaml").write_text(dump(run.config))
    (folder / "device.yaml").write_bytes((ROOT / "calibration_data/ideal/model.yaml").read_bytes())
    (folder / "checkpoint.npz").write_bytes(checkpoints()[0])
    (folder / "activity.npz").write_bytes(activities()[0])
    lines = ROWS.read_text()
    (folder / "metrics.jsonl").write_text(lines)
    rows = [json.loads(line) for line in lines.splitlines()]
    run.write_summary(rows)


def read_run(path):
    """A run as a Python user opens it."""
    run = Run.open(path.parent)
    run.rows, run.summary  # noqa: B018  # they are read


def rows_files():
    """The epochs of a run."""
    return [ROWS.read_bytes()]


def damaged_rows(random, content):
    """Rows of which one says something else, or damaged as any text."""
    if random.random() < 0.4:
        return damage.mixed(random, content)
    lines = content.decode().splitlines()
    at = random.randrange(len(lines))
    lines[at] = json.dumps(damage.damaged_json(random, json.loads(lines[at])))
    return "\n".join(lines).encode() + b"\n"


@functools.cache
def weights_files():
    """Weights of the network, named and as numpy names them."""
    network = trainer().setup.network
    arrays = to_arrays(initial(network, 0), network)
    return [packed(**arrays), packed(**{f"arr_{i}": a for i, a in enumerate(arrays.values())})]


def read_weights(path):
    """What `xbar program` writes into a chip."""
    network = trainer().setup.network
    numbers = parameters_of(path, network, None)
    assert {n: a.shape for n, a in to_arrays(numbers, network).items()} == shapes_of(network)


def fault_maps():
    """Faults of two layers."""
    sizes = faults.shapes(TILING)
    parts = {f"0.{n}": np.zeros(s, bool) for n, s in sizes.items() if n != "stuck_siemens"}
    stuck = np.full(sizes["stuck_siemens"], np.nan)
    stuck[2, 3] = 1e-4
    return [
        packed(**parts, **{"0.stuck_siemens": stuck}, **{"1.open_words": np.ones((3, 2), bool)})
    ]


# --- data sets and characterisations -------------------------------------------------------------


def idx_files():
    """Images and labels."""
    images = struct.pack(">HBB3I", 0, 8, 3, 4, 5, 5) + bytes(range(100))
    return [images, struct.pack(">HBBI", 0, 8, 1, 4) + bytes(4)]


def damaged_idx(random, content):
    """Bytes damaged, mostly in the header; sometimes inside gzip."""
    head = damage.damaged_bytes(random, content[:16]) + content[16:]
    new = head if random.random() < 0.6 else damage.damaged_bytes(random, content)
    return damage.gzip.compress(new) if random.random() < 0.2 else new


def characterizations():
    """What a characterisation says of itself."""
    about = {
        "cells": [0, 1],
        "plan_sha256": hashlib.sha256(b"{}").hexdigest(),
        "board": {"kind": "simulated"},
        "info": {"shape": [2, 2]},
    }
    return [json.dumps(about).encode()]


def spikes_that_were_built():
    """Three recordings."""
    arrays = {"times": [5, 9, 7], "units": [1, 699, 0], "labels": [1, 2, 3], "is_test": [0, 1, 0]}
    kinds = {"times": "u2", "units": "u2", "labels": "u1", "is_test": "u1"}
    typed = {name: np.array(values, kinds[name]) for name, values in arrays.items()}
    return [packed(**typed, offsets=np.array([0, 2, 2, 3]))]


def published_spikes():
    """Two recordings as published."""

    def fill(file):
        import h5py

        for name, kind, samples in (("times", "<f4", ([0.1, 0.2], [0.3])),
                                    ("units", "<u2", ([3, 699], [0]))):  # fmt: skip
            column = file.create_dataset(f"spikes/{name}", (2,), h5py.vlen_dtype(np.dtype(kind)))
            for number, sample in enumerate(samples):
                column[number] = np.array(sample, kind)
        file["labels"] = np.array([0, 19])

    return [hdf5(fill)]


def indices():
    """The index of a folder of recordings."""
    lines = ["file,start,length,label,speaker,split", "a.flac,0,700,3,0,train",
             "a.flac,700,800,19,4,test"]  # fmt: skip
    return ["\n".join(lines).encode()]


def sound_beside(folder):
    """What that index is of."""
    (folder / "a.flac").write_bytes(xbar_sounds.written(xbar_sounds.noise(1500), 24_000))


READERS = {
    "measurements": Reader(tables, damage.mixed, read_table, "x.csv", 200),
    "device": Reader(
        lambda: shipped("calibration_data/*/model.yaml"), damage.damaged_text, read_device,
        "x.yaml", 60,
    ),
    "settings": Reader(settings_files, damage.damaged_text, read_settings, "x.yaml", 40),
    "network": Reader(
        lambda: shipped("crossbar/snn/presets/*.yaml"), damage.damaged_text,
        lambda path: load_network(str(path)), "x.yaml", 80,
    ),
    "chip": Reader(
        lambda: shipped("crossbar/energy/chips/*.yaml"), damage.damaged_text,
        lambda path: load_chip(str(path)), "x.yaml", 80,
    ),
    "costs": Reader(
        lambda: shipped("crossbar/energy/tables/spikesim.yaml", 1 << 20), damage.damaged_text,
        lambda path: load_costs([str(path)]), "x.yaml", 30,
    ),
    "checkpoint": Reader(
        checkpoints, functools.partial(damage.damaged_npz, seal=sealed), read_checkpoint, "x.npz",
        120,
    ),
    "activity": Reader(
        activities, damage.damaged_npz, read_run_counts, "activity.npz", 120, run_folder
    ),
    "weights": Reader(weights_files, damage.damaged_npz, read_weights, "x.npz", 300),
    "rows": Reader(rows_files, damaged_rows, read_run, "metrics.jsonl", 30, run_folder),
    "run settings": Reader(
        lambda: [dump(small(network={"hidden": 6})).encode()], damage.damaged_text, read_run,
        "config.yaml", 25, run_folder,
    ),
    "aihwkit": Reader(aihwkit_files, damage.mixed, read_aihwkit, "x.json", 600),
    "fault map": Reader(
        fault_maps, damage.damaged_npz, lambda path: faults.load(path, 0, TILING), "x.npz", 300
    ),
    "idx": Reader(idx_files, damaged_idx, read_idx, "x.idx", 1000),
    "cifar": Reader(
        lambda: [bytes(3073)], damage.damaged_bytes,
        lambda path: parse_batch(path.read_bytes(), where="x"), "x.bin", 500,
    ),
    "characterisation": Reader(
        characterizations, damage.mixed, lambda path: reopen(path.parent), "about.json", 500,
        lambda folder: (folder / "plan.yaml").write_text("{}"),
    ),
    "built spikes": Reader(
        spikes_that_were_built, damage.damaged_npz,
        lambda path: halves_of_built(path.read_bytes(), where="x"), "x.npz", 300,
    ),
    **BOARDS,
    **GRAPHS,
}  # fmt: skip
if importlib.util.find_spec("h5py"):  # extras of the package
    READERS["published spikes"] = Reader(
        published_spikes, damaged_hdf5,
        lambda path: half_of_hdf5(path.read_bytes(), where="x"), "x.h5", 60,
    )  # fmt: skip
if importlib.util.find_spec("soundfile"):
    READERS["index of recordings"] = Reader(
        indices, damage.mixed, lambda path: recordings(path.parent), "index.csv", 300, sound_beside
    )
