import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {  # in the tree -> in the wheel
    "device_models": "device_models",
    "crossbar": "crossbar",
    "cli": "cli",
    "calibration_data": "device_models/calibration_data",
}
LEFTOVERS = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", "build")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The tree without what earlier builds left in it: setuptools would pack that again."""
    copy = tmp_path_factory.mktemp("tree")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, copy / name, ignore=LEFTOVERS)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope="module")
def wheel_names(copy, tmp_path_factory):
    """The files in the wheel, its metadata aside."""
    out = tmp_path_factory.mktemp("wheel")
    # Without isolation nothing is fetched; `setuptools` and `wheel` come with the dev extra.
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, copy]
    result = subprocess.run(build, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_every_file_of_the_tree_and_no_other(copy, wheel_names):
    tree = {
        f"{target}/{path.relative_to(copy / folder).as_posix()}"
        for folder, target in FOLDERS.items()
        for path in (copy / folder).rglob("*")
        if path.is_file()
    }
    assert wheel_names == tree


def test_the_packages_to_import_are_marked_as_typed(wheel_names):
    assert {f"{name}/py.typed" for name in ("device_models", "crossbar")} <= wheel_names


def test_every_named_package_exists_with_an_init():
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    for package in named["packages"]:
        folder = named["package-dir"].get(package, package.replace(".", "/"))
        assert (ROOT / folder / "__init__.py").is_file(), package


def test_the_version_has_one_source():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert version("xbar-hil") == declared


@pytest.mark.parametrize("package", ["crossbar", "device_models", "cli"])
def test_no_other_distribution_lies_over_ours(package):
    # Another project installs a package `crossbar` too; pip lays one over the other silently.
    assert set(packages_distributions()[package]) == {"xbar-hil"}
