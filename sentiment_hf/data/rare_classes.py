"""Classes with few rows in train: left out, or made one class."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sentiment_hf.common.class_names import shown
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.tasks.task import Task

logger = logging.getLogger(__name__)

MERGED = "other"


def without_rare_classes(
    parts: dict[str, LabelledTexts], task: Task, args: DataArguments
) -> tuple[dict[str, LabelledTexts], Task, dict]:
    """The parts and the task without the classes of fewer than --min_class_rows rows of train, and notes on them.

    Their rows are left out of every part or, with --rare_classes merge, become the class `other`, which is said.

    Raises:
        InputError: the task has no such classes, or fewer than two classes or no row of a part would be left.
    """
    least, merges = args.min_class_rows, args.rare_classes == "merge"
    if least is None:
        return parts, task, {}
    if task.name != SingleLabel.name:
        raise InputError(f"--min_class_rows is for one class per text, and the task of this data is {task.name}.")
    counts = np.bincount(parts["train"].labels, minlength=len(task.labels))
    rare = counts < least
    if not rare.any():
        return parts, task, {}
    kept = labels_left(task.labels, counts, least, merges)
    ids = {name: index for index, name in enumerate(kept)}
    instead = ids[MERGED] if merges else -1
    new_ids = np.array([instead if few else ids[name] for name, few in zip(task.labels, rare, strict=True)])
    rows = {split: int(rare[part.labels].sum()) for split, part in parts.items()}
    parts = {split: _with_ids(part, new_ids) for split, part in parts.items()}
    if empty := [split for split, part in parts.items() if not len(part)]:
        raise InputError(
            f"--min_class_rows {least} leaves no row of {empty[0]}; lower it, or add --rare_classes merge."
        )
    names = [name for name, few in zip(task.labels, rare, strict=True) if few]
    notes = {"min_class_rows": least, "classes": names, "rows": rows, "became": MERGED if merges else None}
    logger.warning("%s", rare_in_words(notes))
    return parts, replace(task, labels=tuple(kept)), {"rare_classes": notes}


def labels_left(labels: Sequence[str], counts: np.ndarray, least: int, merges: bool) -> list[str]:
    """The classes with enough rows, and `other` if the rest is merged; raises InputError for fewer than two."""
    kept = [name for name, count in zip(labels, counts, strict=True) if count >= least]
    if merges and MERGED not in kept:
        kept.append(MERGED)
    if len(kept) < 2:
        rows, largest = max(zip(counts.tolist(), labels, strict=True))
        raise InputError(
            f"--min_class_rows {least} leaves fewer than two classes; the largest class, {largest!r}, has {rows} rows "
            "of train. Lower it."
        )
    return kept


def _with_ids(part: LabelledTexts, new_ids: np.ndarray) -> LabelledTexts:
    """The rows with the new id of their class; a row whose new id is -1 is left out."""
    part = replace(part, labels=new_ids[part.labels])
    return part.select(part.labels >= 0)


def rare_in_words(notes: dict) -> str:
    """3 classes have fewer than 20 rows of train and are left out, with 31 rows of train: a, b, c."""
    count = len(notes["classes"])
    fate = f"are the class {notes['became']!r} now" if notes["became"] else "are left out"
    rows = ", ".join(f"{rows:,} rows of {split}" for split, rows in notes["rows"].items())
    noun = "class has" if count == 1 else "classes have"
    few = f"{count} {noun} fewer than {notes['min_class_rows']} rows of train"
    return f"{few}; {rows} {fate}: {shown(notes['classes'])}."
