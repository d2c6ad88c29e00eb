"""Compiled kernels are kept, and never those of other sources."""

import gc
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from numba.extending import overload

from device_models import jit

ROOT = Path(jit.__file__).parents[1]
INNER = "from device_models.jit import jit\n\n@jit\ndef factor(x):\n    return {factor} * x\n"
OUTER = (
    "from device_models.jit import jit\nfrom .inner import factor\n\n"
    "@jit\ndef run(x):\n    return factor(x) + 1\n"
)
CALL = "from crossbar.snn.kernels.outer import run; print(run(10))"


@pytest.fixture
def small(tmp_path):
    """A package of two kernels in two files, with the real `jit`."""
    kernels = tmp_path / "crossbar" / "snn" / "kernels"
    kernels.mkdir(parents=True)
    below = tmp_path / "device_models"
    below.mkdir()
    for folder in (kernels, kernels.parent, kernels.parent.parent, below):
        (folder / "__init__.py").write_text("")
    for name in (*jit.COMPILING, "atomic.py", "locking.py"):
        shutil.copy(ROOT / "device_models" / name, below / name)
    (kernels / "inner.py").write_text(INNER.format(factor=2))
    (kernels / "outer.py").write_text(OUTER)
    return tmp_path


def call(small, code=CALL):
    """What the small package prints, in a process of its own; and its versions in the cache."""
    cache = small / "cache"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(small)}
    found = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        cwd=small,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.strip(), sorted(p.name for p in cache.iterdir())


def stamped(path, seconds):
    """Give a folder another age."""
    os.utime(path, (seconds, seconds))


# --- versions ------------------------------------------------------------------------------------


def test_a_kernel_notices_a_change_in_another_file(small):
    inner = small / "crossbar" / "snn" / "kernels" / "inner.py"
    answer, before = call(small)
    assert (answer, len(before)) == ("21", 1)
    assert call(small) == ("21", before)
    inner.write_text(INNER.format(factor=3))
    answer, after = call(small)
    assert answer == "31"
    assert len(after) == 2
    assert set(before) < set(after)


def test_versions_used_last_or_within_a_day_stay_and_nothing_else_is_touched(small):
    cache, others = small / "cache", {"estimators_0b7", "f" * 15}
    old, today = ([digit * 16 for digit in digits] for digits in ("01234", "6789"))
    for age, name in enumerate([*old, *others]):
        (cache / name).mkdir(parents=True)
        stamped(cache / name, 1_000_000_000 + age)
    for name in today:
        (cache / name).mkdir()
    _, found = call(small)
    (new,) = set(found) - {*today, *others}
    assert re.fullmatch("[0-9a-f]{16}", new)
    assert {*today, *others} <= set(found)


def test_the_versions_used_last_stay_however_old_they_are(small):
    cache = small / "cache"
    for age, digit in enumerate("01234"):
        (cache / (digit * 16)).mkdir(parents=True)
        stamped(cache / (digit * 16), 1_000_000_000 + age)
    _, found = call(small)
    assert set(found) >= {digit * 16 for digit in "234"}
    assert not set(found) & {digit * 16 for digit in "01"}


def test_what_was_compiled_is_told_of_a_file_and_of_a_folder(small):
    code = (
        "from device_models import jit; print(*map(jit.is_compiled, ['outer', 'kernels', 'other']))"
    )
    (small / "cache").mkdir()
    assert call(small, code)[0] == "False False False"
    call(small)
    assert call(small, code)[0] == "True True False"


def test_a_kernel_that_kernels_call_has_a_program_of_its_own_where_python_calls_it(small):
    call(small)
    kept = [path.name for path in (small / "cache").rglob("*.nbi")]
    assert [name.split(".")[0] for name in kept] == ["outer"]
    code = "from crossbar.snn.kernels.outer import run, factor; print(run(10), factor(10))"
    assert call(small, code)[0] == "21 20"
    kept = [path.name for path in (small / "cache").rglob("*.nbi")]
    assert sorted(name.split(".")[0] for name in kept) == ["inner", "outer"]


@pytest.mark.parametrize("is_enabled", [True, False])
def test_garbage_is_collected_again_after_a_kernel_was_compiled(is_enabled):
    during = []

    def probe():
        return 1

    @overload(probe)
    def _probe():
        during.append(gc.isenabled())
        return lambda: 1

    @numba.njit
    def kernel():
        return probe() + 1

    try:
        if not is_enabled:
            gc.disable()
        assert kernel() == 2
        assert (during, gc.isenabled()) == ([False], is_enabled)
    finally:
        gc.enable()


def test_a_digest_tells_content_place_and_version():
    cases = [({"a": b"x"}, "1"), ({"b": b"x"}, "1"), ({"a": b"x"}, "2"), ({"a": b"y"}, "1")]
    cases += [({"a": b"x", "b": b""}, "1"), ({"a": b"x\nb 0\n"}, "1")]
    assert len({jit.digest(*case) for case in cases}) == len(cases)
    assert jit.digest({"a": b"x"}, "1") == jit.digest({"a": b"x"}, "1")


# --- sources -------------------------------------------------------------------------------------


def test_every_file_with_a_kernel_is_a_source():
    decorated = re.compile(r"^@(\w+\.)?(jit|inlined|implements)\b", re.MULTILINE)
    found = {
        path.relative_to(ROOT).as_posix()
        for package in jit.PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if decorated.search(path.read_text("utf-8"))
    }
    assert found
    assert found <= set(jit.sources(ROOT))


def test_files_without_kernels_name_no_version():
    assert not {
        "crossbar/array/tile.py",
        "crossbar/snn/network.py",
        "device_models/streams.py",
    } & set(jit.sources(ROOT))


def test_all_of_a_folder_of_kernels_is_a_source(small):
    (small / "crossbar" / "snn" / "kernels" / "constants.py").write_text("TWO = 2\n")
    found = jit.sources(small)
    assert {f"crossbar/snn/kernels/{name}.py" for name in ("inner", "constants")} <= set(found)


OUTSIDE = """
import runpy
from pathlib import Path
from device_models import jit
folders = [jit.cache_folder()]
for text in ("x = 1", "x = 2", "x = 1"):
    Path("mine.py").write_text(text + "\\ndef f(): pass\\n")
    jit.add_source(runpy.run_path("mine.py")["f"])
    folders.append(jit.cache_folder())
print([folders.index(folder) for folder in folders])
"""


def test_a_kernel_outside_the_packages_names_the_folder_by_its_content(tmp_path):
    """Each content its own folder, and none of them that of the packages alone."""
    done = subprocess.run(
        [sys.executable, "-c", OUTSIDE], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[0, 1, 2, 1]"
