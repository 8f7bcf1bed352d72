"""Whether quotation marks in a csv file stand around fields, or belong to the texts."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from sentiment_hf.data.csv_reading import CsvLines, Reading

Row = Sequence[str]


@dataclass(frozen=True)
class QuoteMarks:
    """The quotation marks of a file in which each line could be a row.

    quoted: the reading in which they stand around fields. Its rows can be of several lines.
    plain: the reading in which they belong to the texts. Its rows are lines.
    """

    source: CsvLines
    quoted: Reading
    plain: Reading

    @cached_property
    def rows(self) -> list[Row]:
        """Each line split at the delimiter, the header first; none for a blank line."""
        if not self.plain.problem:
            return self.plain.records
        lines = (line.rstrip("\r\n") for line in self.source.lines)
        return [line.split(self.quoted.format.delimiter) if line else [] for line in lines]

    @cached_property
    def merged(self) -> list[range]:
        """The places in `rows` of each record of several lines."""
        starts = [start - self.source.first for start in self.quoted.starts]
        end = self.quoted.problem.line - self.source.first if self.quoted.problem else len(self.source.lines)
        return [range(start, end) for start, end in pairwise([*starts, end]) if end - start > 1]

    @cached_property
    def single(self) -> list[Row]:
        """The rows below the header that are records of one line, or that no record of several lines holds."""
        merged = {place for places in self.merged for place in places}
        return [row for place, row in enumerate(self.rows) if place and row and place not in merged]

    @property
    def belong_to_texts(self) -> bool:
        """Whether each line is a row, given that all lines have as many fields as the header."""
        if self.around_fields:
            return False
        if self.quoted.problem:
            # Texts with commas need quotes, so a comma says that a quote that is not closed is a mistake.
            by_comma = self.quoted.format.delimiter == "," and len(self.quoted.header) > 1
            return not self.mostly_quoted and (self.inside_fields or not (by_comma and self.quoted.problem.of_quote))
        if self.inside_fields or not self.merged:
            return self.inside_fields
        return not self.always_quoted and self.like_rows == self.merged

    @cached_property
    def around_fields(self) -> bool:
        """Whether some field in quotes needs them, for a quote or a delimiter inside."""
        mark, delimiter = self.quoted.format.quote, self.quoted.format.delimiter
        needs = (mark * 2, f"\\{mark}", delimiter) if self.quoted.format.escapes else (mark * 2, delimiter)
        inner = (cell[1:-1] for row in self.single for cell in row if in_marks(cell, mark))
        return any(need in cell for cell in inner for need in needs)

    @cached_property
    def inside_fields(self) -> bool:
        """Whether some field has a quotation mark and does not begin with one; programs that quote leave none."""
        mark = self.quoted.format.quote
        cells = (cell for row in self.single for cell in row if mark in cell and not cell.startswith(mark))
        return any(mark in (cell.replace(f"\\{mark}", "") if self.quoted.format.escapes else cell) for cell in cells)

    @property
    def mostly_quoted(self) -> bool:
        """Whether at least half of the fields of some column are in quotes."""
        return any(2 * share >= 1 for share in self.quoted_shares)

    @property
    def always_quoted(self) -> bool:
        """Whether all fields of some column are in quotes."""
        return any(share == 1 for share in self.quoted_shares)

    @property
    def quoted_shares(self) -> list[float]:
        """The share of fields in quotes, for each column of the rows of one line."""
        mark = self.quoted.format.quote
        columns = zip(*self.single, strict=False)
        return [sum(in_marks(cell, mark) for cell in column) / len(column) for column in columns]

    @cached_property
    def like_rows(self) -> list[range]:
        """Of the records of several lines those whose lines look like rows, each with the fields of one.

        In some column the fields of the lines are known from other rows, as a label is, or are numbers like theirs.
        The end of a line inside a text would be neither.
        """
        width = len(self.quoted.header)
        whole = [places for places in self.merged if all(len(self.rows[place]) == width for place in places)]
        if not whole:
            return []
        others = [*self.single, *(self.rows[places[-1]] for places in self.merged)]
        columns = [Known.of(column) for column in zip(*(row for row in others if len(row) == width), strict=True)]
        return [
            places
            for places in whole
            if any(all(self.rows[place][at] in known for place in places[:-1]) for at, known in enumerate(columns))
        ]

    def said_of(self, records: Sequence[range]) -> list[str]:
        """A note that names the first of some records of several lines."""
        if not records:
            return []
        first, last = (records[0][at] + self.source.first for at in (0, -1))
        more = f" (and {len(records) - 1} more such rows)" if len(records) > 1 else ""
        return [f"lines {first} to {last} are one row with a text in quotes{more}; if not, give --csv_quote none"]


def in_marks(cell: str, mark: str) -> bool:
    """Whether a field begins and ends with a quotation mark."""
    return len(cell) > 1 and cell.startswith(mark) and cell.endswith(mark)


@dataclass(frozen=True)
class Known:
    """The fields of a column, and the shapes of those with digits: 0.5 and 12.25 have one."""

    cells: frozenset[str]
    shapes: frozenset[str]

    @classmethod
    def of(cls, column: Iterable[str]) -> "Known":
        """Those of the fields of a column."""
        cells = frozenset(column)
        return cls(cells - {""}, frozenset(shape(cell) for cell in cells if any(map(str.isdigit, cell))))

    def __contains__(self, cell: str) -> bool:
        """Whether the column has this field or one of its shape."""
        return cell in self.cells or (any(map(str.isdigit, cell)) and shape(cell) in self.shapes)


def shape(cell: str) -> str:
    """The field with 0 for each row of digits and a for each row of letters."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", cell))
