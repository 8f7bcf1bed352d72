"""The tokenizer and the model of a run: new ones, or those of a checkpoint, prepared for training."""

import hashlib
import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

import tokenizers
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sentiment_hf.common.cache import Cache
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.extra_columns import ColumnSchema
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.common.layout import TOKENIZER_FILE
from sentiment_hf.common.profile import station
from sentiment_hf.models.adapters import apply_tuning
from sentiment_hf.models.checkpoint import (
    checkpoint_config,
    checkpoint_tokenizer,
    describe_task,
    head_settings,
    load_checkpoint,
)
from sentiment_hf.models.fresh import new_model, parse_model_config
from sentiment_hf.models.head import renew_classifier
from sentiment_hf.models.target_scale import standardise_output
from sentiment_hf.models.wrap import under_our_head
from sentiment_hf.settings.arguments import RunSpec, TokenizerArguments
from sentiment_hf.settings.checks import NO_ADAPTER
from sentiment_hf.settings.model_ref import MODEL_NAMES, ModelRef
from sentiment_hf.settings.run_flags import WEIGHTLESS
from sentiment_hf.settings.saved_outputs import IN_WORDS
from sentiment_hf.tasks.regression import Regression
from sentiment_hf.tasks.task import Task
from sentiment_hf.text.encode import set_truncation
from sentiment_hf.text.line_breaks import read_line_breaks_as_spaces
from sentiment_hf.text.tokenize import MANY
from sentiment_hf.text.tokenizers import WORDS, read_tokenizer, train_tokenizer
from sentiment_hf.text.windows import Windows, set_windows

logger = logging.getLogger(__name__)

# The maximum length in tokens if neither flag nor checkpoint has a limit: the tokenizers library needs a number.
LONGEST_TEXT = 100_000

# The field of a config that holds the dropout on attention weights has one of these names.
ATTENTION_DROPOUT = {"attention_probs_dropout_prob", "attention_dropout", "attn_pdrop"}


@station("tokenizer")
def load_tokenizer(
    spec: RunSpec, texts: LabelledTexts, resumed: ModelRef | None = None, cache: Cache | None = None
) -> PreTrainedTokenizerBase:
    """The tokenizer of the checkpoint or, for a new model, that of --tokenizer or one trained on `texts`.

    Training reads `<br />` as a space. A checkpoint that is only scored reads it as it was saved.

    A run that goes on from its checkpoint `resumed` has the tokenizer of that, because the weights belong to its ids.

    --max_seq_length, --truncation and --long_texts say how long texts are cut, or read in windows. If a flag is None,
    the checkpoint's setting stays.

    Raises:
        InputError: the tokenizer cannot be loaded or trained, or is another than that of `resumed`.
    """
    options, ref = spec.tokenizer, spec.tokenizer_ref or spec.embed_with or spec.model
    if ref.is_new and resumed:
        tokenizer = read_tokenizer(resumed.folder / TOKENIZER_FILE, options.max_seq_length)
    elif ref.is_new:
        tokenizer = new_tokenizer(options, texts, cache)
    else:
        tokenizer = limit_length(checkpoint_tokenizer(ref), options)
        if spec.tokenizer_ref:
            # The limit is that of the checkpoint, and its tokenizer knows none.
            tokenizer.model_max_length = options.max_seq_length or LONGEST_TEXT
        if resumed and tokenizer.get_vocab() != checkpoint_tokenizer(resumed).get_vocab():
            raise InputError(
                f"{ref.flag} {ref.name} has another tokenizer than {resumed.folder}, from which the run would go on; "
                "name the model that the run began with, or give --overwrite to train anew"
            )
    if spec.training["do_train"] and not ref.is_new:
        tokenizer = read_line_breaks_as_spaces(tokenizer, f"{ref.flag} {ref.name}")
    if options.truncation:
        set_truncation(tokenizer, options.truncation)
    if options.long_texts == "windows":
        set_windows(tokenizer, Windows(options.window_stride, options.window_pooling))
        # A bare `pipeline()` then reads the first window.
        set_truncation(tokenizer, "head")
    elif options.long_texts:
        set_windows(tokenizer, None)
    return tokenizer


def new_tokenizer(
    options: TokenizerArguments, texts: LabelledTexts, cache: Cache | None = None
) -> PreTrainedTokenizerBase:
    """A tokenizer trained on `texts`, or on the same texts by an earlier run."""
    settings = {name: getattr(options, name) for name in ("vocab_size", "min_frequency", "lowercase")}
    train = partial(train_tokenizer, texts, options.tokenizer, **settings, model_max_length=options.max_seq_length)
    if cache is None or len(texts) < MANY:
        return train()
    described = json.dumps(
        [texts.texts_hash, tokenizers.__version__, options.tokenizer, WORDS, settings], sort_keys=True
    )
    key = "tokenizer-" + hashlib.sha256(described.encode()).hexdigest()
    folder = cache.folder(key, lambda home: write_tokenizer(train(), home))
    return read_tokenizer(folder / TOKENIZER_FILE, options.max_seq_length) if folder else train()


