"""Read a single file as a table: texts are not altered, and an error can name every row."""

from pathlib import Path

from sentiment_hf.common.cache import Cache
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.file_kinds import refuse_other_kind
from sentiment_hf.data.csv_files import read_csv_table
from sentiment_hf.data.json_files import read_json_table
from sentiment_hf.data.parquet_files import read_arrow_table, read_parquet_table
from sentiment_hf.data.table import Table
from sentiment_hf.settings.csv_settings import CsvSettings

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet")


def read_file(path: Path, flag: str, settings: CsvSettings | None = None, cache: Cache | None = None) -> Table:
    """The table in a csv, tsv, json, jsonl, parquet or arrow file.

    settings: for csv.
    cache: where the rows of large files are kept.

    Raises:
        InputError: the file is missing, of another kind, empty or damaged; the message begins with `flag` or the path.
    """
    if not path.exists():
        raise InputError(f"{flag} {path}: there is no such file.")
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return read_csv_table(path, "\t" if suffix == ".tsv" else ",", settings, cache)
    if suffix in (".json", ".jsonl"):
        return read_json_table(path, cache)
    if suffix == ".arrow":
        return read_arrow_table(path)
    if suffix == ".parquet":
        return read_parquet_table(path, cache or Cache())
    refuse_other_kind(path, path.read_bytes())
    raise InputError(
        f"{flag} {path}: a file ends in {', '.join(SUFFIXES)}, or it is a folder with one folder of .txt files "
        "per class."
    )
