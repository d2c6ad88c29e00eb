"""A small set in the place of Fashion-MNIST: commands find, check and learn it as the real one.

Its images are the bars of `xbar_training.bars`, its files are those of the real set and carry
checksums of their own, so all that a command does with a set is done, in milliseconds.
"""

import dataclasses
import hashlib
import struct

from xbar_training import bars

from crossbar.datasets import DATASETS
from crossbar.datasets.fashion_mnist import FASHION_MNIST
from crossbar.datasets.idx_images import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS

TRAIN, TEST = 640, 320


def idx(array):
    """The content of an IDX file of bytes."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def contents(train=TRAIN, test=TEST):
    """File name -> content."""
    images, labels = bars(train, test)
    return {
        TRAIN_IMAGES: idx(images[:train]),
        TRAIN_LABELS: idx(labels[:train].astype("uint8")),
        TEST_IMAGES: idx(images[train:]),
        TEST_LABELS: idx(labels[train:].astype("uint8")),
    }


def small_set(*sizes):
    """The loader of these files."""
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in contents(*sizes).items()}
    files = dataclasses.replace(FASHION_MNIST.files, md5=md5)
    return dataclasses.replace(FASHION_MNIST, files=files)


def install():
    """Name it fashion_mnist for the rest of a process."""
    DATASETS["fashion_mnist"] = small_set()


def write(folder, *sizes):
    """Put its files into a folder."""
    for name, content in contents(*sizes).items():
        (folder / name).write_bytes(content)
