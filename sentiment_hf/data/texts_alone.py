"""Texts without labels (--unlabelled_file), which some ways of training read beside train."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.labelled_texts import LabelledTexts, joined_columns
from sentiment_hf.data.columns import find_text_columns, read_texts
from sentiment_hf.data.limits import require_size
from sentiment_hf.data.lines import LINES_SUFFIX, read_lines
from sentiment_hf.data.redacted import counted, redacted_tables
from sentiment_hf.data.table import Table
from sentiment_hf.data.table_files import files_at
from sentiment_hf.settings.arguments import DataArguments

logger = logging.getLogger(__name__)

FLAG = "--unlabelled_file"


def read_texts_alone(
    args: DataArguments, names: Sequence[str], parts: Mapping[str, LabelledTexts]
) -> tuple[LabelledTexts, dict]:
    """The texts of --unlabelled_file that are in none of the `parts`, and the counts of the others for the report.

    Empty texts and those that stand there twice are left out, too. The labels of the result are those of no row.
    names: the text columns of train, which are read if the file has them; else the column with a usual name is.

    Raises:
        InputError: the file cannot be read, or no text is left.
    """
    tables = tables_at(Path(args.unlabelled_file), args)
    findings = None
    if args.redact:
        tables, findings = redacted_tables(tables, text_columns(tables[0], names))
    columns = [read_texts(table, text_columns(table, names), args.text_column_delimiter) for table in tables]
    texts = joined_columns(columns)
    label = parts["train"].labels
    read = LabelledTexts.of(texts, np.zeros((len(texts), *label.shape[1:]), label.dtype))
    left, dropped = without_known(read, parts)
    if not len(left):
        raise InputError(f"{FLAG} {args.unlabelled_file}: all of its {len(read):,} texts are in the data already")
    if args.max_unlabelled_samples and args.max_unlabelled_samples < len(left):
        chosen = np.random.default_rng(args.split_seed).permutation(len(left))[: args.max_unlabelled_samples]
        dropped["not_sampled"] = len(left) - len(chosen)
        left = left.select(np.sort(chosen))
    said = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in dropped.items() if count)
    logger.warning("%s: %s texts%s", FLAG, f"{len(left):,}", f"; left out: {said}" if said else "")
    notes = {"file": args.unlabelled_file, "rows": len(left), "left_out": dropped}
    return left, notes | ({} if findings is None else {"redacted": counted(findings[left.rows])})


def tables_at(path: Path, args: DataArguments) -> list[Table]:
    """The tables of a file or a folder, as --train_file has them, or of a .txt file with a text in each line."""
    if path.suffix.lower() == LINES_SUFFIX and path.is_file():
        return [read_lines(path)]
    files = files_at(path, FLAG)
    require_size(files.paths, args.max_data_bytes, args.table_cache)
    return files.read(FLAG, args.csv, args.table_cache)


def text_columns(table: Table, names: Sequence[str]) -> Sequence[str]:
    """The text columns of train if the table has them, else the column with a usual name."""
    return names if set(names) <= table.columns.keys() else find_text_columns(table, None)


def without_known(texts: LabelledTexts, parts: Mapping[str, LabelledTexts]) -> tuple[LabelledTexts, dict[str, int]]:
    """The texts that are not empty, in no part, and not the same as one before; and why the others are left out.

    A text with several reasons counts for the first: test, then validation, then train.
    """
    kept, dropped = np.ones(len(texts), bool), {}
    first = np.zeros(len(texts), bool)
    first[np.unique(texts.digests, return_index=True)[1]] = True
    reasons = {f"in_{part}": np.isin(texts.digests, parts[part].digests) for part in ("test", "validation", "train")}
    reasons["empty"] = np.array([not text.strip() for text in texts], bool)
    for reason, found in (reasons | {"repeated": ~first}).items():
        dropped[reason] = int((kept & found).sum())
        kept &= ~found
    return texts.select(kept), dropped
