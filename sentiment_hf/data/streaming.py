"""Rows drawn from a part of a data set of the Hub that does not fit on the disk: its files come one at a time."""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from itertools import accumulate, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from datasets.utils import tqdm

from sentiment_hf import __version__
from sentiment_hf.common.arrow_column import ArrowColumn, CodedColumn
from sentiment_hf.common.cache import Cache
from sentiment_hf.common.errors import InputError
from sentiment_hf.data.csv_reading import CsvFormat
from sentiment_hf.data.files import read_file
from sentiment_hf.data.folders import say_left_out
from sentiment_hf.data.hub_files import download_into, file_sizes, taking_turns
from sentiment_hf.data.limits import require_size
from sentiment_hf.data.table import NoRowsError, Table
from sentiment_hf.data.unpacking import BATCH_ROWS
from sentiment_hf.settings.csv_settings import CsvSettings

logger = logging.getLogger(__name__)

DRAWN = "drawn.arrow"

# The first column of drawn rows; its name may be that of a column of the file too.
PLACES = "place"

# What a table has beside its rows, as JSON in the metadata of the schema.
FACTS = b"facts"


@dataclass(frozen=True)
class Stream:
    """The files of a part of a data set of the Hub, and how many rows are drawn from them.

    names: paths in the data set at `commit`.
    rows: of all files together; each has a share of them by its size.
    csv: for csv files.
    most_bytes: to which a file may unpack.
    """

    hub_id: str
    commit: str
    names: Sequence[str]
    rows: int
    seed: int
    csv: CsvSettings
    most_bytes: int

    @cached_property
    def sizes(self) -> list[int]:
        """Bytes of each file."""
        sizes = file_sizes(self.hub_id, self.commit)
        return [sizes[name] for name in self.names]

    def draw(self, cache: Cache) -> tuple[list[Table], str]:
        """(the drawn rows of each file, in the order of the file; how they were drawn in words).

        Rows that are in the `cache` are not fetched again; without one they are in memory.

        Raises:
            InputError: a file cannot be downloaded or read, or there is no room for it; or no file has rows.
        """
        shares = shares_of(self.rows, self.sizes)
        wanted = [number for number, share in enumerate(shares) if share]
        with taking_turns(self.hub_id, self.commit) as passing:
            bar = tqdm(wanted, desc=f"Drawing rows of {self.hub_id}", unit="file")
            found = {self.names[number]: self.kept(number, shares[number], cache, passing) for number in bar}
        say_left_out(self.hub_id, "files without rows", [name for name, table in found.items() if table is None])
        tables = [table for table in found.values() if table]
        if not tables:
            raise InputError(f"--dataset {self.hub_id}: none of the {len(self.names)} files of train has rows")
        rows = sum(table.num_rows for table in tables)
        if rows < self.rows:
            logger.warning(
                "--max_train_samples %d: %d rows came from %s; a file with fewer rows than its share gave all of them",
                self.rows,
                rows,
                self.hub_id,
            )
        return tables, f"{rows} rows, drawn from {len(tables)} of {len(self.names)} files, seed {self.seed}"

    def kept(self, number: int, share: int, cache: Cache, passing: Path) -> Table | None:
        """The drawn rows of a file, from the `cache` if they are there; None if the file has no rows."""
        depends = (__version__, self.hub_id, self.commit, self.names[number], number, share, self.seed, self.csv)
        key = f"drawn-{hashlib.sha256(repr(depends).encode()).hexdigest()}"
        make = partial(self.fetch, number, share, passing)
        if folder := cache.folder(key, make):
            file = folder / DRAWN
            return drawn_table(pa.memory_map(str(file))) if file.exists() else None
        with TemporaryDirectory(dir=passing) as home:
            make(Path(home))
            file = Path(home, DRAWN)
            return drawn_table(file.read_bytes()) if file.exists() else None

    def fetch(self, number: int, share: int, passing: Path, folder: Path) -> None:
        """Write rows of a file into `folder`, and nothing of no rows. The file itself is meanwhile in `passing`.

        Raises InputError.
        """
        name = self.names[number]
        source = f"{self.hub_id}/{name}"
        require_room(source, self.sizes[number], passing)
        with TemporaryDirectory(dir=passing) as home:
            path = download_into(Path(home), self.hub_id, self.commit, name)
            if table := self.read(path, source, Cache(Path(home, "unpacked"))):
                order = np.random.default_rng([self.seed, number]).permutation(table.num_rows)
                write_drawn(table, np.sort(order[:share]), source, folder / DRAWN)

    def read(self, path: Path, source: str, cache: Cache) -> Table | None:
        """The table in a file, None if it has no rows; raises InputError that names the file `source`."""
        try:
            require_size([path], self.most_bytes, cache)
            return read_file(path, "--dataset", self.csv, cache)
        except NoRowsError:
            return None
        except InputError as error:
            # The file is gone when this is read.
            raise InputError(str(error).replace(str(path), source)) from error


