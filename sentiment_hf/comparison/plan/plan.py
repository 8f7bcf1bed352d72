"""The runs of a comparison: every model with every seed on the same data, all checked before the first one starts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sentiment_hf.common.errors import InputError
from sentiment_hf.comparison.plan.flags import CompareArguments
from sentiment_hf.data.splits import Splits, load_splits, load_test_columns
from sentiment_hf.runs.identity import identify_run, require_checkpoints
from sentiment_hf.runs.report import Report
from sentiment_hf.runs.run_folder import report_of_finished_run
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training.arguments import training_arguments


@dataclass(frozen=True)
class PlannedRun:
    """A run of the comparison: `argv` are its flags for `sentiment-hf run`, `report` is None unless it is finished.

    trust_remote_code: whether the user allows code that comes with its checkpoint.
    """

    model: str
    seed: int
    train_rows: int
    folder: Path
    argv: list[str]
    trust_remote_code: bool
    report: Report | None

    @property
    def name(self) -> str:
        """The name of the run, which is that of its folder."""
        return self.folder.name


class SplitsCache:
    """The splits of all runs; the same data flags are read once."""

    def __init__(self, args: DataArguments, first: Splits):
        self.first, self.known = first, {repr(args): first}

    def splits(self, args: DataArguments) -> Splits:
        """The splits that these flags name; raises InputError as `load_splits`."""
        key = repr(args)
        if key not in self.known:
            self.known[key] = load_splits(args)
        return self.known[key]


def plan(args: CompareArguments) -> tuple[list[PlannedRun], Splits, dict[str, Iterator]]:
    """All runs, the splits with all training rows, and the further columns of their test rows.

    The first seed of every model comes before the second of any.

    Raises:
        InputError: data or --rows_file cannot be read, or a folder holds another run.
    """
    first = parse_run(args.words(next(iter(args.models.values())).flags)).data
    first = replace(first, no_texts=first.no_texts or not args.texts)
    if first.streaming and any(share < 1 for share in args.learning_curve):
        raise InputError(
            "--learning_curve takes parts of the same rows of train by --max_train_samples, which with --streaming is "
            "how many rows are fetched; leave out one of them"
        )
    splits, columns = load_test_columns(first, args.rows_file)
    data = SplitsCache(first, splits)
    folder = args.output_dir or Path("out", "compare", args.name or splits.name)
    planned = []
    for seed in range(max(candidate.seeds for candidate in args.models.values())):
        for model, candidate in args.models.items():
            if seed < candidate.seeds:
                planned += plan_sizes(args, data, len(splits.train), folder, model, seed)
    return planned, splits, columns


def plan_sizes(
    args: CompareArguments, data: SplitsCache, train_rows: int, folder: Path, model: str, seed: int
) -> Iterator[PlannedRun]:
    """The runs of one model with one seed: on all training rows, then on the shares of --learning_curve."""
    sizes = [train_rows, *(round(share * train_rows) for share in args.learning_curve if share < 1)]
    for rows in sizes:
        name = f"{model}-seed{seed}" if rows == train_rows else f"{model}-{rows}rows-seed{seed}"
        fewer = [] if rows == train_rows else ["--max_train_samples", str(rows)]
        own = ["--seed", str(seed), "--output_dir", str(folder / name), "--disable_tqdm", "true"]
        own += [] if args.texts else ["--no_texts"]
        argv = [*args.words(args.models[model].flags), *fewer, *own]
        yield PlannedRun(model, seed, rows, folder / name, argv, *trust_and_report(name, argv, data))


def trust_and_report(name: str, argv: list[str], data: SplitsCache) -> tuple[bool, Report | None]:
    """Whether the run with these flags may run the code of its checkpoint; its report, None unless it is finished.

    Raises:
        InputError: the run would refuse its flags; the message begins with the name of the run.
    """
    try:
        spec = parse_run(argv)
        require_checkpoints(spec)
        splits = data.splits(spec.data)
        require_same_rows(data.first, splits)
        identified = identify_run(spec, training_arguments(spec), splits)
        report = report_of_finished_run(identified)
        # A run that did not score test does so when it is made again.
        return spec.model.trust_remote_code, report if report and report.test else None
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def require_same_rows(first: Splits, splits: Splits) -> None:
    """Raise InputError if the flags of a model lead to other validation or test rows than those of the first model."""
    for part in ("validation", "test"):
        if not getattr(first, part).has_rows_of(getattr(splits, part)):
            raise InputError(f"its {part} rows are not those of the first model; name the data once, for all models")
