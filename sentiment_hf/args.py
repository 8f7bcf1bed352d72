"""Flags, named as in the Hugging Face examples: a recipe (YAML) sets the defaults, the command line overrides them."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import yaml
from transformers import HfArgumentParser, TrainingArguments
from transformers.hf_argparser import HfArg, string_to_bool

from custom_models import MODEL_NAMES
from sentiment_hf.errors import InputError, did_you_mean, suggestion

# In a checkout the recipes stand beside the package, in an installed wheel inside it.
PACKAGE = Path(__file__).parent
CONFIGS = PACKAGE / "configs" if (PACKAGE / "configs").is_dir() else PACKAGE.parent / "configs"

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


@dataclass
class ModelArguments:
    """Which model, from which weights, with which tokenizer."""

    model_name_or_path: str = HfArg(
        default=None,
        aliases=["--model"],
        help="A custom model (custom-lstm, ...), a Hub id, or a folder with a checkpoint.",
    )
    model_revision: str = field(default="main", metadata={"help": "Branch, tag or commit of a Hub model."})
    trust_remote_code: bool = field(
        default=False, metadata={"help": "Allow the code that comes with a checkpoint to run."}
    )
    model_config: list[str] | None = field(
        default=None, metadata={"help": "Settings of a custom model: --model_config hidden_size=256 num_layers=2."}
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
    max_seq_length: int = field(default=400, metadata={"help": "Longer texts are cut to this many tokens."})


@dataclass
class RunArguments:
    """How the run itself goes."""

    config: str | None = field(
        default=None, metadata={"help": "Recipe; by default configs/<model>.yaml or configs/full.yaml."}
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


Arguments = tuple[ModelArguments, DataArguments, RunArguments, TrainingArguments]


class Parser(HfArgumentParser):
    """Raises `InputError` where argparse would print the usage of 200 flags and exit."""

    def __init__(self):
        super().__init__([ModelArguments, DataArguments, RunArguments, TrainingArguments], allow_abbrev=False)

    def error(self, message: str):
        """Called by argparse on a wrong value."""
        raise InputError(message)

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
    defaults = dict(DEFAULTS, use_cpu=not torch.accelerator.is_available())
    recipe = find_recipe(argv)
    if recipe:
        defaults |= read_recipe(recipe, parser)
    given = {word.lstrip("-").replace("-", "_").split("=")[0] for word in argv if word.startswith("--")}
    if "num_train_epochs" in given:
        # For TrainingArguments steps go before epochs, but a flag goes before a recipe.
        defaults.pop("max_steps", None)
    settings = defaults.pop("model_config", None) or []
    for name, value in defaults.items():
        action = parser.flags[name]
        action.default, action.required = as_default(value), False
    try:
        *parsed, unknown = parser.parse_args_into_dataclasses(
            list(argv), look_for_args_file=False, return_remaining_strings=True
        )
    except InputError:
        raise
    except (ValueError, ImportError) as error:
        raise InputError(str(error)) from error
    refuse_unknown(unknown, parser)
    model_args, _, run_args, training_args = parsed
    parts = {"do_train", "do_eval", "do_predict"} & (defaults.keys() | given)
    if not parts:
        training_args.do_train = training_args.do_eval = training_args.do_predict = True
    elif "do_eval" not in parts:
        # TrainingArguments sets it wherever there is an eval_strategy.
        training_args.do_eval = False
    run_args.config = recipe.stem if recipe else model_args.model_name_or_path
    # The settings of a recipe are for a new model; a saved one has its shape.
    if not is_fresh(model_args.model_name_or_path):
        settings = []
    model_args.model_config = joined(settings, model_args.model_config or [])
    check(model_args, training_args)
    return tuple(parsed)


def find_recipe(argv: Sequence[str]) -> Path | None:
    """The file named by --config, else the one for --model: its own for a custom model, full.yaml for any other."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    # A flag without its value is the business of the full parser.
    early.add_argument("--config", nargs="?")
    early.add_argument("--model", "--model_name_or_path", "--model-name-or-path", nargs="?")
    given, _ = early.parse_known_args(argv)
    if given.config:
        path = Path(given.config)
        if not path.is_file():
            raise InputError(f"--config {given.config}: no such file{did_you_mean(path.stem, recipes())}")
        return path
    return CONFIGS / f"{recipe_name(given.model)}.yaml" if given.model else None


