"""A checkpoint counts when its manifest is there and true; the manifest is written last.

`Trainer` itself takes the newest folder, whole or not: killed while it saves, a run would be stuck, or go on with a
fresh optimizer.
"""

import hashlib
import json
import logging
import os
from pathlib import Path

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"


def write_manifest(folder: Path) -> None:
    """Size and SHA-256 of every file of a checkpoint, put in place in one step."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST]
    write_json(folder / MANIFEST, {str(path.relative_to(folder)): fingerprint(path) for path in files})


def newest_whole(output_dir: Path) -> Path | None:
    """The latest checkpoint whose files are what its manifest says; older ones are tried in turn."""
    folders = [path for path in output_dir.glob("checkpoint-*") if path.name.split("-")[1].isdigit()]
    for folder in sorted(folders, key=lambda path: int(path.name.split("-")[1]), reverse=True):
        if is_whole(folder):
            return folder
        logger.warning("%s is not whole (interrupted while saving, or damaged) and is left out", folder)
    return None


def is_whole(folder: Path) -> bool:
    """Every file of the manifest is there with its size and SHA-256."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return False
    try:
        expected = json.loads(manifest.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return all((folder / name).is_file() and fingerprint(folder / name) == found for name, found in expected.items())


def fingerprint(path: Path) -> dict:
    """Size in bytes and SHA-256."""
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def write_json(path: Path, content: dict) -> None:
    """Whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False))


def write_text(path: Path, content: str) -> None:
    """Whole or not at all: a reader never sees half a file."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
