"""Recipes: YAML files whose keys are flags without their dashes. Each custom model and each tuning has one."""

import argparse
from pathlib import Path
from typing import Any

import yaml

from sentiment_hf.common.errors import InputError, did_you_mean, suggestion
from sentiment_hf.settings.flags import Flag
from sentiment_hf.settings.model_ref import LANGUAGE_MODELS, MODELS, Kind, ModelRef

# In a checkout the recipes are beside the package, in an installed wheel inside it.
PACKAGE = Path(__file__).parents[1]
CONFIGS = PACKAGE / "configs" if (PACKAGE / "configs").is_dir() else PACKAGE.parent / "configs"

# A value in the grid of a comparison, and the point of a run in the grid: {setting: value}.
Value = bool | int | float | str
Settings = dict[str, Value]


def recipe_file(config: str) -> Path:
    """The file that --config names. Raises InputError if it does not exist."""
    path = Path(config)
    if not path.is_file():
        raise InputError(f"--config {config}: no such file{did_you_mean(path.stem, recipe_names())}")
    return path


def recipe_of(model: ModelRef, tuning: str, objective: str = "labels") -> Path | None:
    """The default recipe: that of the custom model, new or saved; for other checkpoints that of `tuning`.

    A language model that is to be trained has one of its own, whose name begins with pretrain-. A classifier that
    begins as such a model has, for some models, one whose name begins with from-words-.

    A saved custom model has the recipe of `tuning` too if `tuning` is not "full". A baseline has no recipe: its
    settings are chosen on validation.
    """
    if model.kind is Kind.BASELINE:
        return None
    if objective == "words" and model.model_type in LANGUAGE_MODELS:
        return CONFIGS / f"pretrain-{model.model_type}.yaml"
    if objective == "words" and model.kind is not Kind.FRESH:
        return CONFIGS / "pretrain-checkpoint.yaml"
    if model.kind is Kind.FRESH:
        return CONFIGS / f"{model.name}.yaml"
    of_words = CONFIGS / f"from-words-{model.model_type}.yaml"
    if model.is_language_model and tuning == "full" and of_words.is_file():
        return of_words
    saved = model.kind is Kind.CHECKPOINT and model.model_type in MODELS
    return CONFIGS / f"{model.model_type if saved and tuning == 'full' else tuning}.yaml"


def recipe_names() -> list[str]:
    """The names of the recipes in `CONFIGS`."""
    return sorted(path.stem for path in CONFIGS.glob("*.yaml"))


class PlainLoader(yaml.SafeLoader):
    """A safe loader that refuses aliases: ten lines with aliases can make more values than fit into memory."""

    def compose_node(self, parent, index):
        """yaml calls this method for each value."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias (*name) in place of a value; write the value out")
        return super().compose_node(parent, index)


def read_yaml(path: Path, flag: str = "--config") -> Any:
    """The content of a recipe, or of another file, that `flag` names.

    Raises InputError if it is not YAML, or has an alias.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), PlainLoader)
    # ValueError: a date that does not exist, a number of 5 000 digits, or bytes that are not UTF-8.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{flag} {path} is not YAML: {' '.join(str(error).split())}") from error


def read_recipe(path: Path, flags: dict[str, Flag]) -> dict[str, Any]:
    """{name of the flag: value}. A key may be any name in `flags`. Raises InputError for other keys and bad values."""
    recipe = read_yaml(path) or {}
    if not isinstance(recipe, dict):
        raise InputError(f"--config {path}: expected lines of the form `flag: value`, found a {type(recipe).__name__}")
    values = {}
    for name, value in recipe.items():
        if name not in flags:
            raise InputError(f"--config {path}: no flag is called {name!r}{suggestion(str(name), flags)}")
        values[flags[name].name] = recipe_value(path, name, value, flags[name])
    return values


def recipe_value(path: Path, name: str, value: Any, flag: Flag) -> Any:
    """The value of a flag. Text is read as on the command line, because 1e-3 is text in YAML."""
    where = f"--config {path}: {name}"
    refuse_other_kind(where, value, flag)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            value = flag.read(str(value))
        except argparse.ArgumentTypeError as error:
            raise InputError(f"{where}: {error}") from error
    for item in value if isinstance(value, list) else [value]:
        if flag.choices and item is not None and item not in flag.choices:
            raise InputError(f"{where}: {item!r} is not one of {', '.join(flag.choices)}")
    return value


def refuse_other_kind(where: str, value: Any, flag: Flag) -> None:
    """Raise InputError if the value is empty, a yes or no, a list or a mapping, and the flag does not take that."""
    if value is None and flag.default is not None:
        raise InputError(f"{where} has no value; leave the line out for its default")
    if isinstance(value, bool) and flag.type not in ("bool", "bool-or-auto"):
        raise InputError(f"{where} is not a yes/no setting; put a word such as 'no' in quotes")
    if flag.nargs == "+" and not is_list_of_words(value):
        example = "[hidden_size=256, num_layers=2]" if flag.name == "model_config" else "[first, second]"
        raise InputError(f"{where} is a list of words, as in {example}")
    takes_list = flag.nargs == "+" or flag.type == "str-or-list"
    takes_mapping = flag.type.startswith("json")
    if (isinstance(value, list) and not takes_list) or (isinstance(value, dict) and not takes_mapping):
        kind = "one number" if flag.type in ("int", "float") else "one value"
        raise InputError(f"{where} is {kind}, found a {type(value).__name__}")


def is_list_of_words(value: Any) -> bool:
    """Whether the value is a list of text."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def join_settings(recipe: list[str], flags: list[str]) -> list[str]:
    """The `name=value` settings of both. For the same name the setting of the command line (`flags`) is kept."""
    for setting in [*recipe, *flags]:
        if "=" not in setting:
            raise InputError(f"--model_config {setting}: expected name=value, as in hidden_size=256")
    return [f"{name}={value}" for name, value in dict(setting.split("=", 1) for setting in [*recipe, *flags]).items()]
