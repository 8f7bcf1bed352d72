"""Read a text file as UTF-8; what is something else is named for what it is."""

import codecs
from pathlib import Path

from sentiment_hf.common.errors import InputError

UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_utf8(path: Path) -> str:
    """The text of a UTF-8 file without its byte-order mark; raises InputError with the line that is not UTF-8."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = len((error.object[: error.start] + b".").splitlines())
        found = "its byte-order mark is that of UTF-16" if data.startswith(UTF16_MARKS) else f"{error.reason}"
        raise InputError(
            f"{path}, line {line}: not UTF-8 (byte 0x{error.object[error.start]:02x}; {found}). "
            "Save the file as UTF-8, for example by `iconv -f LATIN1 -t UTF-8`."
        ) from error
