"""The command line of a run, for its report."""

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path


def command_line(name: str, argv: Sequence[str]) -> str:
    """The command `name` with the flags `argv`, quoted for a shell, without passwords and the path of the program.

    A program that calls the command with flags of its own, such as the server of a notebook, is not named.
    """
    flags, words = list(argv), sys.argv[1:]
    program = Path(sys.argv[0]).name.replace("__main__.py", "sentiment-hf")
    given = [program, *words] if words[len(words) - len(flags) :] == flags else ["sentiment-hf", name, *flags]
    return shlex.join(map(hidden, given))


def hidden(word: str) -> str:
    """The word without the password in an address: postgresql://me:***@host/reviews"""
    # A password in which a slash or an @ is not escaped ends at the last @.
    word = re.sub(r"(://[^:@/\s]*:)\S*@", r"\1***@", word)
    return re.sub(r"(://\S*[?&](?:password|passwd|pwd)=)[^&\s]*", r"\1***", word, flags=re.IGNORECASE)
