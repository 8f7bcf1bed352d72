"""The command compare: finished runs, or runs that are made first, to one page."""

from collections.abc import Sequence
from pathlib import Path

from sentiment_hf.common.errors import InputError, TrainingError
from sentiment_hf.common.layout import ENSEMBLE_FILE, INFERENCE, REPORT
from sentiment_hf.comparison.page.page import HTML, check_installed, write_page
from sentiment_hf.comparison.plan.execute import execute
from sentiment_hf.comparison.plan.flags import CompareArguments, parse
from sentiment_hf.comparison.plan.plan import Planned, plan
from sentiment_hf.comparison.statistics.results import compare
from sentiment_hf.comparison.statistics.rows import TestRows, test_rows
from sentiment_hf.data import Splits
from sentiment_hf.inference.ensemble import load_ensemble
from sentiment_hf.inference.make_ensemble import make_ensemble
from sentiment_hf.inference.speed import measure
from sentiment_hf.runs.finished import load_runs
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.tasks.task import Score

PAGE = "comparison"


def compare_main(argv: Sequence[str]) -> None:
    """Make what is missing, compare all that is finished, write the page and print the advice.

    Raises:
        InputError: as `parse` and `plan`; or the folders hold no runs that can be compared.
        TrainingError: the page is written, but some runs failed.
        Interrupted: a signal came in a run.
    """
    args = parse(argv)
    check_installed()
    if args.folders:
        require_members(args.folders)
        runs, failed, output = load_runs(args.folders), [], args.output_dir or Path()
        rows = rows_of(args) if args.words([]) or args.rows_file else None
    else:
        planned, splits = plan(args)
        output, rows = planned[0].folder.parent, rows_of(args)
        folders, failed = make(args, planned, splits)
        runs = load_runs(folders, {run.name: args.models[run.model].settings for run in planned})
    comparison = compare(runs, rows) | {"grid": args.grid, "failed": failed}
    write_page(comparison, output / PAGE, args.texts)
    said = [*table(comparison, runs[0].task.ranking), "", *comparison["advice"]]
    print("\n".join(["", *said, "", f"written to {output / PAGE / HTML}"]))
    if failed:
        raise TrainingError(f"{len(failed)} failed: {', '.join(run['name'] for run in failed)}")


def make(args: CompareArguments, planned: list[Planned], splits: Splits) -> tuple[list[Path], list[dict]]:
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


def require_members(folders: list[Path]) -> None:
    """Ensembles among the folders are of their members as these are now; raises InputError."""
    for folder in folders:
        if (folder / ENSEMBLE_FILE).is_file():
            load_ensemble(folder)


def rows_of(args: CompareArguments) -> TestRows:
    """The test rows that the data flags name; other flags among them are those of the runs."""
    flags = next(iter(args.models.values())).flags if args.models else ["--model", "baseline-majority"]
    return test_rows(parse_run(args.words(flags)).data, args.rows_file)


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
    ensembles: dict[str, list[str]], planned: list[Planned], finished: list[Path]
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


def table(comparison: dict, ranking: Score) -> list[str]:
    """The score that ranks with its interval, training time and speed of each model, aligned."""
    width = max(len(model["name"]) for model in comparison["models"])
    lines = []
    for model in comparison["models"]:
        score, speed = model[ranking.key], model["inference"]
        cells = [f"{model['name']:<{width}}  {ranking.shown(score['value']):>7}  ({ranking.between(score)})"]
        cells += [f"{len(model['seeds'])} seed{'s' if len(model['seeds']) > 1 else ' '}"]
        cells += [f"{model['train_minutes']:7.1f} min" if model["train_minutes"] is not None else " " * 11]
        cells += [f"{speed['texts_per_second_one_core']:8,.0f} texts/s"] if speed else []
        lines.append("  ".join(cells).rstrip())
    return lines
