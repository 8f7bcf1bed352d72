"""The test rows that the runs were scored on: texts, lengths and further columns of the data set."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.common.layout import LANGUAGE
from sentiment_hf.data.splits import Splits
from sentiment_hf.runs.finished import Run
from sentiment_hf.tasks.task import Task

LARGEST_GROUPING = 20


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups of rows with the same value in a column.

    values: the different values as text. The first one is "", which stands for a missing value.
    codes: (rows,) uint8, the place in `values` of the value of each row.
    """

    values: list[str]
    codes: np.ndarray

    def rows_with(self, value: str) -> np.ndarray:
        """(rows,) bool, true where a row has this value."""
        return self.codes == self.values.index(value)


@dataclass(frozen=True, eq=False)
class TestRows:
    """The test rows in the order of the test part.

    part: texts and labels, which are class ids of `task`.
    characters: (rows,) lengths of the texts.
    columns: by name, the further columns that group the rows.
    data_hash: SHA-256 over train, validation and test.
    task: has the labels in the order of their ids, which `data_hash` is over.
    train_rows: the number of training rows that `data_hash` is over.
    """

    part: LabelledTexts
    characters: np.ndarray
    columns: dict[str, Groups]
    data_hash: str
    task: Task
    train_rows: int


def test_rows(splits: Splits, further: Mapping[str, Iterable]) -> TestRows:
    """The test part of the splits and the groups that its further columns make: both as of `load_test_columns`."""
    columns = {name: groups_of(cells) for name, cells in further.items()}
    return TestRows(
        part=splits.test,
        characters=splits.test.characters,
        columns={name: groups for name, groups in columns.items() if groups},
        data_hash=splits.data_hash,
        task=splits.task,
        train_rows=len(splits.train),
    )


def as_text(cell: object) -> str:
    """A value of a column as text; "" for a missing one."""
    return "" if cell is None or cell != cell else str(cell).strip()


def groups_of(cells: Iterable) -> Groups | None:
    """The groups of a column with 2 to 20 different values; None for another one, of which no more cells are read."""
    places, codes = {"": 0}, bytearray()
    for cell in cells:
        codes.append(places.setdefault(as_text(cell), len(places)))
        if len(places) - 1 > LARGEST_GROUPING:
            return None
    return Groups(list(places), np.frombuffer(codes, np.uint8)) if len(places) - 1 >= 2 else None


def language_groups(runs: Sequence[Run]) -> dict[str, Groups]:
    """{column: groups of the test rows by language}, of the languages with most rows; {} if no run knows them."""
    known = [run for run in runs if "test" in run.languages]
    if not known:
        return {}
    languages = known[0].languages["test"]
    names, rows = np.unique(languages, return_counts=True)
    shown = names[np.argsort(-rows, kind="stable")][:LARGEST_GROUPING]
    groups = groups_of(np.where(np.isin(languages, shown), languages, "").tolist())
    return {known[0].report.data["columns"].get("language", LANGUAGE): groups} if groups else {}


def require_rows_of(run: Run, rows: TestRows) -> None:
    """Raise InputError unless the run was scored on these rows."""
    # The classes of the run may have another order, and other names.
    labels, expected = (task.as_text(found) for task, found in ((run.task, run.labels), (rows.task, rows.part.labels)))
    if labels == expected:
        same_data = run.train_rows == rows.train_rows and run.report.as_task() == rows.task
        # A review changes labels of train, and no row of test.
        same_data = same_data and "reviewed" not in run.report.data
        if not same_data or run.report.data_hash in (None, rows.data_hash):
            return
        reason = "texts or labels are not the same (data_hash)"
    elif len(labels) != len(expected):
        reason = f"{len(expected)} test rows, not {len(labels)}"
    else:
        row = next(row for row, pair in enumerate(zip(labels, expected, strict=True)) if pair[0] != pair[1])
        reason = f"test row {row} is {expected[row]!r}, not {labels[row]!r}"
    raise InputError(
        f"the data flags name other data than {run.folder} was scored on: {reason}; give the flags of its command"
    )
