"""`ModelRef`: the model that --model, --embed_with or the argument of another command names."""

import json
import os
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from sentiment_hf.common.errors import InputError, did_you_mean
from sentiment_hf.common.layout import ADAPTER_CONFIG, BASELINE_FILE, CONFIG, ENSEMBLE_FILE, GRAPH, MODEL_FILES
from sentiment_hf.common.lfs import is_lfs_pointer
from sentiment_hf.settings.saved_outputs import (
    IN_WORDS,
    TASKS,
    ensemble_labels,
    head_labels,
    predicts_words,
    read_json_object,
    saved_outputs,
    task_of_config,
)

# Names and descriptions, as `list` shows them. They are repeated here because the registries import torch and
# scikit-learn. A test compares the names.
MODELS = {
    "custom-ngram": "A score per class for each word and each of its n-grams, at most num_buckets; hidden_size is not "
    "used.",
    "custom-fc": "num_layers fully connected layers of hidden_size over pooled embeddings.",
    "custom-rnn": "An Elman network.",
    "custom-gru": "Gated recurrent units.",
    "custom-lstm": "Long short-term memory.",
    "custom-attention": "One layer of self-attention of hidden_size in num_heads heads.",
    "custom-transformer": "num_layers blocks; max_position_embeddings bounds learned positions, sinusoidal ones have "
    "no end.",
    "custom-textcnn": "num_filters filters for each window of kernel_sizes tokens; hidden_size is not used.",
}
BASELINES = {
    "baseline-majority": "The most frequent class of train, with the shares of the classes as probabilities.",
    "baseline-lexicon": "VADER, an English lexicon, with a logistic regression over its four scores learned on train.",
    "baseline-naive-bayes-bow": "Multinomial naive Bayes on counts of words.",
    "baseline-naive-bayes-tfidf": "Multinomial naive Bayes on TF-IDF of words and pairs of words.",
    "baseline-logistic-regression-bow": "Logistic regression on counts of words.",
    "baseline-logistic-regression-tfidf": "Logistic regression on TF-IDF of words and pairs of words.",
    "baseline-svm-bow": "Linear support vector machine on counts of words, its probabilities calibrated on "
    "validation.",
    "baseline-svm-tfidf": "Linear support vector machine on TF-IDF of words and pairs of words, calibrated on "
    "validation.",
    "baseline-nb-svm": "NB-SVM: logistic regression on n-grams of 1 to 3 words, each weighted by its naive Bayes "
    "log-count ratio.",
    "baseline-ridge-tfidf": "For numbers: ridge regression on TF-IDF of words and pairs of words.",
    "baseline-svr-tfidf": "For numbers: linear support vector regression on TF-IDF of words and pairs of words.",
}
MODEL_NAMES, BASELINE_NAMES = tuple(MODELS), tuple(BASELINES)
# The custom models whose bodies learn words, too. A test compares them with the registry.
LANGUAGE_MODELS = ("custom-rnn", "custom-gru", "custom-lstm", "custom-transformer")


class Kind(StrEnum):
    """The kind of model that a reference names."""

    FRESH = "fresh"
    BASELINE = "baseline"
    CHECKPOINT = "checkpoint"
    ADAPTER = "adapter"
    ENSEMBLE = "ensemble"
    ONNX = "ONNX graph"


