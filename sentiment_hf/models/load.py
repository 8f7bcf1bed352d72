"""From --model to a `PreTrainedModel` and its tokenizer: a custom name starts fresh, anything else is a checkpoint."""

import dataclasses
import logging
import math
from collections.abc import Iterable
from pathlib import Path

import torch
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
from sentiment_hf.args import NO_ADAPTER, OF_A_NEW_ADAPTER, ModelArguments
from sentiment_hf.common.errors import InputError, failure_explained
from sentiment_hf.models.adapters import adapter_labels, base_of, load_adapter, saved_with_adapter, tune
from sentiment_hf.models.fresh import label_names, new_model
from sentiment_hf.names import is_adapter, is_fresh
from sentiment_hf.text.encode import set_truncation
from sentiment_hf.text.tokenizers import train_tokenizer

logger = logging.getLogger(__name__)

# Where a checkpoint knows no limit: tokenizers wants a number.
LONGEST = 100_000

# What configs call the dropout on attention weights.
ATTENTION_DROPOUT = {"attention_probs_dropout_prob", "attention_dropout", "attn_pdrop"}


def at_its_commit(args: ModelArguments) -> ModelArguments:
    """A model of the Hub at the commit that its branch is at now; an adapter of the Hub as its copy in the cache.

    Raises:
        InputError: it cannot be fetched, or is an adapter and is to get another shape.
    """
    name = args.model_name_or_path
    if is_fresh(name) or Path(name).is_dir():
        return args
    with failure_explained(name):
        adapter = find_adapter_config_file(name, revision=args.model_revision)
        file = adapter or cached_file(name, CONFIG_NAME, revision=args.model_revision)
        args = dataclasses.replace(args, model_revision=extract_commit_hash(file, None))
        if adapter is None:
            return args
        other_weights = ["*.bin", "*.pt", "checkpoint-*"]
        copy = snapshot_download(name, revision=args.model_revision, ignore_patterns=other_weights)
    shaped = [f"--{flag}" for flag in OF_A_NEW_ADAPTER if getattr(args, flag) != getattr(ModelArguments, flag)]
    if shaped:
        raise InputError(f"{', '.join(shaped)}: --model {name} is an adapter, which goes on in its own shape")
    return dataclasses.replace(args, model_name_or_path=copy)


def load_tokenizer(
    args: ModelArguments, texts: Iterable[str], max_length: int | None, truncation: str | None = None
) -> PreTrainedTokenizerBase:
    """The checkpoint's own tokenizer, or one trained on `texts` for a fresh model.

    It cuts texts to `max_length`, and keeps of them what `truncation` says; where these are None, as it was saved.
    """
    if is_fresh(args.model_name_or_path) and not args.embed_with:
        tokenizer = train_tokenizer(
            texts,
            args.tokenizer,
            vocab_size=args.vocab_size,
            min_frequency=args.min_frequency,
            lowercase=args.lowercase,
            model_max_length=max_length,
        )
    else:
        tokenizer = checkpoint_tokenizer(encoder_args(args) if args.embed_with else args)
        limit = tokenizer.model_max_length
        if max_length and max_length > limit:
            logger.warning("--max_seq_length %d: this checkpoint was saved for %d tokens", max_length, limit)
        tokenizer.model_max_length = min(max_length or LONGEST, limit)
    if truncation:
        set_truncation(tokenizer, truncation)
    return tokenizer


def checkpoint_tokenizer(args: ModelArguments) -> PreTrainedTokenizerBase:
    """The checkpoint's own tokenizer; its `model_max_length` is what the model takes, and it can pad.

    Raises:
        InputError: it cannot be loaded, knows no words, or has no token to pad with.
    """
    name = args.model_name_or_path
    tokenizer = from_checkpoint(AutoTokenizer, args)
    # What the library makes of a folder without tokenizer files.
    if set(tokenizer.get_vocab().values()) <= set(tokenizer.all_special_ids):
        raise InputError(
            f"--model {name}: its tokenizer knows special tokens only; the files that were saved with the model "
            "(tokenizer.json, tokenizer_config.json) belong beside config.json"
        )
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise InputError(
                f"--model {name}: its tokenizer has neither a padding nor an end-of-text token, so texts cannot "
                "be put into a batch; set pad_token in its tokenizer_config.json"
            )
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.model_max_length = min(tokenizer.model_max_length, positions(checkpoint_config(args)))
    return tokenizer


def checkpoint_config(args: ModelArguments) -> PreTrainedConfig:
    """Of the checkpoint, or of the one under an adapter."""
    return from_checkpoint(AutoConfig, base_args(args))


def base_args(args: ModelArguments) -> ModelArguments:
    """The same, but for the model under an adapter."""
    if not is_adapter(args.model_name_or_path):
        return args
    base, revision = base_of(args.model_name_or_path)
    return dataclasses.replace(args, model_name_or_path=base, model_revision=revision)


def encoder_args(args: ModelArguments) -> ModelArguments:
    """The same, but for the model of --embed_with."""
    return dataclasses.replace(args, model_name_or_path=args.embed_with, model_revision="main", embed_with=None)


