"""From the `ModelRef` of a checkpoint or an adapter to its tokenizer and its model, as they were saved."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import snapshot_download
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import CONFIG_NAME, cached_file
from transformers.utils.hub import extract_commit_hash
from transformers.utils.peft_utils import find_adapter_config_file

from custom_models import MODEL_NAMES
from sentiment_hf.common.errors import InputError, failure_explained
from sentiment_hf.settings.model_ref import Kind, ModelRef

if TYPE_CHECKING:
    from peft import PeftModel


def fetched(ref: ModelRef) -> ModelRef:
    """A Hub id at the commit that its branch is at now, an adapter of the Hub as its copy in the cache.

    What is no Hub id is returned as it is. The weights of a whole model are fetched when it is loaded.

    Raises:
        InputError: it cannot be fetched.
    """
    if ref.base:
        return with_base(ref, fetched(ref.base))
    if ref.is_new or ref.folder:
        return ref
    with failure_explained(ref.name, ref.flag):
        adapter = find_adapter_config_file(ref.name, revision=ref.revision)
        file = adapter or cached_file(ref.name, CONFIG_NAME, revision=ref.revision)
        commit = extract_commit_hash(file, None)
        if adapter is None:
            return ref.fetched(Path(file).parent, commit)
        other_weights = ["*.bin", "*.pt", "checkpoint-*"]
        copy = snapshot_download(ref.name, revision=commit, ignore_patterns=other_weights)
        found = ref.fetched(Path(copy), commit)
    return with_base(found, fetched(found.base))


def with_base(adapter: ModelRef, base: ModelRef) -> ModelRef:
    """The adapter on its base as that was fetched; an adapter without class names of its own has those of the base."""
    return replace(adapter, base=base, labels=adapter.labels or base.labels, model_type=base.model_type)


def checkpoint_tokenizer(ref: ModelRef) -> PreTrainedTokenizerBase:
    """The checkpoint's own tokenizer; its `model_max_length` is what the model takes, and it can pad.

    Raises:
        InputError: it cannot be loaded, knows no words, or has no token to pad with.
    """
    tokenizer = from_checkpoint(AutoTokenizer, ref)
    # What the library makes of a folder without tokenizer files.
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
    tokenizer.model_max_length = min(tokenizer.model_max_length, positions(checkpoint_config(ref)))
    return tokenizer


def checkpoint_config(ref: ModelRef) -> PreTrainedConfig:
    """Of the checkpoint, or of the one under an adapter."""
    return from_checkpoint(AutoConfig, ref.root)


def positions(config: PreTrainedConfig) -> float:
    """The most tokens for which the model has positions, infinity where there is no end to them."""
    limit = getattr(config, "max_position_embeddings", -1)
    # Custom models see to it themselves, and -1 is XLNet's word for no end.
    if config.model_type in MODEL_NAMES or limit < 0:
        return math.inf
    # A multiple of 8, as batches in half precision are padded to one; so are the 512 of RoBERTa, which says 514.
    return limit // 8 * 8


def label_names(labels: Sequence[str]) -> dict[str, dict]:
    """As a config holds them."""
    return {"id2label": dict(enumerate(labels)), "label2id": {label: index for index, label in enumerate(labels)}}


def load_checkpoint(
    ref: ModelRef, tokenizer: PreTrainedTokenizerBase, trains: bool, **settings: Any
) -> "PreTrainedModel | PeftModel":
    """A saved model with a classifier; the weights that it was saved without are fresh.

    Raises:
        InputError: it cannot be loaded, is not of this tokenizer, or has fresh weights and nothing `trains` them.
    """
    is_adapter = ref.kind is Kind.ADAPTER
    if not settings and is_adapter and ref.labels:
        settings = label_names(ref.labels) | {"num_labels": len(ref.labels)}
    model, info = from_checkpoint(
        AutoModelForSequenceClassification,
        ref.root,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        use_safetensors=True,
        **settings,
    )
    fresh = info["missing_keys"] | {key for key, *_ in info["mismatched_keys"]}
    if is_adapter:
        # peft takes longer to import than a text takes to be classified, so that only an adapter brings it.
        from sentiment_hf.models.adapters import load_adapter, saved_with_adapter

        fresh -= saved_with_adapter(ref)
    if fresh and not trains:
        raise InputError(
            f"{ref.flag} {ref.name} holds no trained classifier for {model.config.num_labels} classes (no weights for "
            f"{', '.join(sorted(fresh)[:4])}): train it with --do_train, or name the folder of a trained one"
        )
    require_whole(model, tokenizer, ref)
    model.config.pad_token_id = tokenizer.pad_token_id
    return load_adapter(model, ref, trains) if is_adapter else model


def require_whole(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, ref: ModelRef) -> None:
    """Raises InputError unless the classes are numbered 0, 1, ... and every token has a row in the embedding."""
    if (ids := sorted(model.config.id2label)) != list(range(len(ids))):
        raise InputError(
            f"{ref.flag} {ref.name}: its id2label numbers the classes {ids}; expected 0, 1, ... in config.json"
        )
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise InputError(
            f"{ref.flag} {ref.name}: its tokenizer has {len(tokenizer)} tokens, its embedding {rows} rows: "
            "tokenizer and weights are not from the same checkpoint"
        )


def from_checkpoint(auto_class: type, ref: ModelRef, **kwargs: Any) -> Any:
    """`from_pretrained` with the user's revision and trust, its many failures turned into one sentence."""
    with failure_explained(ref.name, ref.flag):
        return auto_class.from_pretrained(
            ref.source,
            revision=ref.commit or ref.revision,
            trust_remote_code=ref.trust_remote_code,
            **kwargs,
        )
