"""The command line of a run, for its report."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path


def command_line(name: str, argv: Sequence[str]) -> str:
    """The command `name` with the flags `argv`, quoted for a shell; the path of the program is left out.

    A program that calls the command with flags of its own, such as the server of a notebook, is not named.
    """
    flags, words = list(argv), sys.argv[1:]
    if words[len(words) - len(flags) :] != flags:
        return shlex.join(["sentiment-hf", name, *flags])
    return shlex.join([Path(sys.argv[0]).name.replace("__main__.py", "sentiment-hf"), *words])
