"""Recipes: YAML files whose keys are flags without their dashes, one for each custom model and each tuning."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import yaml
from transformers.hf_argparser import string_to_bool

from custom_models import MODEL_NAMES
from sentiment_hf.common.errors import InputError, did_you_mean, suggestion
from sentiment_hf.names import is_baseline, is_fresh

# In a checkout the recipes stand beside the package, in an installed wheel inside it.
PACKAGE = Path(__file__).parent
CONFIGS = PACKAGE / "configs" if (PACKAGE / "configs").is_dir() else PACKAGE.parent / "configs"


def find_recipe(argv: Sequence[str]) -> Path | None:
    """The file named by --config, else a custom model's own, or the one of --tuning for a checkpoint.

    A baseline has none of its own: all there is to set is chosen on validation.
    """
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    # A flag without its value is the business of the full parser.
    early.add_argument("--config", nargs="?")
    early.add_argument("--model", "--model_name_or_path", "--model-name-or-path", nargs="?")
    early.add_argument("--tuning", nargs="?", default="full")
    given, _ = early.parse_known_args(argv)
    if given.config:
        path = Path(given.config)
        if not path.is_file():
            raise InputError(f"--config {given.config}: no such file{did_you_mean(path.stem, recipes())}")
        return path
    if not given.model or is_baseline(given.model):
        return None
    return CONFIGS / f"{recipe_name(given.model, given.tuning)}.yaml"


def recipes() -> list[str]:
    """Names of the recipes that come with the project."""
    return sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def recipe_name(model: str, tuning: str) -> str:
    """custom-lstm for that name and for a folder where one was saved, if all is tuned; else full, head or lora."""
    if is_fresh(model):
        return model
    if tuning in ("head", "lora"):
        return tuning
    path = Path(model) / "config.json"
    if not path.is_file():
        return "full"
    try:
        model_type = json.loads(path.read_text(encoding="utf-8")).get("model_type")
    except (ValueError, AttributeError) as error:
        raise InputError(f"--model {model}: expected a JSON object in {path}") from error
    return model_type if model_type in MODEL_NAMES else "full"


class PlainLoader(yaml.SafeLoader):
    """Without aliases: in ten lines they name more values than there is memory for."""

    def compose_node(self, parent, index):
        """Called by yaml for each value."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias (*name) in place of a value; write the value out")
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> object:
    """What a recipe holds; raises InputError where it is not YAML, or holds what no flag takes."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), PlainLoader)
    # A date that does not exist and a number of 5 000 digits are ValueErrors, as is what is not UTF-8.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"--config {path} is not YAML: {' '.join(str(error).split())}") from error


def read_recipe(path: Path, flags: dict[str, argparse.Action]) -> dict:
    """The keys of a YAML recipe are flags without their dashes; an unknown one is refused.

    `flags` are those of the parser, by name.
    """
    recipe = read_yaml(path) or {}
    if not isinstance(recipe, dict):
        raise InputError(f"--config {path}: expected lines of the form `flag: value`, found a {type(recipe).__name__}")
    for name in recipe:
        if name not in flags:
            raise InputError(f"--config {path}: no flag is called {name!r}{suggestion(str(name), flags)}")
        check_recipe_value(path, name, recipe[name], flags[name])
    return {flags[name].dest: value for name, value in recipe.items()}


def check_recipe_value(path: Path, name: str, value, action: argparse.Action) -> None:
    """What argparse checks on the command line but not in a default."""
    if value is None and action.default is not None:
        raise InputError(f"--config {path}: {name} has no value; leave the line out for its default")
    if isinstance(value, list | dict) and action.type in (int, float):
        raise InputError(f"--config {path}: {name} is one number, found a {type(value).__name__}")
    if name == "model_config" and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
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
