"""Checks the output folder before a run and prepares it: empty, this run (finished or not), or another run."""

import logging
import shutil
from collections.abc import Iterator, Sequence
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
    REFIT,
    REPORT,
    RESULTS,
)
from sentiment_hf.runs.changes import changed_settings
from sentiment_hf.runs.identity import IdentifiedRun, has_results
from sentiment_hf.runs.lock import refuse_locked
from sentiment_hf.runs.report import REPLACE_REMEDY, Report
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.settings.checks import NEW_TOKENIZER_FLAGS
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.training.checkpoints import checkpoints_newest_first, newest_whole_checkpoint, set_aside_damaged
from sentiment_hf.training.disk import require_writable

logger = logging.getLogger(__name__)


def report_of_finished_run(identified: IdentifiedRun) -> Report | None:
    """The report of this run if the folder holds it finished and --overwrite is not given, else None.

    The folder is not changed.

    Raises:
        InputError: the folder holds other files, another run without --overwrite or --force_resume, or a run that
            another process is making now.
    """
    folder, options = identified.folder, identified.spec.run
    require_writable(folder)
    if not folder.exists() or {path.name for path in folder.iterdir()} <= BEGUN:
        return None
    if not (folder / IDENTITY).is_file():
        raise InputError(f"--output_dir {folder} is not empty and holds no run of this program; choose another folder")
    if options.overwrite or not has_results(folder):
        refuse_own_model(folder, identified.spec)
    elif changed := changed_settings(read_json(folder / IDENTITY, REPLACE_REMEDY), identified.identity):
        refuse_other_run(folder, changed, options.force_resume)
    elif (folder / REPORT).is_file():
        return Report.load(folder, REPLACE_REMEDY)
    refuse_locked(folder)
    return None


def refuse_own_model(folder: Path, spec: RunSpec) -> None:
    """Raise InputError if the checkpoint that the run starts from is in the folder whose files will be deleted."""
    start = spec.embed_with or spec.model
    for ref in (start, start.base):
        if ref and ref.folder and ref.folder.resolve().is_relative_to(folder.resolve()):
            raise InputError(
                f"{ref.flag} {ref.name} lies in --output_dir and would be deleted; choose another --output_dir"
            )


def refuse_other_run(folder: Path, changed: dict[str, str], force_resume: bool) -> None:
    """Raise InputError that names the first changed settings; with --force_resume, log them as a warning.

    With --force_resume, settings of a new tokenizer are refused: a resumed run reads that of its checkpoint.
    """
    shown = ", ".join(list(changed.values())[:4])
    if not force_resume:
        raise InputError(
            f"--output_dir {folder} holds another run ({shown}); choose another folder, give --overwrite to "
            "replace it, or --force_resume to go on from its last checkpoint nevertheless"
        )
    if tokens := [changed[name] for name in NEW_TOKENIZER_FLAGS if name in changed]:
        raise InputError(
            f"--force_resume goes on with the tokenizer of {folder}, and these flags shape a new one "
            f"({', '.join(tokens)}); leave them as they were, or give --overwrite to train anew"
        )
    logger.warning("--force_resume: %s goes on with other settings (%s)", folder, shown)


def checkpoint_to_resume(identified: IdentifiedRun) -> ModelRef | None:
    """The newest whole checkpoint in the folder, from which the run will go on, or None. The folder is not changed.

    Raises:
        InputError: the checkpoint knows other classes than the data, or in another order.
    """
    folder, options = identified.folder, identified.spec.run
    if options.overwrite or not identified.args.do_train:
        return None
    checkpoint = newest_whole_checkpoint(folder, options.checkpoint_verify)
    if checkpoint is None:
        return None
    ref = ModelRef.in_folder(
        checkpoint, flag="--output_dir", trust_remote_code=identified.spec.model.trust_remote_code
    )
    labels = identified.splits.task.labels
    if ref.labels not in (None, labels) and not ref.is_language_model:
        raise InputError(
            f"{checkpoint} knows the classes {shown_names(ref.labels)}, the data has {shown_names(labels)}; give the "
            "data these classes in this order, or --overwrite to train anew"
        )
    return ref


def shown_names(names: Sequence[str]) -> str:
    """The first names, for a message."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def claim_folder(identified: IdentifiedRun) -> Path | None:
    """Prepare the folder for this run. Returns the checkpoint to resume from, or None.

    Only the process that writes changes the folder; it must hold the lock. The other processes call this function
    after that process.
    """
    folder, options = identified.folder, identified.spec.run
    if identified.writes:
        if options.overwrite or not has_results(folder):
            remove_run(folder)
        for name in (REPORT, BROKEN_BATCH):
            (folder / name).unlink(missing_ok=True)
        write_json(folder / IDENTITY, identified.identity)
        set_aside_damaged(folder, options.checkpoint_verify)
    return newest_whole_checkpoint(folder, options.checkpoint_verify)


@contextmanager
def restored_if_refused(folder: Path) -> Iterator[None]:
    """Restore run.json and report.json in `folder` if the block raises InputError and wrote no checkpoint.

    With --force_resume, a checkpoint that does not fit the new settings is refused only after `claim_folder` has
    replaced these files.
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
    for written in [*folder.glob("checkpoint-*"), *folder.glob(REFIT)]:
        shutil.rmtree(written)
    code = [path.name for path in Path(custom_models.__file__).parent.glob("*.py")]
    for path in [path for name in (*RESULTS, *MODEL_FILES, *code) for path in folder.glob(name)]:
        path.unlink()
