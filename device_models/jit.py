"""How kernels are compiled: once per machine and version of their sources, kept in a user's cache.

Numba looks only at the file of a kernel itself to tell whether what it kept is still true. A kernel
takes the code and the constants of others along when it is compiled, so a change in another file
would meet stale code. The folder of compiled kernels is therefore named by the content of all
sources. Reading them (10 ms) is the one exception to the rule that importing a module reads no
file.
"""

import contextlib
import functools
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numba

from .atomic import can_be_written
from .kernel_compiler import for_callers

KERNEL = re.compile(rb"\bimport jit\b|\bjit import\b|\bdispatch import\b")  # in files of kernels
COMPILING = "jit.py", "kernel_compiler.py"  # how they are made
PACKAGES = ("crossbar", "device_models")  # they lie side by side, installed or not
_added: dict[Path, bytes] = {}  # sources outside the packages
_kernels: list[Any] = []  # compiled so far
VERSIONS = 4  # versions of the compiled kernels that stay: this one and those used last
DAY_SECONDS = 86_400.0
ADDED_VERSIONS = 8  # and of those compiled together with files outside the packages


def sources(root: Path) -> dict[str, bytes]:
    """Path and content of the files of `PACKAGES` that kernels are made from, sorted.

    They are `COMPILING`, the files that import `jit`, and all of a folder `kernels`. A constant
    that a kernel takes from elsewhere is not seen: it belongs into one of these.

    Args:
        root: Folder that holds the packages.
    """
    paths = sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))
    contents = {path: path.read_bytes() for path in paths}
    return {
        path.relative_to(root).as_posix(): content
        for path, content in contents.items()
        if "kernels" in path.relative_to(root).parts
        or path.name in COMPILING
        or KERNEL.search(content)
    }


def digest(contents: Mapping[str, bytes], version: str) -> str:
    """Sixteen hexadecimal digits that name the content of some files and a version of numba."""
    sha = hashlib.sha256(version.encode())
    for name, content in sorted(contents.items()):
        sha.update(f"\n{name} {len(content)}\n".encode() + content)
    return sha.hexdigest()[:16]


@functools.cache
def package_sources() -> dict[str, bytes]:
    """The sources as they were when the first kernel of this process was made."""
    return sources(Path(__file__).parents[1])


@functools.cache
def package_digest() -> str:
    """The digest of the sources."""
    return digest(package_sources(), numba.__version__)


def add_source(function: Callable[..., Any]) -> None:
    """Let the file of a kernel outside the packages name the folder of compiled kernels too.

    What was compiled with an older version of it lies in another folder from now on.

    Args:
        function: The kernel.
    """
    path = Path(function.__code__.co_filename)
    root = Path(__file__).parents[1]
    if any(path.is_relative_to(root / package) for package in PACKAGES):
        return
    content = path.read_bytes() if path.is_file() else function.__code__.co_code
    if _added.get(path) == content:
        return
    _added[path] = content
    numba.config.CACHE_DIR = str(cache_folder())  # type: ignore[attr-defined]  # made at run time
    for kernel in _kernels:
        kernel.enable_caching()


def wanted_folder() -> Path | None:
    """`$NUMBA_CACHE_DIR`, else `xbar/kernels` in the user's cache; None for a user without home."""
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(given)
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    return base / "xbar" / "kernels"


def base_folder() -> Path:
    """`wanted_folder`, or one among the temporary files where nothing can be written there."""
    return _usable(wanted_folder())


@functools.cache
def _usable(wanted: Path | None) -> Path:
    """See `base_folder`; says once where the kernels go instead."""
    if wanted is not None and can_be_written(wanted):
        return wanted
    folder = _temporary_folder()
    place = "this user has no home" if wanted is None else f"{wanted} cannot be written"
    warnings.warn(
        f"{place}: kernels are kept in {folder}; set NUMBA_CACHE_DIR to a folder that lasts",
        RuntimeWarning,
        stacklevel=1,
    )
    return folder


def _temporary_folder() -> Path:
    """A folder for kernels that is this user's alone: who can write there can run code here."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"xbar-kernels-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        about = folder.lstat()
        if stat.S_ISDIR(about.st_mode) and about.st_uid == user and not about.st_mode & 0o077:
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="xbar-kernels-"))


def cache_folder() -> Path:
    """Folder of the kernels compiled from these very sources, inside `base_folder`.

    What was compiled together with files outside the packages has a folder inside that one.
    """
    folder = base_folder() / package_digest()
    if not _added:
        return folder
    files = sorted((path.name, content) for path, content in _added.items())
    numbered = {f"{i} {name}": content for i, (name, content) in enumerate(files)}
    return folder / digest(numbered, numba.__version__)  # two files may share a name


def forget_old(base: Path, keep: int) -> None:
    """Delete all but the `keep` versions in `base` that were used last, see `_compile`.

    One that was used within a day stays: several may be at work at once. Nothing else is touched.
    """
    if not base.is_dir():
        return
    versions = [p for p in base.iterdir() if re.fullmatch("[0-9a-f]{16}", p.name) and p.is_dir()]
    versions.sort(key=lambda path: path.stat().st_mtime)
    for path in versions[: max(0, len(versions) - keep)]:
        if time.time() - path.stat().st_mtime > DAY_SECONDS:
            shutil.rmtree(path, ignore_errors=True)  # another process may be deleting it too


@functools.cache
def _note_use(folder: Path) -> None:
    """Let the time of a version's folder be that of its last use, once a process."""
    with contextlib.suppress(OSError):
        os.utime(folder)


def _compile(function: Callable[..., Any], *, inline: bool) -> Callable[..., Any]:
    """What `jit` and `inlined` share."""
    folder = cache_folder()
    if not (base_folder() / package_digest()).is_dir():
        forget_old(base_folder(), VERSIONS - 1)
    if _added and not folder.is_dir():
        forget_old(folder.parent, ADDED_VERSIONS - 1)
    if folder.is_dir():
        _note_use(folder)
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]  # made at run time
    fast = {"nsz", "arcp", "contract", "afn", "reassoc"}
    options: Any = {"fastmath": fast, "error_model": "numpy", "forceinline": inline}
    compiled: Any = numba.njit(nogil=True, cache=True, **options)(function)
    part = numba.njit(**for_callers(**options))(function)  # what other kernels call
    compiled.get_call_template, compiled.get_overload = part.get_call_template, part.get_overload
    _kernels.append(compiled)
    return compiled  # type: ignore[no-any-return]


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile for the machine: releases the interpreter lock, reorders sums, keeps nan and inf.

    Sums are reordered by the compiler only (SIMD lanes), never by threads, so results do not depend
    on the number of threads. `nnan` and `ninf` stay off: a comparison with nan must remain false.
    """
    return _compile(function, inline=False)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """`jit` for the inside of a loop: its code becomes that of every kernel that calls it.

    The compiler may find a kernel too large to put it in place; a call spills every register.
    """
    return _compile(function, inline=True)


def is_compiled(stem: str) -> bool:
    """Whether kernels of the file `stem`.py, or of a folder `stem`, were compiled here before."""
    folder = cache_folder()
    return any(folder.glob(f"*/{stem}.*.nbi")) or any(folder.glob(f"{stem}_*/*.nbi"))
