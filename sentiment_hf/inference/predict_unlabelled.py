"""Classifies the part of a data set that has no labels, by the model of a finished run (--predict_unlabelled)."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

from sentiment_hf.common.layout import UNLABELLED
from sentiment_hf.data.columns import find_columns, read_texts
from sentiment_hf.data.table import Table
from sentiment_hf.data.unlabelled import labelled_source
from sentiment_hf.inference.predict_file import classify_rows
from sentiment_hf.inference.row_writers import row_writer
from sentiment_hf.inference.scorer import load_scorer
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.settings.model_ref import ModelRef


def predict_unlabelled(args: DataArguments, ref: ModelRef, folder: Path, batch_size: int) -> None:
    """Write each part without labels, with the columns that the task adds, to a csv file in `folder`, which is said.

    With --no_texts the number of a row, from 1, stands there in place of its columns.

    Raises InputError: the model cannot be loaded, or a cell cannot be read.
    """
    source = labelled_source(args)
    texts, _ = find_columns(source.tables["train"][0], args)
    scorer = load_scorer(ref)
    for part, tables in source.unlabelled.items():
        output = folder / UNLABELLED[part]
        shown = numbered(tables) if args.no_texts else tables
        with row_writer(output, shown[0], scorer.task.answers, ",", raw=False) as writer:
            for table, written in zip(tables, shown, strict=True):
                rows = scorer.rows_of(table, read_texts(table, texts, args.text_column_delimiter))
                classify_rows(written, rows, scorer, batch_size, writer)
        count = sum(table.num_rows for table in tables)
        print(f"{count} rows of {part} without labels, with predictions, written to {output}", file=sys.stderr)


def numbered(tables: Sequence[Table]) -> list[Table]:
    """Tables of as many rows with the number of each, from 1, counted on from one table to the next, and no more."""
    ends = list(accumulate(table.num_rows for table in tables))
    return [
        replace(table, columns={"row": range(end - table.num_rows + 1, end + 1)}, doubled={})
        for table, end in zip(tables, ends, strict=True)
    ]
