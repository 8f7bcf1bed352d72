"""Read the command line of `run` with argparse: only the flags that are given, without defaults and recipe."""

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

# The defaults that differ from those of TrainingArguments. With them the checkpoint is chosen by validation, a resumed
# run keeps its count for early stopping, a loss that is not finite is logged as it is, and one checkpoint is left at
# the end. `use_cpu` is None until torch is imported, which knows whether there is an accelerator.
DEFAULTS = {
    "output_dir": AUTO,
    "eval_strategy": "epoch",
    "save_strategy": "epoch",
    "save_total_limit": 1,
    "load_best_model_at_end": True,
    "restore_callback_states_from_checkpoint": True,
    "logging_nan_inf_filter": False,
    "logging_steps": 50,
    "per_device_eval_batch_size": 64,
    "use_cpu": None,
}


def run_flags() -> list[Flag]:
    """All flags of `run`: those of `GROUPS`, then those of TrainingArguments with the defaults of the library.

    --bf16 can be AUTO, too, which TrainingArguments does not know.
    """
    library = [flag._replace(type="bool-or-auto") if flag.name == "bf16" else flag for flag in training_flags()]
    return [flag for group in GROUPS for flag in flags_of(group)] + library


def flags_by_name(flags: Sequence[Flag]) -> dict[str, Flag]:
    """{name without leading dashes: flag}, with all names of each flag."""
    return {option.lstrip("-"): flag for flag in flags if flag.type != "object" for option in flag.options}


def read_command_line(argv: Sequence[str], flags: Sequence[Flag]) -> dict[str, Any]:
    """{name: value} of the flags that are given, and "help": None without --help, else "usual" or "all".

    Raises:
        InputError: a flag is unknown, or a value is missing or has the wrong type.
    """
    parser = make_parser(flags)
    try:
        given, unknown = parser.parse_known_args(list(argv))
    except argparse.ArgumentError as error:
        raise InputError(f"{error.argument_name.split('/')[0]}: {error.message}") from error
    if unknown:
        name = unknown[0].split("=")[0]
        hint = suggestion(name.lstrip("-"), flags_by_name(flags)) if name.startswith("-") else "; flags begin with --"
        raise InputError(f"{name}: no such flag{hint}")
    return vars(given)


def make_parser(flags: Sequence[Flag]) -> argparse.ArgumentParser:
    """A parser without defaults: its result has only the flags that are given."""
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
