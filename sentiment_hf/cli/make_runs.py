"""Makes the missing runs, ensembles and speed measurements of a comparison."""

from collections.abc import Sequence
from pathlib import Path

from sentiment_hf.cli.compare import require_unchanged_members
from sentiment_hf.common.errors import InputError, TrainingError
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.common.layout import ENSEMBLE_FILE, REPORT
from sentiment_hf.comparison.plan.execute import execute
from sentiment_hf.comparison.plan.flags import CompareArguments
from sentiment_hf.comparison.plan.plan import PlannedRun, plan
from sentiment_hf.comparison.statistics.rows import TestRows, test_rows
from sentiment_hf.data.splits import Splits
from sentiment_hf.inference.ensemble import load_ensemble
from sentiment_hf.inference.make_ensemble import make_ensemble
from sentiment_hf.inference.speed import is_measured_here, measure_speed
from sentiment_hf.runs.finished import Run, load_runs


def make_runs(args: CompareArguments) -> tuple[list[Run], list[dict], Path, TestRows]:
    """Make the planned runs. Returns the finished runs, the failures, their common folder, and the test rows.

    A failure is {"name": ..., "reason": ...}.

    Raises:
        InputError: as `plan`, before anything is trained.
        TrainingError: all runs failed.
        Interrupted: a signal stopped a run.
    """
    planned, splits, columns = plan(args)
    rows = test_rows(splits, columns)
    folders, failed = make_missing_runs(args, planned, splits)
    runs = load_runs(folders, {run.name: args.models[run.model].settings for run in planned})
    return runs, failed, planned[0].folder.parent, rows


def make_missing_runs(
    args: CompareArguments, planned: list[PlannedRun], splits: Splits
) -> tuple[list[Path], list[dict]]:
    """Make missing runs and ensembles and measure their speed; returns the finished folders and the failures."""
    failed = execute(planned, args.jobs)
    folders = [run.folder for run in planned if (run.folder / REPORT).is_file()]
    if not folders:
        raise TrainingError(f"all runs failed; the first error: {failed[0]['reason']}")
    ensembles, not_combined = make_ensembles(args.ensembles, planned, folders)
    full = max(run.train_rows for run in planned)
    first = [run.folder for run in planned if run.seed == 0 and run.train_rows == full and run.folder in folders]
    trusted = {run.folder.resolve() for run in planned if run.trust_remote_code}
    not_measured = measure_missing_speeds([*first, *ensembles], splits.test, trusted)
    return [*folders, *ensembles], [*failed, *not_combined, *not_measured]


def measure_missing_speeds(
    folders: list[Path], texts: Sequence[str] | LabelledTexts, trusted: set[Path]
) -> list[dict]:
    """Measure the speed of each run that was not measured on this machine; returns the failures.

    The code that comes with the models in `trusted` may be run, and with an ensemble that has one of them as a member.
    """
    failed = []
    for folder in folders:
        if is_measured_here(folder):
            continue
        allowed = not trusted.isdisjoint({folder.resolve(), *members_of(folder)})
        try:
            found = measure_speed(folder, texts, allowed)
        except TrainingError as error:
            failed.append({"name": f"speed of {folder.name}", "reason": str(error)})
        else:
            print(f"{folder.name}: {found['texts_per_second_one_core']:,.0f} texts/s on one core", flush=True)
    return failed


def members_of(folder: Path) -> list[Path]:
    """The folders of the members of the ensemble in `folder`, resolved; empty if it holds no ensemble."""
    return load_ensemble(folder).folders if (folder / ENSEMBLE_FILE).is_file() else []


def make_ensembles(
    ensembles: dict[str, list[str]], planned: list[PlannedRun], finished: list[Path]
) -> tuple[list[Path], list[dict]]:
    """Make each ensemble for each seed with which all its members were trained on all rows.

    `ensembles` maps the name of an ensemble to the names of its members. Returns the folders and the failures.
    """
    folders, failed, full = [], [], max(run.train_rows for run in planned)
    runs = {(run.model, run.seed): run.folder for run in planned if run.train_rows == full and run.folder in finished}
    for name, members in ensembles.items():
        seeds = [seed for seed in sorted({seed for _, seed in runs}) if all((m, seed) in runs for m in members)]
        if not seeds:
            failed.append(
                {"name": name, "reason": f"there is no seed with which all of {', '.join(members)} finished"}
            )
        for seed in seeds:
            folder = planned[0].folder.parent / f"{name}-seed{seed}"
            try:
                members_of_seed = [runs[member, seed] for member in members]
                make_ensemble(members_of_seed, str(folder), "weights", overwrite=ensemble_outdated(folder))
            except InputError as error:
                failed.append({"name": folder.name, "reason": str(error)})
            else:
                folders.append(folder)
    return folders, failed


def ensemble_outdated(folder: Path) -> bool:
    """True if `folder` holds an ensemble of which a member is missing or was run again since."""
    try:
        require_unchanged_members([folder])
    except InputError:
        return True
    return False
