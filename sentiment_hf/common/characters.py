"""Characters that cannot be encoded as UTF-8."""

import re

from sentiment_hf.common.errors import InputError

SURROGATE = re.compile("[\ud800-\udfff]")


def refuse_surrogate(text: str, place: str, column: str) -> None:
    """Raise InputError if `text` contains half of a surrogate pair; `place` and `column` say where in the message."""
    if not text.isascii() and SURROGATE.search(text):
        raise InputError(f"{place}: {column!r} holds half of a surrogate pair, which is no character.")
