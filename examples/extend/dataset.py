"""A data set of one's own: digits of 3 x 5 pixels, drawn by a rule on noisy 8 x 8 images.

Ours, made in code: nothing is looked for and nothing is fetched.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import crossbar as xb
from crossbar.datasets import DATASETS, Half, LoadedDataset
from crossbar.datasets.settings import DataSettings
from crossbar.synapses.optimizers import Adam

GLYPHS = "75557222227174771717557117471774757711117575775711"  # octal: five rows of each digit


@dataclass(frozen=True)
class TinyDigits:
    title: str = "tiny digits"
    class_names: tuple[str, ...] = tuple("0123456789")
    sample_shape: tuple[int, ...] = (8, 8)
    licence: str = "none needed: drawn by this file"
    source: str = "ours"
    samples: tuple[int, int] = (2000, 500)  # to learn, to be tested on
    files: None = None

    def load(self, data_dir=None, *, notice, environment=None):
        halves = [self.half(count, seed) for seed, count in enumerate(self.samples)]
        names = {"title": self.title, "class_names": self.class_names, "origin": __file__}
        return LoadedDataset(train=halves[0], test=halves[1], **names)

    def half(self, count, seed):
        generator = np.random.default_rng(seed)
        labels = generator.integers(0, 10, count).astype(np.uint8)
        images = generator.integers(0, 40, (count, *self.sample_shape)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            rows = [
                [int(bit) * 200 for bit in f"{int(row):03b}"]
                for row in GLYPHS[5 * int(label) :][:5]
            ]
            top, left = generator.integers(1, 3, 2)
            image[top : top + 5, left : left + 3] += np.array(rows, np.uint8)
        return Half(images, labels)


DATASETS["tiny_digits"] = TinyDigits()


def train(model=None, boards=None, **settings):
    """Two epochs of a small network on these digits, for the other examples too."""
    optimizer = Adam.Options(learning_rate=5e-3)
    usual = {"data": DataSettings(set="tiny_digits", steps=50), "optimizer": optimizer}
    usual |= {"network": xb.Network.of(hidden=40, ei=None), "batch_size": 20, "epochs": 2}
    config = xb.Training(imports=tuple(dict.fromkeys((sys.argv[0], __file__))), **usual | settings)
    run = xb.train(config, model=model, boards=boards, notice=lambda line: None)
    print(f"{Path(sys.argv[0]).stem}: {run.summary['test_accuracy']:.1%} in {run.folder}")


if __name__ == "__main__":
    train()
