"""Recipes: YAML files whose keys are flags without their dashes, one for each custom model and each tuning."""

import argparse
from pathlib import Path
from typing import Any

import yaml

from sentiment_hf.common.errors import InputError, did_you_mean, suggestion
from sentiment_hf.settings.flags import Flag
from sentiment_hf.settings.model_ref import MODELS, Kind, ModelRef

# In a checkout the recipes stand beside the package, in an installed wheel inside it.
PACKAGE = Path(__file__).parents[1]
CONFIGS = PACKAGE / "configs" if (PACKAGE / "configs").is_dir() else PACKAGE.parent / "configs"

# A value of a setting in the grid of a comparison, and where in it a run stands: setting to value.
Value = bool | int | float | str
Settings = dict[str, Value]


def recipe_file(config: str) -> Path:
    """The file that --config names; raises InputError where there is none."""
    path = Path(config)
    if not path.is_file():
        raise InputError(f"--config {config}: no such file{did_you_mean(path.stem, recipes())}")
    return path


def recipe_of(model: ModelRef, tuning: str) -> Path | None:
    """A custom model's own recipe, for its name and for a folder where one was saved; else the one of `tuning`.

    A baseline has none of its own: all there is to set is chosen on validation.
    """
    if model.kind is Kind.BASELINE:
        return None
    if model.kind is Kind.FRESH:
        return CONFIGS / f"{model.name}.yaml"
    saved = model.kind is Kind.CHECKPOINT and model.model_type in MODELS
    return CONFIGS / f"{model.model_type if saved and tuning == 'full' else tuning}.yaml"


def recipes() -> list[str]:
    """Names of the recipes that come with the project."""
    return sorted(path.stem for path in CONFIGS.glob("*.yaml"))


class PlainLoader(yaml.SafeLoader):
    """Without aliases: in ten lines they name more values than there is memory for."""

    def compose_node(self, parent, index):
        """Called by yaml for each value."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias (*name) in place of a value; write the value out")
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> Any:
    """What a recipe holds; raises InputError where it is not YAML, or holds what no flag takes."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), PlainLoader)
    # A date that does not exist and a number of 5 000 digits are ValueErrors, as is what is not UTF-8.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"--config {path} is not YAML: {' '.join(str(error).split())}") from error


def read_recipe(path: Path, flags: dict[str, Flag]) -> dict[str, Any]:
    """Name of the flag to value; a key may be any of the names in `flags`, an unknown one is refused."""
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
    """A value of a recipe as the flag takes it; text is read as on the command line, since 1e-3 is text to YAML."""
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
    """Raises InputError for nothing, yes, a list or a mapping where the flag takes none."""
    if value is None and flag.default is not None:
        raise InputError(f"{where} has no value; leave the line out for its default")
    if isinstance(value, bool) and flag.type != "bool":
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
    """A list of text; a YAML file can hold anything."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def joined(recipe: list[str], flags: list[str]) -> list[str]:
    """`name=value` settings of the recipe, then of the command line, which win name by name."""
    for setting in [*recipe, *flags]:
        if "=" not in setting:
            raise InputError(f"--model_config {setting}: expected name=value, as in hidden_size=256")
    return [f"{name}={value}" for name, value in dict(setting.split("=", 1) for setting in [*recipe, *flags]).items()]
