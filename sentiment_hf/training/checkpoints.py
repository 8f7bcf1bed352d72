"""Manifests of checkpoints: which checkpoints are whole, which is the newest of these, and which are deleted.

The manifest lists the size and hash of every file of a checkpoint and is written last. A checkpoint is whole if its
files match its manifest. `Trainer` itself resumes from the newest folder, whole or not: after a kill during saving, it
would fail each time, or continue with a new optimizer.
"""

import json
import logging
import pickle
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accelerate import PartialState

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import flush_to_disk, size_and_hash, write_json
from sentiment_hf.common.layout import MANIFEST, TRAINER_STATE
from sentiment_hf.common.versions import versions
from sentiment_hf.training.device import device_in_words

logger = logging.getLogger(__name__)


def write_manifest(folder: Path, verify: str = "sha256") -> None:
    """Write the manifest of a checkpoint: the size of every file and, if `verify` is sha256, its SHA-256.

    All files are flushed to the disk before the manifest. After a power failure, no manifest lists a missing file.
    """
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST]
    for path in paths:
        flush_to_disk(path)
    files = {str(path.relative_to(folder)): size_and_hash(path, verify) for path in paths}
    device = device_in_words(PartialState().device)
    write_json(folder / MANIFEST, {"versions": versions(), "device": device, "files": files})
    flush_to_disk(folder.parent)


def newest_whole_checkpoint(output_dir: Path, verify: str = "sha256") -> Path | None:
    """The newest checkpoint that is whole, or None.

    Raises:
        InputError: `verify` is sha256, and a checkpoint was written with sizes only.
    """
    folders = checkpoints_newest_first(output_dir)
    return next((folder for folder in folders if why_unusable(folder, verify) is None), None)


def set_aside_damaged(output_dir: Path, verify: str = "sha256") -> None:
    """Rename each checkpoint newer than the newest whole one to checkpoint-N.invalid, and log the reason."""
    for folder in checkpoints_newest_first(output_dir):
        reason = why_unusable(folder, verify)
        if reason is None:
            return
        aside = folder.with_name(f"{folder.name}.invalid")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        logger.warning("%s is not whole (%s) and is now %s", folder, reason, aside.name)


def checkpoints_newest_first(output_dir: Path) -> list[Path]:
    """All folders checkpoint-N, the largest N first."""
    folders = [path for path in output_dir.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    return sorted(folders, key=checkpoint_step, reverse=True)


def checkpoint_at(output_dir: str, step: int) -> Path:
    """The folder of the checkpoint that `Trainer` writes after this step."""
    return Path(output_dir, f"checkpoint-{step}")


def checkpoint_step(folder: Path) -> int:
    """The number of steps in the folder's name: 7 for checkpoint-7."""
    return int(folder.name.split("-")[1])


def why_unusable(folder: Path, verify: str) -> str | None:
    """Why a run cannot resume from this checkpoint; None if it can.

    The best checkpoint so far must be whole too, because the run may load its weights at the end.
    """
    reason = why_not_whole(folder, verify)
    if reason:
        return reason
    try:
        best = best_checkpoint(folder)
    except (ValueError, TypeError, KeyError):
        return f"{TRAINER_STATE} is damaged"
    if best and best != folder:
        reason = why_not_whole(best, verify)
        return reason and f"the best checkpoint until then, {best.name}, is not: {reason}"
    return reason


def why_not_whole(folder: Path, verify: str) -> str | None:
    """The first difference between the files of a checkpoint and its manifest; None without a difference.

    Raises:
        InputError: `verify` is sha256, and the manifest holds sizes only.
    """
    if not (folder / MANIFEST).is_file():
        return f"interrupted before {MANIFEST} was written"
    try:
        listed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        expected = {name: (entry["bytes"], entry.get("sha256")) for name, entry in listed.items()}
        expected[TRAINER_STATE]
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"{MANIFEST} is damaged"
    for name, (size, digest) in expected.items():
        if not (folder / name).is_file():
            return f"{name} is missing"
        if verify == "sha256" and digest is None:
            raise InputError(f"{folder} was written by --checkpoint_verify size; give it again to go on from there")
        found = size_and_hash(folder / name, verify)
        if found["bytes"] != size:
            return f"{name} has {found['bytes']:,} bytes, not {size:,}"
        if found.get("sha256", digest) != digest:
            return f"{name} has other bytes than were written"
    return None


def best_checkpoint(folder: Path) -> Path | None:
    """The best checkpoint when `folder` was written. It lies beside `folder`, even if both were moved."""
    best = json.loads((folder / TRAINER_STATE).read_text(encoding="utf-8"))["best_model_checkpoint"]
    return folder.with_name(Path(best).name) if best else None


def warn_of_other_versions(folder: Path) -> None:
    """Log the packages and the device that changed since the checkpoint was written: the weights may differ."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    then, now = manifest["versions"], versions()
    changed = [f"{name} {then.get(name)} is now {now[name]}" for name in now if then.get(name) != now[name]]
    if changed:
        logger.warning("%s was written by other versions: %s", folder, ", ".join(changed))
    here = device_in_words(PartialState().device)
    if (there := manifest.get("device", here)) != here:
        logger.warning("%s was written on another device: %s; it goes on here: %s", folder, there, here)


def delete_old_checkpoints(output_dir: Path, limit: int | None, best: Path | None) -> None:
    """Keep `limit` checkpoints (None: all) and delete the oldest others. The newest and the best are always kept.

    `rotate_checkpoints` of transformers cannot be used: it counts checkpoint-N.invalid too.
    """
    folders = checkpoints_newest_first(output_dir)
    kept = folders[:1] + [folder for folder in folders[1:] if best and folder.name == best.name]
    others = [folder for folder in folders if folder not in kept]
    for folder in others[max(limit - len(kept), 0) :] if limit else []:
        shutil.rmtree(folder)


def delete_other_checkpoints(checkpoint: Path) -> None:
    """Delete all checkpoints in the same folder except this one."""
    for folder in checkpoints_newest_first(checkpoint.parent):
        if folder.name != checkpoint.name:
            shutil.rmtree(folder)


def delete_checkpoints(output_dir: Path) -> None:
    """Delete all checkpoints in the folder, which need not exist."""
    for folder in checkpoints_newest_first(output_dir):
        shutil.rmtree(folder)


@contextmanager
def pickles_refused(checkpoint: Path | None) -> Iterator[None]:
    """Raise InputError if a pickle in `checkpoint` contains more than numbers; torch does not load it."""
    try:
        yield
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{checkpoint} holds a pickle of more than numbers, which this program did not write and does not open; "
            "delete the checkpoint, and the same command goes on from the one before"
        ) from error
