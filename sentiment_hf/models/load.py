"""The tokenizer and the model of a run: new ones, or those of a checkpoint, prepared for training."""

import logging
from collections.abc import Iterable

from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sentiment_hf.common.errors import InputError
from sentiment_hf.models.adapters import apply_tuning
from sentiment_hf.models.checkpoint import checkpoint_config, checkpoint_tokenizer, label_names, load_checkpoint
from sentiment_hf.models.fresh import new_model
from sentiment_hf.models.head import renew_classifier
from sentiment_hf.settings.arguments import RunSpec, TokenizerArguments
from sentiment_hf.settings.checks import NO_ADAPTER
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.tasks.task import Task
from sentiment_hf.text.encode import set_truncation
from sentiment_hf.text.line_breaks import read_line_breaks_as_spaces
from sentiment_hf.text.tokenizers import train_tokenizer

logger = logging.getLogger(__name__)

# The maximum length in tokens if neither flag nor checkpoint has a limit: the tokenizers library needs a number.
LONGEST_TEXT = 100_000

# The field of a config that holds the dropout on attention weights has one of these names.
ATTENTION_DROPOUT = {"attention_probs_dropout_prob", "attention_dropout", "attn_pdrop"}


def load_tokenizer(spec: RunSpec, texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """The tokenizer of the checkpoint or, for a new model, one trained on `texts`.

    Training reads `<br />` as a space. A checkpoint that is only scored reads it as it was saved.

    --max_seq_length and --truncation say how long texts are cut. If a flag is None, the checkpoint's setting stays.

    Raises:
        InputError: the tokenizer cannot be loaded or trained.
    """
    options, ref = spec.tokenizer, spec.embed_with or spec.model
    tokenizer = new_tokenizer(options, texts) if ref.is_new else limit_length(checkpoint_tokenizer(ref), options)
    if spec.training["do_train"] and not ref.is_new:
        tokenizer = read_line_breaks_as_spaces(tokenizer, f"{ref.flag} {ref.name}")
    if options.truncation:
        set_truncation(tokenizer, options.truncation)
    return tokenizer


def new_tokenizer(options: TokenizerArguments, texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """A tokenizer trained on `texts`."""
    return train_tokenizer(
        texts,
        options.tokenizer,
        vocab_size=options.vocab_size,
        min_frequency=options.min_frequency,
        lowercase=options.lowercase,
        model_max_length=options.max_seq_length,
    )


def limit_length(tokenizer: PreTrainedTokenizerBase, options: TokenizerArguments) -> PreTrainedTokenizerBase:
    """Set the tokenizer's maximum to --max_seq_length tokens, but at most to the maximum of the checkpoint."""
    tokenizer.model_max_length = min(options.max_seq_length or LONGEST_TEXT, tokenizer.model_max_length)
    return tokenizer


def load_model(spec: RunSpec, task: Task, tokenizer: PreTrainedTokenizerBase, trains: bool = True) -> PreTrainedModel:
    """A new custom model with the settings of --model_config, or a checkpoint with a head for the labels of the task.

    Raises:
        InputError: a setting does not exist or does not fit, the checkpoint cannot be loaded, or the model has random
            weights and nothing `trains` them.
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
        if ref.other_task:
            logger.warning("%s was trained for %s; its head is made new", ref.name, ref.other_task)
        if trains and (ref.other_task or ref.labels not in (None, task.labels)):
            renew_classifier(model)
    longest, limit = spec.tokenizer.max_seq_length, tokenizer.model_max_length
    if longest and longest > limit:
        logger.warning("--max_seq_length %d: this checkpoint was saved for %d tokens", longest, limit)
    model.config.problem_type = task.problem_type
    if trains:
        model = apply_tuning(model, spec)
    if spec.tuning.merge_adapter and not isinstance(model, PeftModel):
        raise InputError(NO_ADAPTER)
    return model


def attention_dropout(ref: ModelRef, rate: float | None) -> dict[str, float]:
    """{field: rate}, where `field` is the name of the attention dropout in the checkpoint's config.

    Raises:
        InputError: the config has none of the known fields, and `rate` is not 0.
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
