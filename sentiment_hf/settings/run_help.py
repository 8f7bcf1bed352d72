"""What `run --help` prints: the flags that people use, in groups; `--help all` has every one."""

import shutil
import textwrap
from collections.abc import Iterable
from typing import Any

from sentiment_hf.settings.arguments import AUTO
from sentiment_hf.settings.flags import Flag, flags_of
from sentiment_hf.settings.parser import GROUPS

USAGE = """usage: sentiment-hf run --model MODEL [--dataset DATASET] [FLAGS]

Train, validate and test one model. A recipe sets what no flag does; --flag_name and --flag-name are the same."""

USUAL = {
    "model": "model_name_or_path model_config embed_with word_vectors trust_remote_code",
    "data": "dataset_name train_file validation_file test_file text_column_names label_column_name max_train_samples",
    "texts": "tokenizer vocab_size max_seq_length truncation",
    "what of a checkpoint is trained": "tuning lora_r lora_alpha lora_target_modules merge_adapter attention_dropout",
    "training": "num_train_epochs max_steps learning_rate lr_scheduler_type warmup_steps weight_decay "
    "per_device_train_batch_size gradient_accumulation_steps auto_find_batch_size bf16 class_weights eval_strategy "
    "early_stopping_patience seed",
    "the run": "config output_dir do_train do_eval do_predict overwrite num_cpu_threads disable_tqdm",
    "pushing to the Hub": "push_to_hub hub_model_id license",
}

# What the flags of the library mean here, where its own words are for a program that pushes or saves otherwise.
WORDS = {
    "output_dir": "Folder of the run; by default out/<data set>/<model>.",
    "do_train": "Train, and keep the checkpoint that validates best.",
    "do_eval": "Score validation.",
    "do_predict": "Score test. Without any of these three the run does all.",
    "num_train_epochs": "How often train is read, at most.",
    "max_steps": "Number of steps, in place of epochs.",
    "learning_rate": "Of AdamW; the highest one, which follows the warm-up.",
    "lr_scheduler_type": "How the learning rate falls.",
    "warmup_steps": "Steps until the learning rate is reached; below 1, a share of all steps.",
    "weight_decay": "Of AdamW.",
    "per_device_train_batch_size": "Texts in a batch of each device.",
    "gradient_accumulation_steps": "Batches in a step.",
    "auto_find_batch_size": "Where memory does not suffice, begin anew with batches of half the size.",
    "bf16": "Compute in bfloat16; the weights stay float32.",
    "eval_strategy": "When validation is scored, and a checkpoint saved.",
    "seed": "Of the weights, the dropout and the order of the rows.",
    "disable_tqdm": "Show no progress bars.",
    "push_to_hub": "Push the finished run, once.",
    "hub_model_id": "Where it is pushed to: OWNER/NAME.",
}

# Columns that the names of the flags take.
INDENT = 32


def help_text(flags: list[Flag], defaults: dict[str, Any], every: bool) -> str:
    """The flags with the values that hold where they are not given, as wide as the screen, 110 columns at most."""
    by_name = {flag.name: flag for flag in flags if flag.type != "object"}
    groups = all_groups(by_name) if every else {title: names.split() for title, names in USUAL.items()}
    width = min(shutil.get_terminal_size().columns, 110) - 1
    lines = [USAGE]
    for title, names in groups.items():
        lines += ["", f"{title}:"]
        lines += [line for name in names for line in flag_lines(by_name[name], defaults[name], width)]
    last = "--help lists the flags that people use." if every else f"--help all lists all {len(by_name)} flags."
    return "\n".join([*lines, "", last])


def all_groups(by_name: dict[str, Flag]) -> dict[str, Iterable[str]]:
    """Title to names: ours group by group, then those of the library."""
    groups = {
        group.__doc__.split(";")[0].removesuffix("."): [flag.name for flag in flags_of(group)] for group in GROUPS
    }
    ours = {name for names in groups.values() for name in names}
    return groups | {"Flags of transformers' TrainingArguments": [name for name in by_name if name not in ours]}


def flag_lines(flag: Flag, default: Any, width: int) -> list[str]:
    """The name and what it takes, then what it does and its default, with line breaks before `width`."""
    head = f"  {flag.options[0]}{value_of(flag, default)}"
    shown = [WORDS.get(flag.name, flag.help)]
    if flag.choices:
        shown.append(f"One of {', '.join(flag.choices)}.")
    if default_shown := shown_default(default):
        shown.append(f"Default: {default_shown}.")
    text = textwrap.wrap(" ".join(shown), max(width - INDENT, 30)) or [""]
    if len(head) > INDENT - 2:
        return [head, *(" " * INDENT + line for line in text)]
    return [f"{head:<{INDENT}}{text[0]}", *(" " * INDENT + line for line in text[1:])]


def shown_default(default: Any) -> str:
    """As it would be given, empty where nothing or no is the default."""
    if default is None or default is False or default in ([], AUTO):
        return ""
    return "yes" if default is True else f"{default:g}" if isinstance(default, float) else str(default).strip()


def value_of(flag: Flag, default: Any) -> str:
    """What follows the name of a flag: nothing where the flag alone says yes, which is not the default."""
    if flag.type == "bool":
        return " [yes|no]" if default is True else ""
    name = {"int": "N", "float": "NUMBER", "json": "JSON", "json-or-str": "JSON|FILE"}.get(flag.type, "VALUE")
    return f" {name} ..." if flag.nargs == "+" else f" [{name}]" if flag.nargs == "?" else f" {name}"
