"""Checks of symbolic links. A link in a downloaded folder can point to any file of this machine."""

from collections.abc import Iterable
from pathlib import Path

from sentiment_hf.common.errors import InputError


def require_inside(paths: Iterable[Path], folder: Path) -> None:
    """Raise InputError if one of `paths`, after links and `..` are resolved, is outside of `folder`.

    In the cache of the Hub, a snapshot links to the folder `blobs` beside `snapshots`, which is allowed.
    """
    home = folder.resolve()
    allowed = [home, *(around.parent / "blobs" for around in home.parents if around.name == "snapshots")]
    for path in paths:
        real = path.resolve()
        if not any(real.is_relative_to(place) for place in allowed):
            what = f"is a link to {real}," if path.is_symlink() else "is named by the folder and lies"
            raise InputError(f"{path} {what} outside of {folder}; put a copy in its place")


def links_in(folder: Path) -> list[Path]:
    """All links below `folder` whose target exists, sorted; folders behind a link are not searched."""
    return [path for path in sorted(folder.rglob("*")) if path.is_symlink() and path.exists()]
