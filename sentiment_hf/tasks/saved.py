"""The task of a saved report and of a saved model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentiment_hf.common.errors import InputError
from sentiment_hf.tasks.multi_label import MultiLabel
from sentiment_hf.tasks.ordinal import Ordinal
from sentiment_hf.tasks.regression import Regression
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.tasks.task import Task

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

TASKS = {task.name: task for task in (SingleLabel, MultiLabel, Regression, Ordinal)}


def task_named(name: str, labels: Sequence[str], settings: Mapping[str, Any] | None, source: Path | None) -> Task:
    """The task with this name, as report.json has it, and these `Task.settings`.

    Raises InputError, which names `source`, if it is not known.
    """
    if name not in TASKS:
        raise InputError(f"{source}: the task {name!r} is not known, only {', '.join(TASKS)}; update sentiment-hf")
    try:
        # JSON has no tuples.
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in (settings or {}).items()}
        return TASKS[name](tuple(labels), **values)
    except TypeError as error:
        raise InputError(f"{source}: the settings {settings!r} of the task {name} are not known") from error


def task_of_model(config: "PreTrainedConfig") -> Task:
    """The task of a classifier. Its labels are the names in `config.id2label`, in the order of their ids.

    The models of others do not have `task_settings`; most of them have no `problem_type`, and are single_label.
    """
    labels = tuple(config.id2label[index] for index in sorted(config.id2label))
    settings = dict(getattr(config, "task_settings", None) or {})
    of_type = {task.problem_type: task.name for task in (SingleLabel, MultiLabel, Regression)}
    name = settings.pop("task", None) or of_type.get(config.problem_type, SingleLabel.name)
    return task_named(name, labels, settings, None)
