"""The files of a folder that may be data. What is left out is said, and a link to a file elsewhere is refused."""

import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.layout import OUTPUT_MARKS
from sentiment_hf.common.links import require_inside

logger = logging.getLogger(__name__)

# Files and folders that systems and programs leave everywhere; they are not worth a word.
LITTER = ("._*", ".DS_Store", ".git*", ".cache", ".venv", "__MACOSX", "__pycache__", "desktop.ini", "Thumbs.db")
LITTER += ("~$*", ".~lock.*")

# Folders of programs that log a run.
LOGS = {"wandb", "mlruns"}

# What is left out, in the words of the warning.
HIDDEN, OUTPUT = "hidden files or folders", "folders with a model, a run or a comparison"
NOWHERE = "links that lead nowhere"


def files_in(folder: Path) -> list[str]:
    """The files below `folder` that may be data: their paths from there, with slashes, in the order of their numbers.

    Hidden files and the output of this program are left out with a warning. Links to folders are followed.

    Raises:
        InputError: a link leads out of the folder, or a folder cannot be read.
    """
    left: dict[str, list[str]] = defaultdict(list)
    try:
        paths = list(_walk(folder, folder, (), left))
    except OSError as error:
        raise InputError(f"{folder}: its files cannot be listed ({error})") from error
    for what, others in left.items():
        say_left_out(str(folder), what, [path.relative_to(folder).as_posix() for path in others])
    return sorted((path.relative_to(folder).as_posix() for path in paths), key=by_number)


def _walk(folder: Path, home: Path, above: tuple[str, ...], left: dict[str, list[Path]]) -> Iterator[Path]:
    """The files below `folder`. `above` are the real paths of the folders around it, which a link may lead back to."""
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    names = {entry.name for entry in entries}
    if above and (folder.name in LOGS or any(marks <= names for marks in OUTPUT_MARKS)):
        left[OUTPUT].append(folder)
        return
    real = os.path.realpath(folder)
    for entry in entries:
        path = folder / entry.name
        if any(fnmatch(entry.name, litter) for litter in LITTER):
            continue
        if entry.name.startswith("."):
            left[HIDDEN].append(path)
            continue
        if entry.is_symlink():
            if not path.exists():
                left[NOWHERE].append(path)
                continue
            require_inside([path], home)
        if entry.is_file():
            yield path
        elif entry.is_dir() and os.path.realpath(path) not in (*above, real):
            yield from _walk(path, home, (*above, real), left)


def say_left_out(source: str, what: str, names: Sequence[str]) -> None:
    """Warn that these files or parts of `source` are not read; nothing is said of an empty list."""
    if names:
        logger.warning("%s: left out %s: %d (%s)", source, what, len(names), first_of(names))


def first_of(names: Sequence[str], most: int = 3, characters: int = 200) -> str:
    """The first names for a message, at most so many characters of them, and dots for the rest."""
    shown = ", ".join([*names[:most], *(["..."] if len(names) > most else [])])
    return shown if len(shown) <= characters else f"{shown[:characters]}..."


def by_number(name: str) -> list[tuple[int, str]]:
    """A key by which "2.txt" comes before "10.txt"."""
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", name)]
