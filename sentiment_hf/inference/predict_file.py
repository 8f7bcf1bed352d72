"""Classifies the rows of a table and writes them as csv."""

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

from sentiment_hf.common.characters import printable
from sentiment_hf.common.errors import InputError, did_you_mean
from sentiment_hf.common.files import atomic_write
from sentiment_hf.common.spreadsheet import escape_formula
from sentiment_hf.data.columns import find_text_columns, read_texts
from sentiment_hf.data.table import Table
from sentiment_hf.data.table_files import read_one_table
from sentiment_hf.inference.scorer import Scorer
from sentiment_hf.settings.csv_settings import CsvSettings
from sentiment_hf.settings.reading import Reading


@dataclass(frozen=True)
class TableArguments:
    """The flags of `predict` for a table. `output` is None if the rows are written to the standard output."""

    file: Path
    output: Path | None
    csv: CsvSettings
    csv_raw: bool
    max_data_bytes: int
    text_column_names: str | None
    text_column_delimiter: str | None
    batch_size: int


def texts_of(table: Table, args: TableArguments, reading: Reading | None) -> list[str]:
    """The text of each row, from the columns of the flags, else from those that the model was trained on.

    Raises:
        InputError: the table has no such column, or a cell is no text.
    """
    delimiter = args.text_column_delimiter
    if delimiter is None:
        delimiter = reading.text_column_delimiter if reading else " "
    if reading is None or args.text_column_names is not None:
        return read_texts(table, find_text_columns(table, args.text_column_names), delimiter).to_pylist()
    if missing := [name for name in reading.text_column_names if name not in table.columns]:
        raise InputError(
            f"--file {args.file}: the model was trained on the text in {', '.join(reading.text_column_names)}, and "
            f"the file has no column {missing[0]!r}{did_you_mean(missing[0], table.columns)}; name the columns to "
            "read by --text_column_names"
        )
    return read_texts(table, reading.text_column_names, delimiter).to_pylist()


def predict_file(args: TableArguments, scorer: Scorer) -> None:
    """Write the rows of --file as csv, with the added columns `prediction` and `probability_LABEL`.

    Raises:
        InputError: the file is too large or cannot be read, has no text column, or has an added column already.
    """
    settings = scorer.reading.fill_csv(args.csv) if scorer.reading else args.csv
    table = read_one_table(args.file, "--file", args.max_data_bytes, settings)
    added = ["prediction", *(f"probability_{label}" for label in scorer.task.labels)]
    if taken := [name for name in added if name in table.columns]:
        raise InputError(f"--file {args.file} has a column {taken[0]!r} already, which predict adds; rename it")
    texts = texts_of(table, args, scorer.reading)
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
        if sys.stdout.isatty():
            shown = ([printable(cell) if isinstance(cell, str) else cell for cell in row] for row in shown)
        csv.writer(sys.stdout, **written_as).writerows(shown)
