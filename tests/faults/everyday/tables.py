"""Delimiters, quotes, encodings and JSON of a single file: E101 and on."""

import json
from pathlib import Path

from helpers import write_data

from faults.everyday.trouble import refuses, survives
from faults.fault import Fault
from faults.ground import make_model
from faults.programs import our_argv, plain_argv

ROWS = [(f"the {('fine', 'dull')[row % 2]} film, number {row}", ("pos", "neg")[row % 2]) for row in range(60)]
# Row 21 begins with a quotation mark, row 24 ends with one; no field of the file is quoted.
MARKS = {21: '" {}', 24: '{} "'}
UNQUOTED = [(MARKS.get(row, "{}").format(text), label) for row, (text, label) in enumerate(ROWS)]


def lines(rows: list[tuple[str, str]], delimiter: str, quote: str = "") -> str:
    """A table with a header; each text is between two of `quote`."""
    return "\n".join([f"text{delimiter}label", *(f"{quote}{text}{quote}{delimiter}{label}" for text, label in rows)])


def written(home: Path, name: str, content: str | bytes) -> Path:
    """Data with validation and test, and the train file of this name."""
    write_data(home)
    (home / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    for part in ("validation", "test"):
        file = home / f"{part}.csv"
        file.write_text(file.read_text().replace("negative", "neg").replace("positive", "pos"))
    return home


def ours(name: str, content: str | bytes, *more: str):
    """The command line of a run on a train file."""

    def make(home: Path) -> list[str]:
        argv = our_argv(written(home, name, content), home / "run")
        return [*argv, "--train_file", str(home / name), *more]

    return make


def plain(name: str, content: str | bytes):
    """The same of the plain program."""

    def make(home: Path) -> list[str]:
        make_model(write_data(home))
        return [*plain_argv(written(home, name, content), home / "run"), "--train_file", str(home / name)]

    return make


def rows_of_train(count: int):
    """Whether so many rows were read."""
    return lambda home: json.loads((home / "run/report.json").read_text())["data"]["rows"]["train"] == count


def reads(id: str, what: str, name: str, content: str | bytes, *more: str) -> Fault:
    """A file of which all 60 rows are read."""
    # The plain program does not say how many rows it read; that it reads the columns is what is looked at.
    seen = (plain(name, content), lambda home: (home / "run/test.json").is_file())
    return survives(id, what, ours(name, content, *more), rows_of_train(60), plain=seen)


def named(id: str, what: str, name: str, content: str | bytes, said: str) -> Fault:
    """A file that is refused by what it is."""
    return refuses(id, what, ours(name, content), said, plain=plain(name, content))


SEMICOLON = lines(ROWS, ";", '"')
TWICE = "\n".join(lines(rows, ",", '"') for rows in (ROWS[:30], ROWS[30:]))
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12\n"
COLUMNS = json.dumps({"text": {str(row): text for row, (text, _) in enumerate(ROWS)}, "label": {"0": "pos"}})

FAULTS: list[Fault] = [
    reads("E101", "a TSV without quoting", "train.tsv", lines(UNQUOTED, "\t")),
    reads("E102", "a semicolon as delimiter", "semi.csv", SEMICOLON),
    reads("E103", "the line sep=; of Excel", "sep.csv", f"sep=;\n{SEMICOLON}"),
    reads("E104", "a vertical bar as delimiter", "pipe.csv", lines(ROWS, "|")),
    reads("E105", "quotes that belong to the texts", "q.tsv", lines(UNQUOTED, "\t"), "--csv_quote", "none"),
    survives("E109", "the names of the columns in the middle", ours("twice.csv", TWICE), rows_of_train(60)),
    named("E106", "UTF-16", "utf16.csv", lines(ROWS, ",", '"').encode("utf-16"), "UTF-16"),
    named("E107", "a Git LFS pointer", "pointer.csv", POINTER, "git lfs pull"),
    named("E108", "JSON by columns", "columns.json", COLUMNS, "records"),
]
