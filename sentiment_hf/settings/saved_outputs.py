"""What the files of a saved model say about its outputs: the names of the classes, and the task of the head."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentiment_hf.common.class_names import canonical, repeated, say_look_alikes
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.layout import CONFIG, ENSEMBLE_FILE, LABELS

if TYPE_CHECKING:
    from sentiment_hf.settings.model_ref import ModelRef


def other_task(config: dict) -> str | None:
    """The task that a config.json is for, in words; None if it is one class per text, or if the config does not say.

    Most checkpoints have no `problem_type`. The library trains a head with one output as a regression, and
    `pipeline()` reads it as a sigmoid.
    """
    if config.get("problem_type") == "multi_label_classification":
        return "several labels per text (multi-label classification)"
    if config.get("problem_type") == "regression":
        return "a number per text (regression)"
    if len(config.get("id2label") or ()) == 1 or config.get("num_labels") == 1:
        return "one output (regression, or the score of one label)"
    return None


def read_json_object(file: Path, ref: "ModelRef") -> dict:
    """The JSON object in a file of the model. Raises InputError if the file holds something else."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{ref.flag} {ref.name}: expected a JSON object in {file} ({error})") from error
    if not isinstance(found, dict):
        raise InputError(f"{ref.flag} {ref.name}: expected a JSON object in {file}, found a {type(found).__name__}")
    return found


def head_labels(config: dict, ref: "ModelRef") -> tuple[str, ...] | None:
    """The class names in a config.json, ordered by id; None if they are missing, or are LABEL_0, LABEL_1, ..."""
    names = config.get("id2label") or {}
    try:
        ordered = tuple(str(names[number]) for number in sorted(names, key=int))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{ref.flag} {ref.name}: expected id2label in {ref.folder / CONFIG} as {{number: name}}, found {names!r}"
        ) from error
    unnamed = ordered == tuple(f"LABEL_{number}" for number in range(len(ordered)))
    return None if unnamed else one_name_each(ordered, f"{ref.flag} {ref.name}: id2label in {CONFIG}")


def one_name_each(names: Iterable[str], where: str) -> tuple[str, ...]:
    """The names as `canonical`; raises InputError, which says `where` they are from, if two outputs have one name."""
    labels = tuple(map(canonical, names))
    if twice := repeated(labels):
        ids = [index for index, label in enumerate(labels) if label == twice]
        raise InputError(
            f"{where} gives the name {twice!r} to several outputs ({', '.join(map(str, ids))}); give each its own name"
        )
    say_look_alikes(labels, where)
    return labels


def saved_labels(ref: "ModelRef") -> tuple[str, ...] | None:
    """The class names in the labels.json of an adapter or a baseline; None without this file."""
    file = ref.folder / LABELS
    if not file.is_file():
        return None
    labels = read_json_object(file, ref).get("labels")
    if not is_list_of_names(labels):
        raise InputError(
            f"{ref.flag} {ref.name}: expected a list of class names as labels in {file}, found {labels!r}"
        )
    return one_name_each(labels, f"{ref.flag} {ref.name}: {file.name}")


def ensemble_labels(folder: Path) -> tuple[str, ...]:
    """The class names in the ensemble.json of a folder. Raises InputError if it is damaged."""
    file = folder / ENSEMBLE_FILE
    try:
        labels = json.loads(file.read_text(encoding="utf-8"))["labels"]
    except (ValueError, RecursionError, KeyError, TypeError):
        labels = None
    if not is_list_of_names(labels):
        raise InputError(f"{file} is damaged; make the ensemble again, by `sentiment-hf ensemble`")
    return one_name_each(labels, str(file))


def is_list_of_names(value: Any) -> bool:
    """Whether the value is a non-empty list of text."""
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)
