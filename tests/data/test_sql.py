"""--dataset URL --query: a database gives the rows that a file with them gives, and stays as it is."""

import sqlite3
from contextlib import closing

import pytest
from helpers import read_report, reviews, write_csv

from sentiment_hf.cli import run_command
from sentiment_hf.common.command import command_line, hidden
from sentiment_hf.common.errors import InputError
from sentiment_hf.data.splits import load_splits
from sentiment_hf.settings.arguments import DataArguments

ALL = "SELECT body, label FROM reviews ORDER BY id"
ROWS = [*reviews(58, 0), ("100% good: :soup", "positive"), ("::bad %s %% %(film)s", "negative")]


@pytest.fixture
def database(tmp_path):
    """reviews.db, with 60 reviews."""
    path = tmp_path / "my reviews.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE reviews (id INTEGER, body TEXT, label TEXT, price REAL)")
        rows = [(index, *row, index / 3 if index % 5 else None) for index, row in enumerate(ROWS)]
        connection.executemany("INSERT INTO reviews VALUES (?, ?, ?, ?)", rows)
    return path


def named(database, query, **more):
    return DataArguments(dataset_name=f"sqlite:///{database}", query=query, text_column_names="body", **more)


def test_the_rows_are_those_of_a_file_in_the_order_of_the_query(database, tmp_path):
    before = database.read_bytes(), sorted(tmp_path.iterdir())
    file = write_csv(tmp_path / "rows.csv", ROWS, ("body", "label"))
    of_file = load_splits(DataArguments(train_file=str(file), text_column_names="body"))
    file.unlink()
    of_query = load_splits(named(database, ALL))
    assert of_query.data_hash == of_file.data_hash
    assert (of_query.name, of_query.notes["rows"]) == ("my reviews", {"train": 48, "validation": 6, "test": 6})
    assert (database.read_bytes(), sorted(tmp_path.iterdir())) == before


@pytest.mark.parametrize(
    ("where", "count"),
    [("body LIKE '100%'", 1), ("body LIKE '%: :soup'", 1), ("body = '::bad %s %% %(film)s'", 1), ("id >= 50", 10)],
)
def test_colons_and_percent_signs_of_a_query_are_what_they_say(where, count, database):
    rest = "id < 50 OR label IN ('positive', 'negative') AND NOT id >= 50"
    splits = load_splits(named(database, f"SELECT body, label FROM reviews WHERE {where} OR {rest} ORDER BY id"))
    assert sum(splits.notes["rows"].values()) == 50 + count


def test_further_columns_and_the_kinds_of_numbers_are_known(database):
    query = "SELECT *, id % 2 AS half FROM reviews ORDER BY id"
    splits = load_splits(named(database, query, extra_column_names="price"))
    assert list(splits.columns.numbers) == ["price"]
    task = load_splits(named(database, query, label_column_name="half")).task
    assert task.labels == ("0", "1")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELEC", r'--query SELEC: near "SELEC": syntax error'),
        ("DELETE FROM reviews", "attempt to write a readonly database"),
        ("CREATE TABLE other (id INTEGER)", "attempt to write a readonly database"),
        ("SELECT 1; DELETE FROM reviews", "one statement at a time"),
        ("PRAGMA optimize", "--query gives no row"),
        ("SELECT body, label FROM reviews WHERE id > 99", "--query gives no row"),
        ("SELECT body FROM reviews", "no column has a usual name for the label"),
        ("SELECT body, body, label FROM reviews", "--query: the column name 'body' stands there more than once"),
        ("SELECT body, NULL AS label FROM reviews", "--query, row 1: the label in 'label' is missing"),
    ],
)
def test_a_query_that_cannot_be_used_is_refused_and_changes_nothing(query, message, database, tmp_path):
    before = database.read_bytes(), sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=message):
        load_splits(named(database, query))
    assert (database.read_bytes(), sorted(tmp_path.iterdir())) == before


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"dataset_name": "sqlite:///none.db", "query": ALL}, "there is no file none.db"),
        ({"dataset_name": "sqlite://", "query": ALL}, "there is no file"),
        ({"dataset_name": "oracle+none://h/x", "query": ALL}, "no address of a database"),
        ({"dataset_name": "postgresql+pg8000://h/x", "query": ALL}, "the package pg8000 is not installed"),
        ({"dataset_name": "sqlite:///x.db"}, 'add --query "SELECT text, label FROM ..."'),
        ({"dataset_name": "sample", "query": ALL}, "--query is for a database"),
        ({"train_file": "x.csv", "query": ALL}, "--query is for a database"),
        ({"dataset_name": "sqlite:///x.db", "query": ALL, "test_split_name": "a"}, "--test_split_name names a part"),
        (
            {"dataset_name": "sqlite:///x.db", "query": ALL, "streaming": True, "max_train_samples": 3},
            "--query reads a database",
        ),
    ],
)
def test_flags_that_do_not_go_together_are_refused(flags, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        load_splits(DataArguments(**flags))
    assert not list(tmp_path.iterdir())


def test_a_run_on_a_query_is_a_run_like_any_other(database, tmp_path):
    argv = ["--model", "baseline-nb-svm", "--dataset", f"sqlite:///{database}", "--query", ALL]
    argv += ["--text_column_names", "body", "--output_dir", str(tmp_path / "out")]
    assert run_command(argv) == 0
    assert ALL in read_report(tmp_path / "out")["command"]


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:se@cret/x@host/db",
        "mysql+pymysql://me:secret@host:3306/db",
        "pg://h/db?user=me&password=secret",
    ],
)
def test_no_password_is_shown_or_written(address):
    assert "cret" not in hidden(address)
    assert "cret" not in command_line("run", ["--dataset", address])
    with pytest.raises(InputError) as refused:
        load_splits(DataArguments(dataset_name=address, query=ALL))
    assert "cret" not in str(refused.value)
    assert hidden("https://huggingface.co/a:b see me@host") == "https://huggingface.co/a:b see me@host"