def positions(config: PreTrainedConfig) -> float:
    """The most tokens for which the model has positions, infinity where there is no end to them."""
    limit = getattr(config, "max_position_embeddings", -1)
    # Custom models see to it themselves, and -1 is XLNet's word for no end.
    if config.model_type in MODEL_NAMES or limit < 0:
        return math.inf
    # A multiple of 8, as batches in half precision are padded to one; so are the 512 of RoBERTa, which says 514.
    return limit // 8 * 8


def load_model(
    args: ModelArguments, labels: list[str], tokenizer: PreTrainedTokenizerBase, trains: bool = True
) -> PreTrainedModel:
    """A fresh custom model with the settings of --model_config, or a checkpoint with a head for these labels.

    Raises:
        InputError: a setting that does not exist or does not fit, a checkpoint that cannot be loaded, fresh weights
            where nothing `trains` them.
    """
    names = label_names(labels)
    if is_fresh(args.model_name_or_path):
        if not trains:
            raise InputError(
                f"--model {args.model_name_or_path} is a new model, and without --do_train it stays untrained: "
                "add --do_train, or name the folder of a trained one"
            )
        model = new_model(args, names, tokenizer)
    else:
        if args.model_config or args.word_vectors:
            raise InputError(
                "--model_config and --word_vectors shape a new custom model; this --model is a checkpoint"
            )
        settings = names | {"num_labels": len(labels)} | attention_dropout(args)
        model = load_checkpoint(args, tokenizer, trains, **settings)
        if trains and label_order(args) not in (None, labels):
            renew_classifier(model)
    model.config.problem_type = "single_label_classification"
    if trains:
        model = tune(model, args)
    if args.merge_adapter and not isinstance(model, PeftModel):
        raise InputError(NO_ADAPTER)
    return model


def attention_dropout(args: ModelArguments) -> dict[str, float]:
    """--attention_dropout by the name that the checkpoint's config has for it.

    Raises:
        InputError: it has none of the usual names, and dropout is asked for.
    """
    if args.attention_dropout is None:
        return {}
    names = ATTENTION_DROPOUT & checkpoint_config(args).to_dict().keys()
    if args.attention_dropout and not names:
        raise InputError(
            f"--attention_dropout {args.attention_dropout}: {args.model_name_or_path} has no such setting "
            f"(known names: {', '.join(sorted(ATTENTION_DROPOUT))})"
        )
    return dict.fromkeys(names, args.attention_dropout)


def load_checkpoint(
    args: ModelArguments, tokenizer: PreTrainedTokenizerBase, trains: bool, **settings
) -> PreTrainedModel:
    """A saved model with a classifier; the weights that it was saved without are fresh.

    Raises:
        InputError: it cannot be loaded, is not of this tokenizer, or has fresh weights and nothing `trains` them.
    """
    name = args.model_name_or_path
    if not settings and (labels := adapter_labels(name)):
        settings = label_names(labels) | {"num_labels": len(labels)}
    model, info = from_checkpoint(
        AutoModelForSequenceClassification,
        base_args(args),
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        use_safetensors=True,
        **settings,
    )
    fresh = sorted(info["missing_keys"] | {key for key, *_ in info["mismatched_keys"]})
    if is_adapter(name):
        fresh = sorted(set(fresh) - saved_with_adapter(name))
    if fresh and not trains:
        raise InputError(
            f"--model {name} holds no trained classifier for {model.config.num_labels} classes (no weights for "
            f"{', '.join(fresh[:4])}): train it with --do_train, or name the folder of a trained one"
        )
    if (ids := sorted(model.config.id2label)) != list(range(len(ids))):
        raise InputError(f"--model {name}: its id2label numbers the classes {ids}; expected 0, 1, ... in config.json")
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise InputError(
            f"--model {name}: its tokenizer has {len(tokenizer)} tokens, its embedding {rows} rows: "
            "tokenizer and weights are not from the same checkpoint"
        )
    model.config.pad_token_id = tokenizer.pad_token_id
    return load_adapter(model, name, trains) if is_adapter(name) else model


def renew_classifier(model: PreTrainedModel) -> None:
    """Fresh weights in the last layer, whose rows stand for other classes than those of the data."""
    layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
    [layer for layer in layers if layer.out_features == model.config.num_labels][-1].reset_parameters()


def label_order(args: ModelArguments) -> list[str] | None:
    """The class names of a checkpoint in the order of its head; None where they are LABEL_0, ... or it is fresh."""
    if is_fresh(args.model_name_or_path):
        return None
    if labels := adapter_labels(args.model_name_or_path):
        return labels
    names = checkpoint_config(args).id2label
    order = [names[index] for index in sorted(names)]
    return None if order == [f"LABEL_{index}" for index in range(len(order))] else order


def from_checkpoint(auto_class, args: ModelArguments, **kwargs):
    """`from_pretrained` with the user's revision and trust, its many failures turned into one sentence."""
    with failure_explained(args.model_name_or_path):
        return auto_class.from_pretrained(
            args.model_name_or_path,
            revision=args.model_revision,
            trust_remote_code=args.trust_remote_code,
            **kwargs,
        )
