"""The command compare: one page about finished runs, or about runs that it makes first."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment_hf.common.errors import TrainingError
from sentiment_hf.common.layout import ENSEMBLE_FILE, PAGE_HTML
from sentiment_hf.comparison.plan.flags import CompareArguments, parse_compare
from sentiment_hf.comparison.plan.refusals import data_of_folders, refuse_runs

if TYPE_CHECKING:
    from sentiment_hf.runs.finished import Run
    from sentiment_hf.tasks.task import Score

PAGE = "comparison"


def compare_main(argv: Sequence[str]) -> None:
    """Make missing runs, compare all finished runs, write the page, and print the table and the advice.

    Raises:
        TrainingError: some runs failed; the page is written.
        InputError, Interrupted: as `make_comparison`.
    """
    comparison, page, ranking = make_comparison(argv)
    lines = [*result_lines(comparison, ranking), "", *comparison["advice"]]
    print("\n".join(["", *lines, "", f"written to {page}"]))
    raise_failed(comparison)


def make_comparison(argv: Sequence[str]) -> tuple[dict, Path, "Score"]:
    """Make missing runs, compare all finished runs, and write the page. Returns results.json, the page and its score.

    Raises:
        InputError: as `parse_compare`, `refuse_runs` and `plan`; or the runs cannot be compared.
        TrainingError: all runs failed.
        Interrupted: a signal stopped a run.
    """
    args = parse_compare(argv)
    if args.folders:
        data = data_of_folders(args)
        runs, failed, output = finished_runs(args.folders), [], args.output_dir or Path()
    else:
        refuse_runs(args)
        # Raises InputError on Windows, where no run can be made.
        import sentiment_hf.runs.lock  # noqa: F401
    # Imported after the folders are accepted, because these import scikit-learn and `datasets`.
    from sentiment_hf.comparison.page.page import check_installed, write_page
    from sentiment_hf.comparison.statistics.results import compare
    from sentiment_hf.comparison.statistics.rows import test_rows
    from sentiment_hf.data.splits import load_test_columns

    check_installed()
    if args.explain:
        from sentiment_hf.explaining.integrated_gradients import require_captum

        require_captum()
    if args.folders:
        rows = test_rows(*load_test_columns(data, args.rows_file)) if data else None
    else:
        # Imported late, because it imports torch.
        from sentiment_hf.cli.make_runs import make_runs

        runs, failed, output, rows = make_runs(args)
    comparison = compare(runs, rows, args.grid, args.show_all_test)
    comparison["failed"] = [*failed, *measure_further(comparison, runs, args)]
    write_page(comparison, output / PAGE, args.texts and not any(run.report.no_texts for run in runs))
    return comparison, output / PAGE / PAGE_HTML, runs[0].task.ranking


def measure_further(comparison: dict, runs: list["Run"], args: CompareArguments) -> list[dict]:
    """Add to a comparison what --explain and --robustness measure; returns what failed."""
    failed = []
    if args.explain:
        from sentiment_hf.cli.measure_explanations import measured_explanations

        comparison["faithfulness"], not_measured = measured_explanations(comparison, runs, trusts_code(args))
        failed += not_measured
    if args.robustness:
        from sentiment_hf.cli.measure_robustness import measured_robustness

        comparison["robustness"], not_measured = measured_robustness(comparison, runs, trusts_code(args))
        failed += not_measured
    return failed


def trusts_code(args: CompareArguments) -> bool:
    """Whether the code that comes with a model may be run."""
    return any("--trust_remote_code" in args.words(one.flags) for one in args.models.values()) or (
        "--trust_remote_code" in args.words([])
    )


def raise_failed(comparison: dict) -> None:
    """Raise TrainingError if runs of a comparison failed."""
    if failed := comparison["failed"]:
        raise TrainingError(f"{len(failed)} failed: {', '.join(run['name'] for run in failed)}")


def finished_runs(folders: list[Path]) -> list["Run"]:
    """Load the runs in these folders; raises InputError if they cannot be compared."""
    # Imported after the flags are accepted, because it imports numpy and pyarrow.
    from sentiment_hf.runs.finished import load_runs

    require_unchanged_members(folders)
    return load_runs(folders)


def require_unchanged_members(folders: list[Path]) -> None:
    """Raise InputError if a member of an ensemble among the folders is missing or was run again."""
    from sentiment_hf.inference.ensemble import load_ensemble

    for folder in folders:
        if (folder / ENSEMBLE_FILE).is_file():
            load_ensemble(folder)


def result_lines(comparison: dict, ranking: "Score") -> list[str]:
    """One aligned line per model: validation and test score with its interval, seeds, training time, speed.

    Settings of a grid whose test score is not shown follow, with their validation scores.
    """
    from sentiment_hf.comparison.page.formatting import marked

    tested = {model["name"] for model in comparison["models"]}
    hidden = [model for model in comparison["settings"] if model["name"] not in tested]
    any_marked = any("side_by_side" in model for model in comparison["models"])
    width = max(len(model["name"]) for model in [*comparison["models"], *hidden])
    lines = []
    for model in comparison["models"]:
        score, speed = model[ranking.key], model["inference"]
        cells = [f"{model['name']:<{width}}  {on_validation(model, ranking)}"]
        cells += [f"test {ranking.shown(score['value']):>7} ({ranking.between(score)})"]
        cells += [f"{len(model['seeds'])} seed{'s' if len(model['seeds']) > 1 else ' '}"]
        minutes = f"{model['train_minutes']:7.1f} min" if model["train_minutes"] is not None else ""
        cells += [f"{marked(minutes, model):<{13 if any_marked else 11}}"]
        cells += [f"{speed['texts_per_second_one_core']:8,.0f} texts/s"] if speed else []
        lines.append("  ".join(cells).rstrip())
    return lines + [f"{model['name']:<{width}}  {on_validation(model, ranking)}" for model in hidden]


def on_validation(model: dict, ranking: "Score") -> str:
    """The validation score of a model as a cell of its line."""
    score = ranking.shown(model["validation"]["value"]) if model["validation"] else "unknown"
    return f"validation {score:>7}"
