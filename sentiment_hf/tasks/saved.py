"""The task of a saved report and of a saved model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment_hf.common.errors import InputError
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.tasks.task import Task

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def task_named(name: str, labels: Sequence[str], source: Path | None) -> Task:
    """The task with this name, as report.json has it. Raises InputError, which names `source`, if it is not known."""
    if name != SingleLabel.name:
        raise InputError(f"{source}: the task {name!r} is not known, only {SingleLabel.name!r}; update sentiment-hf")
    return SingleLabel(tuple(labels))


def task_of_model(config: "PreTrainedConfig") -> Task:
    """The task of a classifier. Its labels are the names in `config.id2label`, in the order of their ids.

    `config.problem_type` is not read, because most checkpoints on the Hub have none.
    """
    return SingleLabel(tuple(config.id2label[index] for index in sorted(config.id2label)))
