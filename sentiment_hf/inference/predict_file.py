"""Classifies the rows of a table and writes them."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from sentiment_hf.common.cache import Cache
from sentiment_hf.common.errors import InputError, did_you_mean
from sentiment_hf.common.redaction import NAMES_LEFT, counts_in_words
from sentiment_hf.data.columns import find_text_columns, read_texts
from sentiment_hf.data.lines import LINES_SUFFIX, read_lines
from sentiment_hf.data.redacted import counted, redacted_tables
from sentiment_hf.data.table import Table
from sentiment_hf.data.table_files import read_one_table
from sentiment_hf.inference.abstain import Abstention
from sentiment_hf.inference.row_writers import RowWriter, columns_of, row_writer
from sentiment_hf.inference.scorer import Inputs, Scorer
from sentiment_hf.inference.unlike import Unlike
from sentiment_hf.settings.csv_settings import CsvSettings
from sentiment_hf.settings.reading import Reading


@dataclass(frozen=True)
class TableArguments:
    """The flags of `predict` for a table. `output` is None if the rows are written to the standard output.

    cache: where the rows of a large file are kept, unless they are redacted.
    """

    file: Path
    output: Path | None
    csv: CsvSettings
    csv_raw: bool
    max_data_bytes: int
    cache: Cache
    text_column_names: str | None
    text_column_delimiter: str | None
    batch_size: int
    redact: bool = False


def texts_of(table: Table, args: TableArguments, reading: Reading | None) -> pa.ChunkedArray:
    """The text of each row, from the columns of the flags, else from those that the model was trained on.

    A line of a text file is the whole text, whatever these columns are called.

    Raises:
        InputError: the table has no such column, or a cell is no text.
    """
    delimiter = args.text_column_delimiter
    if delimiter is None:
        delimiter = reading.text_column_delimiter if reading else " "
    return read_texts(table, text_names_of(table, args, reading), delimiter)


def text_names_of(table: Table, args: TableArguments, reading: Reading | None) -> list[str]:
    """The columns with the text, by the flags, else those that the model was trained on; raises InputError."""
    if reading is None or args.text_column_names is not None or has_lines(args.file):
        return find_text_columns(table, args.text_column_names)
    if missing := [name for name in reading.text_column_names if name not in table.columns]:
        raise InputError(
            f"--file {args.file}: the model was trained on the text in {', '.join(reading.text_column_names)}, and "
            f"the file has no column {missing[0]!r}{did_you_mean(missing[0], table.columns)}; name the columns to "
            "read by --text_column_names"
        )
    return reading.text_column_names


def has_lines(file: Path) -> bool:
    """Whether the name of a file is that of one with a text in each line."""
    return file.suffix.lower() == LINES_SUFFIX and not file.is_dir()


def read_table(args: TableArguments, scorer: Scorer) -> Table:
    """The table in --file, read as the model's training read its files. Raises InputError if it cannot be read."""
    if has_lines(args.file):
        table = read_lines(args.file)
    else:
        settings = scorer.reading.fill_csv(args.csv) if scorer.reading else args.csv
        cache = Cache() if redacts(args, scorer) else args.cache
        table = read_one_table(args.file, "--file", args.max_data_bytes, settings, cache)
    return redacted_table(table, args, scorer) if redacts(args, scorer) else table


def redacts(args: TableArguments, scorer: Scorer) -> bool:
    """Whether personal data are replaced: by the flag, or as in training."""
    return args.redact or scorer.redacts


def redacted_table(table: Table, args: TableArguments, scorer: Scorer) -> Table:
    """The table without personal data in any column; what was replaced in the texts is said."""
    names = text_names_of(table, args, scorer.reading)
    (table,), found = redacted_tables([table], [*names, *scorer.extra_column_names])
    print(f"redacted: {counts_in_words(counted(found))}; {NAMES_LEFT}", file=sys.stderr)
    return table


def predict_file(args: TableArguments, scorer: Scorer, extras: Sequence[Abstention | Unlike] = ()) -> None:
    """Write the rows of --file, with the columns that the task adds, as they are classified.

    Raises:
        InputError: the file is too large or cannot be read, lacks a column that the model reads, or has an added
            column already.
    """
    table = read_table(args, scorer)
    added = scorer.task.answers | {name: kind for extra in extras for name, kind in extra.answers.items()}
    if taken := [name for name in added if name in table.columns]:
        raise InputError(f"--file {args.file} has a column {taken[0]!r} already, which predict adds; rename it")
    texts = scorer.rows_of(table, texts_of(table, args, scorer.reading))
    # The spreadsheet that wrote a csv file reads this delimiter.
    same = table.format and args.file.suffix.lower() == ".csv"
    with row_writer(args.output, table, added, table.format.delimiter if same else ",", args.csv_raw) as writer:
        classify_rows(table, texts, scorer, args.batch_size, writer, extras)
    if args.output:
        print(f"{table.num_rows} rows written to {args.output}", file=sys.stderr)


def classify_rows(
    table: Table,
    texts: Inputs,
    scorer: Scorer,
    batch_size: int,
    writer: RowWriter,
    extras: Sequence[Abstention | Unlike] = (),
) -> None:
    """Write the rows of a table, whose `texts` are what the scorer reads, with what is added."""
    written = 0
    for probabilities in scorer.classify_pools(texts, batch_size):
        rows = slice(written, written + len(probabilities))
        added = scorer.task.answer_columns(probabilities)
        for extra in extras:
            added |= extra.columns(texts[rows], probabilities)
        writer.write(columns_of(table, rows, added))
        written += len(probabilities)
