"""The parts that the data does not have: taken from train, by whole groups if rows belong together."""

import logging
from collections.abc import Sequence
from functools import partial

import numpy as np

from sentiment_hf.common.errors import InputError, listed
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.data.carve import carve, rows_of_share
from sentiment_hf.data.columns import require_columns
from sentiment_hf.data.duplicates import count_duplicates, count_repeated, without_duplicates
from sentiment_hf.data.groups import column_groups, share_with_partner, text_groups
from sentiment_hf.data.parts import split_of
from sentiment_hf.data.sources import Tables
from sentiment_hf.data.table import Table
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.tasks.task import Task

logger = logging.getLogger(__name__)

# With `--validation_split auto` groups stay whole from this share of rows with a partner.
GROUPED = 0.25
# A component of more rows than this share of a part is held together by common names and not by a subject.
LARGEST_SHARE = 0.08
LARGEST_ROWS = 10
# Names of a column that says which part a row is of.
SPLIT_COLUMNS = {"split", "set", "subset", "partition", "part"}


def take_parts(
    parts: dict[str, LabelledTexts], tables: Tables, task: Task, args: DataArguments
) -> tuple[dict[str, LabelledTexts], dict]:
    """The three parts, and notes for the report: where they are from, groups, duplicates.

    Duplicates of test are counted in train before validation is taken from it.

    Raises:
        InputError: a part cannot be taken, or the column with the groups cannot be used.
    """
    train = parts["train"]
    missing = [split for split in ("test", "validation") if split not in parts]
    if missing:
        say_split_column(tables["train"])
    sizes = {split: rows_of_share(getattr(args, f"{split}_size"), len(train), split) for split in missing}
    groups, how, notes = find_groups(train, tables, args, sizes)
    notes |= {"validation": "given", "test": "given"}
    share = "train" if "test" in parts else "all rows"
    for split in missing:
        notes[split] = f"{100 * getattr(args, f'{split}_size'):g} % of {share}, {how}, seed {args.split_seed}"
    take = partial(carve, seed=args.split_seed, groups=groups, task=task)
    if "test" in missing:
        train, parts["test"] = take(train, sizes["test"], split="test", needs_all=True)
    duplicates = count_duplicates({"train": train, "test": parts["test"]})
    if args.deduplicate:
        train = without_duplicates(train, parts["test"], task)
    if "validation" in missing:
        needs_all = "test" in missing
        train, parts["validation"] = take(train, sizes["validation"], split="validation", needs_all=needs_all)
    duplicates |= count_duplicates({"train": train, "validation": parts["validation"]})
    duplicates |= count_duplicates({"validation": parts["validation"], "test": parts["test"]})
    if args.deduplicate:
        train = without_duplicates(train, parts["validation"], task)
    parts["train"] = train
    duplicates |= {f"within_{split}": count_repeated(part) for split, part in parts.items()}
    notes["duplicates"] = duplicates | {"removed": args.deduplicate}
    return parts, notes


def say_split_column(pieces: Sequence[Table]) -> None:
    """Warn of a column that says which part each row is of, since all rows are train here."""
    for table in pieces:
        for name in table.columns:
            if name.strip().lower() not in SPLIT_COLUMNS:
                continue
            values = {str(cell) for cell in table.columns[name][:]}
            splits = {split_of(value) for value in values}
            if len(splits) > 1 and "train" in splits and None not in splits:
                logger.warning(
                    "%s: the column %r names parts (%s), and all rows are taken as train. To keep these parts, write "
                    "each to a file of its own for --train_file, --validation_file and --test_file.",
                    table.source,
                    name,
                    listed(sorted(values)),
                )


def find_groups(
    train: LabelledTexts, tables: Tables, args: DataArguments, sizes: dict[str, int]
) -> tuple[np.ndarray | None, str, dict]:
    """((rows,) numbers of the groups of train, or None if rows are taken at random; how in words; notes).

    `sizes`: the numbers of rows of the parts that are taken from train.
    """
    if args.group_column_name is not None:
        return groups_of_column(tables, args)
    if args.validation_split in (None, "random") or not sizes:
        return None, "stratified", {}
    groups = text_groups(train.texts, max(LARGEST_ROWS, int(LARGEST_SHARE * min(sizes.values()))))
    share = share_with_partner(groups)
    notes = {"groups": {"by": "rare names", "count": len(set(groups)), "rows_with_partner": share}}
    if args.validation_split == "auto" and share < GROUPED:
        return None, "stratified", notes
    # Parts are taken by rows of the table, of which train may have lost some.
    by_row = np.zeros(len(train.column), np.int64)
    by_row[train.rows] = groups
    return by_row, "whole groups by rare names", notes


def groups_of_column(tables: Tables, args: DataArguments) -> tuple[np.ndarray, str, dict]:
    """As `find_groups`, with the groups of --group_column_name; groups that two given parts share are said."""
    column = args.group_column_name
    if args.validation_split == "random":
        raise InputError("--group_column_name keeps groups whole, and --validation_split is random; drop one of them.")
    cells = {split: group_cells(pieces, column) for split, pieces in tables.items() if has(pieces, column, split)}
    groups = column_groups(cells["train"])
    share = share_with_partner(groups)
    notes = {"by": column, "count": len(set(groups)), "rows_with_partner": share, "shared": shared_groups(cells)}
    return groups, f"whole groups by {column!r}", {"groups": notes}


def has(pieces: Sequence[Table], column: str, split: str) -> bool:
    """Whether all tables of a part have the column; raises InputError if one of train has not."""
    if split == "train":
        for table in pieces:
            require_columns(table, [column], "--group_column_name")
    return all(column in table.columns for table in pieces)


def group_cells(pieces: Sequence[Table], column: str) -> list[str]:
    """The group of each row as text; raises InputError if one is missing."""
    cells = []
    for table in pieces:
        for index, cell in enumerate(table.columns[column][:]):
            if cell is None or cell != cell or not str(cell).strip():
                raise InputError(
                    f"{table.place(index)}: the group in {column!r} is missing; fill it in; a row that belongs to no "
                    "other needs a name of its own."
                )
            cells.append(str(cell).strip())
    return cells


def shared_groups(cells: dict[str, list[str]]) -> dict[str, int]:
    """{part: number of its groups that train has too} for the given parts; they are said."""
    known = set(cells["train"])
    shared = {split: len(known & set(found)) for split, found in cells.items() if split != "train"}
    for split, count in shared.items():
        if count:
            logger.warning("%d groups of %s stand in train too; its score may flatter.", count, split)
    return shared
