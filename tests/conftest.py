import os

import pytest
from hypothesis import settings

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=50, deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="module")
def data_dir(request, tmp_path_factory):
    """The folder of a small set that is Fashion-MNIST to commands while the module runs.

    A module that names other `IMAGES`, (train, test), has as many.
    """
    import xbar_images  # with torch: not for those who only collect

    from crossbar.datasets import DATASETS

    sizes = getattr(request.module, "IMAGES", ())
    folder = tmp_path_factory.mktemp("images")
    xbar_images.write(folder, *sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS, "fashion_mnist", xbar_images.small_set(*sizes))
        yield folder
