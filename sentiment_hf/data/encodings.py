"""Read a text file as UTF-8; what is something else is named for what it is, with a command that helps."""

import codecs
import re
import shlex
from pathlib import Path

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.file_kinds import refuse_other_kind

# The longer marks first: UTF-32 begins like UTF-16.
MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
# The ASCII letters at the begin of a file without such a mark.
UNMARKED = {
    rb"(?:[^\0]\0\0\0){3}": "UTF-32LE",
    rb"(?:\0\0\0[^\0]){3}": "UTF-32BE",
    rb"(?:[^\0]\0){4}": "UTF-16LE",
    rb"(?:\0[^\0]){4}": "UTF-16BE",
}
# A Western text has fewer letters beyond ASCII than this; Chinese, Japanese and Russian texts have more.
WESTERN_SHARE = 0.25
# Of the bytes beyond ASCII more than this belong to letters in a file that is UTF-8 for the most part; by chance half.
UTF8_SHARE = 0.8


def read_utf8(path: Path) -> str:
    """The text of a UTF-8 file without its byte-order mark.

    Raises:
        InputError: the file is of another kind, or a line is not UTF-8; the message names the encoding.
    """
    data = path.read_bytes()
    refuse_other_text(path, data)
    return decoded(path, data)


def refuse_other_text(path: Path, data: bytes) -> None:
    """Raise InputError if a file that begins with `data` is of another kind, or has two or four bytes for a letter."""
    refuse_other_kind(path, data)
    if wide := wide_encoding(data):
        raise InputError(f"{path}, line 1: not UTF-8, but {wide}. {conversion(path, wide.split()[0])}")


def decoded(path: Path, data: bytes, first: int = 1) -> str:
    """The text in `data`, a piece of a file from line `first` on; raises InputError if it is not UTF-8."""
    try:
        return data.decode("utf-8-sig" if first == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line = first - 1 + len((data[: error.start] + b".").splitlines())
        found = f"{path}, line {line}: not UTF-8 (byte 0x{data[error.start]:02x}; {error.reason})."
        raise InputError(f"{found} {remedy(path, data)}") from error


def wide_encoding(data: bytes) -> str | None:
    """The name of an encoding with two or four bytes for a letter, and how it is known; None for other files."""
    for mark, name in MARKS.items():
        if data.startswith(mark):
            return f"{name} by its byte-order mark"
    for begin, name in UNMARKED.items():
        if re.match(begin, data):
            return f"{name} by its zero bytes"
    return None


def remedy(path: Path, data: bytes) -> str:
    """What to do about a file that is not UTF-8 throughout."""
    beyond = len(re.findall(rb"[\x80-\xff]", data))
    in_utf8 = len(re.findall(rb"[\x80-\xff]", data.decode("utf-8", "ignore").encode()))
    if in_utf8 > UTF8_SHARE * beyond:
        return "Most of the file is UTF-8: it was cut, or a piece in another encoding was added; mend this line."
    if beyond > WESTERN_SHARE * len(data):
        return (
            "The encoding has to be known, as GB18030, SHIFT_JIS or WINDOWS-1251. "
            f"{conversion(path, 'ENCODING')} `iconv -l` lists the names."
        )
    # The bytes that Latin-1 has no letters for are curly quotes and dashes of Windows.
    western = "WINDOWS-1252" if re.search(rb"[\x80-\x9f]", data) else "LATIN1"
    return f"If it is {western}: {conversion(path, western)}"


def conversion(path: Path, encoding: str) -> str:
    """The command that writes the file anew as UTF-8."""
    old, new = shlex.quote(str(path)), shlex.quote(f"utf8-{path.name}")
    return f"Save it as UTF-8, or `iconv -f {encoding} -t UTF-8 {old} > {new}`."
