"""Leave out parts that have no labels, such as the tests of GLUE."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.profile import station
from sentiment_hf.data.columns import LABEL_NAMES, find_columns, names_in, require_columns
from sentiment_hf.data.redacted import redacted_tables
from sentiment_hf.data.sources import Source, Tables, find_tables
from sentiment_hf.data.table import Table
from sentiment_hf.settings.arguments import DataArguments

logger = logging.getLogger(__name__)

# The id that data sets of the Hub have in place of a label.
NO_CLASS = (-1, "-1")


@station("reading")
def labelled_source(args: DataArguments) -> Source:
    """The data that the flags name; a validation or a test part that has no label in any row is apart, which is said.

    Raises:
        InputError: as `find_tables` and `find_columns`.
    """
    source = find_tables(args)
    train = source.tables["train"]
    _, (label, *_) = find_columns(train[0], args)
    # Where some texts of train are of the class -1, it is a class in the other parts too.
    is_class = any(cell in NO_CLASS for table in train if label not in table.classes for cell in _cells(table, label))
    missing = () if is_class else NO_CLASS
    tables, unlabelled = dict(source.tables), {}
    for split in ("validation", "test"):
        if split in tables and _is_unlabelled(tables[split], label, missing, split):
            unlabelled[split] = tables.pop(split)
            logger.warning(
                "%s: no row has a label in %r, so this part is left out, and %s is taken from train",
                unlabelled[split][0].source,
                label,
                split,
            )
    source = replace(source, tables=tables, unlabelled=unlabelled)
    return redacted_source(source, args) if args.redact else source


def redacted_source(source: Source, args: DataArguments) -> Source:
    """The source without personal data in its tables; labels, and the groups of rows that have labels, stay.

    Groups are told apart by their names, and are stored nowhere.
    """
    texts, labels = find_columns(source.tables["train"][0], args)
    read = [*texts, *names_in(args.extra_column_names or "", source.tables["train"][0].columns)]
    kept = [*labels, *([args.group_column_name] if args.group_column_name else [])]
    found = {split: redacted_tables(tables, read, kept) for split, tables in source.tables.items()}
    return replace(
        source,
        tables={split: tables for split, (tables, _) in found.items()},
        findings={split: findings for split, (_, findings) in found.items()},
        unlabelled={split: redacted_tables(tables, read)[0] for split, tables in source.unlabelled.items()},
    )


def require_unlabelled(unlabelled: Tables, read: Sequence[str], added: Collection[str]) -> None:
    """Raise InputError unless there is a part without labels that can be classified and written.

    read: the columns that the model reads. added: those that are written with its predictions.
    """
    if not unlabelled:
        raise InputError(
            "--predict_unlabelled classifies a validation or test part without labels, and there is none in this "
            "data; `sentiment-hf predict` classifies any file. Leave the flag out."
        )
    for first, *others in unlabelled.values():
        require_columns(first, read, "--predict_unlabelled")
        if taken := [name for name in added if name in first.columns]:
            raise InputError(
                f"{first.source} has a column {taken[0]!r} already, which --predict_unlabelled adds; rename it."
            )
        if odd := [table for table in others if list(table.columns) != list(first.columns)]:
            raise InputError(
                f"--predict_unlabelled writes one table, and {odd[0].source} has other columns than {first.source}; "
                "give the files the same columns."
            )


def _is_unlabelled(tables: Sequence[Table], label: str, missing: tuple, split: str) -> bool:
    """Whether no row of these tables has a label; a test part may also lack the column, if none is like it."""
    if split == "test" and not any(label in table.columns for table in tables):
        return not any(name.strip().lower() in LABEL_NAMES for table in tables for name in table.columns)
    return all(
        label in table.columns and all(_is_empty(cell) or cell in missing for cell in _cells(table, label))
        for table in tables
    )


def _is_empty(cell: Any) -> bool:
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())


def _cells(table: Table, label: str) -> Sequence:
    """The values of the label column; none if the table lacks it."""
    return table.columns.get(label, ())[:]
