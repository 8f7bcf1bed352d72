"""Characters that cannot be encoded as UTF-8. Python has them for the bytes of a name that is not UTF-8."""

import re

from sentiment_hf.common.errors import InputError

SURROGATE = re.compile("[\ud800-\udfff]")


def without_surrogates(name: str) -> str:
    """`name` with an underscore in place of each byte that is not UTF-8, for a name of our own."""
    return SURROGATE.sub("_", name)


def require_utf8_name(path: str, flag: str) -> None:
    """Raise InputError for the name of an output folder that is not UTF-8, which `tokenizers` cannot write to."""
    if SURROGATE.search(path):
        raise InputError(
            f"{flag} {path.encode(errors='backslashreplace').decode()}: its name is not UTF-8, or the locale is not; "
            "choose a name of plain letters, or set PYTHONUTF8=1"
        )


def refuse_surrogate(text: str, place: str, column: str) -> None:
    """Raise InputError if `text` contains half of a surrogate pair; `place` and `column` say where in the message."""
    if not text.isascii() and SURROGATE.search(text):
        raise InputError(f"{place}: {column!r} holds half of a surrogate pair, which is no character.")


# Control characters (C0, delete, C1), ends of lines and paragraphs, and the marks that turn the direction of a line.
MOVES_THE_CURSOR = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """The text on one line for a terminal: what would move its cursor is written as in Python: \\n, \\t, \\x1b."""
    return MOVES_THE_CURSOR.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
