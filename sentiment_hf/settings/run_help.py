"""The text of `run --help`: the usual flags in groups. `--help all` shows all flags."""

import shutil
import textwrap
from collections.abc import Iterable
from typing import Any

from sentiment_hf.settings.arguments import AUTO
from sentiment_hf.settings.checks import FIXED
from sentiment_hf.settings.flags import Flag, flags_of
from sentiment_hf.settings.parser import GROUPS

USAGE = """usage: sentiment-hf run --model MODEL [--dataset DATASET] [FLAGS]

Train, validate and test one model. Flags override the recipe. --flag_name and --flag-name are the same."""

USUAL_FLAGS = {
    "model": "model_name_or_path model_config embed_with word_vectors trust_remote_code",
    "data": "dataset_name train_file validation_file test_file text_column_names label_column_name max_train_samples",
    "texts": "tokenizer vocab_size max_seq_length truncation long_texts",
    "tuning of a checkpoint": "tuning lora_r lora_alpha lora_target_modules merge_adapter attention_dropout",
    "training": "num_train_epochs max_steps learning_rate lr_scheduler_type warmup_steps weight_decay "
    "per_device_train_batch_size gradient_accumulation_steps auto_find_batch_size bf16 class_weights eval_strategy "
    "early_stopping_patience seed dry_run profile",
    "the run": "config output_dir do_train do_eval do_predict overwrite num_cpu_threads cache_dir no_cache "
    "disable_tqdm",
    "pushing to the Hub": "push_to_hub hub_model_id overwrite_card license",
}

# These replace help texts of the library that are long, or not true here: this program pushes and saves differently.
OWN_HELP = {
    "output_dir": "Folder of the run. Default: out/<data>/<recipe>, or out/<data>/<model>-<tuning> for a checkpoint.",
    "do_train": "Train, and keep the checkpoint with the best score on validation.",
    "do_eval": "Score validation.",
    "do_predict": "Score test. Without --do_train, --do_eval and --do_predict the run does all three.",
    "num_train_epochs": "Largest number of passes over train.",
    "max_steps": "Number of optimizer steps, in place of --num_train_epochs; -1 means by epochs.",
    "learning_rate": "Highest learning rate, reached at the end of the warm-up.",
    "lr_scheduler_type": "Schedule of the learning rate.",
    "warmup_steps": "Optimizer steps of the warm-up. A number below 1 is a share of all steps.",
    "weight_decay": "Weight decay of the optimizer.",
    "per_device_train_batch_size": "Texts in a training batch, per device.",
    "gradient_accumulation_steps": "Batches in an optimizer step.",
    "auto_find_batch_size": "If memory runs out, restart from the last checkpoint with half the batch size, "
    "and as many texts per step.",
    "bf16": "Mixed precision: compute mostly in bfloat16. The weights are float32, whatever they were saved in. auto: "
    "yes if this was measured to be faster for the model type on such a processor; a resumed run keeps its value.",
    "eval_strategy": "When validation is scored. Unless it is no, a checkpoint is saved at the same time. With epoch, "
    "at the end of every so many epochs that about a tenth as many rows are scored as trained.",
    "seed": "Seed of new weights, of dropout and of the order of the rows.",
    "disable_tqdm": "Show no progress bars.",
    "push_to_hub": "Push the finished run to the Hub, once.",
    "hub_strategy": "every_save or end; with both, the finished run is pushed, once.",
    "hub_model_id": "Repository to push to: OWNER/NAME.",
}

# The column at which help texts begin.
INDENT = 32


def help_text(flags: list[Flag], defaults: dict[str, Any], every: bool) -> str:
    """The help: each flag with its help text and default. Lines are as wide as the screen, at most 110 columns."""
    by_name = {flag.name: flag for flag in flags if flag.type != "object"}
    groups = all_groups(by_name) if every else {title: names.split() for title, names in USUAL_FLAGS.items()}
    width = min(shutil.get_terminal_size().columns, 110) - 1
    lines = [USAGE]
    for title, names in groups.items():
        lines += ["", f"{title}:"]
        lines += [line for name in names for line in flag_lines(by_name[name], defaults[name], width)]
    last = "--help lists the usual flags." if every else f"--help all lists all {len(by_name)} flags."
    return "\n".join([*lines, "", last])


def all_groups(by_name: dict[str, Flag]) -> dict[str, Iterable[str]]:
    """{title: names of flags}: the groups of this package, then the flags of the library."""
    groups = {
        group.__doc__.split(";")[0].removesuffix("."): [flag.name for flag in flags_of(group)] for group in GROUPS
    }
    package_flags = {name for names in groups.values() for name in names}
    return groups | {
        "Flags of transformers' TrainingArguments": [name for name in by_name if name not in package_flags]
    }


def flag_lines(flag: Flag, default: Any, width: int) -> list[str]:
    """The lines of one flag, at most `width` wide: name, value, help text, choices, default."""
    head = f"  {flag.options[0]}{value_of(flag, default)}"
    shown = [meaning(flag)]
    if flag.choices:
        shown.append(f"One of {', '.join(flag.choices)}.")
    if default_shown := shown_default(default):
        shown.append(f"Default: {default_shown}.")
    text = textwrap.wrap(" ".join(shown), max(width - INDENT, 30)) or [""]
    if len(head) > INDENT - 2:
        return [head, *(" " * INDENT + line for line in text)]
    return [f"{head:<{INDENT}}{text[0]}", *(" " * INDENT + line for line in text[1:])]


def meaning(flag: Flag) -> str:
    """The help text of a flag. A flag that may not be changed has the reason for it."""
    if flag.name in FIXED:
        return f"Not supported: {FIXED[flag.name][1]}."
    return OWN_HELP.get(flag.name, flag.help)


def shown_default(default: Any) -> str:
    """The default as it would be given; empty if it is None, no or an empty list."""
    if default is None or default is False or default in ([], AUTO):
        return ""
    return "yes" if default is True else f"{default:g}" if isinstance(default, float) else str(default).strip()


def value_of(flag: Flag, default: Any) -> str:
    """The text after the name of a flag. It is empty for a switch that is off by default."""
    if flag.type == "bool":
        return " [yes|no]" if default is True else ""
    if flag.type == "bool-or-auto":
        return " [yes|no|auto]"
    name = {"int": "N", "float": "NUMBER", "json": "JSON", "json-or-str": "JSON|FILE"}.get(flag.type, "VALUE")
    return f" {name} ..." if flag.nargs == "+" else f" [{name}]" if flag.nargs == "?" else f" {name}"
