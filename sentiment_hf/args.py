"""Flags, named as in the Hugging Face examples: a recipe (YAML) sets the defaults, the command line overrides them."""

import argparse
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, fields

import torch
from transformers import HfArgumentParser, TrainingArguments
from transformers.hf_argparser import HfArg, string_to_bool
from transformers.trainer_utils import HubStrategy

from custom_models import MODEL_NAMES
from sentiment_hf.baselines import BASELINES
from sentiment_hf.common.errors import InputError, did_you_mean, suggestion
from sentiment_hf.common.files import VERIFY
from sentiment_hf.names import is_adapter, is_baseline, is_fresh
from sentiment_hf.recipes import as_default, find_recipe, joined, read_recipe

# Where this project's defaults differ from those of TrainingArguments: the checkpoint is chosen by validation, a
# resumed run keeps its count for early stopping, a loss that is not finite is seen, the run ends with one checkpoint.
AUTO = "auto"
DEFAULTS = {
    "output_dir": AUTO,
    "eval_strategy": "epoch",
    "save_strategy": "epoch",
    "save_total_limit": 1,
    "load_best_model_at_end": True,
    "restore_callback_states_from_checkpoint": True,
    "metric_for_best_model": "accuracy",
    "logging_nan_inf_filter": False,
    "logging_steps": 50,
    "per_device_eval_batch_size": 64,
}

# Below these `Trainer` fails much later, or does something else in silence.
LOWEST = {
    "per_device_train_batch_size": 1,
    "per_device_eval_batch_size": 1,
    "gradient_accumulation_steps": 1,
    "eval_accumulation_steps": 1,
    "num_cpu_threads": 1,
    "max_data_bytes": 1,
    "early_stopping_patience": 1,
    "dataloader_num_workers": 0,
    "num_train_epochs": 0,
    "learning_rate": 0,
    "weight_decay": 0,
    "max_grad_norm": 0,
    "lora_r": 1,
    "lora_alpha": 1,
    "lora_dropout": 0,
    "attention_dropout": 0,
}

PUSHED_ONCE = "a finished run is pushed, once"

# The one value that a flag of `TrainingArguments` may have here, and why.
FIXED = {
    "hub_token": (None, "a command line is seen by others; set HF_TOKEN, or `hf auth login`"),
    "hub_always_push": (False, PUSHED_ONCE),
    "hub_revision": (None, "a run is pushed to the main branch"),
    "resume_from_checkpoint": (
        None,
        "the same command goes on from the last checkpoint in its --output_dir by itself",
    ),
    "save_only_model": (False, "an interrupted run needs its optimizer to go on"),
    "prediction_loss_only": (False, "the scores are made of the predictions"),
    "batch_eval_metrics": (False, "the scores are those of all rows at once"),
    "eval_do_concat_batches": (True, "the scores are those of all rows at once"),
}

# What is logged at each evaluation, so that the best checkpoint can be chosen by it.
METRICS = ("accuracy", "precision_macro", "recall_macro", "f1_macro", "loss")

# What shapes a tokenizer that is trained; a checkpoint brings its own.
OF_A_NEW_TOKENIZER = ("tokenizer", "vocab_size", "min_frequency", "lowercase")


# What shapes an adapter; a saved one goes on as it is.
OF_A_NEW_ADAPTER = ("lora_r", "lora_alpha", "lora_dropout", "lora_target_modules", "lora_modules_to_save")
OF_A_NEW_ADAPTER += ("use_dora", "use_rslora")

NO_ADAPTER = "--merge_adapter wants an adapter: one trained by --tuning lora, or a finished one as --model"
TUNINGS = ("full", "head", "lora")
TRUNCATIONS = ("head", "tail", "head-tail")


