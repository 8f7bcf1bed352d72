"""Whose the output folder is: nobody's, this run's (finished or not), or another's, which stays."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import custom_models
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import read_json, write_json, write_text
from sentiment_hf.common.layout import (
    BEGUN,
    BROKEN_BATCH,
    IDENTITY,
    MODEL_FILES,
    REPORT,
    RESULTS,
)
from sentiment_hf.runs.identity import NEUTRAL
from sentiment_hf.runs.lock import refuse_locked
from sentiment_hf.runs.report import Report
from sentiment_hf.settings.arguments import RunArguments, RunSpec
from sentiment_hf.training.checkpoints import checkpoints_newest_first, newest_whole_checkpoint, set_aside_damaged
from sentiment_hf.training.disk import require_writable

logger = logging.getLogger(__name__)

# The way on from a folder that cannot be read.
REPLACE = "choose another folder, or give --overwrite"


def finished_report(folder: Path, this_run: dict, spec: RunSpec) -> Report | None:
    """The report, which is written last, where this run is finished and not to be replaced; nothing is changed.

    Raises:
        InputError: the folder holds something that is no run, or another run without --overwrite or --force_resume,
            or a run that is going on right now.
    """
    require_writable(folder)
    if not folder.exists() or {path.name for path in folder.iterdir()} <= BEGUN:
        return None
    if not (folder / IDENTITY).is_file():
        raise InputError(f"--output_dir {folder} is not empty and holds no run of this program; choose another folder")
    if spec.run.overwrite or not has_results(folder):
        refuse_own_model(folder, spec)
    elif changed := changes(folder, this_run):
        refuse_other_run(folder, changed, spec.run.force_resume)
    elif (folder / REPORT).is_file():
        return Report.load(folder, REPLACE)
    refuse_locked(folder)
    return None


def has_results(folder: Path) -> bool:
    """A run that failed before its first checkpoint has none: there is nothing to keep and nothing to go on from."""
    return (folder / REPORT).is_file() or any(folder.glob("checkpoint-*"))


def refuse_own_model(folder: Path, spec: RunSpec) -> None:
    """Raises InputError where what would be replaced holds the checkpoint that the new run starts from."""
    start = spec.embed_with or spec.model
    for ref in (start, start.base):
        if ref and ref.folder and ref.folder.resolve().is_relative_to(folder.resolve()):
            raise InputError(
                f"{ref.flag} {ref.name} lies in --output_dir and would be deleted; choose another --output_dir"
            )


def changes(folder: Path, this_run: dict) -> list[str]:
    """How the run in the folder differs from this one; an older version may have written down what is neutral now."""
    there = read_json(folder / IDENTITY, REPLACE)
    names = [name for name in {**there, **this_run} if there.get(name) != this_run.get(name) and name not in NEUTRAL]
    return [f"{name}: {there.get(name)!r} there, {this_run.get(name)!r} here" for name in names]


def refuse_other_run(folder: Path, changed: list[str], force_resume: bool) -> None:
    """What has changed is said, and is the end of it unless --force_resume."""
    shown = ", ".join(changed[:4])
    if not force_resume:
        raise InputError(
            f"--output_dir {folder} holds another run ({shown}); choose another folder, give --overwrite to "
            "replace it, or --force_resume to go on from its last checkpoint nevertheless"
        )
    logger.warning("--force_resume: %s goes on with other settings (%s)", folder, shown)


def claim(folder: Path, this_run: dict, args: RunArguments, writes: bool) -> Path | None:
    """Make the folder this run's, and return the checkpoint to go on from, if there is one.

    `writes` is true in one process only, which has `locked` the folder; the others look on after it is done.
    """
    if writes:
        if args.overwrite or not has_results(folder):
            clear(folder)
        for name in (REPORT, BROKEN_BATCH):
            (folder / name).unlink(missing_ok=True)
        write_json(folder / IDENTITY, this_run)
        set_aside_damaged(folder, args.checkpoint_verify)
    return newest_whole_checkpoint(folder, args.checkpoint_verify)


@contextmanager
def as_before_if_refused(folder: Path) -> Iterator[None]:
    """What a folder says of its run stays where --force_resume is refused by the checkpoint that it goes on from."""
    checkpoints = checkpoints_newest_first(folder)
    kept = {path: path.read_text(encoding="utf-8") for name in (IDENTITY, REPORT) if (path := folder / name).is_file()}
    try:
        yield
    except InputError:
        if checkpoints_newest_first(folder) == checkpoints:
            for path, content in kept.items():
                write_text(path, content)
        raise


def clear(folder: Path) -> None:
    """Remove all that a run of ours writes; files of anyone else stay."""
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    code = [path.name for path in Path(custom_models.__file__).parent.glob("*.py")]
    for path in [path for name in (*RESULTS, *MODEL_FILES, *code) for path in folder.glob(name)]:
        path.unlink()