def is_fresh(name: str) -> bool:
    """True for a custom model by name: its weights and its tokenizer are still to be made."""
    return name in MODEL_NAMES and not Path(name).exists()


def recipes() -> list[str]:
    """Names of the recipes that come with the project."""
    return sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def recipe_name(model: str) -> str:
    """custom-lstm for that name and for a folder where one was saved; full for a pretrained checkpoint."""
    if model.startswith("custom-") and not Path(model).exists():
        if model not in MODEL_NAMES:
            raise InputError(f"--model {model}: no custom model has this name{did_you_mean(model, MODEL_NAMES)}")
        return model
    config = Path(model) / "config.json"
    model_type = json.loads(config.read_text()).get("model_type") if config.is_file() else None
    return model_type if model_type in MODEL_NAMES else "full"


def read_recipe(path: Path, parser: Parser) -> dict:
    """The keys of a YAML recipe are flags without their dashes; an unknown one is refused."""
    try:
        recipe = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"--config {path} is not YAML: {error}") from error
    if not isinstance(recipe, dict):
        raise InputError(f"--config {path}: expected lines of the form `flag: value`, found a {type(recipe).__name__}")
    for name in recipe:
        if name not in parser.flags:
            raise InputError(f"--config {path}: no flag is called {name!r}{suggestion(name, parser.flags)}")
        check_recipe_value(path, name, recipe[name], parser.flags[name])
    return {parser.flags[name].dest: value for name, value in recipe.items()}


def check_recipe_value(path: Path, name: str, value, action: argparse.Action) -> None:
    """What argparse checks on the command line but not in a default."""
    if name == "model_config" and not isinstance(value, list):
        raise InputError(f"--config {path}: model_config is a list, as in [hidden_size=256, num_layers=2]")
    if isinstance(value, bool) and action.type is not string_to_bool and action.nargs != 0:
        raise InputError(f"--config {path}: {name} is not a yes/no setting; put a word such as 'no' in quotes")
    if action.choices and value not in action.choices:
        raise InputError(f"--config {path}: {name}: {value!r} is not one of {', '.join(map(str, action.choices))}")


def as_default(value):
    """As text, since argparse converts defaults that are strings; YAML takes 1e-3 for one."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def joined(recipe: list[str], flags: list[str]) -> list[str]:
    """`name=value` settings of the recipe, then of the command line, which win name by name."""
    for setting in [*recipe, *flags]:
        if "=" not in setting:
            raise InputError(f"--model_config {setting}: expected name=value, as in hidden_size=256")
    return [f"{name}={value}" for name, value in dict(setting.split("=", 1) for setting in [*recipe, *flags]).items()]


def refuse_unknown(unknown: list[str], parser: Parser) -> None:
    """The first word that no flag took."""
    if unknown:
        name = unknown[0].split("=")[0]
        hint = suggestion(name.lstrip("-"), parser.flags) if name.startswith("-") else "; flags begin with --"
        raise InputError(f"{name}: no such flag{hint}")


def check(model_args: ModelArguments, training_args: TrainingArguments) -> None:
    """What no single flag can say about itself."""
    if not model_args.model_name_or_path:
        raise InputError(
            f"--model is missing: one of {', '.join(MODEL_NAMES)}, a Hub id, or a folder with a checkpoint"
        )
    if training_args.push_to_hub or training_args.hub_token:
        raise InputError("--push_to_hub and --hub_token are not supported; upload the finished folder by `hf upload`")
