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


# The values of --task, in words.
TASKS = {
    "single_label": "one class per text",
    "multi_label": "several labels per text (multi-label classification)",
    "regression": "a number per text (regression)",
    "ordinal": "one of several classes in their order",
}
# What a head can be for, in words. The further ones cannot be used as they are.
IN_WORDS = TASKS | {
    "numbers": "several numbers per text (regression with several outputs)",
    "one_output": "one output (regression, or the score of one label)",
}


def task_of_config(config: dict) -> str:
    """What the head of a config.json is for: a key of `IN_WORDS`.

    A model of this package says it in `task_settings`. Most others have no `problem_type`, and choose one class per
    text. One output is not clear: the library trains it as a regression, and `pipeline()` reads it as a sigmoid.
    """
    settings, kind = config.get("task_settings"), config.get("problem_type")
    outputs = len(config.get("id2label") or ()) or config.get("num_labels") or 2
    if isinstance(settings, dict) and settings.get("task") in IN_WORDS:
        return settings["task"]
    if kind == "multi_label_classification":
        return "multi_label"
    if kind == "regression":
        return "regression" if outputs == 1 else "numbers"
    return "one_output" if outputs == 1 else "single_label"


def predicts_words(config: dict) -> bool:
    """Whether a config.json is that of a language model, which has no outputs for labels."""
    names = config.get("architectures")
    return isinstance(names, list) and any(str(name).endswith(("ForCausalLM", "ForMaskedLM")) for name in names)


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


def saved_outputs(ref: "ModelRef") -> dict[str, Any] | None:
    """`labels`, `task` and `task_settings` in the labels.json of an adapter or a baseline; None without this file.

    Files of older versions have labels only, and are of one class per text.
    """
    file = ref.folder / LABELS
    if not file.is_file():
        return None
    saved = read_json_object(file, ref)
    labels = saved.get("labels")
    if not is_list_of_names(labels):
        raise InputError(
            f"{ref.flag} {ref.name}: expected a list of class names as labels in {file}, found {labels!r}"
        )
    return {
        "labels": one_name_each(labels, f"{ref.flag} {ref.name}: {file.name}"),
        "task": saved.get("task", "single_label"),
        "task_settings": saved.get("task_settings"),
    }


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
