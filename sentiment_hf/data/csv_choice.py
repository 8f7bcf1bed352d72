"""Decide how a csv file is written: its delimiter, its quotes, and what is said about it."""

import csv
import re
from dataclasses import dataclass, field, replace

from sentiment_hf.common.errors import InputError, listed
from sentiment_hf.data.csv_reading import CsvFormat, CsvLines, Reading, plain_reading, quoted_reading
from sentiment_hf.data.quote_marks import QuoteMarks
from sentiment_hf.settings.csv_settings import CsvSettings

DELIMITERS = (",", ";", "\t", "|")
BLANKS = "blanks behind a delimiter are no text, since quotes stand behind them"
EACH_LINE = "quotation marks belong to the texts and each line is a row; otherwise give --csv_quote double"


@dataclass(frozen=True)
class Choice:
    """A reading of a file, and what has to be said about it: (first line or None, text)."""

    reading: Reading
    said: list[str] = field(default_factory=list)


def choose(source: CsvLines, usual: str, settings: CsvSettings) -> Choice:
    """The reading of a file; `usual` is the delimiter that its suffix promises.

    What `settings` leave open is decided by the header and by whether all rows have as many fields as it. If no
    format fits, it is the reading that came furthest, with its problem.

    Raises:
        InputError: the file can be read with two delimiters; the message lacks the name of the file.
    """
    columns = {delimiter: header_width(source, delimiter, settings.quote) for delimiter in DELIMITERS}
    if settings.delimiter is not None:
        wanted = [settings.delimiter]
    elif columns[usual] > 1 and usual != ",":
        wanted = [usual]
    else:
        wanted = [delimiter for delimiter in DELIMITERS if columns[delimiter] > 1] or [usual]
    choices = [choose_quote(source, delimiter, settings.quote) for delimiter in wanted]
    fitting = [choice for choice in choices if not choice.reading.problem]
    if len(fitting) > 1:
        one, other = (choice.reading for choice in fitting[:2])
        raise InputError(
            f"the file can be read with the delimiter {one.format.delimiter!r} (columns {listed(one.header)}) and "
            f"with {other.format.delimiter!r} (columns {listed(other.header)}); choose by --csv_delimiter."
        )
    choice = fitting[0] if fitting else max(choices, key=lambda choice: choice.reading.problem.line)
    found = choice.reading.format.delimiter
    if settings.delimiter is None and found != usual and not choice.reading.problem:
        return Choice(choice.reading, [f"the delimiter is {found!r}", *choice.said])
    return choice


def header_width(source: CsvLines, delimiter: str, quote: str | None) -> int:
    """The number of columns that the first line names."""
    how = {"quoting": csv.QUOTE_NONE} if quote == "" else {"quotechar": quote or '"'}
    return len(next(csv.reader(source.lines, delimiter=delimiter, **how)))


def choose_quote(source: CsvLines, delimiter: str, quote: str | None) -> Choice:
    """The reading with this delimiter; None as `quote` means that the file decides."""
    one_column = header_width(source, delimiter, quote) == 1
    if quote == "":
        return Choice(plain_reading(source, delimiter, one_column=one_column))
    quoted = choose_blanks(source, choose_escapes(source, CsvFormat(delimiter, quote or '"')))
    if quoted.format.blanks:
        return Choice(quoted, [BLANKS])
    marked = any(quoted.format.quote in line for line in source.lines)
    if quote is not None or not (quoted.problem or marked):
        return Choice(quoted)
    plain = plain_reading(source, delimiter, one_column=one_column)
    marks = QuoteMarks(source, quoted, plain)
    if plain.problem:
        further = quoted.problem and plain.problem.line > quoted.problem.line
        return Choice(plain) if further else Choice(quoted, marks.said_of(marks.like_rows))
    if not marks.belong_to_texts:
        return Choice(quoted, marks.said_of(marks.merged))
    if one_column:
        return Choice(plain, [f"the first line names one column, and each line is a text, {delimiter!r} included"])
    return Choice(plain, [EACH_LINE])


def read_on(source: CsvLines, format: CsvFormat, quote: str | None) -> Choice:
    """The reading of further lines of a file in the format that its first lines were found to have.

    `quote` is the one of the settings; None means that the file decides, and that rows of several lines are said.
    """
    one_column = header_width(source, format.delimiter, format.quote) == 1
    if not format.quote:
        return Choice(plain_reading(source, format.delimiter, one_column=one_column))
    quoted = quoted_reading(source, format)
    if quote is not None or format.blanks or not any(format.quote in line for line in source.lines):
        return Choice(quoted)
    marks = QuoteMarks(source, quoted, plain_reading(source, format.delimiter, one_column=one_column))
    return Choice(quoted, marks.said_of(marks.like_rows if marks.plain.problem else marks.merged))


def choose_escapes(source: CsvLines, format: CsvFormat) -> Reading:
    r"""The reading by RFC 4180, or the one in which \" is a quote if it alone fits or keeps more rows."""
    quoted = quoted_reading(source, format)
    if not any(f"\\{format.quote}" in line for line in source.lines):
        return quoted
    escaped = quoted_reading(source, CsvFormat(format.delimiter, format.quote, escapes=True))
    if escaped.problem or not (quoted.problem or len(escaped.records) > len(quoted.records)):
        return quoted
    return escaped


def choose_blanks(source: CsvLines, quoted: Reading) -> Reading:
    """The reading with blanks behind a delimiter as no text, if it fits, and all names and some quotes have them."""
    format, names = quoted.format, quoted.header[1:]
    before_quote = re.compile(rf"{re.escape(format.delimiter)} +{re.escape(format.quote)}")
    if not names or not all(name.startswith(" ") for name in names):
        return quoted
    if not any(before_quote.search(line) for line in source.lines):
        return quoted
    without = quoted_reading(source, replace(format, blanks=True))
    return quoted if without.problem else without