def shares_of(rows: int, sizes: Sequence[int]) -> list[int]:
    """The share of each file in `rows` by its size in bytes; the shares add up to `rows`."""
    total = sum(sizes)
    ends = [(2 * rows * end + total) // (2 * total) for end in accumulate(sizes, initial=0)] if total else []
    return [end - start for start, end in pairwise(ends)]


def require_room(source: str, size: int, folder: Path) -> None:
    """Raise InputError if a file of `size` bytes does not fit into `folder`."""
    if (free := shutil.disk_usage(folder).free) < size:
        raise InputError(
            f"--streaming: {source} has {size:,} bytes, and the disk of {folder} has room for {free:,}; one file at a "
            "time has to fit. Make room, or set HF_HOME to a folder on another disk."
        )


def write_drawn(table: Table, rows: np.ndarray, source: str, file: Path) -> None:
    """Write these rows of a table, which are ascending, with their places in the file that is called `source`."""
    facts = {
        "source": source,
        "header": table.header and table.header.removeprefix(table.source),
        "classes": table.classes,
        "doubled": table.doubled,
        "format": table.format and asdict(table.format),
        "coded": [name for name, column in table.columns.items() if isinstance(column, CodedColumn)],
    }
    batches = batches_of(table, rows)
    first = next(batches)
    schema = first.schema.with_metadata({FACTS: json.dumps(facts)})
    with pa.ipc.new_stream(str(file), schema) as written:
        for batch in (first, *batches):
            written.write_batch(batch.replace_schema_metadata(schema.metadata))


def batches_of(table: Table, rows: np.ndarray) -> Iterator[pa.RecordBatch]:
    """Yield these rows, their places first, some at a time."""
    start = 0
    for batch in pa.table([column.cells for column in table.columns.values()], [*table.columns]).to_batches(
        BATCH_ROWS
    ):
        chosen = rows[slice(*np.searchsorted(rows, (start, start + len(batch))))]
        if len(chosen):
            places = [table.place(row).removeprefix(table.source) for row in chosen.tolist()]
            cells = map(without_dictionary, batch.take(pa.array(chosen - start)).columns)
            yield pa.record_batch([pa.array(places), *cells], [PLACES, *table.columns])
        start += len(batch)


def without_dictionary(column: pa.Array) -> pa.Array:
    """The column without a dictionary, which would have the texts of all rows of the file."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def drawn_table(content: pa.NativeFile | bytes) -> Table:
    """What `write_drawn` wrote; the places of rows are those in the file that they were drawn from."""
    rows = pa.ipc.open_stream(content).read_all()
    facts = json.loads(rows.schema.metadata[FACTS])
    source, places = facts["source"], rows.column(0)
    columns = {
        name: (CodedColumn if name in facts["coded"] else ArrowColumn)(cells)
        for name, cells in zip(rows.column_names[1:], rows.columns[1:], strict=True)
    }
    return Table(
        source,
        columns,
        place=lambda index: f"{source}{places[index]}",
        classes=facts["classes"],
        doubled=facts["doubled"],
        header=facts["header"] and f"{source}{facts['header']}",
        format=facts["format"] and CsvFormat(**facts["format"]),
    )
