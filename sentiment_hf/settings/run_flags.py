"""The command line of `run` to a `RunSpec`. A recipe (YAML) sets defaults, and the command line overrides them."""

import dataclasses
import re
from collections.abc import Sequence, Set
from copy import copy
from pathlib import Path
from typing import Any

from sentiment_hf.common.command import command_line
from sentiment_hf.common.errors import InputError
from sentiment_hf.settings.arguments import (
    DataArguments,
    NewModelArguments,
    RunArguments,
    RunSpec,
    TokenizerArguments,
    TuningArguments,
)
from sentiment_hf.settings.checks import check_baseline, check_patience, check_spec, check_unused
from sentiment_hf.settings.flags import Flag
from sentiment_hf.settings.model_ref import BASELINE_NAMES, MODEL_NAMES, Kind, ModelRef
from sentiment_hf.settings.parser import DEFAULTS, flags_by_name, read_command_line, run_flags
from sentiment_hf.settings.private import make_private
from sentiment_hf.settings.recipes import join_settings, read_recipe, recipe_file, recipe_of
from sentiment_hf.settings.run_help import help_text

RUN_PARTS = ("do_train", "do_eval", "do_predict")

# How the settings of a custom model end that shape no weights.
WEIGHTLESS = ("dropout", "pooling")


def parse_run(argv: Sequence[str]) -> RunSpec:
    """Read the flags and the recipe of a run. Flags override the recipe; --model_config is merged name by name.

    Without any of --do_train, --do_eval and --do_predict the run does all three.

    Raises:
        InputError: a flag or a key is unknown, a value has the wrong type, or flags contradict each other.
        SystemExit: --help is given; the help is printed.
    """
    flags = run_flags()
    given = read_command_line(argv, flags)
    asked = given.pop("help")
    path, recipe, model = recipe_and_model(given, flags)
    settings = recipe.pop("model_config", None) or []
    values = merged_values(flags, recipe, given)
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
    # Whoever repeats the run may make it alone.
    spec.command = re.sub(r" --side[_-]by[_-]side[ =]\d+", "", command_line("run", argv))
    if model.is_new and model.kind is Kind.BASELINE:
        check_baseline(spec, named)
    choose_parts(spec.training, named)
    spec.run.config = str(path.resolve()) if path else None
    spec.new_model.model_config = custom_model_settings(spec, settings)
    merge_with_our_head(spec)
    choose_objective(spec)
    make_private(spec, given.keys())
    check_unused(spec, given.keys())
    if spec.run.dp_epsilon is None:
        check_patience(values, recipe.keys(), given.keys())
    if not spec.training["do_train"] and not model.is_new and "max_seq_length" not in given:
        # A recipe is for training. A checkpoint that is only scored or merged keeps the length it was trained with.
        spec.tokenizer.max_seq_length = None
    check_spec(spec)
    return spec


def merge_with_our_head(spec: RunSpec) -> None:
    """Set --merge_adapter for LoRA under a head of ours, for columns or ordered classes: an adapter lacks the head."""
    beside = spec.data.extra_column_names and not spec.data.columns_as_text
    ordered = spec.data.task == "ordinal" and spec.run.ordinal_head != "classes"
    if (beside or ordered) and spec.training["do_train"] and spec.tuning.tuning == "lora":
        spec.tuning.merge_adapter = True


def choose_objective(spec: RunSpec) -> None:
    """A language model is chosen by its loss on validation."""
    if spec.run.objective == "words" and spec.training["metric_for_best_model"] is None:
        spec.training["metric_for_best_model"] = "loss"


