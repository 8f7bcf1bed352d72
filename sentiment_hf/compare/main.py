"""The command compare: finished runs, or runs that are made first, to one page."""

from collections.abc import Sequence
from pathlib import Path

from sentiment_hf.args import parse_args
from sentiment_hf.compare.execute import execute
from sentiment_hf.compare.flags import CompareArguments, parse
from sentiment_hf.compare.inference import measure
from sentiment_hf.compare.page import HTML, check_installed, write_page
from sentiment_hf.compare.plan import Planned, plan
from sentiment_hf.compare.results import compare
from sentiment_hf.compare.rows import TestRows, test_rows
from sentiment_hf.compare.runs import INFERENCE, load_runs
from sentiment_hf.ensemble import make_ensemble
from sentiment_hf.errors import TrainingError
from sentiment_hf.folder import REPORT

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
    failed, settings, output = [], {}, args.output_dir or Path()
    if args.folders:
        folders, rows = args.folders, rows_of(args) if args.common or args.rows_file else None
    else:
        planned, splits = plan(args)
        output = planned[0].folder.parent
        rows = rows_of(args)
        failed = execute(planned)
        failed += measure_all(planned, splits.test["text"][:])
        folders = [run.folder for run in planned if (run.folder / REPORT).is_file()]
        folders += combine(args.ensembles, planned, folders)
        settings = {run.name: args.models[run.model].settings for run in planned}
        if not folders:
            raise TrainingError(f"no run ended well; the first said: {failed[0]['reason']}")
    comparison = compare(load_runs(folders, settings), rows) | {"grid": args.grid, "failed": failed}
    write_page(comparison, output / PAGE, args.texts)
    print("\n".join(["", *table(comparison), "", *comparison["advice"], "", f"written to {output / PAGE / HTML}"]))
    if failed:
        raise TrainingError(f"{len(failed)} failed: {', '.join(run['name'] for run in failed)}")


def rows_of(args: CompareArguments) -> TestRows:
    """The test rows that the data flags name; other flags among them are those of the runs."""
    flags = next(iter(args.models.values())).flags if args.models else ["--model", "baseline-majority"]
    return test_rows(parse_args([*flags, *args.common])[1], args.rows_file)


def measure_all(planned: list[Planned], texts: list[str]) -> list[dict]:
    """The speed of each model, of its first seed on all rows, where it is not known; returns what failed."""
    failed, full = [], max(run.train_rows for run in planned)
    for run in planned:
        known = not (run.folder / REPORT).is_file() or (run.folder / INFERENCE).is_file()
        if known or run.seed or run.train_rows < full:
            continue
        try:
            found = measure(run.folder, texts)
        except TrainingError as error:
            failed.append({"name": run.name, "reason": str(error)})
        else:
            print(f"{run.model}: {found['texts_per_second_one_core']:,.0f} texts/s on one core", flush=True)
    return failed


def combine(ensembles: dict[str, list[str]], planned: list[Planned], finished: list[Path]) -> list[Path]:
    """The folders of the ensembles, one for each seed that all members finished on all rows; they take seconds."""
    folders, full = [], max(run.train_rows for run in planned)
    runs = {(run.model, run.seed): run.folder for run in planned if run.train_rows == full and run.folder in finished}
    for name, members in ensembles.items():
        for seed in sorted({seed for _, seed in runs}):
            if all((member, seed) in runs for member in members):
                folders.append(planned[0].folder.parent / f"{name}-seed{seed}")
                make_ensemble([runs[member, seed] for member in members], str(folders[-1]), "weights", overwrite=True)
    return folders


def table(comparison: dict) -> list[str]:
    """Accuracy with its interval, training time and speed of each model, aligned."""
    width = max(len(model["name"]) for model in comparison["models"])
    lines = []
    for model in comparison["models"]:
        score, speed = model["accuracy"], model["inference"]
        cells = [f"{model['name']:<{width}}  {score['value']:7.2%}  ({score['low']:.1%} to {score['high']:.1%})"]
        cells += [f"{len(model['seeds'])} seed{'s' if len(model['seeds']) > 1 else ' '}"]
        cells += [f"{model['train_minutes']:7.1f} min" if model["train_minutes"] is not None else " " * 11]
        cells += [f"{speed['texts_per_second_one_core']:8,.0f} texts/s"] if speed else []
        lines.append("  ".join(cells).rstrip())
    return lines
