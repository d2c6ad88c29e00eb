"""Files of data sets: checked, found in the stated order, fetched."""

import gzip
import hashlib
import http.client
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossbar.datasets import fashion_mnist
from crossbar.datasets.fetch import open_url, run_command
from crossbar.datasets.files import FileSet
from crossbar.datasets.locate import Surroundings, find
from device_models.errors import DataError

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
        debian_package="dataset-tiny",
        debian_folder="usr/share/datasets/tiny",
    )


@pytest.fixture
def notices():
    return []


def no_program(command, folder):
    raise FileNotFoundError(2, "No such file or directory", command[0])


@pytest.fixture
def around(tmp_path):
    """A machine without apt, with its own root and cache."""
    return machine(tmp_path, run=no_program)


def machine(tmp_path, *, run, is_root=False, **environment):
    return Surroundings(
        environment={"XDG_CACHE_HOME": str(tmp_path / "cache"), **environment},
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
    tmp_path, files, around, notices, end, inside
):
    folder = put(tmp_path / "mine" / inside, end=end)
    contents, origin = find(files, tmp_path / "mine", notice=notices.append, around=around)
    assert contents == CONTENTS
    assert Path(origin) == tmp_path / "mine"
    assert folder.is_dir()
    assert notices == []


def test_argument_beats_xbar_data_and_xbar_data_beats_the_cache(tmp_path, files, notices):
    argument, variable = put(tmp_path / "argument"), put(tmp_path / "variable")
    put(tmp_path / "cache/xbar/tiny")
    around = machine(tmp_path, run=no_program, XBAR_DATA=str(variable))
    assert find(files, argument, notice=notices.append, around=around).origin == str(argument)
    assert find(files, notice=notices.append, around=around).origin == str(variable)


def test_named_folder_without_the_files_is_an_error_although_the_cache_has_them(
    tmp_path, files, around, notices
):
    put(tmp_path / "cache/xbar/tiny")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError) as caught:
        find(files, empty, notice=notices.append, around=around)
    assert str(caught.value) == (
        f"{empty} holds none of images, labels (plain or .gz); the folder of Tiny was named by "
        "--data-dir, files directly in it or in tiny/ are allowed; nothing was loaded"
    )


def test_xbar_data_that_does_not_exist_is_an_error(tmp_path, files, notices):
    around = machine(tmp_path, run=no_program, XBAR_DATA=str(tmp_path / "absent"))
    with pytest.raises(DataError, match=r"there is no folder .*absent; .* named by XBAR_DATA"):
        find(files, notice=notices.append, around=around)


def test_folder_that_cannot_be_searched_is_an_error_with_the_systems_reason(files, around, notices):
    with pytest.raises(DataError, match=r"File name too long; .* named by --data-dir"):
        find(files, Path("x" * 300), notice=notices.append, around=around)


def test_named_folder_with_half_of_the_files_names_the_other_half(tmp_path, files, around, notices):
    folder = put(tmp_path / "half", labels=None)
    with pytest.raises(DataError, match=f"^{re.escape(str(folder))} lacks labels; "):
        find(files, folder, notice=notices.append, around=around)


def test_wrong_checksum_in_a_named_folder_names_file_and_both_checksums(
    tmp_path, files, around, notices
):
    wrong = LABELS[:-1] + b"\x08"
    folder = put(tmp_path / "wrong", end=".gz", labels=wrong)
    with pytest.raises(DataError) as caught:
        find(files, folder, notice=notices.append, around=around)
    assert str(caught.value) == (
        f"{folder / 'labels.gz'}: MD5 of the uncompressed content is {md5(wrong)}, "
        f"that of Tiny is {md5(LABELS)}; nothing was loaded"
    )


def test_truncated_gzip_in_a_named_folder_is_an_error(tmp_path, files, around, notices):
    folder = put(tmp_path / "cut", end=".gz")
    (folder / "images.gz").write_bytes(gzip.compress(IMAGES)[:-4])
    with pytest.raises(DataError, match=r"images\.gz: .* cut short or damaged"):
        find(files, folder, notice=notices.append, around=around)


# The order of the other ways


