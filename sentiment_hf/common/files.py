"""Files that are written whole or not at all, read with an explained error, and known by size and hash."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sentiment_hf.common.errors import InputError


def fingerprint(path: Path, verify: str = "sha256") -> dict:
    """Size in bytes and, unless `verify` is size, SHA-256."""
    size = {"bytes": path.stat().st_size}
    if verify == "size":
        return size
    with path.open("rb") as file:
        return size | {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def sync(path: Path) -> None:
    """A file, or the names in a folder, from the memory of the operating system to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, content: dict) -> None:
    """Whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False))


def write_text(path: Path, content: str) -> None:
    """Whole or not at all."""
    with whole(path) as temporary:
        temporary.write_text(content, encoding="utf-8")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary file to write to, which then takes the place of `path`: a reader never sees half a file."""
    if path.exists() and not path.is_file():
        # A pipe or a terminal, as /dev/stdout may be: nothing can take its place.
        yield path
        return
    path = path.resolve()
    temporary = path.with_name(path.name + ".tmp")
    yield temporary
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def files_hash(paths: Iterable[Path]) -> str:
    """SHA-256 over names and contents. A model of the Hub has no files here: its revision says which it is."""
    files = sorted((path.name, fingerprint(path)["sha256"]) for path in paths)
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def read_json(file: Path, way_on: str = "run that run again, or leave it out") -> dict:
    """The object in a file; raises InputError, which ends in the way on, where it is damaged."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file} is damaged ({error}); {way_on}") from error
