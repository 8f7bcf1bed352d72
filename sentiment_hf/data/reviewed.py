"""What a person says of rows of the data (--reviewed): those of train and validation are dropped or relabelled."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sentiment_hf.common.class_names import canonical
from sentiment_hf.common.errors import InputError, did_you_mean, excerpt, listed
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.common.spreadsheet import escape_formula
from sentiment_hf.data.duplicates import refuse_lost_class
from sentiment_hf.data.files import read_file
from sentiment_hf.data.parts import SPLIT_NAMES
from sentiment_hf.data.review_words import review_in_words
from sentiment_hf.data.sources import Tables
from sentiment_hf.data.table import Table
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.tasks.ordinal import Ordinal
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.tasks.task import Task

logger = logging.getLogger(__name__)

FLAG = "--reviewed"
KEEP, RELABEL, DROP = ACTIONS = ("keep", "relabel", "drop")
# What names a row. The fingerprint of its text begins with a letter: a spreadsheet rounds long numbers.
KEY = ("part", "row", "fingerprint")
SUGGESTED = "suggested"
# What a person writes into a cell to mark it, in a spreadsheet too, and what says that it is not marked.
MARKS, NO_MARKS = {"x", "1", "yes", "true"}, {"", "0", "no", "false"}
# Tasks whose labels are the names of classes, which a cell can hold.
WITH_CLASSES = (SingleLabel.name, Ordinal.name)


class Verdict(NamedTuple):
    """What is to become of a row.

    place: the line of the review, for messages. part, row: those of the table, `row` from 0. label: the name of its
    new class, if it is relabelled.
    """

    place: str
    part: str
    row: int
    fingerprint: str
    action: str
    label: str | None


@dataclass(frozen=True)
class Found:
    """The part of the run that a row is in, and its place there."""

    part: str
    place: int


def fingerprint(digest: int) -> str:
    """The digest of a text (`LabelledTexts.digests`) as it stands in the table of an audit."""
    return f"t{int(digest):016x}"


def with_review(
    parts: Mapping[str, LabelledTexts], tables: Tables, task: Task, args: DataArguments
) -> tuple[dict[str, LabelledTexts], dict]:
    """The parts as reviewed, and notes for the report: rows kept, dropped and relabelled, by part.

    Raises:
        InputError: the file cannot be read or does not fit the data, a mark makes no sense, a row of test is to be
            changed, or a class would lose its last row of train.
    """
    path = Path(args.reviewed)
    verdicts = read_verdicts(read_file(path, FLAG, cache=args.table_cache), task)
    counts = {action: dict.fromkeys(("train", "validation"), 0) for action in ("dropped", "relabelled")}
    kept_rows = {part: np.ones(len(rows), bool) for part, rows in parts.items()}
    labels = {part: rows.labels.copy() for part, rows in parts.items()}
    for verdict in verdicts:
        found = find_row(verdict, parts, tables)
        if verdict.action == DROP:
            kept_rows[found.part][found.place] = False
            counts["dropped"][found.part] += 1
        if verdict.action == RELABEL:
            new = task.labels.index(verdict.label)
            counts["relabelled"][found.part] += int(labels[found.part][found.place] != new)
            labels[found.part][found.place] = new
    reviewed = {part: replace(rows, labels=labels[part]).select(kept_rows[part]) for part, rows in parts.items()}
    refuse_lost_class(parts["train"], reviewed["train"], task, f"{FLAG} {path}")
    if not len(reviewed["validation"]):
        raise InputError(f"{FLAG} {path} leaves no row of validation")
    kept = sum(verdict.action == KEEP for verdict in verdicts)
    notes = {"file": args.reviewed, "kept": kept} | counts
    logger.warning("%s %s: %s.", FLAG, path, review_in_words(notes))
    return reviewed, notes


def read_verdicts(table: Table, task: Task) -> list[Verdict]:
    """The verdicts in the table of an audit; rows without a mark have none, and other columns are not read.

    Raises InputError: a column is missing, a row stands there twice, or a cell makes no sense.
    """
    if missing := [name for name in (*KEY, SUGGESTED, *ACTIONS) if name not in table.columns]:
        raise InputError(
            f"{FLAG} {table.source} has no column {missing[0]!r}; expected the table that `sentiment-hf audit` wrote, "
            "with all of its columns"
        )
    cells = {name: [as_cell(cell) for cell in table.columns[name][:]] for name in (*KEY, SUGGESTED, *ACTIONS)}
    verdicts, seen = [], {}
    for index in range(table.num_rows):
        row = {name: column[index] for name, column in cells.items()}
        place = f"{FLAG} {table.place(index)}"
        number = row_number(row["row"], place)
        if (first := seen.setdefault((row["part"], number), index)) != index:
            raise InputError(f"{place}: row {number + 1} of {row['part']} stands in {table.place(first)} already")
        action, label = verdict_of(row, place, task)
        if action:
            verdicts.append(Verdict(place, row["part"], number, row["fingerprint"], action, label))
    return verdicts


def as_cell(cell: object) -> str:
    """The text of a cell, without blanks around it."""
    return "" if cell is None else str(cell).strip()


def row_number(cell: str, place: str) -> int:
    """The number of a row, from 0, of a cell that counts from 1; raises InputError."""
    if not re.fullmatch(r"0*[1-9]\d{0,17}(\.0+)?", cell):
        raise InputError(f"{place}: the column 'row' holds {excerpt(cell)}; expected the number of a row, as written")
    return int(cell.partition(".")[0]) - 1


def verdict_of(row: Mapping[str, str], place: str, task: Task) -> tuple[str | None, str | None]:
    """(action, name of the new class) of a row; (None, None) without a mark.

    In `relabel` stands the new class, or a mark, which takes the suggested one. Raises InputError.
    """
    given = [action for action in (KEEP, DROP) if is_marked(row[action], f"{place}: {action!r}")]
    label = None
    if row[RELABEL]:
        refuse_relabelling(task, place)
        label = named_class(row[RELABEL], task.labels)
        if label is None and row[RELABEL].casefold() in MARKS:
            label = named_class(row[SUGGESTED], task.labels)
        if label is None:
            raise InputError(
                f"{place}: 'relabel' holds {excerpt(row[RELABEL])}; expected the name of a class, or x for the "
                f"suggested one, if there is one{did_you_mean(row[RELABEL], task.labels)}"
            )
        given.append(RELABEL)
    if len(given) > 1:
        raise InputError(f"{place} has marks in {' and '.join(given)}; expected one of {listed(ACTIONS)}")
    return (given[0], label) if given else (None, None)


def is_marked(cell: str, what: str) -> bool:
    """Whether a cell has a mark; raises InputError if it has something else."""
    if cell.casefold() not in MARKS | NO_MARKS:
        raise InputError(f"{what} holds {excerpt(cell)}; expected x, or nothing")
    return cell.casefold() in MARKS


def refuse_relabelling(task: Task, place: str) -> None:
    """Raise InputError if labels are no classes."""
    if task.name not in WITH_CLASSES:
        raise InputError(
            f"{place}: rows are relabelled by the name of a class, and the task of this data is {task.name}; correct "
            "the label in the data, or drop the row"
        )


def named_class(cell: str, labels: Sequence[str]) -> str | None:
    """The class that a cell names, also as a spreadsheet writes it: an apostrophe before a sign, TRUE for True."""
    wanted = canonical(cell)
    spelled = {str(escape_formula(name)): name for name in labels} | {name: name for name in labels}
    if wanted in spelled:
        return spelled[wanted]
    same = [name for name in labels if name.casefold() == wanted.casefold()]
    return same[0] if len(same) == 1 else None


def find_row(verdict: Verdict, parts: Mapping[str, LabelledTexts], tables: Tables) -> Found:
    """Where the row of a verdict is; raises InputError if it is in no part, has another text, or is one of test.

    Parts that are taken from train share its rows: the same row can be in another one if the flags differ.
    """
    if verdict.part not in parts:
        raise InputError(f"{verdict.place}: 'part' holds {excerpt(verdict.part)}; expected {listed(SPLIT_NAMES)}")
    home = verdict.part if verdict.part in tables else "train"
    found = None
    for part, rows in parts.items():
        place = int(np.searchsorted(rows.rows, verdict.row))
        if (part if part in tables else "train") == home and place < len(rows) and rows.rows[place] == verdict.row:
            found = Found(part, place)
    named = f"{verdict.place}: row {verdict.row + 1} of {verdict.part}"
    if found is None:
        raise InputError(f"{named} is in no part of this run; give the flags of the data with which it was audited")
    if fingerprint(parts[found.part].digests[found.place]) != verdict.fingerprint:
        raise InputError(f"{named} has another text than the one that was reviewed; audit the data as they are now")
    if found.part == "test" and verdict.action != KEEP:
        raise InputError(
            f"{named} is a row of test, which a review never changes: a score on corrected rows is that of another "
            "test. Take the mark away, or correct the data themselves."
        )
    return found