@dataclass
class ModelArguments:
    """Which model, from which weights, with which tokenizer."""

    model_name_or_path: str = HfArg(
        default=None,
        aliases=["--model"],
        help="A custom model (custom-lstm, ...), a baseline (baseline-nb-svm, ...), a Hub id, or a folder with a "
        "checkpoint.",
    )
    model_revision: str = field(default="main", metadata={"help": "Branch, tag or commit of a Hub model."})
    trust_remote_code: bool = field(
        default=False, metadata={"help": "Allow the code that comes with a checkpoint to run."}
    )
    model_config: list[str] | None = field(
        default=None,
        metadata={
            "help": "Settings of a custom model: --model_config hidden_size=256 num_layers=2.",
            "action": "extend",
        },
    )
    tokenizer: str = field(
        default="word",
        metadata={"help": "Trained on the train split for a custom model.", "choices": ["word", "bpe", "char"]},
    )
    vocab_size: int = field(default=30_000, metadata={"help": "Largest vocabulary of a trained tokenizer."})
    min_frequency: int = field(default=2, metadata={"help": "A token seen less often in train is unknown."})
    lowercase: bool = field(default=True, metadata={"help": "Fold case in a trained tokenizer."})
    word_vectors: str | None = field(
        default=None,
        metadata={"help": "Start the embedding from GloVe text, word2vec text or binary, or fastText .vec."},
    )
    embed_with: str | None = field(
        default=None,
        metadata={"help": "A pretrained model, whose frozen token vectors and tokenizer a new model is put on."},
    )
    attention_dropout: float | None = field(
        default=None,
        metadata={"help": "Dropout on the attention weights of a checkpoint; 0 is several times faster on a CPU."},
    )
    tuning: str = field(
        default="full",
        metadata={"help": "What of a checkpoint is trained: all, its head, or adapters.", "choices": [*TUNINGS]},
    )
    lora_r: int = field(default=16, metadata={"help": "Rank of the adapters."})
    lora_alpha: int = field(default=32, metadata={"help": "Adapters are scaled by lora_alpha / lora_r."})
    lora_dropout: float = field(default=0.0, metadata={"help": "Dropout on the input of the adapters."})
    lora_target_modules: list[str] | None = field(
        default=None,
        metadata={"help": "Layers that get an adapter, or all-linear; by default those usual for the type."},
    )
    lora_modules_to_save: list[str] | None = field(
        default=None, metadata={"help": "Layers trained whole beside the adapters and the head."}
    )
    use_dora: bool = field(default=False, metadata={"help": "Weight-decomposed adapters (Liu et al. 2024)."})
    use_rslora: bool = field(default=False, metadata={"help": "Scale by lora_alpha / sqrt(lora_r)."})
    merge_adapter: bool = field(
        default=False, metadata={"help": "Save the checkpoint with the adapters added to its weights."}
    )


@dataclass
class DataArguments:
    """Where the labelled texts come from and how they are split."""

    dataset_name: str = HfArg(
        default="imdb",
        aliases=["--dataset"],
        help="'imdb', 'sample', a Hub id, or a folder; or name files by --train_file.",
    )
    dataset_config_name: str | None = field(default=None, metadata={"help": "Configuration of a Hub dataset."})
    train_file: str | None = field(
        default=None, metadata={"help": "csv, tsv, json, jsonl, parquet, or a folder CLASS/*.txt."}
    )
    validation_file: str | None = field(default=None, metadata={"help": "As --train_file; chooses the checkpoint."})
    test_file: str | None = field(default=None, metadata={"help": "As --train_file; scored once, at the end."})
    text_column_names: str | None = field(
        default=None, metadata={"help": "Comma-separated columns that hold the text; found by themselves if usual."}
    )
    text_column_delimiter: str = field(default=" ", metadata={"help": "Put between several text columns."})
    label_column_name: str | None = field(
        default=None, metadata={"help": "Column of the class; found by itself if usual."}
    )
    validation_size: float = field(
        default=0.1, metadata={"help": "Share of train for validation where there is none."}
    )
    test_size: float = field(default=0.1, metadata={"help": "Share of train that becomes test where there is none."})
    split_seed: int = field(default=42, metadata={"help": "Seed of every carved or sampled split; not of training."})
    deduplicate: bool = field(default=False, metadata={"help": "Remove from train what stands in test word for word."})
    max_train_samples: int | None = field(default=None, metadata={"help": "Stratified sample of train."})
    max_eval_samples: int | None = field(default=None, metadata={"help": "Stratified sample of validation."})
    max_predict_samples: int | None = field(default=None, metadata={"help": "Stratified sample of test."})
    max_data_bytes: int = field(
        default=10**9, metadata={"help": "What the files may hold, unpacked; more is refused before it is read."}
    )
    max_seq_length: int | None = field(
        default=400,
        metadata={
            "help": "Longer texts are cut to this many tokens. A checkpoint that is not trained reads as many as it "
            "was saved for, unless this flag says otherwise."
        },
    )
    truncation: str | None = field(
        default=None,
        metadata={
            "help": "What is kept of a longer text: its head, its tail, or a quarter from its head and the rest from "
            "its tail. Default: head for a new model, what it was trained with for a checkpoint.",
            "choices": [*TRUNCATIONS],
        },
    )


