"""Fashion-MNIST: 70 000 grey images of clothes, 28 x 28, ten classes."""

from .files import FileSet, Package
from .idx_images import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, IdxImages

FASHION_MNIST = IdxImages(
    files=FileSet(
        title="Fashion-MNIST",
        folder="fashion-mnist",
        md5={
            TRAIN_IMAGES: "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            TRAIN_LABELS: "9018921c3c673c538a1fc5bad174d6f9",
            TEST_IMAGES: "8181f5470baa50b63fa0f6fddb340f0a",
            TEST_LABELS: "15d484375f8d13e6eb1aabb0c3f46965",
        },
        url="https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        page="https://github.com/zalandoresearch/fashion-mnist",
        download_bytes=30_900_000,
        debian=Package("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist"),
    ),
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    licence="MIT, (c) 2017 Zalando SE",
    source=(
        'H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking '
        'machine learning algorithms", arXiv:1708.07747, 2017'
    ),
)
