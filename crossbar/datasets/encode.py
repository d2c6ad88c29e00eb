"""Images and labels as the trainer takes them."""

from typing import NamedTuple

import numpy as np

from device_models.errors import ConfigError

from ..snn.encodings.latency import Events, latency_code
from ..snn.plan import Plan
from .fashion_mnist import FashionMnist


class Data(NamedTuple):
    """Encoded images: events and labels (samples,) int64 of both halves."""

    train_events: Events
    train_labels: np.ndarray
    test_events: Events
    test_labels: np.ndarray


def encode(images: FashionMnist, network: Plan) -> Data:
    """Latency-coded spikes of both halves.

    Raises:
        ConfigError: The network does not fit the images.
    """
    pixels = images.train_images[0].size
    classes = len(images.class_names)
    if (network.inputs, network.classes) != (pixels, classes):
        raise ConfigError(
            f"the network has {network.inputs} inputs and {network.classes} classes, the images "
            f"{pixels} pixels and {classes} classes; nothing was trained"
        )
    return Data(
        latency_code(images.train_images, steps=network.steps),
        images.train_labels.astype(np.int64),
        latency_code(images.test_images, steps=network.steps),
        images.test_labels.astype(np.int64),
    )