@dataclass
class RunArguments:
    """How the run itself goes."""

    config: str | None = field(
        default=None, metadata={"help": "Path of the recipe; by default configs/<model>.yaml or configs/full.yaml."}
    )
    length_bucketing: bool = field(
        default=True,
        metadata={
            "help": "Batches of similar length by this project's sampler: exact on resume, predictions in order. "
            "Set it false to use Trainer's own --train_sampling_strategy (whose group_by_length is neither)."
        },
    )
    early_stopping_patience: int | None = field(
        default=None, metadata={"help": "Stop when validation has not improved for so many evaluations."}
    )
    class_weights: str | None = field(
        default=None, metadata={"help": "Weigh the loss by inverse class frequency in train.", "choices": ["balanced"]}
    )
    num_cpu_threads: int | None = field(
        default=None, metadata={"help": "Threads per process; default: all cores, shared."}
    )
    overwrite: bool = field(default=False, metadata={"help": "Replace another run in the output folder."})
    force_resume: bool = field(
        default=False,
        metadata={
            "help": "Go on from the checkpoint in the output folder although data, model or flags have changed."
        },
    )
    checkpoint_verify: str = field(
        default="sha256",
        metadata={
            "help": "What must be true of a checkpoint's files: their SHA-256, or their size.",
            "choices": [*VERIFY],
        },
    )
    license: str | None = field(
        default=None, metadata={"help": "For the model card, as the Hub names it: apache-2.0, mit, cc-by-4.0, ..."}
    )


# What a baseline obeys; all other flags shape a model or how it is trained.
OF_A_BASELINE = {"model_name_or_path", "config", "output_dir", "overwrite", "seed", "num_cpu_threads", "disable_tqdm"}
OF_A_BASELINE |= {"tokenizer", "lowercase"}
OF_A_BASELINE |= {data.name for data in fields(DataArguments)} - {"max_seq_length", "truncation"}

Arguments = tuple[ModelArguments, DataArguments, RunArguments, TrainingArguments]


class Parser(HfArgumentParser):
    """Raises `InputError` where argparse would print the usage of 200 flags and exit."""

    def __init__(self):
        super().__init__([ModelArguments, DataArguments, RunArguments, TrainingArguments], allow_abbrev=False)
        # The library makes the value of a yes/no flag optional, but not where none of the two is the default.
        for action in self._actions:
            if action.type is string_to_bool and action.nargs is None:
                action.nargs, action.const = "?", True

    def error(self, message: str):
        """Called by argparse on a wrong value."""
        raise InputError(message)

    def parse(self, argv: Sequence[str]) -> Arguments:
        """The four groups, with what the library says of wrong values as `InputError`."""
        try:
            *parsed, unknown = self.parse_args_into_dataclasses(
                list(argv), look_for_args_file=False, return_remaining_strings=True
            )
        except InputError:
            raise
        except (ValueError, TypeError, ImportError) as error:
            raise InputError(str(error)) from error
        refuse_unknown(unknown, self)
        return tuple(parsed)

    @property
    def flags(self) -> dict[str, argparse.Action]:
        """Every name that a recipe or the command line may use, without its dashes."""
        return {flag.lstrip("-"): action for action in self._actions for flag in action.option_strings}


