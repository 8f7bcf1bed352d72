"""From --model to a `PreTrainedModel` and its tokenizer: a custom name starts fresh, anything else is a checkpoint."""

import dataclasses
import logging
import math
from collections.abc import Iterable
from pathlib import Path

import torch
import yaml
from huggingface_hub import snapshot_download
from huggingface_hub.errors import StrictDataclassError
from peft import PeftModel
from peft.utils import ModulesToSaveWrapper
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import CONFIG_NAME, cached_file
from transformers.utils.hub import extract_commit_hash
from transformers.utils.peft_utils import find_adapter_config_file

from custom_models import MODEL_NAMES, MODELS
from custom_models.base import TextClassifierConfig, TextEncoder
from sentiment_hf.args import NO_ADAPTER, OF_A_NEW_ADAPTER, ModelArguments
from sentiment_hf.data.limits import links_in, require_inside
from sentiment_hf.errors import InputError, did_you_mean, failure_explained
from sentiment_hf.hub import require_hub
from sentiment_hf.names import is_adapter, is_fresh
from sentiment_hf.tokenization import set_truncation, train_tokenizer
from sentiment_hf.tuning import adapter_labels, base_of, load_adapter, output_layers, saved_with_adapter, tune

logger = logging.getLogger(__name__)

# Where a checkpoint knows no limit: tokenizers wants a number.
LONGEST = 100_000

# Weights as they were saved before safetensors.
PICKLES = ("pytorch_model*.bin", "adapter_model*.bin")

# What configs call the dropout on attention weights.
ATTENTION_DROPOUT = {"attention_probs_dropout_prob", "attention_dropout", "attn_pdrop"}


def require_checkpoint(name: str, flag: str = "--model") -> None:
    """A folder must hold a checkpoint; a Hub id needs the Hub. Nothing is loaded yet.

    Raises:
        InputError: neither.
    """
    path = Path(name)
    if path.is_dir():
        if is_adapter(name):
            base = base_of(name)[0]
            if is_adapter(base):
                raise InputError(f"{flag} {name} is an adapter of {base}, which is an adapter too and no whole model")
            require_checkpoint(base)
        elif not (path / "config.json").is_file():
            raise InputError(f"{flag} {name}: this folder is no checkpoint, it has no config.json")
        require_own_files(path)
        refuse_pickles(path, flag)
    elif path.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise InputError(
            f"{flag} {name}: no such folder; expected one with a checkpoint (config.json, model.safetensors)"
        )
    else:
        require_hub(f"the model {name!r}")


def require_own_files(folder: Path) -> None:
    """Raises InputError for links to files elsewhere; those of the cache of the Hub lead to beside its snapshots."""
    cached = folder.resolve().parent.name == "snapshots"
    require_inside(links_in(folder), folder.resolve().parents[1] if cached else folder)


def refuse_pickles(folder: Path, flag: str) -> None:
    """Raises InputError where the weights are in a pickle, which is a program, and not in safetensors."""
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickles and not any(folder.glob("*.safetensors")):
        raise InputError(
            f"{flag} {folder}: its weights are in {pickles[0]}, a pickle, which can hold any program; "
            "if you trust it, save it anew with transformers, which writes model.safetensors"
        )


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


def label_names(labels: list[str]) -> dict[str, dict]:
    """As a config holds them."""
    return {"id2label": dict(enumerate(labels)), "label2id": {label: index for index, label in enumerate(labels)}}


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


@torch.no_grad()
def renew_classifier(model: PreTrainedModel | PeftModel) -> None:
    """Fresh weights in the output layers, whose rows stand for other classes than those of the data.

    They are initialised as the model initialises a head that its checkpoint lacks.
    """
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    for name in output_layers(inner):
        layer = inner.get_submodule(name)
        # An adapter holds the layer twice: as its base had it, and as it is trained.
        layer = layer.modules_to_save["default"] if isinstance(layer, ModulesToSaveWrapper) else layer
        for weight in layer.parameters():
            # The library marks what it has loaded, and initialises nothing that has the mark.
            weight._is_hf_initialized = False
        inner._init_weights(layer)


