"""The output folder: free, of this run (finished or not), or of another run, which is not touched."""

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
from sentiment_hf.runs.identity import NEUTRAL, KnownRun
from sentiment_hf.runs.lock import refuse_locked
from sentiment_hf.runs.report import REPLACE, Report
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.training.checkpoints import checkpoints_newest_first, newest_whole_checkpoint, set_aside_damaged
from sentiment_hf.training.disk import require_writable

logger = logging.getLogger(__name__)


def finished_report(known: KnownRun) -> Report | None:
    """The report where the folder holds this run, finished and not to be replaced; else None. Nothing is changed.

    Raises:
        InputError: the folder holds files of something else, another run without --overwrite or --force_resume, or a
            run that another process is making now.
    """
    folder, options = known.folder, known.spec.run
    require_writable(folder)
    if not folder.exists() or {path.name for path in folder.iterdir()} <= BEGUN:
        return None
    if not (folder / IDENTITY).is_file():
        raise InputError(f"--output_dir {folder} is not empty and holds no run of this program; choose another folder")
    if options.overwrite or not has_results(folder):
        refuse_own_model(folder, known.spec)
    elif changed := changed_settings(folder, known.identity):
        refuse_other_run(folder, changed, options.force_resume)
    elif (folder / REPORT).is_file():
        return Report.load(folder, REPLACE)
    refuse_locked(folder)
    return None


def has_results(folder: Path) -> bool:
    """Whether there is a report or a checkpoint. A run that failed before its first checkpoint has neither."""
    return (folder / REPORT).is_file() or any(folder.glob("checkpoint-*"))


def refuse_own_model(folder: Path, spec: RunSpec) -> None:
    """Raises InputError where what would be replaced holds the checkpoint that the new run starts from."""
    start = spec.embed_with or spec.model
    for ref in (start, start.base):
        if ref and ref.folder and ref.folder.resolve().is_relative_to(folder.resolve()):
            raise InputError(
                f"{ref.flag} {ref.name} lies in --output_dir and would be deleted; choose another --output_dir"
            )


def changed_settings(folder: Path, identity: dict) -> list[str]:
    """The settings in which the run in the folder differs from `identity`, with both values.

    Settings that are neutral now are left out, because an older version may have written them down.
    """
    there = read_json(folder / IDENTITY, REPLACE)
    names = [name for name in {**there, **identity} if there.get(name) != identity.get(name) and name not in NEUTRAL]
    return [f"{name}: {there.get(name)!r} there, {identity.get(name)!r} here" for name in names]


def refuse_other_run(folder: Path, changed: list[str], force_resume: bool) -> None:
    """Raise InputError that names the first changed settings; with --force_resume, log them as a warning."""
    shown = ", ".join(changed[:4])
    if not force_resume:
        raise InputError(
            f"--output_dir {folder} holds another run ({shown}); choose another folder, give --overwrite to "
            "replace it, or --force_resume to go on from its last checkpoint nevertheless"
        )
    logger.warning("--force_resume: %s goes on with other settings (%s)", folder, shown)


def claim(known: KnownRun) -> Path | None:
    """Make the folder that of this run; the checkpoint to go on from, or None.

    Only the process that writes changes the folder, which it has `locked`. The other processes call this after it.
    """
    folder, options = known.folder, known.spec.run
    if known.writes:
        if options.overwrite or not has_results(folder):
            remove_run(folder)
        for name in (REPORT, BROKEN_BATCH):
            (folder / name).unlink(missing_ok=True)
        write_json(folder / IDENTITY, known.identity)
        set_aside_damaged(folder, options.checkpoint_verify)
    return newest_whole_checkpoint(folder, options.checkpoint_verify)


@contextmanager
def as_before_if_refused(folder: Path) -> Iterator[None]:
    """Write identity and report of the folder back where InputError is raised before a checkpoint was written.

    With --force_resume the checkpoint may refuse the new settings after `claim` has replaced these files.
    """
    checkpoints = checkpoints_newest_first(folder)
    kept = {path: path.read_text(encoding="utf-8") for name in (IDENTITY, REPORT) if (path := folder / name).is_file()}
    try:
        yield
    except InputError:
        if checkpoints_newest_first(folder) == checkpoints:
            for path, content in kept.items():
                write_text(path, content)
        raise


def remove_run(folder: Path) -> None:
    """Delete the files that a run writes; files with other names stay."""
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    code = [path.name for path in Path(custom_models.__file__).parent.glob("*.py")]
    for path in [path for name in (*RESULTS, *MODEL_FILES, *code) for path in folder.glob(name)]:
        path.unlink()
