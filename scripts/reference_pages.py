"""The pages of the documentation that are made of the program: python scripts/reference_pages.py"""

import argparse
import contextlib
import io
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pyarrow.parquet as pq

from sentiment_hf.cli import (
    audit,
    choose,
    demo,
    ensemble,
    exit_code_of,
    explain,
    export,
    predict,
    push,
    robustness,
    serve,
    tune,
)
from sentiment_hf.common.files import read_json
from sentiment_hf.common.layout import PREDICTIONS, REPORT
from sentiment_hf.comparison.plan import flags as compare_flags
from sentiment_hf.runs.report import Report
from sentiment_hf.runs.run import run
from sentiment_hf.settings.flags import Flag
from sentiment_hf.settings.run_flags import parse_run, run_flags
from sentiment_hf.settings.run_help import all_groups, meaning, shown_default, value_of

DOCS = Path(__file__).parents[1] / "docs"
MADE = "<!-- Made by `python scripts/reference_pages.py`. -->\n"
COMMANDS = {
    "choose": choose,
    "tune": tune,
    "compare": compare_flags,
    "audit": audit,
    "ensemble": ensemble,
    "predict": predict,
    "explain": explain,
    "robustness": robustness,
    "export": export,
    "serve": serve,
    "demo": demo,
    "push": push,
}
JSON_TYPES = {dict: "object", list: "array", str: "string", int: "number", float: "number", bool: "boolean"}


def main() -> None:
    """Write docs/flags.md and docs/outputs.md; the second shows the files of a run of a few steps."""
    (DOCS / "flags.md").write_text(flags_page(), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        (DOCS / "outputs.md").write_text(outputs_page(Path(folder) / "run"), encoding="utf-8")


def flags_page() -> str:
    """All flags of all commands."""
    flags = {flag.name: flag for flag in run_flags() if flag.type != "object"}
    lines = [MADE, "# Flags\n", (DOCS / "parts" / "flags.md").read_text(encoding="utf-8"), "## sentiment-hf run"]
    for title, names in all_groups(flags).items():
        lines += [f"\n### {title}\n", "| flag | default | meaning |", "|---|---|---|"]
        lines += [run_flag_line(flags[name]) for name in names]
    for name, module in COMMANDS.items():
        lines += [f"\n## sentiment-hf {name}\n", "| flag | default | meaning |", "|---|---|---|"]
        lines += command_flag_lines(module.make_parser())
    return "\n".join(lines) + "\n"


def run_flag_line(flag: Flag) -> str:
    """The line of a flag of run."""
    chosen = f" One of {', '.join(flag.choices)}." if flag.choices else ""
    name = f"`{flag.options[0]}{value_of(flag, flag.default)}`"
    return as_line(name, shown_default(flag.default), f"{meaning(flag)}{chosen}")


def command_flag_lines(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The lines of the flags of another command, --help left out."""
    for action in parser._actions:
        if action.dest == "help":
            continue
        names = action.option_strings or [action.metavar or action.dest.upper()]
        value = "" if action.nargs == 0 or not action.option_strings else f" {action.dest.upper()}"
        default = "" if action.default in (None, False, []) else str(action.default)
        yield as_line(f"`{names[0]}{value}`", default, action.help)


def as_line(*cells: str) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(re.sub(r'[|<]', lambda sign: chr(92) + sign[0], cell) for cell in cells)} |"


def outputs_page(folder: Path) -> str:
    """The schema of the files of a run, taken from a run in `folder`."""
    words = ["--model", "custom-fc", "--dataset", "sample", "--max_steps", "2", "--output_dir", str(folder)]
    with contextlib.redirect_stderr(io.StringIO()):
        run(parse_run([*words, "--disable_tqdm"]))
    lines = [MADE, "# Outputs\n", (DOCS / "parts" / "outputs.md").read_text(encoding="utf-8")]
    lines += ["## report.json\n", "| keys | types | meaning |", "|---|---|---|"]
    lines += report_lines()
    lines += ["\nThe keys of its objects, in a run of `custom-fc` on the sample:\n", "| key | type |", "|---|---|"]
    report = read_json(folder / REPORT)
    # The keys of `flags` are those that were given.
    lines += [as_line(f"`{k}`", kind) for k, kind in nested_keys(report) if "." in k and not k.startswith("flags.")]
    lines += [f"\n## {' and '.join(PREDICTIONS.values())}\n", "| column | type |", "|---|---|"]
    schema = pq.read_schema(folder / PREDICTIONS["test"])
    lines += [as_line(f"`{field.name}`", str(field.type)) for field in schema]
    return "\n".join(lines) + "\n"


def report_lines() -> Iterator[str]:
    """A line for each group of keys that the docstring of `Report` explains together."""
    kinds = {name: json_type(kind) for name, kind in get_type_hints(Report).items()}
    for names, text in re.findall(r"^    ([\w, \n]+?): (.*?)(?=\n    \w|\s*\Z)", Report.__doc__, re.M | re.S):
        keys = re.findall(r"\w+", names)
        types = dict.fromkeys(kinds[key] for key in keys)
        yield as_line(", ".join(f"`{key}`" for key in keys), ", ".join(types), " ".join(text.split()))


def json_type(kind: Any) -> str:
    """The JSON type of a Python type; that of `X | None` is the one of X."""
    first = get_args(kind)[0] if isinstance(kind, UnionType) else kind
    return JSON_TYPES.get(get_origin(first) or first, "")


def nested_keys(content: dict, before: str = "") -> Iterator[tuple[str, str]]:
    """(path of a key, JSON type) of an object and of those within it."""
    for key, value in content.items():
        yield f"{before}{key}", "null in this run" if value is None else JSON_TYPES[type(value)]
        if isinstance(value, dict):
            yield from nested_keys(value, f"{before}{key}.")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
