"""From a `ModelRef` to a `PreTrainedModel` and its tokenizer, for training or to be used as it is."""

import logging
import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from peft import PeftModel
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
from sentiment_hf.models.adapters import load_adapter, saved_with_adapter, tune
from sentiment_hf.models.fresh import label_names, new_model
from sentiment_hf.models.head import renew_classifier
from sentiment_hf.settings.arguments import RunSpec, TokenizerArguments
from sentiment_hf.settings.checks import NO_ADAPTER
from sentiment_hf.settings.model_ref import Kind, ModelRef
from sentiment_hf.tasks.task import Task
from sentiment_hf.text.encode import set_truncation
from sentiment_hf.text.tokenizers import train_tokenizer

logger = logging.getLogger(__name__)

# Where a checkpoint knows no limit: tokenizers wants a number.
LONGEST = 100_000

# What configs call the dropout on attention weights.
ATTENTION_DROPOUT = {"attention_probs_dropout_prob", "attention_dropout", "attn_pdrop"}


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


def load_tokenizer(spec: RunSpec, texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """The checkpoint's own tokenizer, or one trained on `texts` for a new model.

    It cuts texts to --max_seq_length, and keeps of them what --truncation says; where these are None, as it was saved.
    """
    wanted, ref = spec.tokenizer, spec.embed_with or spec.model
    tokenizer = new_tokenizer(wanted, texts) if ref.is_new else limited(checkpoint_tokenizer(ref), wanted)
    if wanted.truncation:
        set_truncation(tokenizer, wanted.truncation)
    return tokenizer


def new_tokenizer(wanted: TokenizerArguments, texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """A tokenizer trained on `texts`."""
    return train_tokenizer(
        texts,
        wanted.tokenizer,
        vocab_size=wanted.vocab_size,
        min_frequency=wanted.min_frequency,
        lowercase=wanted.lowercase,
        model_max_length=wanted.max_seq_length,
    )


def limited(tokenizer: PreTrainedTokenizerBase, wanted: TokenizerArguments) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint, which cuts texts to --max_seq_length, at most to what the checkpoint takes."""
    limit = tokenizer.model_max_length
    if wanted.max_seq_length and wanted.max_seq_length > limit:
        logger.warning("--max_seq_length %d: this checkpoint was saved for %d tokens", wanted.max_seq_length, limit)
    tokenizer.model_max_length = min(wanted.max_seq_length or LONGEST, limit)
    return tokenizer


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


def load_model(spec: RunSpec, task: Task, tokenizer: PreTrainedTokenizerBase, trains: bool = True) -> PreTrainedModel:
    """A new custom model with the settings of --model_config, or a checkpoint with a head for the labels of the task.

    Raises:
        InputError: a setting that does not exist or does not fit, a checkpoint that cannot be loaded, fresh weights
            where nothing `trains` them.
    """
    ref, names = spec.model, label_names(task.labels)
    if ref.is_new:
        if not trains:
            raise InputError(
                f"--model {ref.name} is a new model, and without --do_train it stays untrained: "
                "add --do_train, or name the folder of a trained one"
            )
        model = new_model(spec, names, tokenizer)
    else:
        if spec.new_model.model_config or spec.new_model.word_vectors:
            raise InputError(
                "--model_config and --word_vectors shape a new custom model; this --model is a checkpoint"
            )
        settings = names | {"num_labels": len(task.labels)} | attention_dropout(ref, spec.tuning.attention_dropout)
        model = load_checkpoint(ref, tokenizer, trains, **settings)
        if trains and ref.labels not in (None, task.labels):
            renew_classifier(model)
    model.config.problem_type = task.problem_type
    if trains:
        model = tune(model, spec)
    if spec.tuning.merge_adapter and not isinstance(model, PeftModel):
        raise InputError(NO_ADAPTER)
    return model


def attention_dropout(ref: ModelRef, rate: float | None) -> dict[str, float]:
    """--attention_dropout by the name that the checkpoint's config has for it.

    Raises:
        InputError: it has none of the usual names, and dropout is asked for.
    """
    if rate is None:
        return {}
    names = ATTENTION_DROPOUT & checkpoint_config(ref).to_dict().keys()
    if rate and not names:
        raise InputError(
            f"--attention_dropout {rate}: {ref.name} has no such setting "
            f"(known names: {', '.join(sorted(ATTENTION_DROPOUT))})"
        )
    return dict.fromkeys(names, rate)


def load_checkpoint(
    ref: ModelRef, tokenizer: PreTrainedTokenizerBase, trains: bool, **settings: Any
) -> PreTrainedModel | PeftModel:
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
