"""A checkpoint counts when its manifest is there and true; the manifest is written last.

`Trainer` itself takes the newest folder, whole or not: killed while it saves, a run would be stuck, or go on with a
fresh optimizer.
"""

import json
import logging
import pickle
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import fingerprint, sync, write_json
from sentiment_hf.common.layout import MANIFEST, TRAINER_STATE
from sentiment_hf.common.versions import versions

logger = logging.getLogger(__name__)


def write_manifest(folder: Path, verify: str = "sha256") -> None:
    """Size and, by `verify`, SHA-256 of every file of a checkpoint, put in place in one step.

    The files are on the disk before it is: a machine that loses power leaves no manifest of files that are not there.
    """
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST]
    for path in paths:
        sync(path)
    files = {str(path.relative_to(folder)): fingerprint(path, verify) for path in paths}
    write_json(folder / MANIFEST, {"versions": versions(), "files": files})
    sync(folder.parent)


def newest_whole(output_dir: Path, verify: str = "sha256") -> Path | None:
    """The latest checkpoint whose files are what its manifest says; older ones are tried in turn.

    Raises:
        InputError: `verify` is sha256, and the newest checkpoint was written with sizes only.
    """
    return next((folder for folder in newest_first(output_dir) if damage(folder, verify) is None), None)


def set_aside(output_dir: Path, verify: str = "sha256") -> None:
    """Rename what is newer than the newest whole checkpoint to checkpoint-N.invalid, and say why."""
    for folder in newest_first(output_dir):
        reason = damage(folder, verify)
        if reason is None:
            return
        aside = folder.with_name(f"{folder.name}.invalid")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        logger.warning("%s is not whole (%s) and is now %s", folder, reason, aside.name)


def newest_first(output_dir: Path) -> list[Path]:
    """All checkpoint-N, by number."""
    folders = [path for path in output_dir.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    return sorted(folders, key=step_of, reverse=True)


def step_of(folder: Path) -> int:
    """7 of checkpoint-7"""
    return int(folder.name.split("-")[1])


def damage(folder: Path, verify: str) -> str | None:
    """What is wrong with the checkpoint, or with the best one, which the run may end with; None if both are whole."""
    reason = own_damage(folder, verify)
    if reason:
        return reason
    try:
        best = best_of(folder)
    except (ValueError, TypeError, KeyError):
        return f"{TRAINER_STATE} is damaged"
    if best and best != folder:
        reason = own_damage(best, verify)
        return reason and f"the best checkpoint until then, {best.name}, is not: {reason}"
    return reason


def own_damage(folder: Path, verify: str) -> str | None:
    """The first file that is not as the manifest says."""
    if not (folder / MANIFEST).is_file():
        return f"interrupted before {MANIFEST} was written"
    try:
        listed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        expected = {name: (known["bytes"], known.get("sha256")) for name, known in listed.items()}
        expected[TRAINER_STATE]
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"{MANIFEST} is damaged"
    for name, (size, digest) in expected.items():
        if not (folder / name).is_file():
            return f"{name} is missing"
        if verify == "sha256" and digest is None:
            raise InputError(f"{folder} was written by --checkpoint_verify size; give it again to go on from there")
        found = fingerprint(folder / name, verify)
        if found["bytes"] != size:
            return f"{name} has {found['bytes']:,} bytes, not {size:,}"
        if found.get("sha256", digest) != digest:
            return f"{name} has other bytes than were written"
    return None


def best_of(folder: Path) -> Path | None:
    """The best checkpoint until this one, which lies beside it wherever both were moved to."""
    best = json.loads((folder / TRAINER_STATE).read_text(encoding="utf-8"))["best_model_checkpoint"]
    return folder.with_name(Path(best).name) if best else None


def warn_of_versions(folder: Path) -> None:
    """The weights need not come out the same where the packages are not."""
    there, here = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["versions"], versions()
    changed = [f"{name} {there.get(name)} is now {here[name]}" for name in here if there.get(name) != here[name]]
    if changed:
        logger.warning("%s was written by other versions: %s", folder, ", ".join(changed))


def rotate(output_dir: Path, limit: int | None, best: Path | None) -> None:
    """Delete the oldest checkpoints but for `limit` (None: all stay), the newest, and the best.

    `rotate_checkpoints` of transformers counts what was set aside among them.
    """
    folders = newest_first(output_dir)
    kept = folders[:1] + [folder for folder in folders[1:] if best and folder.name == best.name]
    others = [folder for folder in folders if folder not in kept]
    for folder in others[max(limit - len(kept), 0) :] if limit else []:
        shutil.rmtree(folder)


def keep_alone(checkpoint: Path) -> None:
    """Delete all others beside it."""
    for folder in newest_first(checkpoint.parent):
        if folder.name != checkpoint.name:
            shutil.rmtree(folder)


@contextmanager
def pickles_refused(checkpoint: Path | None) -> Iterator[None]:
    """torch opens no pickle that calls anything; raises InputError, which says where it lies."""
    try:
        yield
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{checkpoint} holds a pickle of more than numbers, which this program did not write and does not open; "
            "delete the checkpoint, and the same command goes on from the one before"
        ) from error
