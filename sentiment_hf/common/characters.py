"""Characters that no file can hold."""

import re

from sentiment_hf.common.errors import InputError

SURROGATE = re.compile("[\ud800-\udfff]")


def refuse_surrogate(text: str, place: str, column: str) -> None:
    """Raises InputError for half of a surrogate pair, which no file can hold."""
    if not text.isascii() and SURROGATE.search(text):
        raise InputError(f"{place}: {column!r} holds half of a surrogate pair, which is no character.")
