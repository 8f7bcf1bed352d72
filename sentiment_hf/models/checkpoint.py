"""Load a checkpoint or an adapter: its config, its tokenizer and its model, in float32."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import cached_file

from custom_models import OWN_CODE
from sentiment_hf.common.errors import InputError, failure_explained
from sentiment_hf.common.extra_columns import ColumnSchema
from sentiment_hf.common.layout import READING
from sentiment_hf.models.inputs import keep_accepted_inputs
from sentiment_hf.models.positions import limit_to_positions
from sentiment_hf.models.quiet import quiet_loading
from sentiment_hf.settings.model_ref import Kind, ModelRef
from sentiment_hf.settings.reading import Reading
from sentiment_hf.tasks.saved import task_named
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.tasks.task import Task

if TYPE_CHECKING:
    from peft import PeftModel

logger = logging.getLogger(__name__)


def checkpoint_tokenizer(ref: ModelRef) -> PreTrainedTokenizerBase:
    """The checkpoint's own tokenizer, with a padding token.

    Raises:
        InputError: the tokenizer cannot be loaded, has no words, or has no token that can be used for padding.
    """
    tokenizer = load_pretrained(AutoTokenizer, ref)
    # From a folder without tokenizer files, the library makes a tokenizer with special tokens only.
    if set(tokenizer.get_vocab().values()) <= set(tokenizer.all_special_ids):
        raise InputError(
            f"{ref.flag} {ref.name}: its tokenizer knows special tokens only; the files that were saved with the "
            "model (tokenizer.json, tokenizer_config.json) belong beside config.json"
        )
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise InputError(
                f"{ref.flag} {ref.name}: its tokenizer has neither a padding nor an end-of-text token, so texts "
                "cannot be put into a batch; set pad_token in its tokenizer_config.json"
            )
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def checkpoint_config(ref: ModelRef) -> PreTrainedConfig:
    """The config of the checkpoint, or of the base of an adapter."""
    return load_pretrained(AutoConfig, ref.root)


def checkpoint_reading(ref: ModelRef) -> Reading | None:
    """The columns that a model was trained on; None if its folder does not say. Raises InputError if it is damaged."""
    file = companion_file(ref, READING)
    return Reading.load(file) if file else None


def companion_file(ref: ModelRef, name: str) -> Path | None:
    """A file beside the weights of a model, in its folder or on the Hub; None without one."""
    if ref.folder and (ref.is_local or ref.kind is Kind.ADAPTER):
        return ref.folder / name if (ref.folder / name).is_file() else None
    with failure_explained(ref.name, ref.flag):
        file = cached_file(
            ref.name,
            name,
            revision=ref.commit or ref.revision,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    return Path(file) if file else None


def checkpoint_columns(ref: ModelRef) -> ColumnSchema | None:
    """The columns beside the text that a checkpoint reads, or the base of an adapter; None for a new model."""
    if ref.kind not in (Kind.CHECKPOINT, Kind.ADAPTER):
        return None
    return ColumnSchema.of_config(checkpoint_config(ref).to_dict())


def label_names(labels: Sequence[str]) -> dict[str, dict]:
    """The fields id2label and label2id of a config."""
    return {"id2label": dict(enumerate(labels)), "label2id": {label: index for index, label in enumerate(labels)}}


def head_settings(task: Task, model_type: str | None) -> dict[str, Any]:
    """The fields of a config that shape the head; a model with code of ours has one for ordered classes."""
    settings = label_names(task.labels) | {"num_labels": len(task.labels)}
    return settings | ({"ordinal": has_corn_head(task)} if model_type in OWN_CODE else {})


def has_corn_head(task: Task) -> bool:
    """Whether the model learns of each class but the highest whether a text is above it."""
    return task.settings.get("head") == "corn"


def describe_task(config: PreTrainedConfig, task: Task) -> None:
    """Say in the config what the outputs are. Of one class per text the library's own fields say it all."""
    config.problem_type = task.problem_type
    if task.name != SingleLabel.name:
        config.task_settings = {"task": task.name} | task.settings
    elif getattr(config, "task_settings", None):
        config.task_settings = None


