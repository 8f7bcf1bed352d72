"""Atomic writes, JSON files with readable errors, and hashes of files."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sentiment_hf.common.errors import InputError


def size_and_hash(path: Path, verify: str = "sha256") -> dict:
    """The size of a file as `bytes` and, unless `verify` is "size", its hash as `sha256`."""
    size = {"bytes": path.stat().st_size}
    if verify == "size":
        return size
    with path.open("rb") as file:
        return size | {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def content_hash(path: Path) -> str:
    """SHA-256 of the content of a file, which is not read again as long as its size and its time are the same."""
    state = path.stat()
    return _hash_of(path, state.st_size, state.st_mtime_ns)


@cache
def _hash_of(path: Path, size: int, time: int) -> str:
    return size_and_hash(path)["sha256"]


def flush_to_disk(path: Path) -> None:
    """Wait until the content of a file, or the list of names of a folder, is on the disk (fsync)."""
    if os.name == "nt" and path.is_dir():
        # Windows opens no folder for fsync.
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, content: dict) -> None:
    """Write a JSON object atomically, as `atomic_write` describes."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False))


def write_text(path: Path, content: str) -> None:
    r"""Write a UTF-8 text file atomically, as `atomic_write` describes.

    A byte of a file name that is not UTF-8 is written as \udcXX, which JSON reads as the same name again.
    """
    with atomic_write(path) as temporary:
        temporary.write_bytes(content.encode("utf-8", "backslashreplace"))


@contextmanager
def atomic_write(path: Path, suffix: str = ".tmp") -> Iterator[Path]:
    """Yield a path that ends in `suffix` and replaces `path` after the block; `path` is never partly written.

    After an exception in the block `path` is unchanged. A pipe or a device cannot be replaced: `path` itself is
    yielded then.
    """
    if path.exists() and not path.is_file():
        # For example --output /dev/stdout.
        yield path
        return
    path = path.resolve()
    temporary = path.with_name(path.name + suffix)
    yield temporary
    flush_to_disk(temporary)
    temporary.replace(path)
    flush_to_disk(path.parent)


def files_hash(paths: Iterable[Path]) -> str:
    """SHA-256 over the names and contents of files, independent of their order.

    A model of the Hub is identified by its revision, not by files: `paths` is empty then.
    """
    files = sorted((path.name, size_and_hash(path)["sha256"]) for path in paths)
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def read_json(file: Path, remedy: str = "run that run again, or leave it out") -> dict:
    """The JSON object in `file`. Raises InputError if the file is damaged; `remedy` ends the message: what to do."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is damaged ({error}); {remedy}") from error
    if not isinstance(content, dict):
        raise InputError(f"{file} is damaged (expected a JSON object, found {content!r:.40}); {remedy}")
    return content