def parse_args(argv: Sequence[str]) -> Arguments:
    """The recipe sets defaults, flags override it; `--model_config` of both are joined, setting by setting.

    Without any of --do_train, --do_eval, --do_predict the run does all three.

    Raises:
        InputError: an unknown flag or key, a value of the wrong type, flags that contradict each other.
    """
    parser = Parser()
    recipe = find_recipe(argv)
    named = read_recipe(recipe, parser.flags) if recipe else {}
    given = {word.lstrip("-").replace("-", "_").split("=")[0] for word in argv if word.startswith("--")}
    if "num_train_epochs" in given:
        # For TrainingArguments steps go before epochs, but a flag goes before a recipe.
        named.pop("max_steps", None)
    settings = named.pop("model_config", None) or []
    defaults = DEFAULTS | {"use_cpu": not torch.accelerator.is_available()} | saving_as_evaluating(argv, named) | named
    for name, value in defaults.items():
        action = parser.flags[name]
        action.default, action.required = as_default(value), False
    model_args, data_args, run_args, training_args = parsed = parser.parse(argv)
    if not model_args.model_name_or_path:
        raise InputError(
            f"--model is missing: one of {', '.join([*MODEL_NAMES, *BASELINES])}, a Hub id, or a folder with a "
            "checkpoint"
        )
    if is_baseline(model_args.model_name_or_path):
        check_baseline(model_args, {parser.flags[name].dest for name in named.keys() | given})
    choose_parts(training_args, defaults.keys() | given)
    run_args.config = str(recipe.resolve()) if recipe else None
    model_args.model_config = settings_of(model_args, settings)
    refuse_unused(model_args, given)
    scored_only = not training_args.do_train and not is_fresh(model_args.model_name_or_path)
    if scored_only and "max_seq_length" not in given:
        # A recipe is for training: what is only scored or merged reads as much as it was trained to read.
        data_args.max_seq_length = None
    check(model_args, data_args, run_args, training_args)
    return parsed


def settings_of(args: ModelArguments, recipe: list[str]) -> list[str]:
    """--model_config, joined with that of the recipe for a new model; a saved one has its shape."""
    given = args.model_config or []
    if not is_fresh(args.model_name_or_path):
        return given
    if args.embed_with:
        recipe = [setting for setting in recipe if not setting.startswith("embedding_size=")]
    return joined(recipe, given)