def load_checkpoint(
    ref: ModelRef, tokenizer: PreTrainedTokenizerBase, trains: bool, **settings: Any
) -> "PreTrainedModel | PeftModel":
    """Load a saved model with a classifier, in float32. Weights that are missing are initialised at random.

    `model_max_length` of the tokenizer becomes at most the number of positions of the model, and its
    `model_input_names` are those that the model takes.

    Raises:
        InputError: the model cannot be loaded, does not fit the tokenizer, or has untrained weights that nothing
            `trains`.
    """
    is_adapter = ref.kind is Kind.ADAPTER
    task = None
    if not settings and is_adapter and ref.labels:
        task = task_named(ref.task or SingleLabel.name, ref.labels, ref.task_settings, ref.folder)
        settings = head_settings(task, ref.model_type)
    model, untrained = load_in_float32(ref.root, settings)
    if task:
        describe_task(model.config, task)
    if is_adapter:
        # Importing peft takes longer than classifying a text, so it is imported only for an adapter.
        from sentiment_hf.models.adapters import adapter_weight_names, load_adapter

        untrained -= adapter_weight_names(ref)
    if untrained and not trains:
        raise InputError(
            f"{ref.flag} {ref.name} holds no trained classifier for {model.config.num_labels} classes (no weights for "
            f"{', '.join(sorted(untrained)[:4])}): train it with --do_train, or name the folder of a trained one"
        )
    if trains:
        say_missing_layers(model, untrained, ref)
    require_consistent(model, tokenizer, ref)
    limit_to_positions(tokenizer, model)
    keep_accepted_inputs(tokenizer, model)
    model.config.pad_token_id = tokenizer.pad_token_id
    return load_adapter(model, ref, trains) if is_adapter else model


def load_in_float32(ref: ModelRef, settings: dict[str, Any]) -> tuple[PreTrainedModel, set[str]]:
    """(model, names of the weights that the checkpoint does not have, or has in another shape).

    The library would load the weights in the format in which they were saved. In bfloat16 a weight does not move
    if a step is less than 1/256 of it, and in float16 the gradients overflow. Padding changes their scores, too.
    """
    model, info = load_pretrained(
        AutoModelForSequenceClassification,
        ref,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        use_safetensors=True,
        dtype=torch.float32,
        **settings,
    )
    return model, info["missing_keys"] | {key for key, *_ in info["mismatched_keys"]}


def say_missing_layers(model: PreTrainedModel, untrained: set[str], ref: ModelRef) -> None:
    """Warn of layers outside the head that start from random values. The head of another task is always new."""
    # It imports peft, which takes longer than classifying a text, and only training comes here.
    from sentiment_hf.models.head import head_modules

    head = tuple(f"{name}." for name in head_modules(model))
    if missing := sorted(name for name in untrained if not name.startswith(head)):
        logger.warning(
            "%s %s: %d of its weights are missing or of another shape, and start from random values: %s",
            *(ref.flag, ref.name, len(missing), ", ".join(missing[:4]) + (", ..." if len(missing) > 4 else "")),
        )


def require_consistent(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, ref: ModelRef) -> None:
    """Raise InputError unless the classes are numbered 0, 1, ... and every token has a row in the embedding.

    A model whose code comes with it need not tell which of its layers is the embedding; it is not checked.
    """
    if (ids := sorted(model.config.id2label)) != list(range(len(ids))):
        raise InputError(
            f"{ref.flag} {ref.name}: its id2label numbers the classes {ids}; expected 0, 1, ... in config.json"
        )
    try:
        rows = model.get_input_embeddings().num_embeddings
    except NotImplementedError:
        return
    if len(tokenizer) > rows:
        raise InputError(
            f"{ref.flag} {ref.name}: its tokenizer has {len(tokenizer)} tokens, its embedding {rows} rows: "
            "tokenizer and weights are not from the same checkpoint"
        )


def load_pretrained(auto_class: type, ref: ModelRef, **kwargs: Any) -> Any:
    """Call `auto_class.from_pretrained` with revision and trust_remote_code of `ref`; a failure is an InputError."""
    with failure_explained(ref.name, ref.flag), quiet_loading():
        return auto_class.from_pretrained(
            ref.source,
            revision=ref.commit or ref.revision,
            trust_remote_code=ref.trust_remote_code,
            **kwargs,
        )
