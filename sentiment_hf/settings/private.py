"""--dp_epsilon: refuse what would see private texts without noise, and switch off what a recipe says of it."""

from collections.abc import Set
from importlib.util import find_spec

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.layout import REPORT
from sentiment_hf.settings.arguments import TOKENIZERS, RunArguments, RunSpec
from sentiment_hf.settings.model_ref import MODEL_NAMES, Kind

# Flags that must be as they are without being given, and why.
READS_TRAIN = "it is computed from private rows, without noise"
ONE_PASS = "the gradient of each text is known only in one pass over it"
REFUSED = {
    "class_weights": (None, READS_TRAIN),
    "word_vectors": (None, "vectors can have been learned from private texts; --embed_with takes a public model"),
    "min_class_rows": (None, READS_TRAIN),
    "reviewed": (None, "which rows were marked depends on all others"),
    "teacher": (None, "a teacher may have learned from the private rows"),
    "adversarial": (None, "it makes a second gradient of each text, which nobody counts"),
    "refit": (False, "the second fit would see train again, which nobody counts"),
    "force_resume": (False, "the ε that was spent would not be that of these flags"),
    "gradient_accumulation_steps": (
        1,
        "a batch is cut to fit into memory by itself; --per_device_train_batch_size is how many texts a step takes on "
        "average",
    ),
    "gradient_checkpointing": (False, ONE_PASS),
    "torch_compile": (False, ONE_PASS),
    "fp16": (False, "the gradient of a text must be measured in float32"),
    "bf16": (False, "the gradient of a text must be measured in float32"),
    "auto_find_batch_size": (False, "it would begin again, and see train twice"),
    "ignore_data_skip": (False, "a resumed run would draw rows that it has drawn"),
    "dataloader_drop_last": (False, "a step takes rows at random, and there is no last batch"),
    "neftune_noise_alpha": (None, ONE_PASS),
    "use_dora": (False, "its magnitudes have no gradient for each text; leave it out"),
    "deepspeed": (None, ONE_PASS),
    "fsdp": (None, ONE_PASS),
}
# What a recipe may say, and what it is then.
REPLACED = {
    "early_stopping_patience": (None, "validation chooses nothing"),
    "load_best_model_at_end": (False, "the weights are those of the last step"),
    "max_grad_norm": (0, "--dp_max_grad_norm shortens the gradient of each text, not that of a step"),
}
# Optimizers that read the gradient when it has its noise.
OPTIMIZERS = ("adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "adagrad", "rmsprop")
# Settings of new models that have no gradient for each text, or read all of train.
SETTINGS = {
    "weight_dropout": (("0", "0.0"), "it drops weights within a layer, which hides what each text adds to them"),
    "exact": (("false", "False"), "it finds n-grams in all of train"),
    "positions": (("sinusoidal",), "learned positions have no gradient for each text"),
}


def make_private(spec: RunSpec, given: Set[str]) -> None:
    """With --dp_epsilon, set the flags of `REPLACED`; `given` are those on the command line.

    Raises:
        InputError: a flag would see private rows without noise, something cannot be trained in private, or opacus is
            not installed.
    """
    if spec.run.dp_epsilon is None:
        for name in ("dp_delta", "dp_max_grad_norm"):
            if getattr(spec.run, name) != getattr(RunArguments, name):
                raise InputError(f"--{name} belongs to --dp_epsilon, which is not given")
        return
    if find_spec("opacus") is None:
        raise InputError("opacus is not installed: pip install 'sentiment-hf[dp]'")
    values = spec.values()
    for name, (value, reason) in REFUSED.items():
        if values[name] and values[name] != value:
            raise InputError(f"--dp_epsilon and --{name}: {reason}")
    check_private_model(spec)
    check_private_data(spec)
    for name, (value, reason) in REPLACED.items():
        if name in given and values[name] != value:
            raise InputError(f"--dp_epsilon and --{name}: {reason}; leave it out")
        if name in spec.training:
            spec.training[name] = value
        else:
            setattr(spec.run, name, value)


def check_private_model(spec: RunSpec) -> None:
    """Refuse models whose gradient is not known for each text, or that can have read private texts."""
    model, name = spec.model, spec.model.name
    if not spec.training["do_train"]:
        raise InputError("--dp_epsilon trains in private, and --do_train is not given; leave it out")
    if spec.run.objective != "labels" or model.kind not in (Kind.FRESH, Kind.CHECKPOINT, Kind.ADAPTER):
        what = "a language model" if spec.run.objective != "labels" else name
        raise InputError(
            f"--dp_epsilon: {what} is not trained in private; expected {', '.join(MODEL_NAMES)}, or a public "
            "checkpoint with --tuning lora or head"
        )
    trained = (
        model.model_type in MODEL_NAMES
        or model.kind is Kind.ADAPTER
        or (model.folder and (model.folder / REPORT).is_file())
    )
    if not model.is_new and trained:
        raise InputError(
            f"--dp_epsilon: {name} was trained already, perhaps on private texts; expected a new model, or a public "
            "checkpoint with --tuning lora or head"
        )
    if not model.is_new and spec.tuning.tuning == "full":
        raise InputError(
            f"--dp_epsilon: not all weights of {name} have a gradient for each text; add --tuning lora or head"
        )
    if spec.training["optim"] not in OPTIMIZERS:
        raise InputError(
            f"--dp_epsilon and --optim {spec.training['optim']}: it may use gradients that have no noise yet; "
            f"expected one of {', '.join(OPTIMIZERS)}"
        )
    if (schedule := spec.training["lr_scheduler_type"]) in ("reduce_lr_on_plateau", "greedy"):
        raise InputError(f"--dp_epsilon and --lr_scheduler_type {schedule}: validation or the loss would steer it")


def check_private_data(spec: RunSpec) -> None:
    """Refuse what is learned from all rows of train: a vocabulary, a scale, columns, weights of labels."""
    data, options = spec.data, spec.tokenizer
    if spec.model.is_new and not spec.embed_with and options.tokenizer in set(TOKENIZERS) - {"bytes"}:
        raise InputError(
            f"--dp_epsilon and --tokenizer {options.tokenizer}: its vocabulary would tell which words stand in "
            "private texts; give --tokenizer the tokenizer.json, the folder or the Hub id of a public model, or bytes"
        )
    if data.extra_column_names and not data.columns_as_text:
        raise InputError(
            "--dp_epsilon and --extra_column_names: their scales and categories are read from private rows; add "
            "--columns_as_text, or leave it out"
        )
    if data.task == "regression":
        raise InputError("--dp_epsilon and --task regression: the scale of the numbers is read from private rows")
    if spec.run.pos_weight == "balanced":
        raise InputError(f"--dp_epsilon and --pos_weight balanced: {READS_TRAIN}")
    if options.long_texts in ("windows", "hierarchical"):
        raise InputError(
            f"--dp_epsilon and --long_texts {options.long_texts}: a text then has several gradients; leave it out"
        )
    for setting in spec.new_model.model_config or []:
        name, _, value = setting.partition("=")
        allowed, reason = SETTINGS.get(name, ((value,), ""))
        if value not in allowed:
            raise InputError(f"--dp_epsilon and --model_config {setting}: {reason}")