def new_model(args: ModelArguments, names: dict, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """Fresh weights, over those of the pretrained encoder of --embed_with if there is one."""
    settings = parse_settings(args.model_name_or_path, args.model_config or [])
    if args.embed_with and not takes_vectors(args.model_name_or_path):
        raise InputError(f"--embed_with: {args.model_name_or_path} reads n-grams of ids, and no vectors")
    encoder = pretrained_encoder(args.embed_with) if args.embed_with else None
    if encoder is not None:
        size = encoder.config.hidden_size
        if "embedding_size" in settings:
            raise InputError(f"--model_config embedding_size: that of --embed_with {args.embed_with} is {size}")
        # Not its number format: the whole model has one.
        settings["encoder"] = {name: value for name, value in encoder.config.to_diff_dict().items() if name != "dtype"}
        settings["embedding_size"] = size
    try:
        config = AutoConfig.for_model(
            args.model_name_or_path,
            vocab_size=len(tokenizer),
            pad_token_id=tokenizer.pad_token_id,
            **names,
            **settings,
        )
    except StrictDataclassError as error:
        reason = error.__cause__ or error
        raise InputError(f"--model_config: {' '.join(str(reason).split())}") from error
    model = AutoModelForSequenceClassification.from_config(config)
    if encoder is not None:
        model.embedding.model.load_state_dict(encoder.state_dict())
        require_token_vectors(model, args.embed_with)
    return model


def takes_vectors(model_type: str) -> bool:
    """Whether the custom model of this name reads vectors, so that it can be put on an encoder."""
    return next(issubclass(model, TextEncoder) for config, model in MODELS if config.model_type == model_type)


def pretrained_encoder(name: str) -> PreTrainedModel:
    """The model of --embed_with, without head and pooler; the code that a checkpoint brings is not run for this."""
    with failure_explained(name, "--embed_with"):
        if AutoConfig.from_pretrained(name, trust_remote_code=False).model_type in MODEL_NAMES:
            raise ValueError("it is a custom model, and its code would not be saved with the new model")
        model = AutoModel.from_pretrained(name, dtype=torch.float32, trust_remote_code=False, use_safetensors=True)
        if model.config.is_encoder_decoder:
            raise ValueError("it is an encoder with a decoder, and a vector for each token of a text is wanted")
    model.pooler = None
    return model


@torch.no_grad()
def require_token_vectors(model: PreTrainedModel, name: str) -> None:
    """Two tokens, alone and beside padding, get the same vectors of the right size."""
    ids = torch.tensor([[5, 6, model.config.pad_token_id, model.config.pad_token_id]])
    mask = torch.tensor([[True, True, False, False]])
    with failure_explained(name, "--embed_with"):
        alone, padded = model.embedding(mask[:, :2], input_ids=ids[:, :2]), model.embedding(mask, input_ids=ids)
        if alone.shape != (1, 2, model.config.embedding_size):
            raise ValueError(f"its vectors are of shape {tuple(alone.shape)}")
        if not torch.allclose(alone, padded[:, :2], atol=1e-4):
            raise ValueError("its vectors depend on the padding behind a text, so the batch would decide the class")


def parse_settings(model_type: str, settings: list[str]) -> dict:
    """['hidden_size=256'] -> {'hidden_size': 256}, names checked against the config's fields."""
    config_class = type(AutoConfig.for_model(model_type))
    inherited = {field.name for field in dataclasses.fields(TextClassifierConfig.__base__)}
    decided_elsewhere = {"vocab_size", "pad_token_id", "encoder"}
    known = [f.name for f in dataclasses.fields(config_class) if f.name not in inherited | decided_elsewhere]
    parsed = {}
    for name, value in (setting.split("=", 1) for setting in settings):
        if name not in known:
            raise InputError(f"--model_config: {model_type} has no setting {name!r}{did_you_mean(name, known)}")
        parsed[name] = parse_value(name, value)
    return parsed


def parse_value(name: str, text: str):
    """A number, list, true/false or word as YAML reads it, and 1e-3 as the number that it is."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(
            f"--model_config {name}={text}: expected a number, a word, true, false or a list as in [2,3]"
        ) from error
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


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
