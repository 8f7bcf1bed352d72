"""From the words behind `run` to a `RunSpec`: a recipe (YAML) sets the defaults, the command line overrides them."""

import dataclasses
from collections.abc import Sequence, Set
from copy import copy
from pathlib import Path
from typing import Any

from sentiment_hf.common.errors import InputError
from sentiment_hf.settings.arguments import (
    DataArguments,
    NewModelArguments,
    RunArguments,
    RunSpec,
    TokenizerArguments,
    TuningArguments,
)
from sentiment_hf.settings.checks import check, check_baseline, check_unused
from sentiment_hf.settings.flags import Flag
from sentiment_hf.settings.model_ref import BASELINE_NAMES, MODEL_NAMES, Kind, ModelRef
from sentiment_hf.settings.parser import DEFAULTS, names_of, read_words, run_flags
from sentiment_hf.settings.recipes import joined, read_recipe, recipe_file, recipe_of
from sentiment_hf.settings.run_help import help_text

PARTS = ("do_train", "do_eval", "do_predict")


def parse_run(argv: Sequence[str]) -> RunSpec:
    """The recipe sets defaults, flags override it; `--model_config` of both are joined, setting by setting.

    Without any of --do_train, --do_eval, --do_predict the run does all three. --help is printed, and SystemExit
    raised.

    Raises:
        InputError: an unknown flag or key, a value of the wrong type, flags that contradict each other.
    """
    flags = run_flags()
    given = read_words(argv, flags)
    asked = given.pop("help")
    path, recipe, model = start(given, flags)
    if "num_train_epochs" in given:
        # For TrainingArguments steps go before epochs, but a flag goes before a recipe.
        recipe.pop("max_steps", None)
    settings = recipe.pop("model_config", None) or []
    defaults = {flag.name: copy(flag.default) for flag in flags} | DEFAULTS
    values = defaults | saving_as_evaluating(recipe | given) | recipe | given
    if asked:
        print(help_text(flags, values, every=asked == "all"))
        raise SystemExit(0)
    if model is None:
        raise InputError(
            f"--model is missing: one of {', '.join([*MODEL_NAMES, *BASELINE_NAMES])}, a Hub id, or a folder with a "
            "checkpoint"
        )
    named = recipe.keys() | given.keys()
    spec = make_spec(values, model)
    if model.is_new and model.kind is Kind.BASELINE:
        check_baseline(spec, named)
    choose_parts(spec.training, named)
    spec.run.config = str(path.resolve()) if path else None
    spec.new_model.model_config = settings_of(spec, settings)
    check_unused(spec, given.keys())
    if not spec.training["do_train"] and not model.is_new and "max_seq_length" not in given:
        # A recipe is for training: what is only scored or merged reads as much as it was trained to read.
        spec.tokenizer.max_seq_length = None
    check(spec)
    return spec


def start(given: dict[str, Any], flags: Sequence[Flag]) -> tuple[Path | None, dict[str, Any], ModelRef | None]:
    """File and values of the recipe, and the model: each may name the other, or neither may be named."""
    names = names_of(flags)
    path = recipe_file(given["config"]) if given.get("config") else None
    recipe = read_recipe(path, names) if path else {}
    said = recipe | given
    if not (name := said.get("model_name_or_path")):
        return path, recipe, None
    model = ModelRef.parse(
        name, revision=said.get("model_revision", "main"), trust_remote_code=said.get("trust_remote_code", False)
    )
    if path is None and (path := recipe_of(model, given.get("tuning", "full"))):
        recipe = read_recipe(path, names)
    return path, recipe, model


def make_spec(values: dict[str, Any], model: ModelRef) -> RunSpec:
    """The values by their groups; what is of none of ours is for TrainingArguments."""
    encoder = values["embed_with"]
    if encoder:
        encoder = ModelRef.parse(encoder, flag="--embed_with", trust_remote_code=model.trust_remote_code)
    groups = {
        "data": DataArguments,
        "tokenizer": TokenizerArguments,
        "new_model": NewModelArguments,
        "tuning": TuningArguments,
        "run": RunArguments,
    }
    fields = {group: [field.name for field in dataclasses.fields(kind)] for group, kind in groups.items()}
    ours = {"model_name_or_path", "model_revision", "trust_remote_code", "embed_with"}.union(*fields.values())
    return RunSpec(
        model=model,
        embed_with=encoder or None,
        **{group: kind(**{name: values[name] for name in fields[group]}) for group, kind in groups.items()},
        training={name: value for name, value in values.items() if name not in ours},
    )


def saving_as_evaluating(said: dict[str, Any]) -> dict[str, Any]:
    """What follows from how to evaluate, where nothing is said of saving: `Trainer` wants the two to go together."""
    if "no" in (said.get("eval_strategy"), said.get("save_strategy")):
        return {"load_best_model_at_end": False}
    follows = {"save_strategy": said.get("eval_strategy"), "save_steps": said.get("eval_steps")}
    return {name: value for name, value in follows.items() if value is not None}


def choose_parts(training: dict[str, Any], named: Set[str]) -> None:
    """All three parts of the run where none is named by flag or recipe."""
    if not named & set(PARTS):
        training.update(dict.fromkeys(PARTS, True))
    if not any(training[part] for part in PARTS):
        raise InputError("nothing is left to do: give --do_train, --do_eval, --do_predict, or none of them for all")


def settings_of(spec: RunSpec, recipe: list[str]) -> list[str]:
    """--model_config, joined with that of the recipe for a new model; a saved one has its shape."""
    given = spec.new_model.model_config or []
    if not spec.model.is_new:
        return given
    if spec.embed_with:
        recipe = [setting for setting in recipe if not setting.startswith("embedding_size=")]
    return joined(recipe, given)
