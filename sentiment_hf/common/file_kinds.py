"""Files that are not what their names say, told by their first bytes: pointers, archives, workbooks, web pages."""

import re
import shlex
from pathlib import Path

from sentiment_hf.common.errors import InputError

LFS_POINTER = b"version https://git-lfs.github.com/spec/"

APPLE_DOUBLE = b"\0\5\26\7"

DELETE_COMPANIONS = "delete all such files: `find {folder} -name '._*' -delete`"

# The first bytes of kinds that are never text, what they are, and what to do; {path} and {new} are names for a shell.
KINDS = (
    (rb"\x1f\x8b", "compressed by gzip", "unpack it: `gunzip -c {path} > {new}`"),
    (rb"BZh[1-9]1AY&SY", "compressed by bzip2", "unpack it: `bunzip2 -c {path} > {new}`"),
    (rb"\xfd7zXZ\0", "compressed by xz", "unpack it: `xz -dc {path} > {new}`"),
    (rb"\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it: `zstd -dc {path} > {new}`"),
    (rb"PK\x03\x04.*?xl/workbook\.xml", "an Excel workbook (xlsx)", "save it as CSV UTF-8"),
    (rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis", "an OpenDocument workbook (ods)", "save it as CSV UTF-8"),
    (rb"PK[\x03\x05][\x04\x06]", "a zip archive", "unpack it: `unzip {path}`"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (xls)", "save it as CSV UTF-8"),
    (rb"PAR1", "a parquet file", "name it so: `mv {path} {parquet}`"),
    (rb"ARROW1", "an Arrow file", "load it by `datasets` and write it by `to_parquet`"),
    (rb"%PDF-", "a PDF document", "export its texts as csv"),
    (rb"SQLite format 3\0", "an SQLite database", "export the table as csv"),
    (re.escape(APPLE_DOUBLE), "a companion file of macOS, not data", DELETE_COMPANIONS),
    (rb"\s*(?i:<!doctype html|<html)", "a web page, of a login or an error perhaps", "download the file itself"),
)


def is_lfs_pointer(data: bytes) -> bool:
    """Whether these are the first bytes of a file that Git LFS left in place of a large one."""
    return data.startswith(LFS_POINTER)


def refuse_other_kind(path: Path, data: bytes) -> None:
    """Raise InputError if `data` begin like a pointer, an archive, a workbook or another kind that is no text."""
    if is_lfs_pointer(data):
        raise InputError(
            f"{path} is a pointer of Git LFS, not the file itself; fetch it in its repository: `git lfs pull`"
        )
    for begin, kind, advice in KINDS:
        if re.match(begin, data, re.DOTALL):
            names = {
                "path": path,
                "folder": path.parent,
                "new": unpacked_name(path),
                "parquet": path.with_suffix(".parquet"),
            }
            quoted = {key: shlex.quote(str(name)) for key, name in names.items()}
            raise InputError(f"{path} is {kind}; {advice.format(**quoted)}")


def unpacked_name(path: Path) -> Path:
    """A name in the current folder for what is in a packed file: without .gz, or with another begin if it has none."""
    packed = path.suffix.lower() in (".gz", ".bz2", ".xz", ".zst")
    return Path(path.stem if packed else f"unpacked-{path.name}")
