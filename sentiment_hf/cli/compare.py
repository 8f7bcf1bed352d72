"""The command compare: finished runs, or runs that are made first, to one page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment_hf.common.errors import TrainingError
from sentiment_hf.common.layout import ENSEMBLE_FILE
from sentiment_hf.comparison.plan.flags import parse_compare
from sentiment_hf.comparison.plan.refusals import accepted_data

if TYPE_CHECKING:
    from sentiment_hf.runs.finished import Run
    from sentiment_hf.tasks.task import Score

PAGE = "comparison"


def compare_main(argv: Sequence[str]) -> None:
    """Make what is missing, compare all that is finished, write the page and print the advice.

    Raises:
        InputError: as `parse_compare`, `accepted_data` and `plan`; or the folders hold no runs that can be compared.
        TrainingError: the page is written, but some runs failed.
        Interrupted: a signal came in a run.
    """
    args = parse_compare(argv)
    data = accepted_data(args)
    if args.folders:
        runs, failed, output = finished_runs(args.folders), [], args.output_dir or Path()
    else:
        # It refuses Windows, where no run can be made.
        import sentiment_hf.runs.lock  # noqa: F401
    # Imported after the folders are accepted, for these bring scikit-learn and `datasets`.
    from sentiment_hf.comparison.page.page import HTML, check_installed, write_page
    from sentiment_hf.comparison.statistics.results import compare
    from sentiment_hf.comparison.statistics.rows import test_rows

    check_installed()
    if args.folders:
        rows = test_rows(data, args.rows_file) if data else None
    else:
        # It brings torch.
        from sentiment_hf.cli.make_runs import make_runs

        runs, failed, output, rows = make_runs(args, data)
    comparison = compare(runs, rows) | {"grid": args.grid, "failed": failed}
    write_page(comparison, output / PAGE, args.texts)
    said = [*result_lines(comparison, runs[0].task.ranking), "", *comparison["advice"]]
    print("\n".join(["", *said, "", f"written to {output / PAGE / HTML}"]))
    if failed:
        raise TrainingError(f"{len(failed)} failed: {', '.join(run['name'] for run in failed)}")


def finished_runs(folders: list[Path]) -> list["Run"]:
    """The runs in these folders; raises InputError where one cannot be compared."""
    # Imported after the flags are accepted, for it brings numpy and pyarrow.
    from sentiment_hf.runs.finished import load_runs

    require_members(folders)
    return load_runs(folders)


def require_members(folders: list[Path]) -> None:
    """Ensembles among the folders are of their members as these are now; raises InputError."""
    from sentiment_hf.inference.ensemble import load_ensemble

    for folder in folders:
        if (folder / ENSEMBLE_FILE).is_file():
            load_ensemble(folder)


def result_lines(comparison: dict, ranking: "Score") -> list[str]:
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