@dataclass(frozen=True)
class ModelRef:
    """A reference to a model. The model is not loaded.

    name: the name as given.
    folder: the folder of the model; None for a new model and for a Hub id that is not downloaded.
    revision: the branch, tag or commit that is asked for.
    commit: the commit that was downloaded; None for a model that does not come from the Hub.
    base: the model that an adapter changes.
    labels: the class names in the order of the outputs; None if they are not known.
    model_type: the `model_type` of the config; None if it is not known.
    task: what the head is for, a key of `saved_outputs.IN_WORDS`; None if it is not known.
    task_settings: what the task saved besides its labels.
    is_language_model: whether it predicts words, so that a classifier has its body and a new head.
    flag: the flag that named the model, for errors.
    """

    name: str
    kind: Kind
    folder: Path | None = None
    revision: str = "main"
    commit: str | None = None
    trust_remote_code: bool = False
    base: Self | None = None
    labels: tuple[str, ...] | None = None
    model_type: str | None = None
    task: str | None = None
    task_settings: dict[str, Any] | None = field(default=None, compare=False)
    is_language_model: bool = False
    flag: str = "--model"

    @classmethod
    def parse(
        cls, name: str, *, flag: str = "--model", revision: str = "main", trust_remote_code: bool = False
    ) -> Self:
        """The reference for `name`: a custom model or a baseline, else a folder, else a Hub id. It uses no network.

        Raises:
            InputError: no custom-* or baseline-* model has the name, a path is not a folder, a folder has no model or
                a damaged one, or an adapter belongs to something other than a checkpoint.
        """
        given = {"revision": revision, "trust_remote_code": trust_remote_code, "flag": flag}
        if not name:
            raise InputError(f"{flag}: expected the name of a model, a Hub id or a folder, found an empty text")
        refuse_misspelt(name, flag)
        if name in MODELS:
            return cls(name, Kind.FRESH, model_type=name, **given)
        if name in BASELINES:
            return cls(name, Kind.BASELINE, **given)
        if os.path.isdir(name):
            # With the name as it was given, because it is part of the identity of a run.
            return inspect_folder(cls(name, Kind.CHECKPOINT, Path(name), **given))
        if is_path(name):
            raise no_such_folder(name, flag)
        return cls(name, Kind.CHECKPOINT, **given)

    @classmethod
    def in_folder(cls, folder: Path, **given: Any) -> Self:
        """The reference for a folder, whatever its name is. `given` and errors are as in `parse`."""
        return inspect_folder(cls(str(folder), Kind.CHECKPOINT, folder, **given))

    def fetched(self, folder: Path, commit: str) -> Self:
        """The reference for this Hub id at `commit`. `folder` is its copy in the cache with at least config.json."""
        given = {"flag": self.flag, "revision": self.revision, "trust_remote_code": self.trust_remote_code}
        there = ModelRef.in_folder(folder, **given)
        return replace(there, name=self.name, commit=commit)

    @property
    def is_new(self) -> bool:
        """Whether the model is a custom model or a baseline that is still to be trained."""
        return self.folder is None and self.kind in (Kind.FRESH, Kind.BASELINE)

    @property
    def is_local(self) -> bool:
        """Whether the model is a folder of this machine only, not a copy of a model of the Hub."""
        return self.folder is not None and self.commit is None

    @property
    def source(self) -> str:
        """The argument of `from_pretrained`: a folder, or the Hub id of a whole model, which it then downloads."""
        return str(self.folder) if self.is_local or self.kind is Kind.ADAPTER else self.name

    @property
    def root(self) -> Self:
        """The base of an adapter; for any other model the model itself."""
        return self.base or self

    @property
    def short_name(self) -> str:
        """The last part of the name: without parent folders or owner."""
        return Path(self.name).name

    @property
    def files(self) -> list[Path]:
        """The files that identify a local model and its local base. A model of the Hub has a commit instead."""
        refs = [ref for ref in (self, self.base) if ref and ref.is_local] if self.is_local else []
        return [path for ref in refs for pattern in (*MODEL_FILES, "*.py") for path in ref.folder.glob(pattern)]

    def require_base(self) -> None:
        """Raise InputError if the folder of the base of an adapter is gone, or is not that of a checkpoint."""
        if not self.base or not self.base.is_local:
            return
        if not self.base.folder.is_dir():
            raise no_such_folder(self.base.name, self.flag)
        if not (self.base.folder / CONFIG).is_file():
            raise no_config(self.base.name, self.flag)

    def require_task(self, name: str | None = None) -> None:
        """Raise InputError if the head is for another task than this one, or for none that can be used."""
        if self.task is None or self.task == name or (name is None and self.task in TASKS):
            return
        wanted = f", and the data have {IN_WORDS[name]}" if name else " and cannot be used as it is"
        raise InputError(
            f"{self.flag} {self.name}: its head is for {IN_WORDS[self.task]}{wanted}: train it with a new head by "
            f"`sentiment-hf run --model {self.name}`"
        )


def refuse_misspelt(name: str, flag: str) -> None:
    """Raise InputError for a custom-* or baseline-* name that does not exist. A folder is given as ./custom-mine."""
    for kind, prefix, known in (("custom model", "custom-", MODELS), ("baseline", "baseline-", BASELINES)):
        if name.startswith(prefix) and "/" not in name and name not in known:
            raise InputError(
                f"{flag} {name}: no {kind} has this name{did_you_mean(name, known)}; a folder is ./{name}"
            )