def write_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write tokenizer.json; raises OSError."""
    (folder / TOKENIZER_FILE).write_text(tokenizer.backend_tokenizer.to_str(), encoding="utf-8")


def limit_length(tokenizer: PreTrainedTokenizerBase, options: TokenizerArguments) -> PreTrainedTokenizerBase:
    """Set the tokenizer's maximum to --max_seq_length tokens, but at most to the maximum of the checkpoint."""
    tokenizer.model_max_length = min(options.max_seq_length or LONGEST_TEXT, tokenizer.model_max_length)
    return tokenizer


@station("preparing")
def load_model(
    spec: RunSpec,
    task: Task,
    tokenizer: PreTrainedTokenizerBase,
    trains: bool = True,
    columns: ColumnSchema | None = None,
) -> PreTrainedModel:
    """A new custom model with the settings of --model_config, or a checkpoint with a head for the labels of the task.

    It reads the `columns` beside the text.

    Raises:
        InputError: a setting does not exist or does not fit, the checkpoint cannot be loaded, or the model has random
            weights and nothing `trains` them.
    """
    ref = spec.model
    if ref.is_new:
        if not trains:
            raise InputError(
                f"--model {ref.name} is a new model, and without --do_train it stays untrained: "
                "add --do_train, or name the folder of a trained one"
            )
        model, is_new_head = new_model(spec, head_settings(task, ref.model_type), tokenizer, columns), True
    else:
        model, is_new_head = saved_model(spec, task, tokenizer, trains, columns)
    longest, limit = spec.tokenizer.max_seq_length, tokenizer.model_max_length
    if longest and longest > limit:
        logger.warning("--max_seq_length %d: this checkpoint was saved for %d tokens", longest, limit)
    describe_task(model.config, task)
    if task.name == Regression.name and trains:
        standardise_output(model, task, is_trained=not is_new_head and ref.task == Regression.name)
    if trains:
        model = apply_tuning(model, spec)
    if spec.tuning.merge_adapter and not isinstance(model, PeftModel):
        raise InputError(NO_ADAPTER)
    return model


def saved_model(
    spec: RunSpec, task: Task, tokenizer: PreTrainedTokenizerBase, trains: bool, columns: ColumnSchema | None
) -> tuple[PreTrainedModel, bool]:
    """(the checkpoint of --model with a head for the task that reads the columns, whether the head is new)."""
    ref = spec.model
    settings = settings_of_saved(spec)
    settings |= head_settings(task, ref.model_type) | attention_dropout(ref, spec.tuning.attention_dropout)
    model = load_checkpoint(ref, tokenizer, trains, **settings)
    if ref.is_language_model and ref.model_type in MODEL_NAMES:
        # The code of the language model does not travel with the classifier.
        vars(model.config).pop("auto_map", None)
    if spec.tokenizer.long_texts == "hierarchical" and getattr(model.config, "sentence_ends", None) is None:
        raise InputError(
            f"--long_texts hierarchical: {ref.name} was not trained to read sentence by sentence, and its layers "
            "stay as they are; train a new custom-rnn, custom-gru or custom-lstm, or give --long_texts windows"
        )
    is_new_head = trains and (other_head(ref, task) or ref.labels not in (None, task.labels))
    if is_new_head:
        renew_classifier(model)
    ours = under_our_head(model, ref, columns, task, trains)
    return ours, is_new_head or ours is not model


def settings_of_saved(spec: RunSpec) -> dict[str, Any]:
    """What --model_config sets of a language model, of which a classifier is made: what shapes no weights.

    Raises InputError for other settings.
    """
    ref, given = spec.model, spec.new_model.model_config
    if spec.new_model.word_vectors or (given and not (ref.is_language_model and ref.model_type in MODEL_NAMES)):
        raise InputError("--model_config and --word_vectors shape a new custom model; this --model is a checkpoint")
    settings = parse_model_config(ref.model_type, given) if given else {}
    if shaped := [name for name in settings if not name.endswith(WEIGHTLESS)]:
        raise InputError(
            f"--model_config {shaped[0]}: the layers of {ref.name} are as they were trained; dropout and pooling can "
            "be set"
        )
    return settings


def other_head(ref: ModelRef, task: Task) -> bool:
    """Whether the head of the checkpoint is for another task, which is said: it is made new."""
    same = ref.task in (None, task.name)
    if not same:
        logger.warning("%s was trained for %s; its head is made new", ref.name, IN_WORDS[ref.task])
    return not same or (ref.task_settings or {}).get("head") != task.settings.get("head")


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
