"""The task of a data set: what --task says, or what the cells of its label columns show."""

from collections.abc import Mapping, Sequence

import numpy as np

from sentiment_hf.common.class_names import canonical
from sentiment_hf.common.errors import InputError
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.tasks.label_column import LabelColumn
from sentiment_hf.tasks.label_sets import holds_lists, read_label_sets, read_truth
from sentiment_hf.tasks.multi_label import MultiLabel
from sentiment_hf.tasks.ordinal import Ordinal
from sentiment_hf.tasks.regression import Regression
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.tasks.task import Task

# By split, for each table its label columns.
LabelColumns = Mapping[str, Sequence[Sequence[LabelColumn]]]


def read_task(columns: LabelColumns, args: DataArguments) -> tuple[Task, dict[str, np.ndarray]]:
    """The task with the labels in "train", and the labels of the rows by split.

    Several columns, lists, and texts that --label_delimiter splits are several labels per text. Everything else is
    one class per text unless --task says otherwise.

    Raises:
        InputError: a label cannot be used, or the labels are not of the kind that --task wants.
    """
    if args.label_column_names:
        names, labels = read_truth(columns)
        return MultiLabel(tuple(names)), labels
    single = {split: [only for (only,) in tables] for split, tables in columns.items()}
    first = single["train"][0]
    several = args.label_delimiter is not None or any(map(holds_lists, single["train"]))
    if several and args.task not in (None, MultiLabel.name):
        raise InputError(
            f"--task {args.task} wants one label per text, and {first.source} has lists of labels in {first.name!r}; "
            "leave --task out, or take another column by --label_column_name."
        )
    if several:
        names, labels = read_label_sets(single, args.label_delimiter)
        return MultiLabel(tuple(names)), labels
    if args.task == MultiLabel.name:
        raise InputError(
            f"--task multi_label: {first.source} has one label per text in {first.name!r}; expected lists, text that "
            "--label_delimiter splits, or a column for each label, named by --label_column_names."
        )
    if args.task == Regression.name:
        return Regression.read(single)
    if args.task == Ordinal.name:
        order = None if args.label_order is None else [canonical(name) for name in args.label_order.split(",")]
        return Ordinal.read_in_order(single, order)
    return SingleLabel.read(single)