def merged_values(flags: Sequence[Flag], recipe: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """{flag: value}: defaults, overridden by the recipe, overridden by the command line (`given`)."""
    if given.keys() & {"num_train_epochs", "max_steps"}:
        # Here a flag overrides the recipe; TrainingArguments lets max_steps override num_train_epochs.
        for name in {"max_steps", "least_steps", "most_steps"}:
            recipe.pop(name, None)
    defaults = {flag.name: copy(flag.default) for flag in flags} | DEFAULTS
    return defaults | saving_as_evaluating(recipe | given) | recipe | given


def recipe_and_model(
    given: dict[str, Any], flags: Sequence[Flag]
) -> tuple[Path | None, dict[str, Any], ModelRef | None]:
    """The file and the values of the recipe, and the model. File and model are None if there is none.

    A recipe that is given by --config may name the model. Without --config the model decides which recipe is read.
    """
    names = flags_by_name(flags)
    path = recipe_file(given["config"]) if given.get("config") else None
    recipe = read_recipe(path, names) if path else {}
    settings = recipe | given
    if not (name := settings.get("model_name_or_path")):
        return path, recipe, None
    model = ModelRef.parse(
        name,
        revision=settings.get("model_revision", "main"),
        trust_remote_code=settings.get("trust_remote_code", False),
    )
    if path is None and (path := recipe_of(model, given.get("tuning", "full"), given.get("objective", "labels"))):
        recipe = read_recipe(path, names)
    return path, recipe, model


def make_spec(values: dict[str, Any], model: ModelRef) -> RunSpec:
    """The values in their groups. Values that belong to no dataclass of this package are for TrainingArguments."""
    encoder = values["embed_with"]
    if encoder:
        encoder = ModelRef.parse(encoder, flag="--embed_with", trust_remote_code=model.trust_remote_code)
    if teacher := values["teacher"]:
        teacher = ModelRef.parse(teacher, flag="--teacher", trust_remote_code=model.trust_remote_code)
    groups = {
        "data": DataArguments,
        "tokenizer": TokenizerArguments,
        "new_model": NewModelArguments,
        "tuning": TuningArguments,
        "run": RunArguments,
    }
    fields = {group: [field.name for field in dataclasses.fields(kind)] for group, kind in groups.items()}
    package_flags = {"model_name_or_path", "model_revision", "trust_remote_code", "embed_with", "teacher"}.union(
        *fields.values()
    )
    return RunSpec(
        model=model,
        embed_with=encoder or None,
        teacher=teacher or None,
        **{group: kind(**{name: values[name] for name in fields[group]}) for group, kind in groups.items()},
        training={name: value for name, value in values.items() if name not in package_flags},
    )


def saving_as_evaluating(settings: dict[str, Any]) -> dict[str, Any]:
    """Defaults of the save flags from the eval flags in `settings`.

    `Trainer` can choose the best checkpoint only if it saves when it evaluates. With a strategy "no" it cannot choose.
    """
    if "no" in (settings.get("eval_strategy"), settings.get("save_strategy")):
        return {"load_best_model_at_end": False}
    follows = {"save_strategy": settings.get("eval_strategy"), "save_steps": settings.get("eval_steps")}
    return {name: value for name, value in follows.items() if value is not None}


def choose_parts(training: dict[str, Any], named: Set[str]) -> None:
    """Set all three parts of the run to true if neither a flag nor the recipe names one.

    Raises:
        InputError: all three are switched off.
    """
    if not named & set(RUN_PARTS):
        training.update(dict.fromkeys(RUN_PARTS, True))
    if not any(training[part] for part in RUN_PARTS):
        raise InputError("nothing is left to do: give --do_train, --do_eval, --do_predict, or none of them for all")


def custom_model_settings(spec: RunSpec, recipe: list[str]) -> list[str]:
    """The values of --model_config, for a new model merged with those of the recipe."""
    given = spec.new_model.model_config or []
    if spec.model.is_language_model and spec.run.objective == "labels":
        # What has no weights is that of the classifier, and not that of the language model.
        return join_settings([setting for setting in recipe if setting.split("=")[0].endswith(WEIGHTLESS)], given)
    if not spec.model.is_new:
        return given
    if spec.embed_with:
        recipe = [setting for setting in recipe if not setting.startswith("embedding_size=")]
    if spec.run.dp_epsilon is not None:
        # The recipe's reads all of train.
        recipe = [setting for setting in recipe if not setting.startswith("exact=")]
    if spec.tokenizer.long_texts == "hierarchical":
        # The recipe's is for texts that are read as a whole.
        recipe = [setting for setting in recipe if not setting.startswith("pooling=")]
    return join_settings(recipe, given)
