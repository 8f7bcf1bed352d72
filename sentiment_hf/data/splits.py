"""From tables to train, validation and test. A missing part is split off from train; rows keep their order."""

import hashlib
import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, repeat
from pathlib import Path
from typing import Self

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.extra_columns import ColumnSchema
from sentiment_hf.common.labelled_texts import LabelledTexts, framed, joined_columns
from sentiment_hf.common.profile import station
from sentiment_hf.common.redaction import NAMES_LEFT, counts_in_words
from sentiment_hf.data.carve import stratified
from sentiment_hf.data.columns import (
    find_columns,
    read_labels,
    read_texts,
    require_columns,
)
from sentiment_hf.data.duplicates import count_all_duplicates, refuse_lost_class
from sentiment_hf.data.extra_columns import find_extra_columns, with_columns, with_prefixes
from sentiment_hf.data.languages import read_languages
from sentiment_hf.data.missing_parts import take_parts
from sentiment_hf.data.parts import SPLIT_NAMES
from sentiment_hf.data.rare_classes import without_rare_classes
from sentiment_hf.data.redacted import counted, redacted_tables
from sentiment_hf.data.reviewed import with_review
from sentiment_hf.data.row_cells import cells_of_rows
from sentiment_hf.data.sources import Source, Tables
from sentiment_hf.data.table import Table, place_of_row
from sentiment_hf.data.table_files import read_one_table
from sentiment_hf.data.texts_alone import read_texts_alone
from sentiment_hf.data.unlabelled import labelled_source, require_unlabelled
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.settings.reading import Reading
from sentiment_hf.tasks.task import Task

logger = logging.getLogger(__name__)

PARTS = tuple(SPLIT_NAMES)


