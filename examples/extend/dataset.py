"""A data set of one's own: digits of 3 x 5 pixels, drawn by a rule on noisy 8 x 8 images.

Ours, made in code: nothing is looked for and nothing is fetched.
"""

from dataclasses import dataclass

import numpy as np

import crossbar as xb
from crossbar.datasets import DATASETS, Half, LoadedDataset

GLYPHS = "75557 22222 71747 71717 55711 74717 74757 71111 75757 75711".split()  # octal rows


@dataclass(frozen=True)
class TinyDigits:
    """A `crossbar.datasets.dataset.Dataset`: each digit somewhere in its image, more or less bright."""

    title: str = "tiny digits"
    class_names: tuple[str, ...] = tuple("0123456789")
    sample_shape: tuple[int, ...] = (8, 8)
    licence: str = "none needed: drawn by this file"
    source: str = "ours"
    samples: tuple[int, int] = (2000, 500)  # to learn, to be tested on

    def load(self, data_dir=None, *, notice, environment=None):
        """Both halves; no file is asked for."""
        halves = [self.half(count, seed) for seed, count in enumerate(self.samples)]
        return LoadedDataset(
            title=self.title, class_names=self.class_names, train=halves[0], test=halves[1],
            origin=__file__,
        )  # fmt: skip

    def half(self, count, seed):
        """So many images and their digits."""
        generator = np.random.default_rng(seed)
        labels = generator.integers(0, 10, count).astype(np.uint8)
        images = generator.integers(0, 40, (count, *self.sample_shape)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            rows = [[int(bit) * 200 for bit in f"{int(row):03b}"] for row in GLYPHS[label]]
            top, left = generator.integers(1, 3, 2)
            image[top : top + 5, left : left + 3] += np.array(rows, np.uint8)
        return Half(images, labels)


DATASETS["tiny_digits"] = TinyDigits()


def training(**settings):
    """Two epochs of a small network on this data set; the other examples use it too."""
    from crossbar.datasets.settings import DataSettings
    from crossbar.synapses.optimizers import Adam

    usual = {
        "data": DataSettings(set="tiny_digits", steps=50), "epochs": 2, "batch_size": 20,
        "network": xb.Network.of(hidden=40, ei=None), "optimizer": Adam.Options(learning_rate=5e-3),
    }  # fmt: skip
    return xb.Training(**usual | settings)


if __name__ == "__main__":
    run = xb.train(training())
    print(f"{run.config.data.set}: {run.summary['test_accuracy']:.1%}")
