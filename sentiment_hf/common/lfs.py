"""Git LFS pointers: a few lines that stand in place of a large file until `git lfs pull` has fetched it."""

from pathlib import Path

POINTER = b"version https://git-lfs.github.com/spec/"


def is_lfs_pointer(path: Path) -> bool:
    """Whether the file is a pointer, and not the file that it stands for."""
    with path.open("rb") as file:
        return file.read(len(POINTER)) == POINTER