@dataclass(frozen=True)
class Splits:
    """Three parts with labels as `task` reads them; `notes` go into the report.

    columns: those beside the text; None without any.
    languages: {part: (rows,) languages} of validation and test; {} without --language_column_name.
    unlabelled: the texts of --unlabelled_file, whose labels say nothing; None without the flag.
    lessons: {part: (rows, outputs) logits of --teacher}, of "unlabelled" and of the parts that it was not trained on.
    """

    train: LabelledTexts
    validation: LabelledTexts
    test: LabelledTexts
    task: Task
    name: str
    notes: dict
    reading: Reading
    columns: ColumnSchema | None = None
    languages: Mapping[str, np.ndarray] = field(default_factory=dict)
    unlabelled: LabelledTexts | None = None
    lessons: Mapping[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    @station("hashing")
    def data_hash(self) -> str:
        """SHA-256 over texts, labels and the columns beside them of the three parts, in their order."""
        digest = hashlib.sha256()
        for part in (self.train, self.validation, self.test):
            for rows in framed(part):
                digest.update(rows)
            digest.update(b"\2")
        if self.columns:
            digest.update(json.dumps(self.columns.settings).encode())
            for part in (self.train, self.validation, self.test):
                digest.update(part.extra.numbers.tobytes() + part.extra.categories.tobytes())
        return digest.hexdigest()

    def with_validation_in_train(self) -> Self:
        """The same parts, with the rows of validation behind those of train."""
        lessons = dict(self.lessons)
        if "train" in lessons:
            lessons["train"] = np.concatenate([lessons["train"], lessons["validation"]])
        return replace(self, train=LabelledTexts.joined([self.train, self.validation]), lessons=lessons)

    @cached_property
    @station("hashing")
    def test_hash(self) -> str:
        """SHA-256 over the test texts and their labels as text: what runs on any part of train have in common.

        Runs with and without columns have it in common too.
        """
        labels = self.task.as_text(self.test.labels)
        digest = hashlib.sha256(b"[[")
        # As json.dumps writes both lists, some texts at a time.
        for begin, batch in zip(chain([""], repeat(", ")), self.test.bare_batches(), strict=False):
            digest.update(begin.encode() + json.dumps(batch.to_pylist())[1:-1].encode())
        digest.update(f"], {json.dumps(labels)}]".encode())
        return digest.hexdigest()


def load_splits(args: DataArguments, columns: ColumnSchema | None = None) -> Splits:
    """The splits of the data that the flags name; the same flags and files give the same rows in the same order.

    columns: those of a checkpoint that was trained with columns beside the text.

    Raises:
        InputError: the data cannot be found, read or split, or a label or text is missing.
    """
    return _split(args, labelled_source(args), columns)


def load_test_columns(args: DataArguments, rows_file: str | None) -> tuple[Splits, dict[str, Iterator]]:
    """The splits, and the further columns of the test rows: by name of the column its values, read when asked for.

    `rows_file` is a table with more columns. It has a line per row of the test part of the source, or of train if the
    test rows are taken from train. A column that some files of the source lack is None in their rows.

    Raises:
        InputError: as `load_splits`; or `rows_file` cannot be read or has another number of rows.
    """
    source = labelled_source(args)
    splits = _split(args, source)
    pieces = source.tables.get("test", source.tables["train"])
    tables = {name: pieces for table in pieces for name in table.columns}
    if rows_file is not None:
        table = read_one_table(Path(rows_file), "--rows_file", args.max_data_bytes, args.csv, args.table_cache)
        (table,) = redacted_tables([table], ())[0] if args.redact else (table,)
        _refuse_unfit(table, _num_rows(pieces), tables)
        tables |= {name: [table] for name in table.columns}
    label = splits.notes["columns"]["label"]
    used = {*splits.notes["columns"]["text"], *([label] if isinstance(label, str) else label)}
    # The groups of a redacted source are as they were.
    used |= {args.group_column_name} if args.redact else set()
    rows = splits.test.rows
    return splits, {name: cells_of_rows(found, name, rows) for name, found in tables.items() if name not in used}


def load_with_places(args: DataArguments) -> tuple[Splits, dict[str, Callable[[int], str]]]:
    """The splits, and for each part: number of a row of its table, from 0 -> the place of that row, as errors name it.

    Raises InputError as `load_splits`.
    """
    source = labelled_source(args)
    splits = _split(args, source)
    return splits, {part: place_of_row(source.tables.get(part, source.tables["train"])) for part in PARTS}


def _refuse_unfit(table: Table, expected: int, names: Collection[str]) -> None:
    """Raise InputError unless the table of --rows_file has the expected number of rows and none of these columns."""
    if (rows := table.num_rows) != expected:
        raise InputError(
            f"--rows_file {table.source} has {rows} rows, and the part that test is from has {expected}; expected a "
            "line for each, in the same order."
        )
    if twice := [name for name in table.columns if name in names]:
        raise InputError(f"--rows_file {table.source}: the data has a column {twice[0]!r} already; rename this one.")


def _num_rows(tables: Sequence[Table]) -> int:
    """The number of rows of some tables together."""
    return sum(table.num_rows for table in tables)


@station("splitting")
def _split(args: DataArguments, source: Source, known: ColumnSchema | None = None) -> Splits:
    tables = source.tables
    texts, labels = find_columns(tables["train"][0], args)
    extra = find_extra_columns(tables, args.extra_column_names, [*texts, *labels]) if args.extra_column_names else []
    parts, task = _read(tables, texts, labels, args)
    if args.predict_unlabelled:
        require_unlabelled(source.unlabelled, [*texts, *extra], task.answers)
    parts, task, rare = without_rare_classes(parts, task, args)
    notes = {"hub_id": source.hub_id, "commit": source.commit, "config": args.dataset_config_name}
    label = labels if args.label_column_names else labels[0]
    notes |= {"columns": {"text": texts, "label": label} | noted(extra, args), "csv": csv_formats(tables)} | rare
    parts, taken = take_parts(parts, tables, task, args)
    notes |= taken | {"sampled": {"train": source.drawn} if source.drawn else {}}
    if args.reviewed is not None:
        parts, notes["reviewed"] = with_review(parts, tables, task, args)
        notes["duplicates"] |= {} if args.deduplicate else count_all_duplicates(parts)
    flags = {"train": "max_train_samples", "validation": "max_eval_samples", "test": "max_predict_samples"}
    for split, flag in flags.items():
        largest, rows = getattr(args, flag), len(parts[split])
        if largest is not None and largest < rows:
            parts[split] = _sample(parts[split], largest, args.split_seed, flag, task)
            notes["sampled"][split] = f"{largest} of {rows} rows, stratified, seed {args.split_seed}"
    notes["rows"] = {split: len(parts[split]) for split in flags}
    notes["empty_texts"] = {split: sum(not text or text.isspace() for text in parts[split]) for split in flags}
    if any(notes["empty_texts"].values()):
        counts = ", ".join(f"{count} in {split}" for split, count in notes["empty_texts"].items())
        logger.warning("Some texts are empty (%s); they are kept and count like any other.", counts)
    unlabelled, columns = None, None
    if args.unlabelled_file:
        unlabelled, notes["unlabelled"] = read_texts_alone(args, texts, parts)
    if args.redact:
        notes["redacted"] = redacted_notes(source, parts)
    if extra and args.columns_as_text:
        parts = with_prefixes(parts, tables, extra)
    elif extra:
        parts, columns = with_columns(parts, tables, extra, known)
    reading = Reading.of(texts, args, extra)
    task = task.fitted(parts["train"].labels)
    column = args.language_column_name
    languages = {} if column is None else read_languages(parts, tables, column)
    found = {"columns": columns, "languages": languages, "unlabelled": unlabelled}
    return Splits(**parts, task=task, name=source.name, notes=notes, reading=reading, **found)


def noted(extra: Sequence[str], args: DataArguments) -> dict:
    """The notes on the columns beside the text and that of languages."""
    beside = {"extra": list(extra), "as_text": args.columns_as_text} if extra else {}
    return beside | ({"language": args.language_column_name} if args.language_column_name else {})


def redacted_notes(source: Source, parts: Mapping[str, LabelledTexts]) -> dict[str, dict[str, int]]:
    """{part: {kind: what --redact replaced in its rows}}, which is said."""
    found = source.findings
    notes = {part: counted(found.get(part, found["train"])[parts[part].rows]) for part in PARTS}
    said = "; ".join(f"{counts_in_words(counts)} in {part}" for part, counts in notes.items())
    logger.warning("--redact: %s; %s", said, NAMES_LEFT)
    return notes


def csv_formats(tables: Tables) -> dict[str, str]:
    """{split: delimiter and quotes of its csv files in words}."""
    formats = {
        split: dict.fromkeys(str(table.format) for table in pieces if table.format) for split, pieces in tables.items()
    }
    return {split: "; ".join(found) for split, found in formats.items() if found}


def _read(
    tables: Tables, texts: list[str], names: list[str], args: DataArguments
) -> tuple[dict[str, LabelledTexts], Task]:
    """The parts that the source has, and the task, whose labels are those of train."""
    for table in (table for pieces in tables.values() for table in pieces):
        require_columns(table, texts, "--text_column_names")
        require_columns(table, names, "--label_column_names" if args.label_column_names else "--label_column_name")
    task, labels = read_labels(tables, names, args)
    parts = {}
    for split, pieces in tables.items():
        cells = [read_texts(table, texts, args.text_column_delimiter) for table in pieces]
        parts[split] = LabelledTexts.of(joined_columns(cells), labels[split])
    return parts, task


def _sample(part: LabelledTexts, count: int, seed: int, flag: str, task: Task) -> LabelledTexts:
    if count < 1:
        raise InputError(f"--{flag} {count}: expected at least 1.")
    sample = part.select(stratified(task.strata(part.labels), count, seed))
    if flag == "max_train_samples":
        refuse_lost_class(part, sample, task, f"--{flag} {count}")
    return sample
