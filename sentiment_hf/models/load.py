"""From a `RunSpec` to its tokenizer and its model: new ones, or those of a checkpoint made ready to be trained."""

import logging
from collections.abc import Iterable

from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sentiment_hf.common.errors import InputError
from sentiment_hf.models.adapters import tune
from sentiment_hf.models.checkpoint import checkpoint_config, checkpoint_tokenizer, label_names, load_checkpoint
from sentiment_hf.models.fresh import new_model
from sentiment_hf.models.head import renew_classifier
from sentiment_hf.settings.arguments import RunSpec, TokenizerArguments
from sentiment_hf.settings.checks import NO_ADAPTER
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.tasks.task import Task
from sentiment_hf.text.encode import set_truncation
from sentiment_hf.text.tokenizers import train_tokenizer

logger = logging.getLogger(__name__)

# Where a checkpoint knows no limit: tokenizers wants a number.
LONGEST = 100_000

# What configs call the dropout on attention weights.
ATTENTION_DROPOUT = {"attention_probs_dropout_prob", "attention_dropout", "attn_pdrop"}


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
