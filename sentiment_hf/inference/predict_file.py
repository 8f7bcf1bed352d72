"""Classify the rows of a table and write them as csv."""

import argparse
import csv
import sys
from pathlib import Path

import custom_models  # noqa: F401  registers the custom models
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import whole
from sentiment_hf.common.spreadsheet import cell
from sentiment_hf.data.columns import find_text_columns, read_texts
from sentiment_hf.data.files import read_file
from sentiment_hf.data.limits import require_size
from sentiment_hf.data.sources import parts_of
from sentiment_hf.inference.scorer import Scorer, classify


def predict_file(args: argparse.Namespace, labels: list[str], score: Scorer) -> None:
    """The rows of --file as csv, with the columns prediction and probability_<label> behind their own."""
    require_size(parts_of(Path(args.file)), args.max_data_bytes)
    table = read_file(Path(args.file), "--file")
    added = ["prediction", *(f"probability_{label}" for label in labels)]
    if taken := [name for name in added if name in table.columns]:
        raise InputError(f"--file {args.file} has a column {taken[0]!r} already, which predict adds; rename it")
    texts = read_texts(table, find_text_columns(table, args.text_column_names), args.text_column_delimiter)
    results = classify(score, texts, args.batch_size)
    header = [*table.columns, *added]
    rows = (
        [*row, max(p, key=p.get), *(round(float(p[label]), 6) for label in labels)]
        for *row, p in zip(*table.columns.values(), results, strict=True)
    )
    shown = ([value if args.csv_raw else cell(value) for value in row] for row in [header, *rows])
    # Texts in quotes, so that no spreadsheet splits one at a separator of its own and finds a formula behind it.
    quoting = csv.QUOTE_MINIMAL if args.csv_raw else csv.QUOTE_NONNUMERIC
    if args.output:
        # Columns of --file that are no text for the model can hold what is none for a file either.
        written = {"newline": "", "encoding": "utf-8", "errors": "backslashreplace"}
        with whole(Path(args.output)) as temporary, temporary.open("w", **written) as file:
            csv.writer(file, quoting=quoting).writerows(shown)
        print(f"{len(texts)} rows written to {args.output}", file=sys.stderr)
    else:
        csv.writer(sys.stdout, quoting=quoting).writerows(shown)
