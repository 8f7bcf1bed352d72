"""The task of what was saved: a report names it, a model's config has its labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment_hf.common.errors import InputError
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.tasks.task import Task

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def task_named(name: str, labels: Sequence[str], source: Path | None) -> Task:
    """The task of a report; raises InputError, which names the `source`, for one that this version does not know."""
    if name != SingleLabel.name:
        raise InputError(f"{source}: the task {name!r} is not known, only {SingleLabel.name!r}; update sentiment-hf")
    return SingleLabel(tuple(labels))


def task_of_model(config: "PreTrainedConfig") -> Task:
    """The task of a classifier, whose labels are the names in its config by their ids.

    `problem_type` is not asked: most checkpoints of the Hub have none.
    """
    return SingleLabel(tuple(config.id2label[index] for index in sorted(config.id2label)))
