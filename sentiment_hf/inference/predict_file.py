"""Classifies the rows of a table and writes them as csv."""

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import atomic_write
from sentiment_hf.common.spreadsheet import escape_formula
from sentiment_hf.data.columns import find_text_columns, read_texts
from sentiment_hf.data.files import read_file
from sentiment_hf.data.limits import require_size
from sentiment_hf.data.sources import parts_of
from sentiment_hf.inference.scorer import Scorer
from sentiment_hf.settings.csv_settings import CsvSettings


@dataclass(frozen=True)
class TableArguments:
    """The flags of `predict` for a table. `output` is None if the rows are written to the standard output."""

    file: Path
    output: Path | None
    csv: CsvSettings
    csv_raw: bool
    max_data_bytes: int
    text_column_names: str | None
    text_column_delimiter: str
    batch_size: int


def predict_file(args: TableArguments, scorer: Scorer) -> None:
    """Write the rows of --file as csv, with the added columns `prediction` and `probability_LABEL`.

    Raises:
        InputError: the file is too large or cannot be read, has no text column, or has an added column already.
    """
    require_size(parts_of(args.file), args.max_data_bytes)
    table = read_file(args.file, "--file", args.csv)
    added = ["prediction", *(f"probability_{label}" for label in scorer.task.labels)]
    if taken := [name for name in added if name in table.columns]:
        raise InputError(f"--file {args.file} has a column {taken[0]!r} already, which predict adds; rename it")
    texts = read_texts(table, find_text_columns(table, args.text_column_names), args.text_column_delimiter)
    probabilities = scorer.classify(texts, args.batch_size)
    chosen = scorer.task.as_text(scorer.task.decide(probabilities))
    rows = (
        [*row, best, *(round(p, 6) for p in scores)]
        for *row, best, scores in zip(*table.columns.values(), chosen, probabilities.tolist(), strict=True)
    )
    header = [*table.names, *added]
    shown = ([value if args.csv_raw else escape_formula(value) for value in row] for row in [header, *rows])
    # All texts are quoted: a spreadsheet with another separator could split a text and find a formula in the rest.
    quoting = csv.QUOTE_MINIMAL if args.csv_raw else csv.QUOTE_NONNUMERIC
    # The spreadsheet that wrote a csv file reads this delimiter.
    same = table.format and args.file.suffix.lower() == ".csv"
    written_as = {"quoting": quoting, "delimiter": table.format.delimiter if same else ","}
    if args.output:
        # Columns that the model does not read can contain surrogates, which UTF-8 cannot encode.
        written = {"newline": "", "encoding": "utf-8", "errors": "backslashreplace"}
        with atomic_write(args.output) as temporary, temporary.open("w", **written) as file:
            csv.writer(file, **written_as).writerows(shown)
        print(f"{len(texts)} rows written to {args.output}", file=sys.stderr)
    else:
        csv.writer(sys.stdout, **written_as).writerows(shown)
