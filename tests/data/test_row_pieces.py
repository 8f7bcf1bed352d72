"""A large file is read in pieces and kept in the cache; its table is that of a file that is read at once."""

import csv
import io
import json
import random
from collections.abc import Iterator

import pyarrow as pa
import pytest

from sentiment_hf.common.cache import Cache
from sentiment_hf.common.errors import InputError
from sentiment_hf.data import row_pieces, text_pieces, unpacking
from sentiment_hf.data.files import read_file
from sentiment_hf.data.table import Table
from sentiment_hf.settings.csv_settings import CsvSettings

PIECES = (40, 300, 2000)
PLACES = random.Random(0)
WORDS = (
    "fine",
    "poor, but long",
    'the "best"',
    "two\nlines",
    "",
    "é中🙂",
    "C:\\new",
    "x;y",
    " blank ",
    "a\r\nb",
    "'s",
)
TEXTS = [" ".join(PLACES.choices(WORDS, k=3)) for _ in range(200)]


def read(path, **settings) -> dict:
    """What a table has: cells by name of the column, places of the rows, and how the file is written."""
    return content(read_file(path, "--train_file", CsvSettings(**settings)))


def content(table: Table) -> dict:
    rows = len(next(iter(table.columns.values())))
    places = [table.place(row) for row in range(rows)]
    return {"cells": {name: cells[:] for name, cells in table.columns.items()}, "places": places} | {
        "format": table.format,
        "names": table.names,
        "header": table.header,
    }


def in_pieces(monkeypatch, path, cache, size, **settings) -> Iterator[dict]:
    """Yield the table in pieces of `size` bytes: without a cache, into it, and from it."""
    for module in (row_pieces, unpacking):
        monkeypatch.setattr(module, "LARGE", 1)
    monkeypatch.setattr(text_pieces, "PIECE", size)
    settings = CsvSettings(**settings)
    for home in (Cache(), cache, cache):
        yield content(read_file(path, "--train_file", settings, home))
    assert any(cache.home.glob("rows-*/*.arrow"))


def written(rows, **how) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, **how).writerows(rows)
    return file.getvalue()


ROWS = [("text", "label"), *zip(TEXTS, map(str, range(len(TEXTS))), strict=True)]
PLAIN = [("text", "label"), *((f'a "b" c{row}', str(row)) for row in range(50))]
CSV = {
    "quoted": written(ROWS),
    "all quoted, LF": written(ROWS, quoting=csv.QUOTE_ALL, lineterminator="\n"),
    "semicolons": written(ROWS, delimiter=";"),
    "escapes": written(ROWS, doublequote=False, escapechar="\\", quoting=csv.QUOTE_ALL),
    "marks in texts": "\n".join(",".join(row) for row in PLAIN),
    "a separator line": "sep=;\n\n" + written(ROWS, delimiter=";"),
    "blank lines": "text,label\n" + "".join(f"a{row},b\n\n" for row in range(50)) + "\n\n,\n,\n",
    "names again": "text,label\n" + "".join(f"a{row},b\ntext,label\n" for row in range(50)),
    "one column": "text\n" + "".join(f"a{row}\n\n" for row in range(50)) + "\n\n",
    "CR": "text,label\r" + "".join(f"a{row},b\r" for row in range(50)),
    "a byte-order mark": "\ufefftext,label\n" + "".join(f"a{row},b\n" for row in range(50)),
    "doubled names": "text,text,label\n" + "".join(f"a{row},,b\n" for row in range(50)),
    "columns without a name": "text,label\n" + "".join(f"a{row},b,,\n" for row in range(50)),
}

# Those in which no field is in quotes.
SIMPLE = [name for name, text in CSV.items() if '"' not in text]


@pytest.mark.parametrize("size", PIECES)
@pytest.mark.parametrize("name", CSV)
def test_a_csv_file_in_pieces_is_the_same_table(tmp_path, monkeypatch, caplog, name, size):
    path = tmp_path / "x.csv"
    path.write_bytes(CSV[name].encode())
    whole, said = read(path), [record.getMessage() for record in caplog.records]
    caplog.clear()
    # The first piece decides how the file is written, so it has to show a text in quotes.
    size = size if name in SIMPLE else max(size, 200)
    for found in in_pieces(monkeypatch, path, Cache(tmp_path / "cache"), size):
        assert found == whole
        # A note counts lines or names the first place; it is the same but for what is said of further pieces.
        again = [record.getMessage() for record in caplog.records]
        assert len(again) == len(said)
        caplog.clear()


