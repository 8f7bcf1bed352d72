"""The flags of `run` as argparse reads them: only what is written on the command line, no default and no recipe."""

import argparse
from collections.abc import Sequence
from typing import Any

from sentiment_hf.common.errors import InputError, suggestion
from sentiment_hf.settings.arguments import (
    AUTO,
    DataArguments,
    ModelArguments,
    NewModelArguments,
    RunArguments,
    TokenizerArguments,
    TuningArguments,
)
from sentiment_hf.settings.flags import Flag, flags_of, training_flags

GROUPS = (ModelArguments, NewModelArguments, TokenizerArguments, DataArguments, TuningArguments, RunArguments)

# Where this project's defaults differ from those of TrainingArguments: the checkpoint is chosen by validation, a
# resumed run keeps its count for early stopping, a loss that is not finite is seen, the run ends with one checkpoint.
# Whether there is an accelerator cannot be asked without torch.
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
    "use_cpu": None,
}


def run_flags() -> list[Flag]:
    """All of them: ours in the order of their groups, then those of TrainingArguments with the library's defaults."""
    return [flag for group in GROUPS for flag in flags_of(group)] + training_flags()


def names_of(flags: Sequence[Flag]) -> dict[str, Flag]:
    """Each flag by every name that it has, without dashes before it."""
    return {option.lstrip("-"): flag for flag in flags if flag.type != "object" for option in flag.options}


def read_words(argv: Sequence[str], flags: Sequence[Flag]) -> dict[str, Any]:
    """The values of the flags that are given, by name; "help" is None, or what --help is asked for.

    Raises:
        InputError: an unknown flag, a missing or an ill-typed value.
    """
    parser = make_parser(flags)
    try:
        given, unknown = parser.parse_known_args(list(argv))
    except argparse.ArgumentError as error:
        raise InputError(f"{error.argument_name.split('/')[0]}: {error.message}") from error
    if unknown:
        name = unknown[0].split("=")[0]
        hint = suggestion(name.lstrip("-"), names_of(flags)) if name.startswith("-") else "; flags begin with --"
        raise InputError(f"{name}: no such flag{hint}")
    return vars(given)


def make_parser(flags: Sequence[Flag]) -> argparse.ArgumentParser:
    """Without defaults, so that what comes out was given."""
    parser = argparse.ArgumentParser(
        add_help=False, allow_abbrev=False, exit_on_error=False, argument_default=argparse.SUPPRESS
    )
    parser.add_argument("--help", "-h", nargs="?", const="usual", choices=["usual", "all"], default=None)
    for flag in flags:
        if flag.type == "object":
            continue
        value = {"type": flag.read, "nargs": flag.nargs, "choices": flag.choices}
        value |= {"const": True} if flag.nargs == "?" else {}
        parser.add_argument(*flag.options, dest=flag.name, action="extend" if flag.extends else "store", **value)
        if flag.negations:
            parser.add_argument(*flag.negations, dest=flag.name, action="store_false")
    return parser
