"""The rows of a query to a database (--dataset URL --query), which is read and never written."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from sentiment_hf.common.command import hidden
from sentiment_hf.common.errors import InputError, extra_explained
from sentiment_hf.data.table import Table, unique_names

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL

# The statement before the query after which these databases refuse to write. A transaction is never committed anyway.
READ_ONLY = dict.fromkeys(("postgresql", "mysql", "mariadb"), "SET TRANSACTION READ ONLY")

# Rows that are fetched at a time.
FETCHED = 10_000


def is_database(name: str) -> bool:
    """Whether --dataset is the address of a database, as in sqlite:///reviews.db."""
    scheme, separator, _ = name.partition("://")
    return bool(separator) and scheme.replace("+", "").replace("_", "").isalnum()


def read_query(address: str, query: str) -> tuple[str, Table]:
    """(a short name of the database, the rows of the query in its order).

    Raises:
        InputError: SQLAlchemy, or the package of this kind of database, is missing; the address or the query is wrong;
            there is no row.
    """
    with extra_explained("sql"):
        from sqlalchemy import exc, make_url, text
    try:
        url = make_url(address)
        with connected(url) as connection:
            if url.get_backend_name() in READ_ONLY:
                connection.execute(text(READ_ONLY[url.get_backend_name()]))
            # `text` escapes what the package takes for a parameter, % for one, and would itself take :name for one.
            statement = text(query.replace(":", r"\:"))
            result = connection.execution_options(stream_results=True, max_row_buffer=FETCHED).execute(statement)
            if not result.returns_rows:
                raise InputError(f"--query gives no rows; expected a SELECT, found {query:.60}")
            names, doubled = unique_names(list(result.keys()))
            cells = [[] for _ in names]
            for rows in result.partitions(FETCHED):
                for column, values in zip(cells, zip(*rows, strict=True), strict=True):
                    column += values
    except ModuleNotFoundError as error:
        raise InputError(
            f"--dataset {hidden(address)}: the package {error.name} is not installed; pip install it, or name another "
            "one in the address, as in postgresql+psycopg://..."
        ) from error
    except exc.ArgumentError as error:
        raise InputError(f"--dataset {hidden(address)}: no address of a database ({first_line(error)})") from error
    except exc.SQLAlchemyError as error:
        reason = first_line(getattr(error, "orig", None) or error)
        raise InputError(f"--dataset {hidden(address)} --query {query:.200}: {reason}") from error
    if not cells[0]:
        raise InputError(f"--query gives no row: {query:.200}")
    columns = dict(zip(names, cells, strict=True))
    table = Table("--query", columns, lambda index: f"--query, row {index + 1}", doubled=doubled)
    return Path(url.database or "").stem or url.get_backend_name(), table


@contextmanager
def connected(url: "URL") -> Iterator["Connection"]:
    """Yield a connection, whose transaction is rolled back at the end."""
    engine = engine_of(url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def engine_of(url: "URL") -> "Engine":
    """The engine of a database. SQLite would make a missing file, so its file is opened to be read only."""
    from sqlalchemy import create_engine

    if url.drivername not in ("sqlite", "sqlite+pysqlite"):
        return create_engine(url)
    if not url.database or not Path(url.database).is_file():
        raise InputError(f"--dataset {url}: there is no file {url.database or '(no name)'}")
    address = f"file:{quote(str(Path(url.database).resolve()))}?mode=ro"
    return create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True))


def first_line(error: BaseException) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split())
