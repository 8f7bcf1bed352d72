"""Read a folder that has a folder of texts for each class, such as a part of aclImdb."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from sentiment_hf.common.errors import InputError
from sentiment_hf.data.encodings import read_utf8
from sentiment_hf.data.folders import by_number, first_of, say_left_out
from sentiment_hf.data.table import Table

logger = logging.getLogger(__name__)

TEXT_SUFFIXES = (".txt", ".text", ".md")

# Files that describe a folder or the program that wrote it.
ABOUT = {"readme", "license", "licence", "success"}

# The folder of aclImdb whose texts have no class.
NO_CLASS = "unsup"


def is_text(name: str) -> bool:
    """Whether the name of a file is that of a text: with a usual suffix, with a number instead, or without any."""
    path = PurePosixPath(name)
    suffix = path.suffix.lower()
    return path.stem.lower().strip("_") not in ABOUT and (suffix in (*TEXT_SUFFIXES, "") or suffix[1:].isdecimal())


def has_texts(names: Iterable[str]) -> bool:
    """Whether texts lie in folders: one with a usual suffix, or any if no file has another suffix."""
    texts = [name for name in names if "/" in name]
    usual = any(is_text(name) and PurePosixPath(name).suffix.lower() in TEXT_SUFFIXES for name in texts)
    return usual or (bool(texts) and all(is_text(name) for name in texts))


def read_class_folders(folder: Path, names: Sequence[str]) -> Table:
    """A row per text among `names`, which are paths from `folder`: CLASS/0.txt, CLASS/more/1.txt.

    The first folder is the class. Classes are sorted by name, texts by the numbers in their paths. Other files are
    left out with a warning, and so are the texts of `unsup`.

    Raises:
        InputError: there are no such texts, or none lies in the folder of its class itself.
    """
    classed = [name for name in names if "/" in name and not name.startswith(f"{NO_CLASS}/")]
    texts = sorted(filter(is_text, classed), key=lambda name: (name.partition("/")[0], by_number(name)))
    deeper = [name for name in texts if name.count("/") > 1]
    if not texts:
        found = f"found only {first_of(names)}" if names else "found none"
        raise InputError(f"{folder}: expected one folder of .txt files per class, as in {folder}/neg/0.txt; {found}.")
    if len(deeper) == len(texts):
        raise InputError(
            f"{folder}: expected one folder of .txt files per class, as in {folder}/neg/0.txt; the texts lie deeper, "
            f"as in {texts[0]}. Name the folder that holds the folders of the classes."
        )
    say_left_out(str(folder), "files that are no text of a class", sorted({*names} - {*texts}, key=by_number))
    if deeper:
        logger.warning(
            "%s: %d texts in folders below those of the classes are read too (%s)",
            folder,
            len(deeper),
            first_of(deeper),
        )
    paths = [folder / name for name in texts]
    columns = {"text": [read_utf8(path) for path in paths], "label": [name.partition("/")[0] for name in texts]}
    return Table(str(folder), columns, lambda index: str(paths[index]))