def is_path(name: str) -> bool:
    """Whether a name is a path and cannot be a Hub id."""
    written_as_one = name.startswith((".", "/", "~")) or name.count("/") > 1 or Path(name).is_absolute()
    return written_as_one or os.path.exists(name)


def no_such_folder(name: str, flag: str) -> InputError:
    """The error for a path that is not a folder."""
    return InputError(
        f"{flag} {name}: no such folder; expected one with a checkpoint (config.json, model.safetensors)"
    )


def no_config(name: str, flag: str) -> InputError:
    """The error for a folder in which there is no model."""
    return InputError(f"{flag} {name}: this folder is no checkpoint, it has no config.json")


def inspect_folder(ref: ModelRef) -> ModelRef:
    """The reference with the kind, base, labels and model type of the model in its folder."""
    folder = ref.folder
    refuse_lfs_pointers(ref)
    if (folder / ENSEMBLE_FILE).is_file():
        return replace(ref, kind=Kind.ENSEMBLE, labels=ensemble_labels(folder))
    if (folder / BASELINE_FILE).is_file():
        return replace(ref, kind=Kind.BASELINE, **saved_outputs(ref) or {})
    if (folder / ADAPTER_CONFIG).is_file():
        base = adapter_base(ref)
        outputs = saved_outputs(ref) or outputs_of(base)
        return replace(ref, kind=Kind.ADAPTER, base=base, model_type=base.model_type, **outputs)
    if not (folder / CONFIG).is_file():
        raise no_config(ref.name, ref.flag)
    config = read_json_object(folder / CONFIG, ref)
    known = {"model_type": config.get("model_type"), "task": task_of_config(config)}
    if predicts_words(config):
        known |= {"is_language_model": True, "task": None}
    if config.get(GRAPH):
        known["kind"] = Kind.ONNX
    settings = {name: value for name, value in (config.get("task_settings") or {}).items() if name != "task"}
    return replace(ref, labels=head_labels(config, ref), task_settings=settings or None, **known)


def outputs_of(base: ModelRef) -> dict[str, Any]:
    """The fields of a reference that say what the outputs of a model are."""
    return {name: getattr(base, name) for name in ("labels", "task", "task_settings")}


def refuse_lfs_pointers(ref: ModelRef) -> None:
    """Raise InputError if a file of the model is a Git LFS pointer. Pickled weights are not read, so they may be."""
    patterns = [pattern for pattern in MODEL_FILES if not pattern.startswith("pytorch_model")]
    for path in sorted(path for pattern in patterns for path in ref.folder.glob(pattern)):
        if path.is_file() and is_lfs_pointer(path):
            raise InputError(
                f"{ref.flag} {ref.name}: {path.name} is a Git LFS pointer and not the file itself; get the files by "
                f"`git lfs pull` in {ref.folder}"
            )


def adapter_base(ref: ModelRef) -> ModelRef:
    """The model that an adapter changes. Its `folder` may be a path that does not exist any more.

    Raises:
        InputError: the adapter does not name its base, or the base is not a whole checkpoint.
    """
    file = ref.folder / ADAPTER_CONFIG
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        name, revision = config["base_model_name_or_path"], config.get("revision") or "main"
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise InputError(
            f"{ref.flag} {ref.name}: {file} does not name its model as base_model_name_or_path"
        ) from error
    if not name or not isinstance(name, str):
        raise InputError(
            f"{ref.flag} {ref.name}: expected a model as base_model_name_or_path in {file}, found {name!r}"
        )
    given = {"revision": revision, "trust_remote_code": ref.trust_remote_code, "flag": ref.flag}
    if os.path.isfile(os.path.join(name, ADAPTER_CONFIG)):
        raise InputError(f"{ref.flag} {ref.name} is an adapter of {name}, which is an adapter too and no whole model")
    models = (CONFIG, BASELINE_FILE, ENSEMBLE_FILE)
    if is_path(name) and not any(os.path.isfile(os.path.join(name, file)) for file in models):
        # The folder is gone, or holds no model any more. `require_base` refuses it where the base is needed.
        return ModelRef(name, Kind.CHECKPOINT, folder=Path(name), **given)
    base = ModelRef.parse(name, **given)
    if base.kind is not Kind.CHECKPOINT:
        raise InputError(f"{ref.flag} {ref.name} is an adapter of {name}, which is no checkpoint")
    return base
