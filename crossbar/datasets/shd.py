"""Placeholder replaced below."""

from .files import FileSet

BUILT = "shd_equivalent.npz"
FILES = FileSet(title="SHD", folder="shd", md5={BUILT: ""}, url="", page="", download_bytes=0)
