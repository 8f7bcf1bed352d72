"""Classifies the part of a data set that has no labels, by the model of a finished run (--predict_unlabelled)."""

import sys
from pathlib import Path

from sentiment_hf.common.layout import UNLABELLED
from sentiment_hf.data.columns import find_columns, read_texts
from sentiment_hf.data.unlabelled import labelled_source
from sentiment_hf.inference.predict_file import classify_rows
from sentiment_hf.inference.row_writers import row_writer
from sentiment_hf.inference.scorer import load_scorer
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.settings.model_ref import ModelRef


def predict_unlabelled(args: DataArguments, ref: ModelRef, folder: Path, batch_size: int) -> None:
    """Write each part without labels, with the columns that the task adds, to a csv file in `folder`, which is said.

    Raises InputError: the model cannot be loaded, or a cell cannot be read.
    """
    source = labelled_source(args)
    texts, _ = find_columns(source.tables["train"][0], args)
    scorer = load_scorer(ref)
    for part, tables in source.unlabelled.items():
        output = folder / UNLABELLED[part]
        with row_writer(output, tables[0], scorer.task.answers, ",", raw=False) as writer:
            for table in tables:
                rows = scorer.rows_of(table, read_texts(table, texts, args.text_column_delimiter))
                classify_rows(table, rows, scorer, batch_size, writer)
        count = sum(table.num_rows for table in tables)
        print(f"{count} rows of {part} without labels, with predictions, written to {output}", file=sys.stderr)
