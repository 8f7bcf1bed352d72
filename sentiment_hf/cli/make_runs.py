"""The runs of a comparison, their ensembles and the speed of each, made where they are not there yet."""

from pathlib import Path

from sentiment_hf.cli.compare import require_members
from sentiment_hf.common.errors import InputError, TrainingError
from sentiment_hf.common.layout import INFERENCE, REPORT
from sentiment_hf.comparison.plan.execute import execute
from sentiment_hf.comparison.plan.flags import CompareArguments
from sentiment_hf.comparison.plan.plan import PlannedRun, plan
from sentiment_hf.comparison.statistics.rows import TestRows, test_rows
from sentiment_hf.data.splits import Splits
from sentiment_hf.inference.make_ensemble import make_ensemble
from sentiment_hf.inference.speed import measure
from sentiment_hf.runs.finished import Run, load_runs
from sentiment_hf.settings.arguments import DataArguments


def make_runs(args: CompareArguments, data: DataArguments) -> tuple[list[Run], list[dict], Path, TestRows]:
    """All runs that ended well, what failed, the folder of all of them, and the test rows that `data` leads to.

    Raises:
        InputError: as `plan` and `test_rows`, before anything is trained.
        TrainingError: no run ended well.
        Interrupted: a signal came in a run.
    """
    planned, splits = plan(args)
    rows = test_rows(data, args.rows_file)
    folders, failed = make(args, planned, splits)
    runs = load_runs(folders, {run.name: args.models[run.model].settings for run in planned})
    return runs, failed, planned[0].folder.parent, rows


def make(args: CompareArguments, planned: list[PlannedRun], splits: Splits) -> tuple[list[Path], list[dict]]:
    """Runs, ensembles and their speeds, what is there excepted: the finished folders, and what failed."""
    failed = execute(planned)
    folders = [run.folder for run in planned if (run.folder / REPORT).is_file()]
    if not folders:
        raise TrainingError(f"no run ended well; the first said: {failed[0]['reason']}")
    ensembles, not_combined = combine(args.ensembles, planned, folders)
    full = max(run.train_rows for run in planned)
    first = [run.folder for run in planned if run.seed == 0 and run.train_rows == full and run.folder in folders]
    not_measured = measure_all([*first, *ensembles], splits.test["text"][:])
    return [*folders, *ensembles], [*failed, *not_combined, *not_measured]


def measure_all(folders: list[Path], texts: list[str]) -> list[dict]:
    """The speed of each finished run where it is not known; returns what could not be measured."""
    failed = []
    for folder in folders:
        if (folder / INFERENCE).is_file():
            continue
        try:
            found = measure(folder, texts)
        except TrainingError as error:
            failed.append({"name": f"speed of {folder.name}", "reason": str(error)})
        else:
            print(f"{folder.name}: {found['texts_per_second_one_core']:,.0f} texts/s on one core", flush=True)
    return failed


def combine(
    ensembles: dict[str, list[str]], planned: list[PlannedRun], finished: list[Path]
) -> tuple[list[Path], list[dict]]:
    """An ensemble for each seed that all its members finished on all rows: its folder, or why there is none."""
    folders, failed, full = [], [], max(run.train_rows for run in planned)
    runs = {(run.model, run.seed): run.folder for run in planned if run.train_rows == full and run.folder in finished}
    for name, members in ensembles.items():
        seeds = [seed for seed in sorted({seed for _, seed in runs}) if all((m, seed) in runs for m in members)]
        if not seeds:
            failed.append({"name": name, "reason": f"no seed was finished by all of {', '.join(members)}"})
        for seed in seeds:
            folder = planned[0].folder.parent / f"{name}-seed{seed}"
            try:
                make_ensemble([runs[member, seed] for member in members], str(folder), "weights", outdated(folder))
            except InputError as error:
                failed.append({"name": folder.name, "reason": str(error)})
            else:
                folders.append(folder)
    return folders, failed


def outdated(folder: Path) -> bool:
    """An ensemble is there, and a member was run again since."""
    try:
        require_members([folder])
    except InputError:
        return True
    return False
