"""Read a single file, or a folder of texts, as a table: texts are not altered, and an error can name every row."""

import re
from pathlib import Path

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.file_kinds import refuse_other_kind
from sentiment_hf.data.csv_files import read_csv_table
from sentiment_hf.data.encodings import read_utf8
from sentiment_hf.data.json_files import read_json_table
from sentiment_hf.data.parquet_files import read_parquet_table
from sentiment_hf.data.table import Table
from sentiment_hf.settings.csv_settings import CsvSettings

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet")


def read_file(path: Path, flag: str, settings: CsvSettings | None = None) -> Table:
    """The table in a csv, tsv, json, jsonl or parquet file, or in a folder CLASS/*.txt; `settings` are for csv.

    Raises:
        InputError: the file is missing, of another kind, empty or damaged; the message begins with `flag` or the path.
    """
    if not path.exists():
        raise InputError(f"{flag} {path}: there is no such file.")
    if path.is_dir():
        return read_class_folders(path)
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return read_csv_table(path, "\t" if suffix == ".tsv" else ",", settings)
    if suffix in (".json", ".jsonl"):
        return read_json_table(path)
    if suffix == ".parquet":
        return read_parquet_table(path)
    refuse_other_kind(path, path.read_bytes())
    raise InputError(
        f"{flag} {path}: a file ends in {', '.join(SUFFIXES)}, or it is a folder with one folder of .txt files "
        "per class."
    )


def read_class_folders(folder: Path) -> Table:
    """A row per file CLASS/*.txt; the class `unsup` is left out. Raises InputError.

    Classes are sorted by name, files within a class by the numbers in their names.
    """
    names = sorted({path.parent.name for path in folder.glob("*/*.txt")} - {"unsup"})
    if not names:
        raise InputError(
            f"{folder}: expected one folder of .txt files per class, as in {folder}/neg/0.txt; found none."
        )
    paths = [path for name in names for path in sorted((folder / name).glob("*.txt"), key=_by_number)]
    columns = {"text": [read_utf8(path) for path in paths], "label": [path.parent.name for path in paths]}
    return Table(str(folder), columns, lambda index: str(paths[index]))


def _by_number(path: Path) -> list[tuple[int, str]]:
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", path.name)]