def test_cache_beats_installed_package_beats_publisher(tmp_path, files, around, publisher, notices):
    put(publisher, end=".gz")
    installed = put(tmp_path / "root/usr/share/datasets/tiny", end=".gz")
    assert find(files, notice=notices.append, around=around).origin == str(installed)
    cache = put(tmp_path / "cache/xbar/tiny")
    assert find(files, notice=notices.append, around=around).origin == str(cache)
    assert notices == []


def test_wrong_checksum_in_the_cache_says_which_file_to_delete(
    tmp_path, files, around, publisher, notices
):
    put(publisher, end=".gz")
    cache = put(tmp_path / "cache/xbar/tiny", images=b"wrong")
    message = f"{re.escape(str(cache / 'images'))}: MD5 .* nothing was loaded; delete that file"
    with pytest.raises(DataError, match=message):
        find(files, notice=notices.append, around=around)


def test_other_version_of_the_installed_package_is_passed_over(
    tmp_path, files, around, publisher, notices
):
    put(tmp_path / "root/usr/share/datasets/tiny", end=".gz", labels=b"another version")
    put(publisher, end=".gz")
    assert find(files, notice=notices.append, around=around).origin.startswith(files.url)


def test_download_is_announced_and_kept_uncompressed(tmp_path, files, around, publisher, notices):
    put(publisher, end=".gz")
    cache = tmp_path / "cache/xbar/tiny"
    put(cache, labels=None)  # what an interrupted run may leave
    found = find(files, notice=notices.append, around=around)
    assert found == (CONTENTS, f"{files.url}, kept in {cache}")
    assert notices == [
        f"downloading Tiny from the publisher: {files.url}images.gz ...",
        f"downloading Tiny from the publisher: {files.url}labels.gz ...",
        f"Tiny is kept in {cache}",
    ]
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == CONTENTS
    assert find(files, notice=notices.append, around=around).origin == str(cache)


def test_damaged_download_is_not_kept(tmp_path, files, around, publisher, notices):
    put(publisher, end=".gz", labels=b"<html>please log in</html>")
    with pytest.raises(DataError, match=r"labels\.gz: MD5 of .* is .*, that of Tiny is"):
        find(files, notice=notices.append, around=around)
    assert not (tmp_path / "cache").exists()


def test_cache_that_cannot_be_written_does_not_lose_the_download(
    tmp_path, files, around, publisher, notices
):
    put(publisher, end=".gz")
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert find(files, notice=notices.append, around=around) == (CONTENTS, files.url)
    assert notices[-1].endswith("Tiny was not kept, it is in use all the same")


def test_with_nothing_found_one_line_lists_every_way_and_what_to_do(
    tmp_path, files, around, notices
):
    with pytest.raises(DataError) as caught:
        find(files, notice=notices.append, around=around)
    text = str(caught.value)
    assert "\n" not in text
    expected = [
        "Tiny was not found: (1) no folder is named by --data-dir or XBAR_DATA",
        f"(2) cache: there is no folder {tmp_path / 'cache/xbar/tiny'}",
        f"(3) installed package: there is no folder {tmp_path / 'root/usr/share/datasets/tiny'}",
        f"(4) publisher: {files.url}images.gz: [Errno 2] No such file or directory",
        "(5) Debian package: this machine has no apt-cache",
        "use --data-dir DIR or XBAR_DATA=DIR with the files, apt-get install dataset-tiny, "
        "or download them from https://example.org/tiny",
        "nothing was trained",
    ]
    position = -1
    for part in expected:
        position = text.index(part, position + 1)
    assert text.endswith(expected[-1])


def test_relative_cache_home_is_ignored(files):
    around = Surroundings(environment={"XDG_CACHE_HOME": "relative"})
    assert around.cache(files) == Path.home() / ".cache/xbar/tiny"


# Over the network


def test_host_that_never_answers_is_given_up_in_time(monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: time.sleep(2))
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        open_url("http://example.org/", connect_seconds=0.05)


def test_address_that_is_none_is_an_error_of_its_thread_passed_on():
    with pytest.raises(ValueError, match="unknown url type"):
        open_url("no address")