JSON = {
    "lines": [{"text": text, "label": row} for row, text in enumerate(TEXTS)],
    "several types": [
        {"text": text, "label": (row, str(row), True, None, 1.5)[row % 5]} for row, text in enumerate(TEXTS)
    ],
    "types by piece": [{"text": text, "label": row if row < 100 else str(row)} for row, text in enumerate(TEXTS)],
    "keys come late": [{"text": text} | ({"label": "a"} if row > 150 else {}) for row, text in enumerate(TEXTS)],
    "lists": [{"text": text, "label": [row], "meta": {"a": row}} for row, text in enumerate(TEXTS)],
    "surrogates": [{"text": "\ud800" if row == 150 else text, "label": 2**70} for row, text in enumerate(TEXTS)],
    "the name of the numbers": [{"number": "x", "text": text} for text in TEXTS],
}


@pytest.mark.parametrize("size", PIECES)
@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize("form", ["lines", "array", "long array"])
def test_a_json_file_in_pieces_is_the_same_table(tmp_path, monkeypatch, name, form, size):
    path = tmp_path / "x.jsonl"
    lines = "\n\n".join(map(json.dumps, JSON[name]))
    path.write_text({"lines": lines, "array": json.dumps(JSON[name])}.get(form, json.dumps(JSON[name], indent=1)))
    whole = read(path)
    for found in in_pieces(monkeypatch, path, Cache(tmp_path / "cache"), size):
        assert found == whole


@pytest.mark.parametrize(
    ("name", "lines", "expected"),
    [
        ("x.csv", ["text,label", *["a,b"] * 50, "a,b,c", *["a,b"] * 50], "line 52: 3 fields"),
        ("x.csv", ["text,label", *['"a, b",c'] * 50, '"a,b', *['"a, b",c'] * 50], "quote|--csv_quote"),
        ("x.csv", ["text,label", *["a,b,"] * 50, *["a,b"] * 50], "columns|fields"),
        ("x.csv", ["text,label", *["a,b"] * 50, b"\xe9t\xe9,b", *["a,b"] * 50], "line 52: not UTF-8"),
        ("x.jsonl", [*['{"text": "a"}'] * 50, "{", *['{"text": "a"}'] * 50], "line 51: not JSON"),
        ("x.jsonl", [*['{"text": "a"}'] * 50, "[1]", *['{"text": "a"}'] * 50], "line 51: expected an object"),
        ("x.jsonl", [*['{"text": "a"}'] * 50, b'{"text": "\xe9"}', '{"text": "a"}'], "line 51: not UTF-8"),
    ],
)
@pytest.mark.parametrize("cached", [True, False])
def test_a_fault_in_a_later_piece_is_named_and_nothing_is_kept(tmp_path, monkeypatch, name, lines, expected, cached):
    path, cache = tmp_path / name, Cache(tmp_path / "cache" if cached else None)
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    monkeypatch.setattr(row_pieces, "LARGE", 1)
    monkeypatch.setattr(text_pieces, "PIECE", 100)
    with pytest.raises(InputError, match=expected):
        read_file(path, "--train_file", cache=cache)
    assert not cached or not list(cache.home.iterdir())


def test_a_changed_file_or_flag_is_read_anew(tmp_path, monkeypatch):
    path, cache = tmp_path / "x.csv", Cache(tmp_path / "cache")
    monkeypatch.setattr(row_pieces, "LARGE", 1)
    for text, quote, expected in (("a", None, "a"), ("b", None, "b"), ('"b"', None, "b"), ('"b"', "", '"b"')):
        path.write_text(f"text,label\n{text},x\n{text},y\n")
        table = read_file(path, "--train_file", CsvSettings(quote=quote), cache)
        assert table.columns["text"][:] == [expected] * 2


def test_without_room_on_the_disk_rows_are_in_memory(tmp_path, monkeypatch, caplog):
    path, cache = tmp_path / "x.csv", Cache(tmp_path / "cache")
    path.write_text("text,label\na,x\nb,y\n")
    monkeypatch.setattr(row_pieces, "LARGE", 1)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 3}))
    assert read_file(path, "--train_file", cache=cache).columns["text"][:] == ["a", "b"]
    assert "No space left" in caplog.text
    assert not list(cache.home.iterdir())


def test_rows_of_a_large_file_are_not_in_memory(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_text("text,label\n" + "a film of the year,b\n" * 200_000)
    monkeypatch.setattr(row_pieces, "LARGE", 1)
    before = pa.total_allocated_bytes()
    table = read_file(path, "--train_file", cache=Cache(tmp_path / "cache"))
    assert pa.total_allocated_bytes() - before < 0.01 * path.stat().st_size
    assert table.columns["text"][199_999] == "a film of the year"
