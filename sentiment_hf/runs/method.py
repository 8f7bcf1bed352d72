"""Which finished runs are seeds of one method: all that their reports say besides seed, data, costs and scores.

The names of folders have no say, except for runs without a command, which an older version made.
"""

import dataclasses
import json
import re
import shlex
from pathlib import Path

from sentiment_hf.runs.report import Report
from sentiment_hf.settings.arguments import DataArguments

# Keys of a report that two seeds of a method share, whatever they were trained on.
KEYS = ("model", "tuning", "recipe", "embed_with", "max_seq_length", "truncation", "processes", "mixed_precision")
KEYS += ("export",)

# Flags of the data that belong to the method: what a model reads of a row, and which texts without labels.
INPUT_FLAGS = {"extra_column_names", "columns_as_text", "unlabelled_file", "max_unlabelled_samples", "redact"}

# Flags in the command of a run that say nothing about its method.
SILENT = {field.name for field in dataclasses.fields(DataArguments)} - INPUT_FLAGS
SILENT |= {"dataset", "seed", "output_dir", "overwrite"}
SILENT |= {"force_resume", "disable_tqdm", "num_cpu_threads", "save_total_limit", "logging_steps", "report_to"}
SILENT |= {"cache_dir", "no_cache", "profile"}

SEED = re.compile(r"(^|[-_.])seed[-_]?\d+", re.IGNORECASE)


def method_of(report: Report, folder: Path) -> str:
    """The method of a run as text; two runs are seeds of one method if it is equal. `folder` is that of the run."""
    told = {key: getattr(report, key) for key in KEYS}
    if reviewed := report.data.get("reviewed"):
        # It is trained on other rows than without a review, whatever it does with them.
        told["reviewed"] = reviewed
    return json.dumps(told | {"flags": flags_told(report, folder)}, sort_keys=True)


def flags_told(report: Report, folder: Path) -> dict | list | str:
    """The flags of a run, as its report tells them; reports of older versions have the command only."""
    if report.flags is not None:
        return report.flags
    if report.members:
        return [SEED.sub("", member["name"]) for member in report.members]
    return flags_in(report.command) if report.command else name_without_seed(folder)


def flags_in(command: str) -> dict[str, list[str]]:
    """The values of each flag in a command that says something about the method."""
    return {name: words for name, words in all_flags_in(command).items() if name not in SILENT}


def all_flags_in(command: str) -> dict[str, list[str]]:
    """The values of each flag in a command."""
    found, values = {}, []
    for word in shlex.split(command):
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            values = found.setdefault(name.replace("-", "_"), [])
            word = value
        if word:
            values.append(word)
    return found


def name_without_seed(folder: Path) -> str:
    """The name of a folder without its seed: custom-lstm for custom-lstm-seed1 and for custom-lstm/seed1."""
    name = SEED.sub("", folder.resolve().name)
    return name or folder.resolve().parent.name
