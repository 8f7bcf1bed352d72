"""Links in a folder that came from elsewhere: each can lead to any file of this machine."""

from collections.abc import Iterable
from pathlib import Path

from sentiment_hf.common.errors import InputError


def require_inside(paths: Iterable[Path], folder: Path) -> None:
    """Raises InputError where one of them, by a link or by its name, lies outside of the folder."""
    home = folder.resolve()
    for path in paths:
        if not path.resolve().is_relative_to(home):
            what = f"is a link to {path.resolve()}," if path.is_symlink() else "is named by the folder and lies"
            raise InputError(f"{path} {what} outside of {folder}; put a copy in its place")


def links_in(folder: Path) -> list[Path]:
    """Files and folders that are links and lead somewhere; a folder behind a link is not looked into."""
    return [path for path in sorted(folder.rglob("*")) if path.is_symlink() and path.exists()]
