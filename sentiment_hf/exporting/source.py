"""Loads a finished model as it is exported, or refuses one without a graph."""

from dataclasses import dataclass
from pathlib import Path

from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.extra_columns import ColumnSchema
from sentiment_hf.models.checkpoint import checkpoint_tokenizer, load_checkpoint
from sentiment_hf.settings.model_ref import Kind, ModelRef
from sentiment_hf.text.encode import is_its_backend


@dataclass(frozen=True)
class Source:
    """A model as it is exported.

    model: from named inputs to an output with `logits`; it has a `config`.
    tokenizers: by what the names of their inputs end with: "" of a model, and _0, _1, ... of an ensemble's members.
    columns: those beside the text; None without any.
    runs: the folder of the model, or those of the members; none for a model of the Hub that is not in a folder.
    """

    model: nn.Module
    tokenizers: dict[str, PreTrainedTokenizerBase]
    columns: ColumnSchema | None
    runs: list[Path]


def load_source(ref: ModelRef) -> Source:
    """A single model as it is exported; raises InputError if it cannot be."""
    model, tokenizer = whole_model(ref)
    columns = ColumnSchema.of_config(model.config.to_dict())
    return Source(model, {"": tokenizer}, columns, [ref.folder] if ref.folder else [])


def refuse_unexportable(ref: ModelRef) -> None:
    """Raise InputError for what is no trained model, or one without a graph."""
    if ref.is_new:
        raise InputError(f"{ref.name} is a new model, which is not trained; name the folder of a finished run")
    if ref.kind is Kind.BASELINE:
        raise InputError(
            f"{ref.name} is a baseline of scikit-learn, which has no graph; train custom-ngram, which has as good "
            "scores and one"
        )
    if ref.kind is Kind.ONNX:
        raise InputError(f"{ref.name} is exported already; name the folder of its run")


def whole_model(ref: ModelRef) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model, with its adapter in its weights, and its tokenizer; raises InputError if it cannot be exported."""
    ref.require_task()
    tokenizer = checkpoint_tokenizer(ref)
    if not is_its_backend(tokenizer):
        raise InputError(
            f"{ref.name} has a tokenizer with code of its own ({type(tokenizer).__name__}), and an export is read "
            "without it; it cannot be exported"
        )
    model = load_checkpoint(ref, tokenizer, trains=False).eval()
    if isinstance(model, PeftModel):
        model = model.merge_and_unload()
    if getattr(model.config, "sentence_ends", None):
        raise InputError(
            f"{ref.name} reads sentence by sentence (--long_texts hierarchical), and a graph cannot find sentences; "
            "train it with --long_texts truncate or windows"
        )
    return model, tokenizer
