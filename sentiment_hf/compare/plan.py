"""From flags to the runs of a comparison: every model with every seed on one split, each checked before any is run."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sentiment_hf.args import Arguments, DataArguments, parse_args
from sentiment_hf.compare.flags import CompareArguments
from sentiment_hf.data import Splits, load_splits
from sentiment_hf.errors import InputError
from sentiment_hf.folder import finished_report
from sentiment_hf.run import identify, require_checkpoints


@dataclass(frozen=True)
class Planned:
    """A run to be made: `argv` are the flags of `sentiment-hf run`, and `report` is there if it is finished."""

    model: str
    seed: int
    train_rows: int
    folder: Path
    argv: list[str]
    report: dict | None

    @property
    def name(self) -> str:
        """As it is spoken of."""
        return self.folder.name


class Data:
    """The splits, read once for each set of data flags."""

    def __init__(self):
        self.known: dict[str, Splits] = {}

    def splits(self, args: DataArguments) -> Splits:
        """As load_splits, which knows nothing of the tokens."""
        args = dataclasses.replace(args, max_seq_length=None, truncation=None)
        key = repr(args)
        if key not in self.known:
            self.known[key] = load_splits(args)
        return self.known[key]


def plan(args: CompareArguments) -> tuple[list[Planned], Splits]:
    """All runs, those of the first seed first, so that each model is soon there once; and the data of all rows.

    Raises:
        InputError: flags that one of the runs would refuse, data that cannot be read, a folder with another run.
    """
    data = Data()
    first = next(iter(args.models.values()))
    splits = data.splits(parse_args([*first.flags, *args.common])[1])
    folder = args.output_dir or Path("out", "compare", args.name or splits.name)
    planned = []
    for seed in range(max(candidate.seeds for candidate in args.models.values())):
        for model, candidate in args.models.items():
            if seed < candidate.seeds:
                planned += of_sizes(args, data, len(splits.train), folder, model, seed)
    return planned, splits


def of_sizes(
    args: CompareArguments, data: Data, train_rows: int, folder: Path, model: str, seed: int
) -> Iterator[Planned]:
    """One model with one seed on all rows, then on the shares of --learning_curve."""
    sizes = [train_rows, *(round(share * train_rows) for share in args.learning_curve if share < 1)]
    for rows in sizes:
        name = f"{model}-seed{seed}" if rows == train_rows else f"{model}-{rows}rows-seed{seed}"
        fewer = [] if rows == train_rows else ["--max_train_samples", str(rows)]
        own = ["--seed", str(seed), "--output_dir", str(folder / name), "--disable_tqdm", "true"]
        argv = [*args.models[model].flags, *args.common, *fewer, *own]
        try:
            report = report_of(parse_args(argv), data)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        yield Planned(model, seed, rows, folder / name, argv, report)


def report_of(parsed: Arguments, data: Data) -> dict | None:
    """Of the run with these flags, if it is finished; raises InputError where its folder holds another."""
    model_args, data_args, run_args, training_args = parsed
    require_checkpoints(model_args)
    known = identify(model_args, data_args, run_args, training_args, data.splits(data_args))
    return finished_report(Path(training_args.output_dir), known.identity, run_args.overwrite)
