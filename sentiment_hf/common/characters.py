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