def test_connection_that_breaks_is_a_reason_to_go_on(tmp_path, files, notices):
    def broken(url):
        raise http.client.IncompleteRead(b"half", 4)

    around = replace(machine(tmp_path, run=no_program), open_url=broken)
    message = r"\(4\) publisher: .*images\.gz: IncompleteRead\(4 bytes read, 4 more expected\)"
    with pytest.raises(DataError, match=message):
        find(files, notice=notices.append, around=around)


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
    put(tree / files.debian_folder, end=".gz")
    (tree / "DEBIAN").mkdir(mode=0o755)
    fields = ["Package: dataset-tiny", "Version: 1", "Architecture: all"]
    fields += ["Maintainer: Nobody <nobody@example.org>", "Description: two files"]
    (tree / "DEBIAN/control").write_text("\n".join(fields) + "\n")
    result = run_command(["dpkg-deb", "--root-owner-group", "-b", tree.name], tmp_path)
    assert result.returncode == 0, result.stderr
    return tmp_path / "dataset-tiny.deb"


@needs_dpkg
def test_debian_package_is_unpacked_without_root_and_kept(tmp_path, files, archive, notices):
    apt = Apt(archive)
    found = find(files, notice=notices.append, around=machine(tmp_path, run=apt))
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
    around = machine(tmp_path, run=apt, is_root=True)
    assert find(files, notice=notices.append, around=around).contents == CONTENTS
    assert apt.commands[:3] == ["apt-cache show", "apt-get update", "apt-get download"]


@needs_dpkg
def test_other_users_refresh_nothing_and_hear_what_apt_said(tmp_path, files, archive, notices):
    apt = Apt(archive, known=False)
    message = (
        r"\(5\) Debian package: apt-get download dataset-tiny: "
        r"E: Unable to locate package dataset-tiny \(exit code 100\)"
    )
    with pytest.raises(DataError, match=message):
        find(files, notice=notices.append, around=machine(tmp_path, run=apt))
    assert apt.commands == ["apt-cache show", "apt-get download"]


@needs_dpkg
def test_damaged_package_is_not_kept(tmp_path, files, archive, notices):
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(DataError, match=r"Debian package: dpkg-deb -x dataset-tiny\.deb: "):
        find(files, notice=notices.append, around=machine(tmp_path, run=Apt(archive)))
    assert not (tmp_path / "cache").exists()


# The real set


def offline(url):
    raise OSError("the tests do not use the network")


@pytest.fixture(scope="module")
def real():
    """Fashion-MNIST from XBAR_DATA, the user's cache or the installed package."""
    around = Surroundings(open_url=offline, run=no_program)
    try:
        return fashion_mnist.load(notice=lambda text: None, around=around)
    except DataError as error:
        pytest.skip(f"Fashion-MNIST is not on this machine ({error})")


def test_real_set_has_the_published_shapes_pixels_and_labels(real):
    assert real.train_images.shape == (60_000, 28, 28)
    assert real.train_labels.shape == (60_000,)
    assert real.test_images.shape == (10_000, 28, 28)
    assert real.test_labels.shape == (10_000,)
    # Mean and spread that the publisher's users normalise with.
    assert abs(real.train_images.mean() / 255 - 0.2860) < 5e-5
    assert abs(real.train_images.std() / 255 - 0.3530) < 5e-5
    assert real.train_labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert np.bincount(real.train_labels).tolist() == [6000] * 10
    assert np.bincount(real.test_labels).tolist() == [1000] * 10
    assert len(real.class_names) == 10


def test_real_set_has_the_published_checksums(real):
    header = bytes.fromhex("00000803 0000ea60 0000001c 0000001c")
    expected = fashion_mnist.FILES.md5[fashion_mnist.TRAIN_IMAGES]
    assert md5(header + real.train_images.tobytes()) == expected


def test_the_test_half_holds_no_training_image_and_no_view_of_one(real):
    half = real.test_half()
    assert (half.train_images.shape, half.train_labels.shape) == ((0, 28, 28), (0,))
    assert half.train_images.base is None
    assert np.array_equal(half.test_images, real.test_images)
    assert half.class_names == real.class_names


def test_importing_the_loader_reads_nothing_and_loads_no_torch():
    code = "import sys, crossbar.datasets.fashion_mnist; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