def saving_as_evaluating(argv: Sequence[str], recipe: dict) -> dict:
    """What follows from how to evaluate, where nothing is said of saving: `Trainer` wants the two to go together."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    for name in ("eval_strategy", "eval_steps", "save_strategy", "save_steps", "load_best_model_at_end"):
        early.add_argument(f"--{name}", nargs="?")
    said = recipe | vars(early.parse_known_args(argv)[0])
    if "no" in (said.get("eval_strategy"), said.get("save_strategy")):
        follows = {"load_best_model_at_end": False}
    else:
        follows = {"save_strategy": said.get("eval_strategy"), "save_steps": said.get("eval_steps")}
    return {name: value for name, value in follows.items() if name not in said and value is not None}


def choose_parts(training_args: TrainingArguments, named: Set[str]) -> None:
    """All three parts of the run where none is named by flag or recipe."""
    parts = {"do_train", "do_eval", "do_predict"}
    if not parts & named:
        training_args.do_train = training_args.do_eval = training_args.do_predict = True
    elif "do_eval" not in named:
        # TrainingArguments sets it wherever there is an eval_strategy.
        training_args.do_eval = False
    if not any(getattr(training_args, part) for part in parts):
        raise InputError("nothing is left to do: give --do_train, --do_eval, --do_predict, or none of them for all")


def refuse_unknown(unknown: list[str], parser: Parser) -> None:
    """The first word that no flag took."""
    if unknown:
        name = unknown[0].split("=")[0]
        hint = suggestion(name.lstrip("-"), parser.flags) if name.startswith("-") else "; flags begin with --"
        raise InputError(f"{name}: no such flag{hint}")


def refuse_unused(args: ModelArguments, given: Set[str]) -> None:
    """Flags that shape what a checkpoint or an adapter brings along, or what is not there."""
    model = args.model_name_or_path
    unused = [f"--{name}" for name in OF_A_NEW_TOKENIZER if name in given]
    if unused and (args.embed_with or not is_fresh(model)):
        source = f"--embed_with {args.embed_with}" if args.embed_with else f"--model {model}"
        raise InputError(f"{', '.join(unused)}: {source} brings its own tokenizer")
    unused = [f"--{name}" for name in OF_A_NEW_ADAPTER if name in given]
    if unused and is_adapter(model):
        raise InputError(f"{', '.join(unused)}: --model {model} is an adapter, which goes on in its own shape")
    if unused and args.tuning != "lora":
        raise InputError(
            f"{', '.join(unused)} shapes an adapter, and --tuning {args.tuning} has none: add --tuning lora"
        )


def check_baseline(args: ModelArguments, named: Set[str]) -> None:
    """Only what a baseline obeys is `named`, by flag or recipe."""
    name = args.model_name_or_path
    if unused := sorted(named - OF_A_BASELINE):
        raise InputError(
            f"{', '.join(f'--{flag}' for flag in unused)}: a baseline such as {name} has no such setting; it takes "
            f"{', '.join(f'--{flag}' for flag in sorted(OF_A_BASELINE))}"
        )
    if name == "baseline-lexicon" and (unused := sorted(named & {"tokenizer", "lowercase"})):
        raise InputError(f"--{unused[0]}: {name} finds English words by itself, and capitals are emphasis to it")
    if args.tokenizer == "bpe":
        raise InputError(f"--tokenizer bpe: {name} counts words or characters; expected word or char")


def check(
    model_args: ModelArguments, data_args: DataArguments, run_args: RunArguments, training_args: TrainingArguments
) -> None:
    """Ranges, and what no single flag can say about itself."""
    check_values(vars(model_args) | vars(data_args) | vars(run_args) | vars(training_args))
    check_model(model_args, training_args.do_train)
    check_push(model_args, training_args)
    if training_args.auto_find_batch_size and training_args.world_size > 1:
        raise InputError("--auto_find_batch_size is for one process: others would wait for one that begins anew")
    metric = training_args.metric_for_best_model or "loss"
    if metric.removeprefix("eval_") not in METRICS:
        raise InputError(f"--metric_for_best_model {metric} is not logged{did_you_mean(metric, METRICS)}")
    if run_args.length_bucketing and training_args.train_sampling_strategy != "random":
        raise InputError(
            f"--train_sampling_strategy {training_args.train_sampling_strategy} has no effect while batches are made "
            "of texts of similar length; add --length_bucketing false"
        )


def check_values(values: dict) -> None:
    """Each flag by itself."""
    for name in ("lora_dropout", "attention_dropout"):
        if values[name] is not None and not values[name] < 1:
            raise InputError(f"--{name} {values[name]} is a probability: expected less than 1")
    for name, lowest in LOWEST.items():
        if values[name] is not None and values[name] < lowest:
            raise InputError(f"--{name} {values[name]} is out of range: expected at least {lowest}")
    for name, (value, reason) in FIXED.items():
        if values[name] != value:
            # Without its value, which may be a secret.
            raise InputError(f"--{name} is not supported: {reason}")


def check_model(args: ModelArguments, trains: bool) -> None:
    """What can be done with a new model, with a checkpoint and with an adapter."""
    name = args.model_name_or_path
    if is_fresh(name) and args.tuning != "full":
        raise InputError(
            f"--tuning {args.tuning} leaves most weights as they are, and those of a new {name} know nothing; train "
            "it first, then give its folder as --model"
        )
    if is_fresh(name) and args.attention_dropout is not None:
        raise InputError(
            "--attention_dropout is for a checkpoint; a new model has --model_config attention_dropout=0.1"
        )
    if args.embed_with and not is_fresh(name):
        raise InputError("--embed_with is for a new custom model; a trained one has its encoder with it")
    if args.embed_with and (is_fresh(args.embed_with) or is_adapter(args.embed_with)):
        raise InputError(f"--embed_with {args.embed_with}: expected a whole pretrained checkpoint")
    if args.embed_with and args.word_vectors:
        raise InputError("--embed_with and --word_vectors both say what a token looks like; keep one of them")
    if args.merge_adapter and (is_fresh(name) or (trains and args.tuning != "lora")):
        raise InputError(NO_ADAPTER)


def check_push(model_args: ModelArguments, args: TrainingArguments) -> None:
    """A finished run is pushed, with a name, if there is something new."""
    if args.hub_strategy not in (HubStrategy.EVERY_SAVE, HubStrategy.END):
        raise InputError(f"--hub_strategy {args.hub_strategy.value} is not supported: {PUSHED_ONCE}")
    if args.push_to_hub and not args.hub_model_id:
        raise InputError("--push_to_hub wants to know where to: add --hub_model_id OWNER/NAME")
    if args.push_to_hub and not args.do_train and not model_args.merge_adapter:
        raise InputError(
            "--push_to_hub: without --do_train there is no new model; push a finished run by `sentiment-hf push`"
        )
