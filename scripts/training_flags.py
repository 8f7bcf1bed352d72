"""Write the table of the flags of the installed transformers: python scripts/training_flags.py"""

import sys
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from sentiment_hf.settings.flags import library_flags

TABLE = Path(__file__).parents[1] / "sentiment_hf" / "settings" / "training_flags.py"

HEAD = '''"""The flags of transformers' TrainingArguments; written by scripts/training_flags.py, not by hand."""

# fmt: off
# ruff: noqa: E501

VERSION = {version!r}

# name, type, default, choices, nargs, help: the first fields of `Flag`.
FLAGS = (
'''


def main() -> None:
    """Write the table, with a line for each flag in the order of the library."""
    rows = "".join(f"    {tuple(flag[:6])!r},\n" for flag in library_flags())
    TABLE.write_text(f"{HEAD.format(version=version('transformers'))}{rows})\n", encoding="utf-8")


if __name__ == "__main__":
    main()
